"""Progress on a terminal: bars that say how long it will take; plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from imil_sim.engine.run import Ended, Progress
from imil_sim.engine.stages import Consult, Step, StepResult, Train
from imil_sim.errors import AwaitsAnswers, shown
from imil_sim.study.record import EpochRow

PLAIN_EVERY = 20.0
"""Seconds between two plain lines, where there is no terminal to draw bars on."""

REDRAW_EVERY = 1.0
"""Seconds between two updates of the bar of epochs."""


class TerminalProgress(Progress):
    """Bars on a terminal, plain lines elsewhere, both on stderr; a context that draws while it is open."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._counts: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.stop()

    # -------------------------------------------------------------------------------------------- what the engine calls

    def count(self, what: str, done: int, total: int) -> None:
        """Move the bar of ``what``."""
        if what not in self._counts:
            self._counts[what] = self.bars.add_task(what, total=total, note="")
        self.bars.update(self._counts[what], completed=done, total=total)

    def warn(self, message: str) -> None:
        """Print a yellow line."""
        self.console.print(f"warning: {shown(message)}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    def begin(self, labels: Sequence[str], epochs: int, *, own: bool) -> None:
        """Draw the bars of runs and epochs, and, where training happens in this process, of the epoch at hand."""
        for task in self._counts.values():
            self.bars.remove_task(task)
        self._counts.clear()
        self._labels, self._total = labels, epochs
        self._ended = self._trained = self._stages = self._asked = self._shared = self._waiting = 0
        self._began = self._printed = self._counted = time.monotonic()
        self._runs = self.bars.add_task("runs", total=len(labels), note="")
        self._epochs = self.bars.add_task("epochs", total=epochs, note="")
        self._stage = self.bars.add_task("stage", total=None, note="", visible=own)
        self._epoch = self.bars.add_task("epoch", total=None, note="", visible=own)

    def on_step(self, step: Step, first: bool) -> None:
        """A run asks for a step, the first or one more of several."""
        if isinstance(step, Train):
            self._asked += first
            self._shared += not first

    def on_done(self, step: Step, result: StepResult) -> None:
        """A step is done."""
        self._stages += isinstance(step, Train)
        if isinstance(step, Consult) and isinstance(result.error, AwaitsAnswers):
            self._waiting += 1
        self._refresh()

    def on_end(self, position: int, ended: Ended) -> None:
        """A run has ended."""
        self._ended += 1
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
        self._refresh()

    # ------------------------------------------------------------------------------------------------ what is shown

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._counted > REDRAW_EVERY:
            self._counted = now
            self.bars.update(self._epochs, completed=min(self._trained, self._total), note=self._summary())
        if now - self._printed > PLAIN_EVERY:
            epochs = f"{self._trained} of at most {self._total} epochs"
            self._plain(f"{self._ended}/{len(self._labels)} runs, {epochs}, {self._summary()}")

    def _summary(self) -> str:
        speed = self._trained / max(time.monotonic() - self._began, 1e-9)
        running = self._asked - self._stages
        waiting = f", {self._waiting} waiting for a human" if self._waiting else ""
        return f"{speed:.2f}/s; stages {self._stages} done, {running} to do, {self._shared} shared{waiting}"

    def _plain(self, line: str) -> None:
        self._printed = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
