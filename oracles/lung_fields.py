"""The cells that the lungs cover: a clinician who knows anatomy and nothing of the disease.

What it simulates: "look at the lungs, not at the markers, the collar bones or the edge of the film".
What it may know: the lung mask; not the label, the lesions or the model.
What it needs: a mask called `lung`. The harness hands over the set's own mask, and where there is none an estimate
from the film, which is then said in the note of the answer. Without either it abstains.
Options: `threshold`, the share of a cell that the lungs must cover (the best-covered cell is always chosen);
`single_region`, to keep only the connected region with the most lung in it, mostly one lung where the grid is fine.
Where it is wrong: on findings outside the lung mask (effusions and consolidations at the base, lymph nodes at the
hilum), and whenever the estimate is; on a coarse grid it keeps much that is not lung.
Source: Rao et al. 2024, section 5 speaks of refocusing on the lungs; masks as in Candemir et al. 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, Question, check_threshold, covered_cells, note_if_estimated


@dataclass(frozen=True)
class LungFields:
    """Chooses the cells that the lung mask covers."""

    threshold: float = 0.1
    """Share of a cell, in (0, 1]."""
    single_region: bool = False
    """Keep only the connected region with the most coverage."""

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells of the lungs; ``rng`` is not used."""
        lung = question.masks.get("lung")
        if lung is None:
            return Feedback.abstain(question, "no lung mask, and none could be estimated")
        if not lung.any():
            return Feedback.abstain(question, "the lung mask is empty")
        return covered_cells(
            question,
            lung,
            threshold=self.threshold,
            single_region=self.single_region,
            note=note_if_estimated(question, "lung"),
        )
