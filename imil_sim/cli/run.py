"""The verbs about results: ``run``, ``report``, ``compare``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.markup import escape

from imil_sim import api
from imil_sim.cli.console import console, say, table_of
from imil_sim.cli.progress import TerminalProgress
from imil_sim.errors import several

SHOWN = {"accuracy": "accuracy", "auroc": "AUROC", "ece_top_label": "ECE"}
"""Metric to heading in the printed table."""


def run_study(asked: str, *, store: Path, out: Path | None, seeds: int | None, **where: Any) -> int:
    """Run a study and write its results; gives the exit code: 1 where a run failed, 3 where one waits, else 0.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used.
    """
    study = api.load_study(asked, seeds=seeds)
    folder = out or Path("reports") / study.name
    api.check_place(folder)
    with TerminalProgress() as progress:
        if (address := where.get("scheduler")) and not where.get("security"):
            progress.warn(f"--scheduler {address}: without TLS, anybody who reaches that port can run code as you")
        results = api.run(study, store=store, progress=progress, **where)
    page = api.write_report(results, folder)
    print_results(results)
    if results.questions:
        say("\nanswer the questions, then run the same command again:")
        for entry in results.questions:
            say(f"imil-sim annotate {store.resolve() / entry}")
    say(f"\nreport: {page}")
    if study.record:  # last: what no session can hold must not cost the report
        api.write_sessions(results, folder / "sessions")
    return 1 if "failed" in results.statuses else 3 if "waiting" in results.statuses else 0


def report_study(
    asked: str, *, store: Path, out: Path | None, seeds: int | None, device: str, images: bool = True
) -> None:
    """Write the report of a study from its records.

    Raises:
        ImilSimError: the study or its images cannot be used, the store holds no run of it, or the place cannot be
            written.
    """
    study = api.load_study(asked, seeds=seeds)
    folder = out or Path("reports") / study.name
    api.check_place(folder)
    with TerminalProgress() as progress:
        results = api.stored(study, store=store, device=device, progress=progress)
    page = api.write_report(results, folder, images=images)
    print_results(results)
    say(f"\nreport: {page}")


def compare_stored(first: str, second: str, *, stores: tuple[Path, Path], out: Path | None, device: str) -> None:
    """Write and print what the second study gained or lost beside the first, arm by arm and seed by seed.

    Args:
        first: the study that is taken for the reference.
        second: the one that is compared with it; may be the same file with another store.
        stores: where the runs of each lie.
        out: folder to write to; none: reports/compare-FIRST-SECOND.
        device: the runs were trained on.

    Raises:
        ImilSimError: a study or a store cannot be used, or the two have nothing in common.
    """
    with TerminalProgress() as progress:
        one, other = (
            api.stored(asked, store=store, device=device, progress=progress)
            for asked, store in zip((first, second), stores, strict=True)
        )
    names = list(dict.fromkeys([one.study.name, other.study.name]))
    folder = out or Path("reports") / f"compare-{'-'.join(names)}"
    api.check_place(folder)
    found = api.compare(one, other)
    page = api.write_comparison(found, folder)
    for statement in found.document.statements:
        say(statement.text)
    say(f"\ncomparison: {page}")


def export_stored(
    asked: str, to: Path, *, store: Path, seeds: int | None, device: str, table_format: api.TableFormat,
    trackers: Sequence[str],
) -> None:  # fmt: skip
    """Write a study's results as files that need no imil-sim to be read, from what the store holds.

    Raises:
        ImilSimError: the study or its images cannot be used, the store holds no run of it, the place cannot be written,
            or a package is missing.
    """
    study = api.load_study(asked, seeds=seeds)
    api.check_place(to)
    with TerminalProgress() as progress:
        results = api.stored(study, store=store, device=device, progress=progress)
    written = api.export(results, to, table_format=table_format, trackers=trackers)
    say(f"{several(len(written), 'file')} in {to}, explained in {written[-1]}")


# ------------------------------------------------------------------------------------------------------ what is printed


def print_results(of: api.StudyResults) -> None:
    """Print the table of every test set, what is not done and why, and what else spoils a comparison."""
    study = of.study
    for name, frame in of.frames.items():
        there = frame[frame["status"] != "missing"]
        summary = api.arm_summary(there, study.reference, list(study.arms), seeds=study.seeds)
        tested = of.analysis.sets.get(name)
        alone = {} if tested is None else tested.incomparable
        summary.loc[summary["arm"].isin(list(alone)), [f"{m}_difference" for m in SHOWN]] = math.nan
        _print(study, summary, "" if name == "main" else f" on {name}")
        for arm, why in alone.items():
            say(f"{arm} is not compared: {why}", style="yellow")
    if of.analysis.environments:
        line = "\nthe runs of this study were made in different environments, which may move numbers: "
        say(line + of.analysis.environments, style="yellow")
    for result in of.stored:
        if result.record.status != "done":
            line = f"{result.record.status}: {result.arm}, seed {result.seed}: {result.record.reason}"
            say(line, style="red")


def _print(study: api.Study, summary: pd.DataFrame, where: str) -> None:
    """Two tables, so that 60 columns are enough: the arms' own numbers, and their differences from the reference."""
    seeds = len(study.seeds)
    what = f"mean over {seeds} seeds (sd)" if seeds > 1 else "one seed, which says nothing of chance"
    say(f"{study.name}{where}: {what}", "bold")
    rows = summary.to_dict("records")
    missing = any(row["n_done"] < row["n_expected"] for row in rows)
    table = table_of("arm", *(["runs"] if missing else []), *SHOWN.values())
    for row in rows:
        runs = [f"{row['n_done']}/{row['n_expected']}"] if missing else []
        table.add_row(escape(row["arm"]), *runs, *(_mean_sd(row[f"{m}_mean"], row[f"{m}_sd"]) for m in SHOWN))
    console().print(table)
    if len(rows) == 1:
        return
    say(f"\nminus {study.reference}, seed by seed", "bold")
    table = table_of("arm", *SHOWN.values())
    for row in rows:
        if row["arm"] != study.reference:
            pairs = ((row[f"{m}_difference"], row[f"{m}_difference_sd"]) for m in SHOWN)
            table.add_row(escape(row["arm"]), *(_mean_sd(mean, sd, "+") for mean, sd in pairs))
    console().print(table)


def _mean_sd(mean: float, sd: float, sign: str = "") -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:{sign}.3f}" + ("" if math.isnan(sd) else f" ({sd:.3f})")
