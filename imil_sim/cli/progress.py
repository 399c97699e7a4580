"""Progress on a terminal: bars that say how long it will take; plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from imil_sim.engine.execute import Ended, reached
from imil_sim.engine.plan import Plan
from imil_sim.engine.progress import EpochProgress
from imil_sim.engine.steps import Consult, Done, Step, Train
from imil_sim.errors import AwaitsAnswers
from imil_sim.study.record import EpochRow

PLAIN_EVERY = 20.0
"""Seconds between two plain lines, where there is no terminal to draw bars on."""

RECOUNT_EVERY = 1.0
"""Seconds between two counts of what is done and left to do: of thousands of runs each takes its time."""


class Bars:
    """Bars on a terminal, nothing elsewhere; a context that draws while it is open."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.stop()


class Counter(Bars):
    """A bar for each thing that is counted while images are loaded; called with (what, done, total)."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Move the bar of ``what``."""
        if what not in self._tasks:
            self._tasks[what] = self.bars.add_task(what, total=total, note="")
        self.bars.update(self._tasks[what], completed=done, total=total)


class StudyProgress(Bars):
    """How a study gets on: runs, epochs, and, where training happens in this process, the epoch at hand."""

    def __init__(self, console: Console, labels: Sequence[str], plan: Plan, *, own: bool) -> None:
        super().__init__(console)
        self._labels, self._headway = labels, EpochProgress(plan)
        self._ended = self._trained = self._stages = self._asked = self._shared = self._waiting = 0
        self._began = self._said = self._counted = time.monotonic()
        self._runs = self.bars.add_task("runs", total=len(labels), note="")
        self._epochs = self.bars.add_task("epochs", total=plan.epochs_to_train, note="")
        self._stage = self.bars.add_task("stage", total=None, note="", visible=own)
        self._epoch = self.bars.add_task("epoch", total=None, note="", visible=own)

    # ---------------------------------------------------------------------------------------- what the engine tells

    def on_step(self, step: Step, position: int, first: bool) -> None:
        """A run asks for a step, the first or one more of several."""
        self._headway.reach(position, reached(step))
        if isinstance(step, Train):
            self._asked += first
            self._shared += not first

    def on_done(self, step: Step, done: Done) -> None:
        """A step is done."""
        if isinstance(step, Train):
            self._stages += 1
            self._headway.finish_stage(done.epochs)
        if isinstance(step, Consult) and isinstance(done.error, AwaitsAnswers):
            self._waiting += 1
        self._refresh()

    def on_end(self, position: int, ended: Ended) -> None:
        """A run has ended."""
        self._ended += 1
        self._headway.end(position)
        how = "done" if ended.error is None else "waiting" if isinstance(ended.error, AwaitsAnswers) else "failed"
        self.bars.update(self._runs, completed=self._ended)
        self._plain(f"{self._ended}/{len(self._labels)} {self._labels[position]}: {how}")

    def on_stage(self, start: int, until: int) -> None:
        """Training begins, in this process."""
        self.bars.reset(self._stage, total=until - start, note="")
        self._first = start

    def on_epoch(self, row: EpochRow) -> None:
        """An epoch has been trained, in this process."""
        note = f"loss {row.loss:.3f}, training accuracy {row.accuracy:.3f}"
        self.bars.update(self._stage, completed=row.epoch - self._first, note=note)
        self.on_any_epoch()

    def on_batch(self, done: int, total: int) -> None:
        """A batch has been trained, in this process."""
        self.bars.update(self._epoch, completed=done, total=total, note="batches")

    def on_any_epoch(self) -> None:
        """An epoch has been trained somewhere."""
        self._trained += 1
        self._headway.train_epoch()
        self._refresh()

    # ------------------------------------------------------------------------------------------------ what is shown

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._counted > RECOUNT_EVERY:
            self._counted = now
            self.bars.update(self._epochs, completed=self._headway.done, total=self._headway.total, note=self._told())
        if now - self._said > PLAIN_EVERY:
            told = f"{self._headway.done} of {self._headway.total} epochs"
            self._plain(f"{self._ended}/{len(self._labels)} runs, {told}, {self._told()}")

    def _told(self) -> str:
        speed = self._trained / max(time.monotonic() - self._began, 1e-9)
        running = self._asked - self._stages
        waiting = f", {self._waiting} waiting for a human" if self._waiting else ""
        return f"{speed:.2f}/s; stages {self._stages} done, {running} to do, {self._shared} shared{waiting}"

    def _plain(self, line: str) -> None:
        self._said = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
