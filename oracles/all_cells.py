"""Every cell matters: a consultation that changes nothing.

What it simulates: a clinician who answers every question with the whole image. The image stays as it was, so the arm
equals one without feedback: it shows what asking alone does (nothing), and any difference is a fault of the harness.
What it may know: nothing but the grid.
What it needs: nothing.
Where it is wrong: everywhere, on purpose; nobody answers like this.
Source: the control "all cells" of imil-sim; not in Rao et al. 2024.
"""

from __future__ import annotations

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Feedback, Question


@dataclass(frozen=True)
class AllCells:
    """Chooses all cells of every image."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """All cells; ``rng`` is not used."""
        return Feedback(question.image_id, np.ones(question.grid.shape, dtype=np.bool_))
