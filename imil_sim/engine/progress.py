"""How far a study has come, in epochs: what is trained, and what the plan still holds for runs that go on."""

from __future__ import annotations

from imil_sim.engine.plan import Plan


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
