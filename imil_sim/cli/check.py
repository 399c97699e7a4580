"""The ``check`` verb: run a study, compare it with its baseline, say what moved."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imil_sim.cli.results import reported_run
from imil_sim.cli.run import Where, library_of, results_of
from imil_sim.cli.study import open_study
from imil_sim.engine.run import provenance
from imil_sim.errors import UsageError
from imil_sim.io import readable_by
from imil_sim.report.analysis import ReportedRun, unlike_environments
from imil_sim.report.baseline import Findings, changes, check_of_study, findings_of, read_baseline, write_baseline
from imil_sim.report.files import write_whole
from imil_sim.report.gate import check_margins, judge
from imil_sim.report.page import render_markdown
from imil_sim.report.verdict import Row, Verdict, document_of, junit_of, line_of, numbers
from imil_sim.study.study import Study
from imil_sim.training.numerics import environment, find_device


@dataclass(frozen=True, slots=True)
class CheckFiles:
    """The files of a check."""

    baseline: Path
    junit: Path | None = None
    """Where the verdict goes as JUnit XML; none: nowhere."""
    summary: Path | None = None
    """Where it goes as Markdown; none: nowhere."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A study that was run."""

    runs: tuple[ReportedRun, ...]
    findings: Findings
    notes: tuple[str, ...]
    """What is to be known of how it was run."""


def check_baseline(
    asked: str, files: CheckFiles, *, update: bool, store: Path | None, workers: int | None, device: str
) -> int:
    """Run a study and hold it against its baseline, or with ``update`` write that; gives the exit code.

    0: everything is as it must be. 1: something moved, an expectation does not hold, or a run is not done; a baseline
    is then not written.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used; or the baseline is missing or another's.
    """
    study = open_study(asked)
    for option, path in (
        ("--junit", files.junit), ("--summary", files.summary), ("--baseline", files.baseline if update else None),
    ):  # fmt: skip
        if path is not None:
            _check_writable(option, path)
    remedy = (
        f"Write one from code that is known to be good, and keep it with the code: "
        f"imil-sim check {asked} --baseline {files.baseline} --update"
    )
    known = None if update else usable_baseline(study, files.baseline, remedy, device)
    with _folder(store) as root:
        measured = measure(study, Where(root, device, workers))
    verdict = judge(study, known, measured.findings, measured.notes)
    _print(verdict)
    _write(verdict, files)
    if update and verdict.passed:
        write_baseline(measured.findings, files.baseline)
        _say(f"baseline written to {files.baseline}")
    elif update:
        _say("no baseline was written: what does not hold now cannot be what later runs are held to", "red")
    return 0 if verdict.passed else 1


def usable_baseline(study: Study, path: Path, remedy: str, device: str) -> Findings:
    """The baseline in a file, if the study's runs on that device can be compared with it: known before any training.

    Raises:
        UsageError: it is missing, damaged, or another's, or the environment is another one and the study has no margin.
    """
    known = read_baseline(path, remedy)
    check_of_study(study, known, remedy)
    check_margins(study, changes(known.environment, surroundings(device)))
    return known


def surroundings(device: str) -> dict[str, str]:
    """Versions and hardware of a run made here and now: what its record says, and what enters its keys."""
    found = find_device(device)
    return {**provenance(found), **environment(found)}


def measure(study: Study, where: Where) -> Measured:
    """Run a study, its results in the order of the study; nothing is written but the store.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used.
    """
    there = {entry.name for entry in (where.store / "runs").glob("*")}
    results = results_of(study, where, library_of(study, where))
    records = [result.record for result in results]
    around, notes = surroundings(where.device), []
    if mixed := unlike_environments(records):
        around["runs"] = mixed  # not one environment, so none that a baseline could be equal to
    if stored := sum(record.run_key in there for record in records):
        notes.append(
            f"{stored} of {len(records)} runs were in the store already: the code that is checked did not make them."
        )
    runs = tuple(reported_run(result) for result in results)
    return Measured(runs, findings_of(study, runs, around), tuple(notes))


def _check_writable(option: str, path: Path) -> None:
    """Nothing, if a file can be written there; better known before training than after."""
    there = next(place for place in path.absolute().parents if place.exists())
    if path.is_dir():
        raise UsageError(f"{option} {path}: that is a folder; name a file")
    if not there.is_dir():
        raise UsageError(f"{option} {path}: {there} is a file, not a folder; name another place")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{option} {path}: {there} cannot be written; name another place")


@contextmanager
def _folder(store: Path | None) -> Iterator[Path]:
    """The store: a new one, gone afterwards, unless one is named; in an old one lies what older code made."""
    if store is not None:
        yield store
        return
    try:
        with tempfile.TemporaryDirectory(prefix="imil-sim-check-") as folder:
            yield Path(folder)
    except OSError as error:
        raise UsageError(f"no store can be made in {tempfile.gettempdir()}: {error}; name one with --store") from error


def _write(verdict: Verdict, files: CheckFiles) -> None:
    with readable_by("everybody"):  # for the server that runs the check, and shows them
        if files.junit is not None:
            write_whole(files.junit, junit_of(verdict))
        if files.summary is not None:
            write_whole(files.summary, render_markdown(document_of(verdict)).encode())


# --------------------------------------------------------------------------------------------------------- what is told


def _print(verdict: Verdict) -> None:
    """The tables, then every failure with its reason, then the sentences: the last lines are those that are read."""
    console = Console()
    moved = [row for row in verdict.comparisons if row.kind != "exact" or not row.passed]
    if moved:
        _table(
            console, ("arm", "of", "was", "is", "by", "margin", ""), [((row.subject, row.where), row) for row in moved]
        )
    if verdict.expectations:
        _table(
            console,
            ("expectation", "left", "right", "by", "asked", ""),
            [((row.subject,), row) for row in verdict.expectations],
        )
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for row in verdict.failures:
        say(f"{row.kind}: {line_of(row)}", style="red")
    for sentence in verdict.sentences:
        say(sentence)
    say(f"{verdict.study}: {'passed' if verdict.passed else 'failed'}", style="bold")


def _table(console: Console, headings: tuple[str, ...], rows: list[tuple[tuple[str, ...], Row]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    texts = len(headings) - 5
    for column, heading in enumerate(headings):
        number = column >= texts
        table.add_column(heading, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for names, row in rows:
        shown = ["-" if number is None else str(number) for number in numbers(row)]
        word = "ok" if row.passed else "FAIL"
        table.add_row(*(escape(name) for name in names), *shown, word, style="" if row.passed else "red")
    console.print(table)
    console.print()


def _say(line: str, style: str = "") -> None:
    Console().print(line, style=style, markup=False, highlight=False, soft_wrap=True)
