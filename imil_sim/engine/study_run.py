"""A whole study: whether it can be run, what it would train, training it, and finding its results in a store again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from distributed import Security

from imil_sim.engine.cluster import DaskExecutor, WorkerConfig, local_client, remote_client
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.plan import Plan, TrainingTime, Tree, estimate_time, plan_runs, time_steps, trees_of, unseen_trunk
from imil_sim.engine.results import RunResult, keep, recorded, recorded_segments
from imil_sim.engine.run import UNOBSERVED, Executor, LocalExecutor, StudyProgress, carry_out
from imil_sim.engine.stages import Lineage, run_key
from imil_sim.engine.steps import StepRunner
from imil_sim.engine.store import Store
from imil_sim.engine.upkeep import NotedRun, note_study
from imil_sim.errors import (
    MOST_LISTED,
    DataError,
    MissingData,
    OracleError,
    StoreError,
    StudyError,
    UsageError,
    gathered,
    listed,
)
from imil_sim.feedback import Grid, make_oracle
from imil_sim.images.listing import counted
from imil_sim.images.split import split_images
from imil_sim.images.summary import summarise
from imil_sim.io import current_readers
from imil_sim.progress import Progress
from imil_sim.sessions.recorded import misfits, unnameable, warnings_of
from imil_sim.study.spec import ArmSpec, FeedbackSpec, ModelSpec, RunSpec, canonical
from imil_sim.study.study import Study
from imil_sim.training.cam import grad_cam
from imil_sim.training.models import build, check_model
from imil_sim.training.numerics import cpu_count, deterministic, environment, find_device, gpu_count


@dataclass(frozen=True, slots=True)
class Execution:
    """Where a study is run; nothing here is a choice of the study's."""

    store: Path
    device: str = "cpu"
    workers: int | None = None
    """Processes on this machine; none: one a core; 0: this process."""
    workers_per_gpu: int = 1
    scheduler: str | None = None
    """Address of a Dask scheduler that is running already."""
    sharing: bool = True
    security: Security | None = None
    """Of that scheduler's cluster; none where it runs without TLS."""


# --------------------------------------------------------------------------------------------------- whether it can be


def load_images_of(study: Study, store: Path, progress: Progress) -> ImageLibrary:
    """The images of a study, all of them loaded, after everything that can be wrong with the study was looked at.

    Raises:
        ImilSimError: something is wrong.
    """
    library = ImageLibrary(study.beside, store, progress.count)
    check_study(study, library)
    for warning in study_warnings(study, library):
        progress.warn(warning)
    return library


def study_warnings(study: Study, library: ImageLibrary) -> list[str]:
    """What may spoil a study's results, each once: images on both sides of a split, conversions, torn records."""
    found: dict[str, None] = {}
    splits = {
        (run.arm.images.text, run.arm.split.text, run.seed if run.arm.split.method == "per-seed" else None): run
        for _, run in study.runs()
    }
    for run in splits.values():
        images = library.source(run.arm.images)
        found |= dict.fromkeys(summarise(images, split_images(images, run.arm.split, run.seed)).warnings)
    for arm in study.arms.values():
        if arm.feedback:
            found |= dict.fromkeys(warnings_of(make_oracle(arm.feedback.oracle, arm.feedback.options)))
    return list(found)


def check_study(study: Study, library: ImageLibrary) -> None:
    """Check that every run of the study can begin: oracles, grids, models, and then the images are looked at.

    Raises:
        StudyError: something in the arms is wrong, or an oracle does not fit the images; all of it is listed.
        DataError: the images cannot be used.
    """
    models: dict[tuple[ModelSpec, int], str] = {}
    oracles: dict[str, list[str]] = {}  # looking one up takes its time
    problems: list[tuple[str, str]] = []
    for name, arm in study.arms.items():
        model = arm.model, arm.images.size
        if model not in models:
            models[model] = _model_problem(*model, study.beside)
        found = [models[model]]
        if feedback := arm.feedback:
            if (asked := canonical([feedback.oracle, feedback.options])) not in oracles:
                oracles[asked] = [*_oracle_problems(feedback)]
            found += [*oracles[asked], *_grid_problems(feedback, arm.images.size)]
        problems += [(f"arms.{name}", problem) for problem in found if problem]
    _refuse(study, problems)
    for _, run in study.runs():
        library.of_run(run)
    fits: dict[str, list[str]] = {}
    for name, arm in study.arms.items():
        about = arm.feedback and [arm.feedback.oracle, arm.feedback.options, arm.feedback.grid_size]
        asked = canonical([arm.images.text, about])
        if asked not in fits:  # once for all arms alike
            fits[asked] = [*_misfits(arm, library, record=study.record)]
        problems += [(f"arms.{name}", problem) for problem in fits[asked]]
    _refuse(study, problems)


