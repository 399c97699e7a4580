"""The report of a study in its folder, and the table that ``run`` prints."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imil_sim.cli.pictures import shown_images
from imil_sim.cli.sessions import replayed_runs
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.errors import UsageError
from imil_sim.report.analysis import Analysis, ReportedRun, analyse
from imil_sim.report.assemble import assemble
from imil_sim.report.document import Picture
from imil_sim.report.figures.images import contact_sheet
from imil_sim.report.figures.style import arms_shown
from imil_sim.report.files import write_whole
from imil_sim.report.page import csv_tables, render_html, render_latex, render_markdown
from imil_sim.report.results import (
    Value,
    arm_summary,
    differences_table,
    results_table,
    run_row,
    timings_row,
    write_csv,
)
from imil_sim.report.sweeps import swept_values
from imil_sim.report.tables.paper import table_1
from imil_sim.study.study import Study

MANIFEST = ".files"
"""Names the files of a report, so that the next one knows which are its own."""

OF_A_REPORT = re.compile(r"(figures/|tables/)?[a-z0-9][a-z0-9_-]*\.(csv|html|md|png|svg|tex)")
"""What a line of the manifest may name."""

SHOWN = {"accuracy": "accuracy", "auroc": "AUROC", "ece_top_label": "ECE"}
"""Metric to heading in the printed table."""


@dataclass(frozen=True, slots=True)
class StudyResults:
    """What there is to tell of a study: its analysis, and the results of every test set as a table."""

    analysis: Analysis
    frames: Mapping[str, pd.DataFrame]
    """By test set, a row for every expected run, whatever became of it."""

    @classmethod
    def of(cls, study: Study, results: Sequence[RunResult]) -> StudyResults:
        """Of a study as its file stands and the results there are; runs without one are missing."""
        runs = reported(study, results)
        analysis = analyse(study, runs)
        return cls(analysis, {name: _frame(study, runs, name) for name in analysis.sets or ["main"]})


def write_report(
    told: StudyResults, results: Sequence[RunResult], library: ImageLibrary, out: Path, *, images: bool = True
) -> Path:
    """The page of the report that is written to the folder ``out``, with everything that lies beside it.

    report.html, report.md, results.csv (one more for each further test set), differences.csv, table1.tex, timings.csv,
    the figures by themselves, and every table as CSV in tables/. Files of an earlier report that this one does not have
    are removed. Without ``images`` no figure shows an image of the set, for people who may not see it.

    Raises:
        UsageError: the folder cannot be written.
    """
    analysis, frames = told.analysis, told.frames
    shown = shown_images(analysis.study, results, library, arms_shown(analysis)) if images else {}
    document = assemble(analysis, frames, replayed=replayed_runs(results), shown=shown)
    tables = {f"results{'' if name == 'main' else f'-{name}'}.csv": frame for name, frame in frames.items()}
    tables["differences.csv"] = differences_table(analysis)
    tables["timings.csv"] = pd.DataFrame([timings_row(r.arm, r.record) for r in results])
    files = _drawn(document.pictures)
    files["table1.tex"] = render_latex(table_1(analysis)).encode()
    files["report.md"] = render_markdown(document, tables_folder="tables").encode()
    files |= {f"tables/{name}": content for name, content in csv_tables(document).items()}
    files["report.html"] = render_html(document, tables_folder="tables")
    _clear(out, keep={*tables, *files})
    for name, frame in tables.items():
        write_csv(frame, out / name)
    for name, content in files.items():
        write_whole(out / name, content)
    return out / "report.html"


def _drawn(pictures: Sequence[Picture]) -> dict[str, bytes]:
    """The files of all figures, by their path in the folder."""
    files = {f"figures/{picture.name}.png": picture.png for picture in pictures}
    files |= {f"figures/{picture.name}.svg": picture.svg for picture in pictures if picture.svg is not None}
    if pictures:
        sheets = [picture for picture in pictures if picture.name.startswith("interactions-")]
        unlike = [picture for picture in pictures if picture not in sheets[1:]]  # they look alike when they are small
        files["figures/contact-sheet.png"] = contact_sheet(unlike)
    return files


def _clear(out: Path, keep: Collection[str]) -> None:
    """Remove what an earlier report left in the folder and this one does not have; nothing that others put there."""
    manifest = out / MANIFEST
    try:
        before = manifest.read_text(encoding="utf-8").splitlines() if manifest.is_file() else []
    except (OSError, ValueError):
        before = []
    for name in before:
        if name not in keep and OF_A_REPORT.fullmatch(name):
            with suppress(OSError):
                (out / name).unlink()
    write_whole(manifest, "".join(f"{name}\n" for name in sorted(keep)).encode())


def print_results(told: StudyResults, results: Sequence[RunResult]) -> None:
    """Print the table of every test set, what is not done and why, and what else spoils a comparison."""
    console = Console()  # whatever becomes of the reader of the table, the files are there
    study = told.analysis.study
    for name, frame in told.frames.items():
        there = frame[frame["status"] != "missing"]
        summary = arm_summary(there, study.reference, list(study.arms), seeds=study.seeds)
        of = told.analysis.sets.get(name)
        alone = {} if of is None else of.incomparable
        summary.loc[summary["arm"].isin(list(alone)), [f"{m}_difference" for m in SHOWN]] = math.nan
        _print(console, study, summary, "" if name == "main" else f" on {name}")
        for arm, why in alone.items():
            _say(console, f"{arm} is not compared: {why}", style="yellow")
    if told.analysis.environments:
        line = "\nthe runs of this study were made in different environments, which may move numbers: "
        _say(console, line + told.analysis.environments, style="yellow")
    for result in results:
        if result.record.status != "done":
            line = f"{result.record.status}: {result.arm}, seed {result.seed}: {result.record.reason}"
            _say(console, line, style="red")


def reported(study: Study, results: Sequence[RunResult]) -> list[ReportedRun]:
    """Every expected run of the study, with what is there of it."""
    found = {(result.arm, result.seed): result for result in results}
    places = ((arm, run.seed) for arm, run in study.runs())
    return [reported_run(found[place]) if place in found else ReportedRun(*place) for place in places]


def reported_run(result: RunResult) -> ReportedRun:
    """A run with what there is of it, as the report takes it."""
    shown = {name: result.predictions(name) for name in result.record.n_test}
    predictions = {name: of for name, of in shown.items() if of is not None}
    return ReportedRun(result.arm, result.seed, result.record, predictions or None, result.training())


def _frame(study: Study, runs: Sequence[ReportedRun], test_set: str) -> pd.DataFrame:
    """A row for every expected run, whatever became of it."""
    return results_table([_row(run, test_set) for run in runs], swept_values(study))


def _row(run: ReportedRun, test_set: str) -> dict[str, Value]:
    told: dict[str, Value] = {"arm": run.arm, "seed": run.seed, "status": run.status}
    if run.record is None:
        return told
    predictions = (run.predictions or {}).get(test_set)
    if run.status == "done" and predictions is None:  # an arm with other test sets
        return {**told, "run_key": run.record.run_key, "notes": f"not tested on {test_set}"}
    return run_row(run.arm, run.record, predictions)


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
