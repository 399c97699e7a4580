"""The plan: what a study would train, before anything runs.

The story of each run (`perform`) is told with answers nobody has given yet: arms that would ask the same oracle the
same questions share a branch, all others are taken to differ. So the plan's epochs are an upper bound: real answers
can only bring more branches together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from imil_sim.engine.run import consultation_epochs, perform
from imil_sim.engine.stages import Lineage
from imil_sim.engine.steps import Consult, Consulted, Evaluate, Train
from imil_sim.study.record import Consultation
from imil_sim.study.spec import RunSpec, content_key


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """Training from one state to another."""

    key: str
    parent: str
    """Key of the state it starts from."""
    start: int
    until: int
    runs: tuple[int, ...]
    """Which runs go through it, as positions in the list of runs."""

    @property
    def epochs(self) -> int:
        """Epochs it takes."""
        return self.until - self.start


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages of a study and what sharing them saves."""

    runs: int
    stages: tuple[PlannedStage, ...]
    epochs_straight: int
    """Epochs if every run were trained by itself."""
    in_store: frozenset[str] = frozenset()
    """Keys of the stages the store holds."""

    @property
    def epochs_shared(self) -> int:
        """Epochs when every different one is trained once."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def epochs_in_store(self) -> int:
        """Of those, epochs the store already holds."""
        return sum(stage.epochs for stage in self.stages if stage.key in self.in_store)

    @property
    def epochs_to_train(self) -> int:
        """Epochs that are left to train."""
        return self.epochs_shared - self.epochs_in_store

    @property
    def saving(self) -> float:
        """How many times fewer epochs sharing takes: ``epochs_straight / epochs_shared``."""
        return self.epochs_straight / self.epochs_shared


@dataclass
class _Stages:
    """Stages by key while the runs are gone through."""

    found: dict[str, PlannedStage] = field(default_factory=dict)
    runs: dict[str, list[int]] = field(default_factory=dict)


def plan_runs(
    runs: Iterable[RunSpec],
    trunk: Callable[[RunSpec], Lineage],
    holds: Callable[[str], bool] = lambda key: False,
    known: Callable[[RunSpec], tuple[str, ...]] = lambda run: (),
) -> Plan:
    """The plan of a study.

    Args:
        runs: all of them.
        trunk: the untrained state of a run.
        holds: whether the store holds the stage of a key.
        known: keys of the states a run is recorded to have gone through; empty where it has not been run.
    """
    everything = list(runs)
    halts = consultation_epochs(everything)
    gone = _Stages()
    straight = 0
    for position, run in enumerate(everything):
        straight += run.arm.training.epochs
        _walk(run, position, trunk(run), halts, gone, known(run))
    stages = tuple(
        PlannedStage(s.key, s.parent, s.start, s.until, tuple(gone.runs[key])) for key, s in gone.found.items()
    )
    return Plan(len(everything), stages, straight, frozenset(key for key in gone.found if holds(key)))


def _walk(run: RunSpec, position: int, trunk: Lineage, halts: set[int], gone: _Stages, known: tuple[str, ...]) -> None:
    steps = perform(run, trunk, halts)
    outcome: object = None
    number = 0
    try:
        while True:
            step = steps.send(outcome)
            match step:
                case Train():
                    outcome = step.target
                    key = known[number] if number < len(known) else step.target.key
                    parent = (known[number - 1] if number else trunk.key) if known else step.start.key
                    number += 1
                    stage = PlannedStage(key, parent, step.start.epoch, step.until, ())
                    gone.found.setdefault(key, stage)
                    gone.runs.setdefault(key, []).append(position)
                case Consult():
                    outcome = _unanswered(step)
                case Evaluate():
                    outcome = {}
    except StopIteration:
        return


def _unanswered(step: Consult) -> Consulted:
    """A consultation nobody has answered: its overlay is named for the question, so equal questions share it."""
    feedback = step.run.arm.feedback
    assert feedback is not None
    asked = feedback.model_dump(mode="json", exclude={"imil_epoch"})
    key = content_key(["unanswered", step.state.key, step.overlay, asked, step.number, step.run.seed])
    consultation = Consultation(
        epoch=step.state.epoch, grid=feedback.grid_size, requested=feedback.num_outliers,
        n_mispredictions=0, n_excluded=0, n_filled_up=0, answers=(),
    )  # fmt: skip
    return Consulted(consultation, key, step.answered, "")


def shape(plan: Plan) -> Counter[tuple[int, int]]:
    """How many stages of each (start, until) the plan has."""
    return Counter((stage.start, stage.until) for stage in plan.stages)