def _refuse(study: Study, problems: Sequence[tuple[str, str]]) -> None:
    if problems:
        lines = gathered((place, problem.replace("\n", "\n    ")) for place, problem in problems)
        raise StudyError(f"study {study.name} cannot be run:{listed(lines)}")


def _oracle_problems(feedback: FeedbackSpec) -> Iterator[str]:
    try:
        make_oracle(feedback.oracle, feedback.options)
    except OracleError as error:
        yield str(error)


def _grid_problems(feedback: FeedbackSpec, size: int) -> Iterator[str]:
    rows, cols = feedback.grid_size
    if max(rows, cols) > size:
        yield (
            f"feedback.grid_size: a grid of {rows} x {cols} has more cells a side than the images have pixels "
            f"({size}); use a coarser grid or larger images"
        )


def _misfits(arm: ArmSpec, library: ImageLibrary, *, record: bool) -> Iterator[str]:
    """Why an arm's oracle cannot be asked about its images, and why its answers could not be recorded."""
    if arm.feedback is None:
        return
    oracle = make_oracle(arm.feedback.oracle, arm.feedback.options)
    images = library.image_index(arm.images)
    if found := misfits(oracle, images, Grid(*arm.feedback.grid_size)):
        yield f"feedback.oracle: {arm.feedback.oracle} does not fit the images or the grid:{_first(found)}"
    if record and (found := unnameable(images)):
        yield f"record = true: no session can hold these; give them other names, or set record = false:{_first(found)}"


