"""Carrying out a study: many runs at once, every different step done once, every outcome on record.

Each run asks for one step after another (`imil_sim.engine.run.perform`). `carry_out` has each different step carried
out by an `Executor` (this process, or the workers of a cluster), and hands the outcome to every run that asked for it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from imil_sim.engine.run import Halts, Performed, halts_of, perform
from imil_sim.engine.stages import Lineage
from imil_sim.engine.steps import Done, Step, StepRunner, Train
from imil_sim.errors import RunError
from imil_sim.study.spec import RunSpec


class Executor(Protocol):
    """What carries out steps."""

    def submit(self, step: Step, priority: int) -> None:
        """Have a step carried out; of several that wait the one with the highest priority goes first."""
        ...

    def completed(self) -> Done:
        """The next step that is done, as soon as there is one.

        Raises:
            ImilSimError: something is wrong that concerns every run.
        """
        ...

    def close(self) -> None:
        """Nothing is carried out any more; what is under way is given up."""
        ...


class LocalExecutor:
    """Carries out steps in this process, one at a time."""

    def __init__(self, step_runner: StepRunner) -> None:
        self._runner = step_runner
        self._waiting: list[tuple[int, int, Step]] = []
        self._order = itertools.count()

    def submit(self, step: Step, priority: int) -> None:
        """See `Executor.submit`; of equal priorities the latest goes first: a run is finished once begun."""
        heapq.heappush(self._waiting, (-priority, -next(self._order), step))

    def completed(self) -> Done:
        """See `Executor.completed`."""
        return self._runner.carry_out(heapq.heappop(self._waiting)[2])

    def close(self) -> None:
        """See `Executor.close`."""
        self._waiting.clear()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    performed: Performed | None
    """What it has been through; None unless it is done."""
    error: RunError | None
    """Why it failed or what it waits for."""
    seconds: Mapping[str, float]
    """Time spent for it on each kind of step; steps that several runs share count for the first that asked."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Callbacks on the progress of a study; they read, and do not write."""

    on_step: Callable[[Step, int, bool], None] = lambda step, position, first: None
    """The run at that position asks for a step: the first to do so, or one more that waits for the same."""
    on_done: Callable[[Step, Done], None] = lambda step, done: None
    """A step is done."""
    on_end: Callable[[int, Ended], None] = lambda position, ended: None
    """The run at that position has ended."""


@dataclass
class _ActiveRun:
    """One run on its way: its steps, and what has been spent on it."""

    position: int
    run: RunSpec
    steps: Generator[Step, Any, Performed]
    seconds: dict[str, float] = field(default_factory=dict)


def carry_out(
    runs: Sequence[RunSpec],
    trunk: Callable[[RunSpec], Lineage],
    executor: Executor,
    observer: Observer = Observer(),
    *,
    sharing: bool = True,
) -> list[Ended]:
    """How every run ended, in their order; a run that fails does not keep the others from going on.

    Args:
        runs: all runs of the study.
        trunk: the untrained state of a run.
        executor: what carries out the steps; closed at the end.
        observer: is called as things happen.
        sharing: whether runs share what they have in common; without, each is trained straight by itself.

    Raises:
        ImilSimError: something is wrong that concerns every run.
    """
    ended: dict[int, Ended] = {}
    asking: dict[str, tuple[Step, list[_ActiveRun]]] = {}

    def go_on(active: _ActiveRun, outcome: object) -> None:
        try:
            step = active.steps.send(outcome)
        except StopIteration as end:
            finish(active, Ended(end.value, None, active.seconds))
            return
        first = step.key not in asking
        asking.setdefault(step.key, (step, []))[1].append(active)
        observer.on_step(step, active.position, first)
        if first:
            executor.submit(step, remaining(active.run, step))

    def finish(active: _ActiveRun, how: Ended) -> None:
        ended[active.position] = how
        observer.on_end(active.position, how)

    try:
        for active in _started(runs, trunk, sharing):
            go_on(active, None)
        while asking:
            done = executor.completed()
            step, waiting = asking.pop(done.key)
            observer.on_done(step, done)
            kind = type(step).__name__.lower()
            waiting[0].seconds[kind] = waiting[0].seconds.get(kind, 0.0) + done.seconds
            for active in waiting:
                if isinstance(done.error, RunError):
                    finish(active, Ended(None, done.error, active.seconds))
                else:
                    go_on(active, done.outcome)
    finally:
        executor.close()
    return [ended[position] for position in range(len(runs))]


def remaining(run: RunSpec, step: Step) -> int:
    """Epochs a run still has before it from the beginning of a step: the longest path goes first."""
    return run.arm.training.epochs - reached(step)


def reached(step: Step) -> int:
    """Completed epochs of the state a step begins at."""
    return step.start.epoch if isinstance(step, Train) else step.state.epoch


def _started(runs: Sequence[RunSpec], trunk: Callable[[RunSpec], Lineage], sharing: bool) -> list[_ActiveRun]:
    if not sharing:
        return [_ActiveRun(i, run, perform(run, trunk(run).apart(run.arm), Halts([run]))) for i, run in enumerate(runs)]
    trunks = [trunk(run) for run in runs]
    halts = halts_of(runs, trunks)
    return [_ActiveRun(i, run, perform(run, trunks[i], halts[trunks[i]])) for i, run in enumerate(runs)]
