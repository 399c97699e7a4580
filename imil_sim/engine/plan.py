"""The plan: what a study would train, before anything runs; as stages, as trees, and in seconds.

Each run is performed (`imil_sim.engine.run.perform`) with answers nobody has given yet: arms that would ask the same
oracle the same questions share a branch, all others are taken to differ. So the plan's epochs are an upper bound: real
answers can only bring more branches together. Where an earlier run is on record, its answers are known and counted as
they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from imil_sim.engine.run import Halts, halts_of, perform
from imil_sim.engine.stages import Consult, ConsultationResult, Lineage, Train
from imil_sim.study.record import Consultation
from imil_sim.study.spec import ArmSpec, RunSpec, content_key
from imil_sim.training.models import build
from imil_sim.training.numerics import deterministic
from imil_sim.training.train import step


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
    steps: dict[str, Train] = {}
    through: dict[str, list[int]] = {}
    for position, (run, start) in enumerate(zip(runs, trunks, strict=True)):
        for train in _trains(run, start, halts[start], known(run) if run.arm.feedback else ()):
            key = train.key
            steps.setdefault(key, train)
            through.setdefault(key, []).append(position)
    stages = tuple(
        PlannedStage(key, train.state.key, train.overlay, train.state.epoch, train.until, tuple(through[key]))
        for key, train in steps.items()
    )
    straight = sum(run.arm.training.epochs for run in runs)
    return Plan(len(runs), stages, straight, frozenset(key for key in steps if holds(key)))


_UNANSWERED = Consultation(
    epoch=0, grid=(1, 1), requested=0, n_mispredictions=0, n_excluded=0, n_filled_up=0, answers=()
)  # fmt: skip


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
                outcome = ConsultationResult(_UNANSWERED, _overlay_after(step, known), step.answered, "")
            case _:  # the evaluation comes last
                return


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


# ----------------------------------------------------------------------------------------------------------- as trees


@dataclass(frozen=True, slots=True)
class Branch:
    """Training under one overlay, from where it forks to its last epoch, however many stages that takes.

    Branches that fork at one epoch and are alike but for their arms are one.
    """

    start: int
    """Completed epochs where it begins."""
    until: int
    epochs_in_store: int
    """Of its epochs, those the store holds."""
    arms: tuple[str, ...]
    """The arms that go through any of them, in the order of the study."""
    forks: tuple[Branch, ...]
    """Of all of them together."""
    count: int = 1
    """How many are alike."""

    @property
    def epochs(self) -> int:
        """Epochs of each, without its forks."""
        return self.until - self.start

    @property
    def ending(self) -> tuple[str, ...]:
        """The arms that end here; the others fork off."""
        return tuple(arm for arm in self.arms if not any(arm in fork.arms for fork in self.forks))

    def all(self) -> Iterator[Branch]:
        """It, its forks, their forks, ..."""
        yield self
        for fork in self.forks:
            yield from fork.all()


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk with its branches, the same for several seeds."""

    trunk: Branch
    seeds: tuple[int, ...]
    run: RunSpec
    """One of its runs: the recipe of all of them but for feedback and epochs."""
    runs: int
    """Of one seed."""
    epochs_straight: int
    """Of one seed, if every run were trained by itself."""

    @property
    def epochs_shared(self) -> int:
        """Of one seed, when every different epoch is trained once."""
        return sum(branch.count * branch.epochs for branch in self.trunk.all())


def trees_of(plan: Plan, arms: Sequence[str], runs: Sequence[RunSpec]) -> list[Tree]:
    """The trees of a plan, those of several seeds that are alike once; ``arms`` holds the name of each run's arm."""
    children: dict[str, list[PlannedStage]] = {}
    for stage in plan.stages:
        children.setdefault(stage.parent, []).append(stage)
    order = {name: place for place, name in enumerate(dict.fromkeys(arms))}

    def branch(first: PlannedStage) -> Branch:
        chain, forks = [first], []
        while following := children.get(chain[-1].key, []):
            forks += [branch(stage) for stage in following if stage.overlay != first.overlay]
            same = [stage for stage in following if stage.overlay == first.overlay]
            if not same:
                break
            chain += same
        held = sum(stage.epochs for stage in chain if stage.key in plan.in_store)
        names = sorted({arms[position] for position in first.runs}, key=order.__getitem__)
        return Branch(first.start, chain[-1].until, held, tuple(names), _grouped(forks, order))

    trees: dict[tuple[object, ...], Tree] = {}
    for root in (stage for stage in plan.stages if stage.start == 0):
        run, trunk = runs[root.runs[0]], branch(root)
        what = (run.arm.recipe, run.arm.model.text, run.arm.images.text, run.arm.split.text, trunk)
        if what in trees:
            trees[what] = replace(trees[what], seeds=(*trees[what].seeds, run.seed))
        else:
            straight = sum(runs[position].arm.training.epochs for position in root.runs)
            trees[what] = Tree(trunk, (run.seed,), run, len(root.runs), straight)
    return list(trees.values())


