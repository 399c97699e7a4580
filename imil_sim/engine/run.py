"""Runs, from the first epoch to the last test: train, consult, train on, test once.

`perform` is the story of one run, top to bottom. It does nothing itself: it yields one step after another and is sent
back what came of it, so that one process, the workers of a cluster, and a plan that only counts all follow the same
lines. `carry_out` performs many runs at once: every different step is done once, by an `Executor`, and its
outcome goes to every run that asked for it.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from imil_sim.engine.stages import Consult, ConsultationResult, Evaluate, Lineage, Step, StepResult, Train
from imil_sim.errors import AwaitsAnswers, RunError
from imil_sim.progress import Progress
from imil_sim.study.record import EpochRow
from imil_sim.study.spec import RunSpec

SHOWN_EVERY = 1.0
"""Seconds between two counts of epochs."""

# ------------------------------------------------------------------------------------------------------------ one run


@dataclass(frozen=True, slots=True)
class Performed:
    """What a run has been through."""

    states: tuple[Lineage, ...]
    """Every state of training it halted at, the final one last."""
    consultations: tuple[ConsultationResult, ...]
    evaluations: dict[str, str]
    """Key of the predictions on each test set, by its name."""


class Halts:
    """Where training halts in the runs of one trunk, because runs that are still the same part or end there.

    On the trunk training halts wherever any of the runs consults or ends. A branch can only be shared by runs that
    consulted whenever it forked, so only their epochs count there. Where training halts is thus a function of the state
    alone: a stage begins at the same state whichever run asks for it.
    """

    def __init__(self, runs: Iterable[RunSpec]) -> None:
        self._paths = {
            (run.arm.feedback.imil_epoch if run.arm.feedback else (), run.arm.training.epochs) for run in runs
        }
        self._known: dict[tuple[int, ...], tuple[int, ...]] = {}

    def after(self, forks: tuple[int, ...]) -> tuple[int, ...]:
        """The epochs, ascending, at which training halts after the overlay has changed at each epoch of ``forks``."""
        if forks not in self._known:
            met = [(*epochs, end) for epochs, end in self._paths if set(forks).issubset(epochs)]
            self._known[forks] = tuple(sorted({epoch for path in met for epoch in path}))
        return self._known[forks]


def halts_of(runs: Sequence[RunSpec], trunks: Sequence[Lineage]) -> dict[Lineage, Halts]:
    """By trunk, where the runs that begin with it halt; ``trunks`` holds the untrained state of each run."""
    together: dict[Lineage, list[RunSpec]] = {}
    for run, trunk in zip(runs, trunks, strict=True):
        together.setdefault(trunk, []).append(run)
    return {trunk: Halts(those) for trunk, those in together.items()}


def perform(run: RunSpec, trunk: Lineage, halts: Halts) -> Generator[Step, Any, Performed]:
    """The steps of a run, one after the other.

    Args:
        run: what to do.
        trunk: the untrained state.
        halts: where training halts, because other runs may want to fork there.
    """
    states: list[Lineage] = [trunk]
    consulted: list[ConsultationResult] = []
    overlay, answered = "", frozenset[str]()

    def train_to(until: int) -> Generator[Step, Any, None]:
        forks = states[-1].trained(until, overlay).forks
        for epoch in [h for h in halts.after(forks) if states[-1].epoch < h < until] + [until]:
            states.append((yield Train(run, states[-1], overlay, epoch)))

    for number, epoch in enumerate(run.arm.feedback.imil_epoch if run.arm.feedback else (), 1):
        yield from train_to(epoch)
        answer: ConsultationResult = yield Consult(run, states[-1], number, overlay, answered)
        overlay, answered = answer.overlay, answer.answered
        consulted.append(answer)
    yield from train_to(run.arm.training.epochs)
    evaluations = yield Evaluate(run, states[-1])
    return Performed(tuple(states[1:]), tuple(consulted), evaluations)


# ---------------------------------------------------------------------------------------------------------- many runs


class Executor(Protocol):
    """What carries out steps."""

    def submit(self, step: Step, priority: int) -> None:
        """Have a step carried out; of several that wait the one with the highest priority goes first."""
        ...

    def completed(self) -> StepResult:
        """The next step that is done, as soon as there is one.

        Raises:
            ImilSimError: something is wrong that concerns every run.
        """
        ...

    def close(self) -> None:
        """Nothing is carried out any more; what is under way is given up."""
        ...


class LocalExecutor:
    """Carries out steps in this process, one at a time: ``do`` does one (`imil_sim.engine.steps.StepRunner`)."""

    def __init__(self, do: Callable[[Step], StepResult]) -> None:
        self._do = do
        self._waiting: list[tuple[int, int, Step]] = []
        self._order = itertools.count()

    def submit(self, step: Step, priority: int) -> None:
        """See `Executor.submit`; of equal priorities the latest goes first: a run is finished once begun."""
        heapq.heappush(self._waiting, (-priority, -next(self._order), step))

    def completed(self) -> StepResult:
        """See `Executor.completed`."""
        return self._do(heapq.heappop(self._waiting)[2])

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


class Observer:
    """Is called as a study gets on, from the thread that runs it; reads, and does not write. This one does nothing."""

    def on_step(self, step: Step, first: bool) -> None:
        """A run asks for a step: the first to do so, or one more that waits for the same."""

    def on_done(self, step: Step, result: StepResult) -> None:
        """A step is done."""

    def on_end(self, position: int, ended: Ended) -> None:
        """The run at that position has ended."""

    def on_stage(self, start: int, until: int) -> None:
        """Training from one epoch to another begins, in this process; not for what the store holds."""

    def on_epoch(self, row: EpochRow) -> None:
        """An epoch has been trained, in this process."""

    def on_batch(self, done: int, total: int) -> None:
        """A batch has been trained, in this process."""


UNOBSERVED = Observer()


class StudyProgress(Observer):
    """Counts what happens while a study is carried out: runs, epochs and, in this process, the stage at hand."""

    def __init__(self, shown: Progress, labels: Sequence[str], epochs: int) -> None:
        self._shown, self._labels, self._epochs = shown, labels, epochs
        self._ended = self._waiting = self._trained = self._start = self._until = 0
        self._stages = self._asked = self._shared = 0
        self._began, self._counted = time.monotonic(), 0.0
        shown.count("runs", 0, len(labels))

    def on_step(self, step: Step, first: bool) -> None:
        """A run asks for a step, the first or one more of several."""
        if isinstance(step, Train):
            self._asked += first
            self._shared += not first

    def on_done(self, step: Step, result: StepResult) -> None:
        """A step is done."""
        self._stages += isinstance(step, Train)
        self._waiting += isinstance(result.error, AwaitsAnswers)
        self._show_epochs()

    def on_end(self, position: int, ended: Ended) -> None:
        """A run has ended."""
        self._ended += 1
        how = "done" if ended.error is None else "waiting" if isinstance(ended.error, AwaitsAnswers) else "failed"
        self._shown.count("runs", self._ended, len(self._labels))
        self._shown.say(f"{self._ended}/{len(self._labels)} {self._labels[position]}: {how}")

    def on_stage(self, start: int, until: int) -> None:
        """Training begins, in this process."""
        self._start, self._until = start, until
        self._shown.count("stage", 0, until - start)

    def on_epoch(self, row: EpochRow) -> None:
        """An epoch has been trained, in this process."""
        note = f"loss {row.loss:.3f}, training accuracy {row.accuracy:.3f}"
        self._shown.count("stage", row.epoch - self._start, self._until - self._start, note)
        self.on_any_epoch()

    def on_batch(self, done: int, total: int) -> None:
        """A batch has been trained, in this process."""
        self._shown.count("epoch", done, total, "batches")

    def on_any_epoch(self) -> None:
        """An epoch has been trained somewhere."""
        self._trained += 1
        self._show_epochs()

    def _show_epochs(self) -> None:
        """Show epochs trained, of those in the plan: a bound, since answers that turn out equal bring runs together."""
        now = time.monotonic()
        if now - self._counted < SHOWN_EVERY:
            return
        self._counted = now
        speed = self._trained / max(now - self._began, 1e-9)
        waiting = f", {self._waiting} waiting for a reader" if self._waiting else ""
        to_do = self._asked - self._stages
        note = f"{speed:.2f}/s; stages {self._stages} done, {to_do} to do, {self._shared} shared{waiting}"
        self._shown.count("epochs", min(self._trained, self._epochs), self._epochs, note)


@dataclass
class _ActiveRun:
    """One run on its way: its steps, and what has been spent on it."""

    position: int
    run: RunSpec
    steps: Generator[Step, Any, Performed]
    seconds: dict[str, float] = field(default_factory=dict)


def carry_out(
    runs: Sequence[RunSpec],
    trunks: Sequence[Lineage],
    executor: Executor,
    observer: Observer = UNOBSERVED,
) -> Generator[tuple[int, Ended], None, None]:
    """Position and end of every run, as soon as it has ended; one that fails does not keep the others from going on.

    Args:
        runs: all runs of the study.
        trunks: the untrained state of each; runs with the same one share what they have in common.
        executor: what carries out the steps; closed at the end.
        observer: is called as things happen.

    Raises:
        ImilSimError: something is wrong that concerns every run.
    """
    asking: dict[str, tuple[Step, list[_ActiveRun]]] = {}

    def go_on(active: _ActiveRun, outcome: object) -> Iterator[tuple[int, Ended]]:
        try:
            step = active.steps.send(outcome)
        except StopIteration as end:
            yield from finish(active, end.value, None)
            return
        first = step.key not in asking
        asking.setdefault(step.key, (step, []))[1].append(active)
        observer.on_step(step, first)
        if first:  # the longest path goes first
            executor.submit(step, active.run.arm.training.epochs - step.state.epoch)

    def finish(active: _ActiveRun, performed: Performed | None, error: RunError | None) -> Iterator[tuple[int, Ended]]:
        ended = Ended(performed, error, active.seconds)
        yield active.position, ended
        observer.on_end(active.position, ended)

    try:
        halts = halts_of(runs, trunks)
        for position, (run, trunk) in enumerate(zip(runs, trunks, strict=True)):
            yield from go_on(_ActiveRun(position, run, perform(run, trunk, halts[trunk])), None)
        while asking:
            result = executor.completed()
            step, waiting = asking.pop(result.key)
            observer.on_done(step, result)
            kind = type(step).__name__.lower()
            waiting[0].seconds[kind] = waiting[0].seconds.get(kind, 0.0) + result.seconds
            for active in waiting:
                if isinstance(result.error, RunError):
                    yield from finish(active, None, result.error)
                else:
                    yield from go_on(active, result.outcome)
    finally:
        executor.close()
