"""The ``run`` verb."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from distributed import Security
from rich.console import Console

from imil_sim.cli.progress import Counter, StudyProgress
from imil_sim.cli.results import StudyResults, check_place, print_results, write_report
from imil_sim.cli.sessions import write_sessions
from imil_sim.cli.study import open_study
from imil_sim.engine.check import check_study, warnings_of_records
from imil_sim.engine.cluster import DaskExecutor, WorkerConfig, local_client, remote_client
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.execute import Ended, Executor, LocalExecutor, Observer, carry_out
from imil_sim.engine.plan import plan_runs
from imil_sim.engine.results import RunResult, keep, recorded_segments
from imil_sim.engine.stages import Lineage, run_key
from imil_sim.engine.steps import StepRunner, Watch
from imil_sim.engine.store import Store
from imil_sim.engine.upkeep import NotedRun, note_study
from imil_sim.errors import DataError, StoreError, shown
from imil_sim.images.listing import counted
from imil_sim.images.split import split_images
from imil_sim.images.summary import summarise
from imil_sim.io import current_readers
from imil_sim.study.spec import RunSpec
from imil_sim.study.study import Study
from imil_sim.training.numerics import cpu_count, environment, find_device


@dataclass(frozen=True, slots=True)
class Where:
    """Where a study is run; nothing here is a choice of the study's."""

    store: Path
    device: str = "cpu"
    workers: int | None = None
    """Processes on this machine; none: one a core; 0: this process."""
    workers_per_gpu: int = 1
    scheduler: str | None = None
    """Address of a Dask scheduler somebody else started."""
    sharing: bool = True
    security: Security | None = None
    """Of that scheduler's cluster; none where it runs without TLS."""


def run_study(asked: str, where: Where, *, out: Path | None, seeds: int | None) -> int:
    """Run a study and write its results; gives the exit code: 1 where a run failed, 3 where one waits, else 0.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used.
    """
    study = open_study(asked, seeds)
    folder = out or Path("reports") / study.name
    check_place(folder)
    if where.scheduler and not where.security:
        line = f"warning: --scheduler {where.scheduler}: without TLS, anybody who reaches that port can run code as you"
        Console(stderr=True).print(shown(line), style="yellow", markup=False, highlight=False, soft_wrap=True)
    library = library_of(study, where)
    results = results_of(study, where, library)
    told = StudyResults.of(study, results)
    page = write_report(told, results, library, folder)
    print_results(told, results)
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    statuses = {result.record.status for result in results}
    if questions := _waiting(results):
        say("\nanswer the questions, then run the same command again:")
        for entry in questions:
            say(f"imil-sim annotate {where.store.resolve() / entry}")
    say(f"\nreport: {page}")
    if study.record:  # last: what no session can hold must not cost the report
        write_sessions(study, results, library, folder / "sessions")
    return 1 if "failed" in statuses else 3 if "waiting" in statuses else 0


def _waiting(results: Sequence[RunResult]) -> list[str]:
    """Where in the store the questions lie that runs wait for, each once."""
    reasons = " ".join(result.record.reason for result in results if result.record.status == "waiting")
    return list(dict.fromkeys(re.findall(r"questions/[0-9a-f]{64}", reasons)))


def library_of(study: Study, where: Where) -> ImageLibrary:
    """The images of a study, all of them loaded, after everything that can be wrong with the study was looked at.

    Raises:
        ImilSimError: something is wrong.
    """
    talk = Console(stderr=True)
    with Counter(talk) as counter:
        library = ImageLibrary(study.beside, where.store, counter)
        check_study(study, library)
    for warning in warnings_of(study, library):
        talk.print(shown(f"warning: {warning}"), style="yellow", markup=False, highlight=False, soft_wrap=True)
    return library


def warnings_of(study: Study, library: ImageLibrary) -> list[str]:
    """What may spoil a study's results, each told once: images on both sides of a split, conversions, torn records."""
    told: dict[str, None] = {}
    splits = {
        (run.arm.images.text, run.arm.split.text, run.seed if run.arm.split.method == "per-seed" else None): run
        for _, run in study.runs()
    }
    for run in splits.values():
        images = library.source(run.arm.images)
        told |= dict.fromkeys(summarise(images, split_images(images, run.arm.split, run.seed)).warnings)
    told |= dict.fromkeys(warnings_of_records(study))
    return list(told)