def _grouped(branches: Iterable[Branch], order: dict[str, int]) -> tuple[Branch, ...]:
    """Branches that are alike but for their arms, together."""
    found: dict[tuple[object, ...], list[Branch]] = {}
    for branch in branches:
        found.setdefault(_shape(branch), []).append(branch)
    return tuple(
        replace(
            those[0],
            arms=tuple(sorted({arm for branch in those for arm in branch.arms}, key=order.__getitem__)),
            forks=_grouped((fork for branch in those for fork in branch.forks), order),
            count=sum(branch.count for branch in those),
        )
        for those in found.values()
    )


def _shape(branch: Branch) -> tuple[object, ...]:
    forks = sorted((_shape(fork) for fork in branch.forks), key=repr)
    return branch.start, branch.until, branch.epochs_in_store, branch.count, tuple(forks)


# --------------------------------------------------------------------------------------------------------- in seconds

SECONDS_EACH = 1.5
"""About as long as the steps of one model are timed."""

MOST_KINDS = 8
"""Of more different models nothing is timed: that would take longer than a look at a plan may."""


@dataclass(frozen=True, slots=True)
class TrainingTime:
    """How long the training of a plan takes; consultations and tests come on top."""

    work: float
    """Seconds of one process."""
    longest: float
    """Seconds of the longest path: no number of processes is faster."""

    def on(self, processes: int) -> float:
        """Seconds on that many processes."""
        return max(self.work / processes, self.longest)


def estimate_time(
    plan: Plan, runs: Sequence[RunSpec], images: Callable[[RunSpec], int | None], timed: Callable[[ArmSpec], float]
) -> TrainingTime | None:
    """How long the stages take that the store does not hold; None where that cannot be known.

    Args:
        plan: what is to be trained.
        runs: all runs of the study.
        images: how many images a run trains on; none where nobody knows.
        timed: seconds of a step; asked once for each different model, size, batch and precision.
    """
    left = [(stage, runs[stage.runs[0]]) for stage in plan.stages if stage.key not in plan.in_store]
    kinds = {_kind(run.arm): run.arm for _, run in left}
    if len(kinds) > MOST_KINDS or any(images(run) is None for _, run in left):
        return None
    seconds = {kind: timed(arm) for kind, arm in kinds.items()}
    work = 0.0
    ends: dict[str, float] = {}
    for stage, run in left:
        steps = (images(run) or 0) / run.arm.training.batch_size
        takes = stage.epochs * steps * seconds[_kind(run.arm)]
        work += takes
        ends[stage.key] = ends.get(stage.parent, 0.0) + takes
    return TrainingTime(work, max(ends.values(), default=0.0))


def _kind(arm: ArmSpec) -> tuple[str, int, int, str]:
    return arm.model.name, arm.images.size, arm.training.batch_size, arm.training.precision


def time_steps(arm: ArmSpec, device: torch.device) -> float:
    """Seconds of one step of training, measured; a batch that would take too long is extrapolated from smaller ones."""
    size, batch = arm.images.size, arm.training.batch_size
    model = build(arm.model.model_copy(update={"weights": "none"}), classes=2, size=size, seed=0).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    def take(count: int) -> float:
        values = torch.linspace(-1, 1, count * 3 * size * size, device=device)  # not zeros: those may be faster
        inputs = values.view(count, 3, size, size).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(count, dtype=torch.int64, device=device)
        began = time.perf_counter()
        step(model, optimizer, inputs, labels, bf16=arm.training.precision == "bf16")
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    with deterministic():
        return extrapolated(batch, take)


def extrapolated(batch: int, take: Callable[[int], float], seconds: float = SECONDS_EACH) -> float:
    """Seconds of a step on ``batch`` images, from steps on as many of them as fit into about ``seconds``.

    Batches of 2, 4, 8, ... images are tried, each twice, since the first of a size prepares its kernels. A step costs
    something by itself (the update) and something for each image; the last two sizes show both.
    """
    counts, times = [min(2, batch)], []
    while True:
        first, second = take(counts[-1]), take(counts[-1])
        times.append(min(first, second))
        seconds -= first + second
        if counts[-1] == batch:
            return times[-1]
        if seconds < 4 * times[-1]:  # two steps of twice the size would not fit
            break
        counts.append(min(2 * counts[-1], batch))
    if len(counts) == 1:
        return times[0] * batch / counts[0]
    each = max((times[-1] - times[-2]) / (counts[-1] - counts[-2]), 0.0)
    return times[-1] + each * (batch - counts[-1])
