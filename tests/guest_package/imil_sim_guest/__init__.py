"""The upper zones of the image: a clinician who knows where reactivated tuberculosis mostly sits.

What it simulates: "look up there first", without looking at this image.
What it may know: the grid.
What it needs: nothing.
Where it is wrong: on every finding in the lower zones, and on normal images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, Question


@dataclass(frozen=True)
class UpperZones:
    """Chooses the upper rows of the grid."""

    share: float = 0.5
    """Share of the rows, in (0, 1]; at least one row."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and up to 1, not {self.share}")

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The upper rows; ``rng`` is not used."""
        cells = np.zeros(question.grid.shape, dtype=np.bool_)
        cells[: max(1, round(self.share * question.grid.rows))] = True
        return Feedback(question.image_id, cells)