def _first(found: Sequence[str]) -> str:
    """The first few of many problems, a line each."""
    more = [f"and {len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else []
    return listed([*found[:MOST_LISTED], *more])


def _model_problem(spec: ModelSpec, size: int, beside: Path) -> str:
    """Why the model cannot be used on images of that size; empty where it can, as one blank image shows."""
    try:
        check_model(spec, beside)
        model = build(spec, classes=2, size=size, seed=0, beside=beside)
        with deterministic():
            grad_cam(model, torch.zeros(1, 3, size, size), np.zeros(1, np.int64), layer=spec.cam_layer)
    except (UsageError, DataError) as error:
        return str(error)
    except OSError as error:  # the one thing that is not on this machine: torchvision's own weights
        return f"model.weights: {error}; fetch them once with a network, or give a local weights file"
    except Exception as error:  # torch's many words for a picture of a size that a model cannot take
        reason = (str(error).splitlines() or [""])[0]
        return (
            f'model.name: "{spec.name}" cannot be used on images of {size} x {size} pixels '
            f"({type(error).__name__}: {reason}); give images.size another value, or take another model"
        )
    return ""


# ---------------------------------------------------------------------------------------------------------- the plan


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a study would train, what the store holds of it, and how long the rest takes."""

    study: Study
    arms: tuple[str, ...]
    """Name of each run's arm."""
    runs: tuple[RunSpec, ...]
    plan: Plan
    unseen: str
    """Why the images, and so the store, could not be looked at; empty where they could."""
    estimate: TrainingTime | None
    processes: int
    """That would train here by default."""

    def trees(self) -> list[Tree]:
        """Trunks with their branches, as `imil-sim plan` draws them; those of seeds alike once."""
        return trees_of(self.plan, self.arms, self.runs)

    def summary(self) -> dict[str, object]:
        """The numbers of ``imil-sim plan --json``."""
        plan, taking = self.plan, self.estimate
        return {
            "study": self.study.name,
            "arms": len(self.study.arms),
            "seeds": len(self.study.seeds),
            "runs": plan.runs,
            "stages": len(plan.stages),
            "epochs_straight": plan.epochs_straight,
            "epochs_shared": plan.epochs_shared,
            "epochs_in_store": plan.epochs_in_store,
            "epochs_to_train": plan.epochs_to_train,
            "saving": plan.saving,
            "images_seen": not self.unseen,
            "seconds_of_work": None if taking is None else round(taking.work, 1),
            "seconds_estimated": None if taking is None else round(taking.on(self.processes), 1),
            "processes": self.processes,
        }


def plan_study(study: Study, root: Path, device_name: str, progress: Progress) -> StudyPlan:
    """The plan of a study, what the store at ``root`` holds of it, and how long the rest takes.

    Raises:
        ImilSimError: the study cannot be run. Images that are not on this machine are no error: counting needs none.
    """
    device = find_device(device_name)
    arms, runs = zip(*study.runs(), strict=True)
    library = ImageLibrary(study.beside, root, progress.count)
    try:
        check_study(study, library)
        unseen = ""
    except MissingData as error:
        unseen = str(error)
    if unseen:
        plan = plan_runs(runs, unseen_trunk)
    else:
        store = Store(root)
        plan = plan_runs(
            runs,
            StepRunner(library, store, device, study.beside).trunk,
            lambda key: store.holds("stages", key),
            lambda run: recorded_segments(store, run_key(run, library.of_run(run).fingerprints, device)),
        )

    def images(run: RunSpec) -> int | None:
        if not unseen:
            return len(library.of_run(run).train)
        return getattr(run.arm.images, "train", None)

    taking = estimate_time(plan, runs, images, lambda arm: time_steps(arm, device))
    processes = gpu_count() if device.type == "cuda" else cpu_count()
    return StudyPlan(study, arms, runs, plan, unseen, taking, processes)


# --------------------------------------------------------------------------------------------------------- its results


def run_study(study: Study, execution: Execution, library: ImageLibrary, progress: Progress) -> list[RunResult]:
    """The result of every run of a study, in its order; what the store does not hold is trained now.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used.
    """
    device = find_device(execution.device)
    store = Store(
        execution.store,
        lambda entry: progress.warn(f"{entry} in the store was damaged; it was set aside and is made again"),
    )
    arms, runs = zip(*study.runs(), strict=True)
    limits = study.checkpoint_minutes, study.oracle_seconds
    step_runner = StepRunner(library, store, device, study.beside, UNOBSERVED, *limits)

    def key(run: RunSpec) -> str:
        return run_key(run, library.of_run(run).fingerprints, device)

    def trunk_of(run: RunSpec) -> Lineage:
        return step_runner.trunk(run) if execution.sharing else step_runner.trunk(run).apart(run.arm)

    trunks = [trunk_of(run) for run in runs]
    plan = plan_runs(
        runs, trunk_of, lambda stage: store.holds("stages", stage), lambda run: recorded_segments(store, key(run))
    )
    if plan.epochs_to_train:
        store.check_writable()
    store.tidy()
    noted = [NotedRun(arm, run.seed, key(run), trunk.trunk) for arm, run, trunk in zip(arms, runs, trunks, strict=True)]
    with suppress(*([] if plan.epochs_to_train else [StoreError])):  # of a store nobody may write to, a report is made
        note_study(store, study.name, zip(runs, noted, strict=True))
    workers = cpu_count() if execution.workers is None else execution.workers
    if execution.scheduler is None and not plan.epochs_to_train:
        workers = 0  # nothing is left that would be worth starting processes for
    labels = [f"{arm}, seed {run.seed}" for arm, run in zip(arms, runs, strict=True)]
    step_runner.observer = counts = StudyProgress(progress, labels, plan.epochs_to_train)
    results: dict[int, RunResult] = {}
    with (
        store.presence(),
        _executor(study, execution, workers, step_runner, counts) as executor,
        closing(carry_out(runs, trunks, executor, counts)) as ends,
    ):
        try:
            for position, ended in ends:
                results[position] = keep(arms[position], runs[position], ended, library, store, device)
        except DataError:
            for run in runs:  # a worker that loaded altered images saw that they differ, not which
                library.check_unaltered(run)
            raise
    store.tidy()  # a worker that was lost on the way may have left something
    found = [results[position] for position in range(len(runs))]
    for result in found:
        if result.changed:
            progress.warn(
                f"{result.arm}, seed {result.seed}: answered otherwise than in the results of before, which these "
                f"replace: {counted(result.changed)}"
            )
    return found


@contextmanager
def _executor(
    study: Study, execution: Execution, workers: int, step_runner: StepRunner, counts: StudyProgress
) -> Iterator[Executor]:
    if workers == 0 and execution.scheduler is None:
        yield LocalExecutor(step_runner.carry_out)
        return
    config = WorkerConfig(
        str(execution.store.resolve()),
        str(study.beside),
        execution.device,
        study.checkpoint_minutes,
        study.oracle_seconds,
        environment(step_runner.device),
        current_readers(),
    )
    opened = (
        remote_client(execution.scheduler, execution.security)
        if execution.scheduler
        else local_client(workers, execution.device, execution.workers_per_gpu)
    )
    with opened as client:
        yield DaskExecutor(client, config, counts.on_any_epoch)


def stored_results(
    study: Study, root: Path, device_name: str, progress: Progress
) -> tuple[list[RunResult], ImageLibrary]:
    """What the store holds of a study's runs, in its order, and the images of the study; nothing is trained.

    Raises:
        ImilSimError: the images cannot be used, there is no such store, or it holds no run of the study.
    """
    if not root.is_dir():
        raise UsageError(f'there is no store "{root}"; run the study first, or name the store with --store')
    device, store = find_device(device_name), Store(root, lambda entry: None)
    library = ImageLibrary(study.beside, root, progress.count)
    found = []
    for arm, run in study.runs():
        held = recorded(store, run_key(run, library.of_run(run).fingerprints, device))
        if held is not None:
            found.append(RunResult(arm, run.seed, *held))
    if not found:
        raise UsageError(
            f"the store {root} holds no run of study {study.name} as its file stands now (device {device.type}): "
            "`imil-sim run` makes them"
        )
    return found, library
