"""All cells but those another oracle chooses: the clinician who points away from what matters.

What it simulates: the opposite advice. What the other oracle keeps is blacked out, and what it blacks out is kept. If
this helps as much as the other one does, it was not the choice of cells that helped.
What it may know: whatever the other oracle knows, through its answer.
Where the other one abstains: so does this one.
What it needs: `like`, the other oracle: its name, or a table with its options.
Where it is wrong: it keeps another number of cells than the other oracle does (beside one that keeps few it keeps
many), so it differs in how much of the image is left, too; `random-cells` and `swapped` do not. The opposite of "all
cells" is "nothing matters", and either leaves the image as it was.
Source: the control "inverted" of imil-sim; not in Rao et al. 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, remark


@dataclass(frozen=True)
class Inverted:
    """Chooses the cells that another oracle does not choose."""

    like: OracleRecipe
    """The oracle that is contradicted."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The complement of each of the other oracle's answers; no chance of its own."""
        return [self._opposite(other) for other in self.like.answers(questions, rngs)]

    def _opposite(self, other: Feedback) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        return Feedback(other.image_id, ~other.cells, note=remark(f"the cells that {self.like} did not choose", other))
