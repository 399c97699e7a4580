"""The ``check`` verb: run a study, compare it with its baseline, say what moved."""

from __future__ import annotations

import os
from pathlib import Path

from rich.markup import escape

from imil_sim import api
from imil_sim.cli.console import console, say, table_of
from imil_sim.cli.progress import TerminalProgress
from imil_sim.errors import UsageError
from imil_sim.report.check import CheckRow, Verdict, line_of, numbers


def check_baseline(
    asked: str,
    baseline: Path,
    *,
    update: bool,
    store: Path | None,
    workers: int | None,
    device: str,
    junit: Path | None = None,
    summary: Path | None = None,
) -> int:
    """Run a study and hold it against its baseline, or with ``update`` write that; gives the exit code.

    0: everything is as it must be. 1: something moved, an expectation does not hold, or a run is not done; a baseline
    is then not written.

    Args:
        asked: path or name of the study.
        baseline: its file.
        update: whether it is written.
        store: whose runs are taken as they are; none: all are made anew.
        workers: processes; none: one a core.
        device: where to train.
        junit: where the verdict goes as JUnit XML; none: nowhere.
        summary: where it goes as Markdown; none: nowhere.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used; or the baseline is missing or another's.
    """
    study = api.load_study(asked)
    for option, path in (("--junit", junit), ("--summary", summary), ("--baseline", baseline if update else None)):
        if path is not None:
            _check_writable(option, path)
    remedy = (
        f"Write one from code that is known to be good, and keep it with the code: "
        f"imil-sim check {asked} --baseline {baseline} --update"
    )
    with TerminalProgress() as progress:
        verdict = api.check(
            study, baseline, update=update, store=store, workers=workers, device=device, progress=progress,
            remedy=remedy,
        )  # fmt: skip
    _print(verdict)
    api.write_verdict(verdict, junit=junit, summary=summary)
    if update and verdict.passed:
        say(f"baseline written to {baseline}")
    elif update:
        say("no baseline was written: what does not hold now cannot be what later runs are held to", "red")
    return 0 if verdict.passed else 1


def _check_writable(option: str, path: Path) -> None:
    """Check that a file can be written there; better known before training than after."""
    there = next(place for place in path.absolute().parents if place.exists())
    if path.is_dir():
        raise UsageError(f"{option} {path}: that is a folder; name a file")
    if not there.is_dir():
        raise UsageError(f"{option} {path}: {there} is a file, not a folder; name another place")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{option} {path}: {there} cannot be written; name another place")


def _print(verdict: Verdict) -> None:
    """The tables, then every failure with its reason, then the sentences: the last lines are those that are read."""
    moved = [row for row in verdict.comparisons if row.kind != "exact" or not row.passed]
    if moved:
        _table(("arm", "of", "was", "is", "by", "margin", ""), [((row.subject, row.where), row) for row in moved])
    if verdict.expectations:
        _table(
            ("expectation", "left", "right", "by", "asked", ""), [((row.subject,), row) for row in verdict.expectations]
        )
    for row in verdict.failures:
        say(f"{row.kind}: {line_of(row)}", "red")
    for sentence in verdict.sentences:
        say(sentence)
    say(f"{verdict.study}: {'passed' if verdict.passed else 'failed'}", "bold")


def _table(headings: tuple[str, ...], rows: list[tuple[tuple[str, ...], CheckRow]]) -> None:
    table = table_of(*headings, text=range(len(headings) - 5))
    for names, row in rows:
        shown = ["-" if number is None else str(number) for number in numbers(row)]
        word = "ok" if row.passed else "FAIL"
        table.add_row(*(escape(name) for name in names), *shown, word, style="" if row.passed else "red")
    console().print(table)
    console().print()
