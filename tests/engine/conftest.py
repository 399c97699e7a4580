"""A laboratory for whole studies: 16 images of 32 pixels, a small network, three epochs, one process."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult, keep
from imil_sim.engine.run import Executor, LocalExecutor, Observer, carry_out
from imil_sim.engine.steps import StepRunner
from imil_sim.engine.store import Store
from imil_sim.engine.study_run import check_study
from imil_sim.study.record import EpochRow
from imil_sim.study.study import Study, parse_study

TOP = """
name = "tiny"
seeds = 1
images = { source = "phantom", size = 32, train = 16, test = 6 }
model.name = "resnet10"
training = { epochs = 3, batch_size = 8, learning_rate = 0.01 }
feedback = { imil_epoch = 2, num_outliers = 4 }
"""

CPU = torch.device("cpu")


@dataclass
class Lab(Observer):
    """Carries out studies in one store, and remembers what had to be trained for them."""

    store: Path
    stages: list[tuple[int, int]] = field(default_factory=list)
    """(from epoch, to epoch) of every stage that was trained."""
    epochs: int = 0
    """Epochs that were trained."""
    damaged: list[str] = field(default_factory=list)
    epoch_trained: Callable[[int], None] = lambda count: None
    """Called with how many epochs have been trained so far."""
    executor: Callable[[StepRunner], Executor] = lambda step_runner: LocalExecutor(step_runner.carry_out)
    checkpoint_minutes: float = 10.0
    oracle_seconds: float = 60.0

    def study(self, arms: str, top: str = TOP) -> Study:
        """The study of these arms."""
        return parse_study(tomllib.loads(top + arms), beside=self.store.parent)

    def check(self, study: Study) -> None:
        """See `check_study`."""
        check_study(study, ImageLibrary(study.beside, self.store))

    def carry_out(self, study: Study, *, sharing: bool = True) -> dict[tuple[str, int], RunResult]:
        """Every run's result, by arm and seed."""
        library = ImageLibrary(study.beside, self.store)
        store = Store(self.store, self.damaged.append)
        limits = self.checkpoint_minutes, self.oracle_seconds
        step_runner = StepRunner(library, store, CPU, study.beside, self, *limits)
        names, runs = zip(*study.runs(), strict=True)
        trunks = [step_runner.trunk(run) if sharing else step_runner.trunk(run).apart(run.arm) for run in runs]
        ends = dict(carry_out(runs, trunks, self.executor(step_runner)))
        kept = [keep(names[place], run, ends[place], library, store, CPU) for place, run in enumerate(runs)]
        return {(result.arm, result.seed): result for result in kept}

    def on_stage(self, start: int, until: int) -> None:
        self.stages.append((start, until))

    def on_epoch(self, row: EpochRow) -> None:
        self.epochs += 1
        self.epoch_trained(self.epochs)


THREE = """
[arms.baseline]
[arms.lesions]
feedback.oracle = "lesions"
[arms.random]
feedback = { oracle = "random-cells", options.like = "lesions" }
"""


@dataclass(frozen=True)
class Warm:
    """A study of three arms that was carried out, undisturbed, when the first test asked for it."""

    study: Study
    results: dict[tuple[str, int], RunResult]
    lab: Lab
    arms: str = THREE
    """Its arms, as text."""

    def again(self) -> Lab:
        """A laboratory with the same store, in which nothing has been trained yet."""
        return Lab(self.lab.store)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Warm:
    """The study `THREE`; tests may add to its store, not take from it."""
    lab = Lab(tmp_path_factory.mktemp("warm") / "store")
    study = lab.study(THREE)
    return Warm(study, lab.carry_out(study), lab)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A laboratory with an empty store."""
    return Lab(tmp_path / "store")
