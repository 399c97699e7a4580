"""Everything the command line does, as functions: ``import imil_sim as im``.

A study is a path, the name of a shipped study, a dictionary like a parsed study file, or a `Study`. The functions that
look at results train nothing: they read the store, and say which command or function fills it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from imil_sim.engine.run import QUIET, Progress
from imil_sim.engine.study_run import (
    Execution,
    StudyPlan,
    load_images_of,
    plan_study,
    run_study,
    stored_results,
)
from imil_sim.errors import OracleError, UsageError
from imil_sim.feedback import make_oracle
from imil_sim.io import readable_by
from imil_sim.output.export import TableFormat
from imil_sim.output.export import export as export_files
from imil_sim.output.report import StudyResults, check_place, surroundings
from imil_sim.output.report import write_report as write_report_of
from imil_sim.output.sessions import write_sessions as recorded_sessions
from imil_sim.output.trackers import track
from imil_sim.report.baseline import changes, check_of_study, read_baseline, write_baseline
from imil_sim.report.compare import StudyComparison, compare_studies
from imil_sim.report.files import write_whole
from imil_sim.report.gate import check_margins, judge
from imil_sim.report.page import render_html, render_markdown
from imil_sim.report.results import arm_summary, write_csv
from imil_sim.report.verdict import Verdict, document_of, junit_of, lines_of
from imil_sim.study.study import Study, find_study, parse_study, read_study

__all__ = [
    "AnyStudy", "Execution", "Progress", "Study", "StudyComparison", "StudyPlan", "StudyResults",
    "TableFormat", "Verdict",
    "arm_summary", "check", "check_place", "compare", "differences", "export", "lines_of", "load_study", "plan",
    "predictions", "results", "run", "stored", "write_comparison", "write_report", "write_sessions", "write_verdict",
]  # fmt: skip

AnyStudy = str | Path | Mapping[str, Any] | Study

STORE = Path("runs")
"""Where runs are kept unless a store is named."""


def load_study(study: AnyStudy, *, seeds: int | None = None) -> Study:
    """The study of a file, a shipped name or a dictionary, checked; everything that is wrong with it is told at once.

    Args:
        study: path, name, dictionary (relative paths in it are beside the current folder), or a `Study` as it is.
        seeds: how many of its seeds to keep, the first ones; None: all.

    Raises:
        StudyError: there is none, or it is wrong.
        UsageError: more seeds are asked for than the study declares.
    """
    if isinstance(study, Mapping):
        loaded = parse_study(study, beside=Path.cwd(), oracle_problem=_oracle_problem)
    else:
        loaded = study if isinstance(study, Study) else read_study(find_study(str(study)), _oracle_problem)
    if seeds is None:
        return loaded
    if seeds > len(loaded.seeds):
        raise UsageError(f"--seeds {seeds}: study {loaded.name} declares {len(loaded.seeds)}; raise seeds in the file")
    return replace(loaded, seeds=loaded.seeds[:seeds])


def plan(study: AnyStudy, *, store: str | Path = STORE, device: str = "cpu", progress: Progress = QUIET) -> StudyPlan:
    """What a study would train: stages, epochs with and without sharing, what the store holds, how long the rest takes.

    Raises:
        ImilSimError: the study cannot be run.
    """
    return plan_study(load_study(study), Path(store), device, progress)


def run(
    study: AnyStudy,
    *,
    store: str | Path = STORE,
    workers: int | None = 0,
    device: str = "cpu",
    progress: Progress = QUIET,
    **where: Any,
) -> StudyResults:
    """Run a study; what the store holds already is not trained again.

    Args:
        study: see `load_study`.
        store: folder of stages and records; made where it is missing.
        workers: processes to train with; 0: this process; None: one a core. A script that starts processes needs the
            usual ``if __name__ == "__main__":``.
        device: ``cpu`` or ``cuda``.
        progress: is told how it gets on; shows nothing by default.
        **where: further fields of `Execution`: ``sharing``, ``scheduler``, ``security``, ``workers_per_gpu``.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used. A run that fails is in the results.
    """
    loaded = load_study(study)
    execution = Execution(Path(store), device, workers, **where)
    there = {entry.name for entry in (execution.store / "runs").glob("*")}
    library = load_images_of(loaded, execution.store, progress)
    done = run_study(loaded, execution, library, progress)
    return StudyResults.of(loaded, done, library, device, sum(result.record.run_key in there for result in done))


def stored(
    study: AnyStudy, *, store: str | Path = STORE, device: str = "cpu", progress: Progress = QUIET
) -> StudyResults:
    """What a store holds of a study; nothing is trained.

    Raises:
        ImilSimError: the images cannot be used, there is no such store, or it holds no run of the study.
    """
    loaded = load_study(study)
    found, library = stored_results(loaded, Path(store), device, progress)
    return StudyResults.of(loaded, found, library, device, len(found))


def results(study: AnyStudy | StudyResults, *, store: str | Path = STORE, device: str = "cpu") -> pd.DataFrame:
    """A row for every expected run and test set: arm, seed, test set, metrics, counts, every swept field.

    Raises:
        ImilSimError: as `stored`.
    """
    return _of(study, store, device).results


def predictions(study: AnyStudy | StudyResults, *, store: str | Path = STORE, device: str = "cpu") -> pd.DataFrame:
    """A row for every run and test image: arm, seed, test set, image id, label, prediction, probability of each class.

    Raises:
        ImilSimError: as `stored`.
    """
    return _of(study, store, device).predictions


def differences(study: AnyStudy | StudyResults, *, store: str | Path = STORE, device: str = "cpu") -> pd.DataFrame:
    """A row for every difference between two arms that the study asks for, in every metric, with intervals A, B, C.

    Raises:
        ImilSimError: as `stored`.
    """
    return _of(study, store, device).differences


def write_report(
    study: AnyStudy | StudyResults,
    folder: str | Path,
    *,
    store: str | Path = STORE,
    device: str = "cpu",
    images: bool = True,
) -> Path:
    """The page of a study's report, written to ``folder`` with its tables and figures.

    Args:
        study: see `load_study`, or what `run` gave.
        folder: where to; made where it is missing. Files of an earlier report there are replaced, others stay.
        store: that holds the runs.
        device: on which they were trained.
        images: whether figures may show images of the set.

    Raises:
        ImilSimError: as `stored`; or the folder cannot be written.
    """
    check_place(Path(folder))
    return write_report_of(_of(study, store, device), Path(folder), images=images)


def compare(
    first: AnyStudy | StudyResults,
    second: AnyStudy | StudyResults,
    *,
    store: str | Path = STORE,
    second_store: str | Path | None = None,
    device: str = "cpu",
) -> StudyComparison:
    """What the second study gained or lost beside the first, by matched arms and seeds; nothing is trained.

    Raises:
        ImilSimError: as `stored`; or the two have nothing in common.
    """
    one, other = _of(first, store, device), _of(second, second_store or store, device)
    return compare_studies(one.analysis, other.analysis)


def check(
    study: AnyStudy | StudyResults,
    baseline: str | Path,
    *,
    update: bool = False,
    store: str | Path | None = None,
    workers: int | None = 0,
    device: str = "cpu",
    progress: Progress = QUIET,
    remedy: str = "Write one from code that is known to be good, with update=True, and keep it with the code",
) -> Verdict:
    """Hold a study against its baseline: whether anything moved that must not.

    Args:
        study: see `load_study`; it is run. Or what `run` gave.
        baseline: the file, or where to write it.
        update: whether the baseline is written instead; it is not where the verdict failed.
        store: whose runs are taken as they are; None: a new store, gone afterwards.
        workers: as in `run`.
        device: as in `run`.
        progress: as in `run`.
        remedy: what to do where the baseline cannot be used; ends the message of the error.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used; the baseline is missing, damaged or another's;
            or the environment is another one and the study has no margin.
    """
    given = study if isinstance(study, StudyResults) else None
    loaded = given.study if given else load_study(study)  # type: ignore[arg-type]  # mypy does not see that it is one
    known = None
    if not update:
        known = read_baseline(Path(baseline), remedy)
        check_of_study(loaded, known, remedy)
        check_margins(loaded, changes(known.environment, surroundings(device)))
    notes = []
    if given is None:
        with _store(store) as root:
            given = run(loaded, store=root, workers=workers, device=device, progress=progress)
            findings = given.findings
        if given.reused:
            notes = [
                f"{given.reused} of {len(given.stored)} runs were in the store already: the code that is checked did "
                "not make them."
            ]
    else:
        findings = given.findings
    verdict = judge(loaded, known, findings, notes)
    if update and verdict.passed:
        write_baseline(findings, Path(baseline))
    return verdict


@contextmanager
def _store(store: str | Path | None) -> Iterator[Path]:
    """The store: a new one, gone afterwards, unless one is named; in an old one lies what older code made."""
    if store is not None:
        yield Path(store)
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="imil-sim-check-")
    except OSError as error:
        raise UsageError(f"no store can be made in {tempfile.gettempdir()}: {error}; name one with --store") from error
    with folder as name:
        yield Path(name)


def write_comparison(found: StudyComparison, folder: str | Path) -> Path:
    """The page of a comparison, written to ``folder`` as HTML, Markdown and CSV.

    Raises:
        UsageError: the folder cannot be written.
    """
    place = Path(folder)
    write_csv(found.rows, place / "comparison.csv")
    write_whole(place / "comparison.md", render_markdown(found.document).encode())
    write_whole(place / "comparison.html", render_html(found.document))
    return place / "comparison.html"


def export(
    study: AnyStudy | StudyResults,
    folder: str | Path,
    *,
    store: str | Path = STORE,
    device: str = "cpu",
    table_format: TableFormat = "csv",
    trackers: Collection[str] = (),
) -> list[Path]:
    """The files of an export: predictions, curves, answers and results as tables, heat maps, weights, and a README.md.

    Args:
        study: see `load_study`, or what `run` gave.
        folder: where to; made where it is missing.
        store: that holds the runs.
        device: on which they were trained.
        table_format: ``csv``, or ``parquet`` where pyarrow is installed.
        trackers: of ``mlflow``, ``wandb`` and ``tensorboard``, those that get a run for every run, too.

    Raises:
        ImilSimError: as `stored`; the folder cannot be written, or a package is missing.
    """
    given = _of(study, store, device)
    written = export_files(given, Path(folder), table_format)
    for name in trackers:
        track(given, Path(folder), name)
    return written


def write_verdict(verdict: Verdict, *, junit: str | Path | None = None, summary: str | Path | None = None) -> None:
    """Write a verdict as JUnit XML, as Markdown, or both, for everybody: the server that ran the check shows them.

    Raises:
        UsageError: a place cannot be written.
    """
    with readable_by("everybody"):
        if junit is not None:
            write_whole(Path(junit), junit_of(verdict))
        if summary is not None:
            write_whole(Path(summary), render_markdown(document_of(verdict)).encode())


def write_sessions(of: StudyResults, folder: str | Path) -> list[Path]:
    """One session of recorded answers for every run that is done and consulted, to be replayed: ``ARM-seedN.jsonl``.

    Raises:
        SessionError: some cannot be written; all of them are named, and the others are there.
    """
    return recorded_sessions(of.study, of.stored, of.library, Path(folder))


def _of(study: AnyStudy | StudyResults, store: str | Path, device: str) -> StudyResults:
    return study if isinstance(study, StudyResults) else stored(study, store=store, device=device)


def _oracle_problem(name: str, options: Mapping[str, Any]) -> str:
    """What is wrong with an oracle and its options; empty where nothing is."""
    try:
        make_oracle(name, options)
    except OracleError as error:
        return str(error)
    return ""
