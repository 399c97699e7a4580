"""The cells the model already looks at: the clinician who nods.

What it simulates: a reader who confirms the heat-map. Nothing is learned from it but what the model believes already;
if it helps as much as a clinician does, blacking out was worth more than the advice.
What it may know: the heat-map that is shown to the reader, of the predicted class (Grad-CAM); with `heat = "true"` that
of the true class instead, and so the label; not the lungs or the lesions. With `like`, how many cells the other oracle
chose for this image.
What it needs: nothing. Options: `threshold`, how warm a cell must be on average beside the warmest cell to be chosen
(0.5: half as warm); or `like`, another oracle (its name, or a table with its options), to choose as many cells as that
one does for this image, the warmest first; `heat`, whose heat-map, the `"predicted"` class's or the `"true"` one's.
With `like`, cells that are equally warm are taken in an order drawn at random.
Where the other one abstains: so does this one. A heat-map that is zero everywhere shows nothing to agree with, and is
an abstention too, with `like` also where the other oracle answers; one that is equally warm everywhere gives all cells
without `like`.
Where it is wrong: a Grad-CAM at the last block is coarser than most grids, so its edges are those of an enlarged
picture of 7 x 7 or less.
Source: the control "cam-hot" of imil-sim; Grad-CAM of Selvaraju et al. 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, check_threshold, remark, strongest


@dataclass(frozen=True)
class CamHot:
    """Chooses the cells in which the heat-map is warmest."""

    threshold: float = 0.5
    """How warm a chosen cell is at least, as a share of the warmest cell, in (0, 1]; not used with `like`."""
    like: OracleRecipe | None = None
    """The oracle that decides how many."""
    heat: Literal["predicted", "true"] = "predicted"
    """Whose heat-map: the predicted class's, or the true class's."""

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The warmest cells of each image; ``rngs`` decide between equally warm ones."""
        if self.like is None:
            return [self._warm(question) for question in questions]
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [self._warmest(*each) for each in zip(questions, others, own, strict=True)]

    def _warm(self, question: Question) -> Feedback:
        means = self._means(question)
        if not means.any():
            return Feedback.abstain(question, "the heat-map is zero everywhere")
        return Feedback(question.image_id, means >= self.threshold * means.max())

    def _warmest(self, question: Question, other: Feedback, rng: np.random.Generator) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        means = self._means(question)
        if not means.any():
            return Feedback.abstain(question, "the heat-map is zero everywhere")
        cells = strongest(means, int(other.cells.sum()), rng)
        note = remark(f"as many cells as {self.like} chose, the warmest", other)
        return Feedback(question.image_id, cells, note=note)

    def _means(self, question: Question) -> NDArray[np.float64]:
        return question.grid.means(question.cam if self.heat == "predicted" else question.cam_true)
