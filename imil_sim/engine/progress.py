"""The progress of a study: runs and epochs that are done, and epochs that are left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from imil_sim.engine.execute import Ended, reached
from imil_sim.engine.plan import Plan
from imil_sim.engine.steps import Consult, Done, Step, Train
from imil_sim.errors import AwaitsAnswers
from imil_sim.progress import Progress
from imil_sim.study.record import EpochRow

RECOUNT_EVERY = 1.0
"""Seconds between two counts of the epochs done and left: of thousands of runs each takes its time."""


class StudyProgress:
    """Counts what happens while a study is carried out: runs, epochs and, in this process, the stage at hand."""

    def __init__(self, shown: Progress, labels: Sequence[str], plan: Plan) -> None:
        self._shown, self._labels, self._epochs = shown, labels, EpochProgress(plan)
        self._ended = self._waiting = self._trained = self._start = self._until = 0
        self._stages = self._asked = self._shared = 0
        self._began, self._counted = time.monotonic(), 0.0
        shown.count("runs", 0, len(labels))

    def on_step(self, step: Step, position: int, first: bool) -> None:
        """A run asks for a step, the first or one more of several."""
        self._epochs.reach(position, reached(step))
        if isinstance(step, Train):
            self._asked += first
            self._shared += not first

    def on_done(self, step: Step, done: Done) -> None:
        """A step is done."""
        if isinstance(step, Train):
            self._stages += 1
            self._epochs.finish_stage(done.epochs)
        if isinstance(step, Consult) and isinstance(done.error, AwaitsAnswers):
            self._waiting += 1
        self._show_epochs()

    def on_end(self, position: int, ended: Ended) -> None:
        """A run has ended."""
        self._ended += 1
        self._epochs.end(position)
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
        self._epochs.train_epoch()
        self._show_epochs()

    def _show_epochs(self) -> None:
        now = time.monotonic()
        if now - self._counted < RECOUNT_EVERY:
            return
        self._counted = now
        speed = self._trained / max(now - self._began, 1e-9)
        waiting = f", {self._waiting} waiting for a reader" if self._waiting else ""
        to_do = self._asked - self._stages
        note = f"{speed:.2f}/s; stages {self._stages} done, {to_do} to do, {self._shared} shared{waiting}"
        self._shown.count("epochs", self._epochs.done, self._epochs.total, note)


class EpochProgress:
    """Counts epochs while a study is carried out; at the end, whatever happened on the way, `done` equals `total`.

    What is left is a bound from above: answers that turn out equal bring branches together, a run that fails or waits
    needs no more, and an earlier command may have trained a branch whose answers the plan could not know.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reached = [0] * plan.runs
        self._ended: set[int] = set()
        self._told = self._finished = 0

    def reach(self, position: int, epoch: int) -> None:
        """The run at that position has come to a state with so many completed epochs."""
        self._reached[position] = epoch

    def train_epoch(self) -> None:
        """An epoch has been trained somewhere; it counts for good when its stage is finished."""
        self._told += 1

    def finish_stage(self, epochs: int) -> None:
        """A stage is done, or has failed, for which so many epochs were trained."""
        self._finished += epochs

    def end(self, position: int) -> None:
        """The run at that position has ended, well or not."""
        self._ended.add(position)

    @property
    def left(self) -> int:
        """Epochs of the plan, not in the store, that lie before runs which have not ended."""
        return sum(
            stage.until - reached
            for stage in self._plan.to_train()
            if (reached := max(stage.start, self._foremost(stage.runs, stage.until))) < stage.until
        )

    def _foremost(self, runs: tuple[int, ...], nobody: int) -> int:
        """How far the foremost of those runs that go on has come; ``nobody`` where none goes on."""
        return max((self._reached[run] for run in runs if run not in self._ended), default=nobody)

    @property
    def total(self) -> int:
        """Epochs that are trained or left."""
        return self._finished + self.left

    @property
    def done(self) -> int:
        """Epochs trained so far, those of unfinished stages included.

        What a lost worker had trained is told a second time and not counted twice; what is told late is counted when
        its stage is finished.
        """
        return min(max(self._told, self._finished), self.total)
