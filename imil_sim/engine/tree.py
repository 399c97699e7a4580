"""The stage tree as a picture: trunks, the branches that fork from them, and what is alike drawn once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imil_sim.engine.plan import Plan, PlannedStage
from imil_sim.study.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Line:
    """Training under one overlay, from where it forks to its last epoch, however many stages that takes."""

    start: int
    """Completed epochs where it begins."""
    until: int
    epochs_in_store: int
    """Of its epochs, those the store holds."""
    arms: frozenset[str]
    """The arms that go through it."""
    ending: frozenset[str]
    """Of those, the ones that end on it; the others fork off."""
    forks: tuple[Line, ...]
    """By epoch."""

    @property
    def epochs(self) -> int:
        """Epochs it takes, without its forks."""
        return self.until - self.start

    def lines(self) -> Iterator[Line]:
        """It, its forks, their forks, ..."""
        yield self
        for fork in self.forks:
            yield from fork.lines()


@dataclass(frozen=True, slots=True)
class Alike:
    """Lines that fork at one epoch and are alike but for their arms."""

    count: int
    start: int
    until: int
    epochs_in_store: int
    """Of each."""
    arms: tuple[str, ...]
    """That go through any of them, in the order of the study."""
    forks: tuple[Alike, ...]
    """Of all of them together."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk with its branches, the same for several seeds."""

    trunk: Line
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
        return sum(line.epochs for line in self.trunk.lines())


def trees_of(plan: Plan, arms: Sequence[str], runs: Sequence[RunSpec]) -> list[Tree]:
    """The trees of a plan, those of several seeds that are alike once; ``arms`` holds the name of each run's arm."""
    children: dict[str, list[PlannedStage]] = {}
    for stage in plan.stages:
        children.setdefault(stage.parent, []).append(stage)
    alike: dict[tuple[object, ...], tuple[Line, PlannedStage, list[int]]] = {}
    for root in (stage for stage in plan.stages if stage.start == 0):
        run = runs[root.runs[0]]
        trunk = _line(root, children, plan.in_store, arms)
        what = (run.arm.recipe, run.arm.model.text, run.arm.images.text, run.arm.split.text, trunk)
        alike.setdefault(what, (trunk, root, []))[2].append(run.seed)
    return [
        Tree(
            trunk,
            tuple(seeds),
            runs[root.runs[0]],
            len(root.runs),
            sum(runs[position].arm.training.epochs for position in root.runs),
        )
        for trunk, root, seeds in alike.values()
    ]


def _line(
    first: PlannedStage, children: dict[str, list[PlannedStage]], in_store: frozenset[str], arms: Sequence[str]
) -> Line:
    chain, forks = [first], []
    while True:
        following = children.get(chain[-1].key, [])
        forks += [_line(s, children, in_store, arms) for s in following if s.overlay != first.overlay]
        same = [stage for stage in following if stage.overlay == first.overlay]
        if not same:
            break
        chain += same
    gone = frozenset(arms[position] for position in first.runs)
    return Line(
        start=first.start,
        until=chain[-1].until,
        epochs_in_store=sum(stage.epochs for stage in chain if stage.key in in_store),
        arms=gone,
        ending=gone.difference(*(fork.arms for fork in forks)),
        forks=tuple(forks),
    )


def grouped(lines: Iterable[Line], order: Sequence[str]) -> list[Alike]:
    """Lines that are alike but for their arms, together; ``order`` is that of the arms' names."""
    found: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        found.setdefault(_shape(line), []).append(line)
    place = {name: number for number, name in enumerate(order)}
    return [
        Alike(
            count=len(those),
            start=those[0].start,
            until=those[0].until,
            epochs_in_store=those[0].epochs_in_store,
            arms=tuple(sorted(frozenset().union(*(line.arms for line in those)), key=place.__getitem__)),
            forks=tuple(grouped((fork for line in those for fork in line.forks), order)),
        )
        for those in found.values()
    ]


def _shape(line: Line) -> tuple[object, ...]:
    forks = sorted((_shape(fork) for fork in line.forks), key=repr)
    return line.start, line.until, line.epochs_in_store, tuple(forks)
