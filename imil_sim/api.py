"""Everything the command line does, as functions: ``import imil_sim as im``.

A study is a path, the name of a shipped study, a dictionary like a parsed study file, or a `Study`. The functions that
look at results train nothing: they read the store, and say which command or function fills it.

Each function imports what it needs when it is called, so that importing this module loads neither torch nor pandas.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from imil_sim.errors import DataError, StoreError, UsageError
from imil_sim.io import readable_by
from imil_sim.progress import QUIET, Progress

if TYPE_CHECKING:
    import pandas as pd

    from imil_sim.engine.results import Recomputed
    from imil_sim.engine.store import Store
    from imil_sim.engine.study_run import StudyPlan
    from imil_sim.images.image_set import ImageSet
    from imil_sim.images.summary import Summary
    from imil_sim.output.report import StudyResults
    from imil_sim.report.check import Verdict
    from imil_sim.report.compare import StudyComparison
    from imil_sim.study.spec import AnySource, SplitSpec
    from imil_sim.study.study import Study

DOORS = {
    "arm_summary": "imil_sim.report.results:arm_summary",
    "card": "imil_sim.feedback.registry:card",
    "check_place": "imil_sim.output.report:check_place",
    "line_of": "imil_sim.report.check:line_of",
    "lines_of": "imil_sim.report.check:lines_of",
    "load_oracle": "imil_sim.feedback.registry:load",
    "numbers_of": "imil_sim.report.check:numbers",
    "options_of": "imil_sim.feedback.registry:options_of",
    "prune": "imil_sim.engine.upkeep:prune",
    "study_schema": "imil_sim.study.schema:study_schema",
    "survey": "imil_sim.engine.upkeep:survey",
    "to_prune": "imil_sim.engine.upkeep:to_prune",
    "verify": "imil_sim.engine.upkeep:check",
    "write_gallery": "imil_sim.output.gallery:write_gallery",
}
"""Functions that are offered here as they stand elsewhere, and imported when they are used."""

AnyStudy: TypeAlias = "str | Path | Mapping[str, Any] | Study"
Tls: TypeAlias = tuple[Path | None, Path | None, Path | None]

STORE = Path("runs")
"""Where runs are kept unless a store is named."""


def load_study(study: AnyStudy, *, seeds: int | None = None) -> Study:
    """The study of a file, a shipped name or a dictionary, checked; an error names all that is wrong with it.

    Args:
        study: path, name, dictionary (relative paths in it are beside the current folder), or a `Study` as it is. Or
            the folder of runs that `record_run` wrote: their arms, seeds and settings.
        seeds: how many of its seeds to keep, the first ones; None: all.

    Raises:
        StudyError: there is none, or it is wrong.
        UsageError: more seeds are asked for than the study declares.
    """
    from imil_sim.study.study import Study, find_study, parse_study, read_study

    if isinstance(study, Mapping):
        loaded = parse_study(study, beside=Path.cwd())
    elif not isinstance(study, Study) and Path(study).is_dir():
        from imil_sim.output.own_runs import recorded_runs

        loaded, _ = recorded_runs(Path(study))
    else:
        loaded = study if isinstance(study, Study) else read_study(find_study(str(study)))
    if seeds is None:
        return loaded
    if seeds > len(loaded.seeds):
        raise UsageError(f"--seeds {seeds}: study {loaded.name} declares {len(loaded.seeds)}; raise seeds in the file")
    return loaded.model_copy(update={"seeds": loaded.seeds[:seeds]})


def plan(study: AnyStudy, *, store: str | Path = STORE, device: str = "cpu", progress: Progress = QUIET) -> StudyPlan:
    """What a study would train: stages, epochs with and without sharing, what the store holds, how long the rest takes.

    Raises:
        ImilSimError: the study cannot be run.
    """
    from imil_sim.engine.study_run import plan_study

    return plan_study(load_study(study), Path(store), device, progress)


def run(
    study: AnyStudy,
    *,
    store: str | Path = STORE,
    workers: int | None = 0,
    device: str = "cpu",
    progress: Progress = QUIET,
    workers_per_gpu: int = 1,
    scheduler: str | None = None,
    tls: Tls = (None, None, None),
    sharing: bool = True,
) -> StudyResults:
    """Run a study; what the store holds already is not trained again.

    Args:
        study: see `load_study`.
        store: folder of stages and records; made where it is missing.
        workers: processes to train with; 0: this process; None: one a core. A script that starts processes needs the
            usual ``if __name__ == "__main__":``.
        device: ``cpu`` or ``cuda``.
        progress: shows how it gets on.
        workers_per_gpu: processes for each GPU.
        scheduler: address of a Dask scheduler that somebody started, instead of processes on this machine.
        tls: with a scheduler at ``tls://``, PEM files: the certificate of its authority, your own, and its key.
        sharing: whether epochs that runs have in common are trained once.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used. A run that fails is in the results.
    """
    from imil_sim.engine.cluster import remote_security
    from imil_sim.engine.study_run import Execution, load_images_of, run_study
    from imil_sim.output.report import StudyResults

    loaded = load_study(study)
    if loaded.own:
        return stored(loaded)
    security = remote_security(scheduler, *tls)
    if scheduler and security is None:
        progress.warn(f"--scheduler {scheduler}: without TLS, anybody who reaches that port can run code as you")
    execution = Execution(Path(store), device, workers, workers_per_gpu, scheduler, sharing, security)
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
    from imil_sim.engine.study_run import stored_results
    from imil_sim.output.report import StudyResults

    loaded = load_study(study)
    if loaded.own:
        from imil_sim.output.own_runs import recorded_runs

        return StudyResults.of(loaded, recorded_runs(loaded.beside)[1], None, device, 0)
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
    from imil_sim.output.report import check_place
    from imil_sim.output.report import write_report as write

    check_place(Path(folder))
    return write(_of(study, store, device), Path(folder), images=images)


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
    from imil_sim.report.compare import compare_studies

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
    from imil_sim.output.report import StudyResults, surroundings
    from imil_sim.report.baseline import changes, check_of_study, read_baseline, write_baseline
    from imil_sim.report.check import check_margins, judge

    given = study if isinstance(study, StudyResults) else None
    loaded = study.study if isinstance(study, StudyResults) else load_study(study)
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
    from imil_sim.report.page import render_html, render_markdown
    from imil_sim.report.results import write_csv, write_whole

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
    table_format: Literal["csv", "parquet"] = "csv",
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
    from imil_sim.output.export import export as export_files
    from imil_sim.output.export import track

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
    from imil_sim.report.check import junit_of, summary_of
    from imil_sim.report.results import write_whole

    with readable_by("everybody"):
        if junit is not None:
            write_whole(Path(junit), junit_of(verdict))
        if summary is not None:
            write_whole(Path(summary), summary_of(verdict).encode())


def write_sessions(of: StudyResults, folder: str | Path) -> list[Path]:
    """One session of recorded answers for every run that is done and consulted, to be replayed: ``ARM-seedN.jsonl``.

    Raises:
        SessionError: some cannot be written; all of them are named, and the others are there.
    """
    from imil_sim.output.sessions import write_sessions as recorded_sessions

    if of.library is None:
        raise UsageError("runs of a training of your own have their sessions already: session.jsonl beside each record")
    return recorded_sessions(of.study, of.stored, of.library, Path(folder))


# ------------------------------------------------------------------------------------------- images and stores


def summaries(
    study: AnyStudy, *, store: str | Path = STORE, progress: Progress = QUIET
) -> Iterator[tuple[str, Summary]]:
    """Title and summary of every image set that the arms of a study use, each once.

    Raises:
        StudyError: the study is wrong.
        DataError: some images cannot be used; raised after the others were given, and names every problem.
    """
    from imil_sim.engine.data import ImageLibrary
    from imil_sim.images.split import split_images
    from imil_sim.images.summary import summarise

    loaded = load_study(study)
    library = ImageLibrary(loaded.beside, Path(store), progress.count)
    problems: list[str] = []
    for title, source, split in _sources(loaded):
        try:
            images = library.source(source)
            parts = split_images(images, split, loaded.seeds[0]) if split else None
        except DataError as error:
            problems.append(str(error))
        else:
            yield title, summarise(images, parts)
    if problems:
        raise DataError("\n".join(problems))


def _sources(study: Study) -> list[tuple[str, AnySource, SplitSpec | None]]:
    """Title, source and split (None for a set that is only tested) of everything the arms use, each once."""
    found: dict[tuple[str, str], tuple[str, AnySource, SplitSpec | None]] = {}
    for arm in study.arms.values():
        found.setdefault((arm.split.text, arm.images.text), (arm.images.source, arm.images, arm.split))
        for name, source in arm.test_sets.items():
            found.setdefault((f"test set {name}", source.text), (f"test set {name}: {source.source}", source, None))
    return list(found.values())


def load_images(source: str, **fields: Any) -> ImageSet:
    """The images of an installed source, with labels and masks; takes the fields of a study's table ``[images]``.

    Raises:
        UsageError: there is no such source, or a field is wrong.
        DataError: the images cannot be used.
    """
    from imil_sim.images.load import load_images
    from imil_sim.images.source import source_of

    return load_images(source_of(source, fields), beside=Path.cwd())


def open_store(store: str | Path = STORE, *, progress: Progress = QUIET) -> Store:
    """A store that is there, for `survey`, `verify`, `recompute`, `to_prune` and `prune`.

    Raises:
        StoreError: there is none.
    """
    from imil_sim.engine.store import Store

    if not Path(store).is_dir():
        raise StoreError(f"there is no store {store}; name one with --store, or run a study first")
    return Store(Path(store), lambda entry: progress.warn(f"damaged and set aside: {entry}"))


def recompute(
    store: Store, number: int, *, seed: int = 0, device: str = "cpu", progress: Progress = QUIET
) -> Iterator[Recomputed]:
    """Runs that are done, drawn at random, done over, and whether the bytes are the same; until ``number`` could be.

    Relative paths in the records are looked for in IMIL_SIM_DATA and the current folder.

    Raises:
        StoreError: the store cannot be read.
    """
    from imil_sim.engine.data import ImageLibrary
    from imil_sim.engine.results import recompute
    from imil_sim.training.numerics import find_device

    here = Path.cwd()
    library = ImageLibrary(here, store.root, progress.count)
    yield from recompute(store, library, find_device(device), here, number, seed, progress.count)


def __getattr__(name: str) -> Any:
    if name in DOORS:
        module, _, attribute = DOORS[name].partition(":")
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _of(study: AnyStudy | StudyResults, store: str | Path, device: str) -> StudyResults:
    from imil_sim.output.report import StudyResults

    return study if isinstance(study, StudyResults) else stored(study, store=store, device=device)