def results_of(study: Study, where: Where, library: ImageLibrary) -> list[RunResult]:
    """The result of every run of a study, in its order; what the store does not hold is trained now.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used.
    """
    talk = Console(stderr=True)
    device, store = find_device(where.device), Store(where.store, lambda entry: _tell_damage(talk, entry))
    arms, runs = zip(*study.runs(), strict=True)
    step_runner = StepRunner(library, store, device, study.beside)

    def known(run: RunSpec) -> tuple[tuple[int, str], ...]:
        return recorded_segments(store, run_key(run, library.of_run(run).fingerprints, device))

    def trunk(run: RunSpec) -> Lineage:
        return step_runner.trunk(run) if where.sharing else step_runner.trunk(run).apart(run.arm)

    plan = plan_runs(runs, trunk, lambda key: store.holds("stages", key), known)
    if plan.epochs_to_train:
        store.check_writable()
    store.tidy()
    noted = [
        NotedRun(arm, run.seed, run_key(run, library.of_run(run).fingerprints, device), trunk(run).trunk)
        for arm, run in zip(arms, runs, strict=True)
    ]
    with suppress(*([] if plan.epochs_to_train else [StoreError])):  # of a store nobody may write to, a report is made
        note_study(store, study.name, zip(runs, noted, strict=True))
    labels = [f"{arm}, seed {run.seed}" for arm, run in zip(arms, runs, strict=True)]
    workers = cpu_count() if where.workers is None else where.workers
    if where.scheduler is None and not plan.epochs_to_train:
        workers = 0  # nothing is left that would be worth starting processes for
    own = workers == 0 and where.scheduler is None
    results: dict[int, RunResult] = {}

    def on_end(position: int, ended: Ended) -> None:
        results[position] = keep(arms[position], runs[position], ended, library, store, device)
        progress.on_end(position, ended)

    with (
        store.presence(),
        StudyProgress(talk, labels, plan, own=own) as progress,
        _executor(study, where, workers, step_runner, progress) as executor,
    ):
        observer = Observer(progress.on_step, progress.on_done, on_end)
        try:
            carry_out(runs, step_runner.trunk, executor, observer, sharing=where.sharing)
        except DataError:
            for run in runs:  # a worker that loaded altered images saw that they differ, not which
                library.check_unaltered(run)
            raise
    store.tidy()  # a worker that was lost on the way may have left something
    for position in range(len(runs)):
        _tell_changed(talk, results[position])
    return [results[position] for position in range(len(runs))]


def _tell_damage(talk: Console, entry: str) -> None:
    line = f"{entry} in the store was damaged; it was set aside and is made again"
    talk.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _tell_changed(talk: Console, result: RunResult) -> None:
    if images := result.changed:
        line = (
            f"{result.arm}, seed {result.seed}: answered otherwise than in the results of before, which these replace: "
            f"{counted(images)}"
        )
        talk.print(shown(f"warning: {line}"), style="yellow", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _executor(
    study: Study, where: Where, workers: int, step_runner: StepRunner, progress: StudyProgress
) -> Iterator[Executor]:
    if workers == 0 and where.scheduler is None:
        watch = Watch(progress.on_stage, progress.on_epoch, progress.on_batch)
        own = step_runner.library, step_runner.store, step_runner.device, step_runner.beside
        yield LocalExecutor(StepRunner(*own, watch, study.checkpoint_minutes, study.oracle_seconds))
        return
    config = WorkerConfig(
        str(where.store.resolve()),
        str(study.beside),
        where.device,
        study.checkpoint_minutes,
        study.oracle_seconds,
        environment(step_runner.device),
        current_readers(),
    )
    opened = (
        remote_client(where.scheduler, where.security)
        if where.scheduler
        else local_client(workers, where.device, where.workers_per_gpu)
    )
    with opened as client:
        yield DaskExecutor(client, config, progress.on_any_epoch)
