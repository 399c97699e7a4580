"""The cells that the lesions cover: the perfect clinician.

What it simulates: somebody who sees every finding and marks exactly the cells it lies in. On a normal image there is
nothing to mark, and the answer is the lung fields: "nothing here is diseased, so look at both lungs".
What it may know: the true label, the lesion mask and the lung mask; not the model.
What it needs: a mask called `lesion` on diseased images and one called `lung` on normal images (the harness estimates
it where the set has none, which the note then says); a normal image without it is an abstention. What is outlined is
answered with, whatever the class; of images without an outline the first class of the set is the normal one.
A diseased image without an outline (in the Shenzhen set 6 of 336, whose finding was marked as a point or not at all)
is not a normal image: the finding is there, only nobody drew it. So it abstains, and the image stays as it was; that
the lungs matter would be another oracle's answer in this one's name. `no_outline = "lung-fields"` chooses it all the
same.
Options: `threshold`, the share of a cell that must be covered (the best-covered cell is always chosen);
`single_region`, to keep only the connected region with the most coverage; `no_outline` as said.
Where it is wrong: better than any person; outlines leave out what the reader did not draw, and surrounding signs
(a shifted mediastinum) that a clinician would use. On normal images it is as good as the lung mask.
Source: method row 10 of imil-sim; outlines of the Shenzhen set by Yang et al. 2022.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Feedback, Question, Share, covered_cells, note_if_estimated


@dataclass(frozen=True)
class Lesions:
    """Chooses the cells that the lesion mask covers; on a normal image those of the lungs."""

    threshold: Share = 0.1
    """Share of a cell, in (0, 1]."""
    single_region: bool = False
    """Keep only the connected region with the most coverage."""
    no_outline: Literal["abstain", "lung-fields"] = "abstain"
    """What to answer about a diseased image whose lesions nobody outlined."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells of the lesions, or of the lungs where there is no lesion; ``rng`` is not used."""
        name = question.class_names[question.label]
        lesion = question.masks.get("lesion")
        if lesion is not None and lesion.any():
            return self._covered(question, "lesion", "")
        if question.label == 0:
            return self._covered(question, "lung", f"{name} image: lung fields instead of lesions")
        missing = f"{name} image without a lesion outline"
        if self.no_outline == "abstain":
            return Feedback.abstain(question, missing)
        return self._covered(question, "lung", f"{missing}: lung fields instead of lesions")

    def _covered(self, question: Question, mask: str, note: str) -> Feedback:
        area = question.masks.get(mask)
        if area is None or not area.any():
            return Feedback.abstain(question, f"{note}, but no lung mask")
        notes = [part for part in (note, note_if_estimated(question, mask)) if part]
        return covered_cells(
            question, area, threshold=self.threshold, single_region=self.single_region, note="; ".join(notes)
        )
