"""What ``run`` leaves in the report folder, and the table it prints."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imil_sim.engine.results import RunResult
from imil_sim.errors import UsageError
from imil_sim.report.results import arm_summary, results_table, run_row, timings_row, unlike_environments, write_csv
from imil_sim.study.study import Study

SHOWN = {"accuracy": "accuracy", "auroc": "AUROC", "ece_top_label": "ECE"}
"""Metric to heading in the printed table."""


def write_results(study: Study, results: Sequence[RunResult], out: Path) -> Path:
    """The folder of the results: results.csv (one more for each further test set), timings.csv.

    Raises:
        UsageError: the folder cannot be written.
    """
    summaries: dict[str, pd.DataFrame] = {}
    for name in results[0].record.n_test:
        frame = results_table([run_row(r.arm, r.record, r.predictions(name)) for r in results])
        write_csv(frame, out / ("results.csv" if name == "main" else f"results-{name}.csv"))
        summaries[name] = arm_summary(frame, study.reference, list(study.arms), seeds=study.seeds)
    write_csv(pd.DataFrame([timings_row(r.arm, r.record) for r in results]), out / "timings.csv")
    console = Console()  # whatever becomes of the reader of the table, the files are there
    for name, summary in summaries.items():
        _print(console, study, summary, "" if name == "main" else f" on {name}")
    if mixed := unlike_environments(result.record for result in results):
        line = f"\nthe runs of this study were made in different environments, which may move numbers: {mixed}"
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    for result in results:
        if result.record.status != "done":
            line = f"{result.record.status}: {result.arm}, seed {result.seed}: {result.record.reason}"
            console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    return out


def check_place(out: Path) -> None:
    """Nothing, if the results can be written to ``out``; better known before training than after.

    Raises:
        UsageError: a file stands in the way, or the folder that is there cannot be written.
    """
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UsageError(f"the results cannot go to {out}: {there} is a file; name a folder with --out")
    if not os.access(there, os.W_OK):
        raise UsageError(f"the results cannot go to {out}: {there} cannot be written; name another folder with --out")


def _print(console: Console, study: Study, summary: pd.DataFrame, where: str) -> None:
    """Two tables, so that 60 columns are enough: the arms' own numbers, and their differences from the reference."""
    seeds = len(study.seeds)
    what = f"mean over {seeds} seeds (sd)" if seeds > 1 else "one seed, which says nothing of chance"
    _say(console, f"{study.name}{where}: {what}")
    rows = summary.to_dict("records")
    missing = any(row["n_done"] < row["n_expected"] for row in rows)
    table = _table("arm", *(["runs"] if missing else []), *SHOWN.values())
    for row in rows:
        runs = [f"{row['n_done']}/{row['n_expected']}"] if missing else []
        table.add_row(escape(row["arm"]), *runs, *(_mean_sd(row[f"{m}_mean"], row[f"{m}_sd"]) for m in SHOWN))
    console.print(table)
    if len(rows) == 1:
        return
    _say(console, f"\nminus {study.reference}, seed by seed")
    table = _table("arm", *SHOWN.values())
    for row in rows:
        if row["arm"] != study.reference:
            pairs = ((row[f"{m}_difference"], row[f"{m}_difference_sd"]) for m in SHOWN)
            table.add_row(escape(row["arm"]), *(_mean_sd(mean, sd, "+") for mean, sd in pairs))
    console.print(table)


def _say(console: Console, line: str) -> None:
    console.print(line, style="bold", markup=False, highlight=False, soft_wrap=True)


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")  # on a narrow terminal a long name gives way, a number never
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _mean_sd(mean: float, sd: float, sign: str = "") -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:{sign}.3f}" + ("" if math.isnan(sd) else f" ({sd:.3f})")
