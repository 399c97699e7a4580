"""The table that verbs print about a study that was run."""

from __future__ import annotations

import math

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imil_sim.report.results import arm_summary
from imil_sim.results.report import StudyResults
from imil_sim.study.study import Study

SHOWN = {"accuracy": "accuracy", "auroc": "AUROC", "ece_top_label": "ECE"}
"""Metric to heading in the printed table."""


def print_results(of: StudyResults) -> None:
    """Print the table of every test set, what is not done and why, and what else spoils a comparison."""
    console = Console()  # whatever becomes of the reader of the table, the files are there
    study = of.study
    for name, frame in of.frames.items():
        there = frame[frame["status"] != "missing"]
        summary = arm_summary(there, study.reference, list(study.arms), seeds=study.seeds)
        tested = of.analysis.sets.get(name)
        alone = {} if tested is None else tested.incomparable
        summary.loc[summary["arm"].isin(list(alone)), [f"{m}_difference" for m in SHOWN]] = math.nan
        _print(console, study, summary, "" if name == "main" else f" on {name}")
        for arm, why in alone.items():
            _say(console, f"{arm} is not compared: {why}", style="yellow")
    if of.analysis.environments:
        line = "\nthe runs of this study were made in different environments, which may move numbers: "
        _say(console, line + of.analysis.environments, style="yellow")
    for result in of.runs:
        if result.record.status != "done":
            line = f"{result.record.status}: {result.arm}, seed {result.seed}: {result.record.reason}"
            _say(console, line, style="red")


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


def _say(console: Console, line: str, style: str = "bold") -> None:
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


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
