"""The plan: what a study would train, before anything runs.

The story of each run (`perform`) is told with answers nobody has given yet: arms that would ask the same oracle the
same questions share a branch, all others are taken to differ. So the plan's epochs are an upper bound: real answers
can only bring more branches together. Where an earlier run is on record, its answers are known and counted as they
were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from imil_sim.engine.run import Halts, halts_of, perform
from imil_sim.engine.stages import Lineage
from imil_sim.engine.steps import Consult, Consulted, Train
from imil_sim.study.record import Consultation
from imil_sim.study.spec import RunSpec, content_key


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """Training from one state to another."""

    key: str
    parent: str
    """Key of the state it starts from."""
    overlay: str
    """Key of the overlay it is trained under; ``""``: none."""
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
    """A stage stands behind the one it starts from."""
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

    def to_train(self) -> Iterator[PlannedStage]:
        """The stages the store does not hold."""
        return (stage for stage in self.stages if stage.key not in self.in_store)


@dataclass
class _Found:
    """A stage while the runs are gone through."""

    parent: str
    overlay: str
    start: int
    until: int
    runs: list[int] = field(default_factory=list)


def plan_runs(
    runs: Sequence[RunSpec],
    trunk: Callable[[RunSpec], Lineage],
    holds: Callable[[str], bool] = lambda key: False,
    known: Callable[[RunSpec], tuple[tuple[int, str], ...]] = lambda run: (),
) -> Plan:
    """The plan of a study.

    Args:
        runs: all of them.
        trunk: the untrained state of a run.
        holds: whether the store holds the stage of a key.
        known: the segments of the final state (see `Lineage`) that a run is recorded to have reached; empty where it
            has not been run. Asked only for runs that consult.
    """
    trunks = [trunk(run) for run in runs]
    halts = halts_of(runs, trunks)
    stages: dict[str, _Found] = {}
    for position, (run, start) in enumerate(zip(runs, trunks, strict=True)):
        segments = known(run) if run.arm.feedback else ()
        for step in _trains(run, start, halts[start], segments):
            target = step.target
            key = target.key
            if key not in stages:
                stages[key] = _Found(step.start.key, step.overlay, step.start.epoch, step.until)
            stages[key].runs.append(position)
    planned = tuple(PlannedStage(k, s.parent, s.overlay, s.start, s.until, tuple(s.runs)) for k, s in stages.items())
    straight = sum(run.arm.training.epochs for run in runs)
    return Plan(len(runs), planned, straight, frozenset(key for key in stages if holds(key)))


def _trains(run: RunSpec, trunk: Lineage, halts: Halts, known: tuple[tuple[int, str], ...]) -> Iterator[Train]:
    """The stages a run goes through, in order."""
    steps = perform(run, trunk, halts)
    outcome: object = None
    while True:
        step = steps.send(outcome)
        match step:
            case Train():
                yield step
                outcome = step.target
            case Consult():
                outcome = Consulted(_NOBODYS, _overlay_after(step, known), step.answered, "")
            case _:  # the evaluation comes last
                return


_NOBODYS = Consultation(
    epoch=0, grid=(1, 1), requested=0, n_mispredictions=0, n_excluded=0, n_filled_up=0, answers=()
)  # fmt: skip
"""A consultation nobody has answered."""


def _overlay_after(step: Consult, known: tuple[tuple[int, str], ...]) -> str:
    """The overlay on record, or one named for the question, so that equal questions share it."""
    for end, overlay in known:
        if end > step.state.epoch:
            return overlay
    feedback = step.run.arm.feedback
    assert feedback is not None
    return content_key(["unanswered", step.state.key, step.overlay, feedback.question, step.number, step.run.seed])


def unseen_trunk(run: RunSpec) -> Lineage:
    """What stands for the untrained state of a run whose images nobody has looked at: enough to count epochs."""
    arm = run.arm
    return Lineage(content_key(["unseen", arm.images.text, arm.split.text, arm.model.text, arm.recipe, run.seed]))
