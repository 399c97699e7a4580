"""One region out of another oracle's answer: the clinician who does as the paper's residents were told.

What it simulates: the instruction to prefer one single region. Of the cells the other oracle chose only one connected
region stays, the one with the most cells; of equal ones the first in reading order. Cells that share a side are
connected, cells that share only a corner are not.
What it may know: whatever the other oracle knows, through its answer.
Where the other one abstains: so does this one.
What it needs: `like`, the other oracle: its name, or a table with its options.
Where it is wrong: a resident picks the region that matters most, not the one that is largest. An oracle that answers
from a mask has an option of the same name, which weighs regions by how much of the mask lies in them.
Source: Rao et al. 2024, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, largest_region, remark


@dataclass(frozen=True)
class SingleRegion:
    """Keeps the largest connected region of another oracle's cells."""

    like: OracleRecipe
    """The oracle whose answer is reduced."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """One region of each of the other oracle's answers; no chance of its own."""
        return [self._reduced(other) for other in self.like.answers(questions, rngs)]

    def _reduced(self, other: Feedback) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        cells = largest_region(other.cells, np.ones(other.cells.shape))
        left = int(other.cells.sum()) - int(cells.sum())
        note = f"one region of {self.like}'s cells, {left} cells left out" if left else f"all of {self.like}'s cells"
        return Feedback(other.image_id, cells, note=remark(note, other))
