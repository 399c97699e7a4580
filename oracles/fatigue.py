"""Another oracle that errs more with every answer: the clinician late in the evening.

What it simulates: attention that wears off. Answer number n of a consultation errs at the rate `growth` x (n - 1), and
at `most` at most: with that probability each chosen cell is exchanged for a cell that was not chosen, any of them with
equal chances. The number of cells stays what it was, so a tired answer differs in which cells it keeps and in nothing
else. The first answer of every consultation is without error.
What it may know: whatever the other oracle knows, through its answer, and which question of the consultation this is
(the surest misprediction comes first, unless the study selects otherwise).
Where the other one abstains: so does this one.
What it needs: `like`, the other oracle: its name, or a table with its options. Options: `growth`, how much the rate of
error grows with each question; `most`, where it stops growing.
Where it is wrong: people tire by the clock, not by the count, take breaks, and a difficult image costs more; a second
consultation finds them rested. Questions that were abstained from count, too: they were looked at. Cells are exchanged
as far as there are others to exchange them for: an answer with every cell stays.
Source: Krupinski et al. 2010 found radiologists less accurate after a day of reading; the straight line is ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, OracleRecipe, Probability, Question


@dataclass(frozen=True)
class Fatigue(Derived):
    """Answers as another oracle does, with more and more cells in the wrong place."""

    like: OracleRecipe
    """The oracle that tires."""
    growth: Probability = 0.02
    """What each question adds to the rate of error, in [0, 1]."""
    most: Probability = 0.5
    """The rate it never exceeds, in [0, 1]."""

    def rate(self, place: int) -> float:
        """The rate of error of that question of a consultation, in [0, 1]; questions count from 1."""
        return min(self.most, self.growth * (place - 1))

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """As many cells, some of them elsewhere."""
        rate = self.rate(question.place)
        given = cells.copy().ravel()
        luck, free = rng.random(given.size), rng.permutation(np.flatnonzero(~given))
        lost = rng.permutation(np.flatnonzero(given & (luck < rate)))[: len(free)]
        given[lost], given[free[: len(lost)]] = False, True
        return given.reshape(cells.shape), f"{self.like} at an error rate of {rate:.2f}"
