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

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, Feedback, OracleRecipe, Question, Share, strongest

NOTHING = "the heat-map is zero everywhere"


@dataclass(frozen=True)
class CamHot(Derived):
    """Chooses the cells in which the heat-map is warmest."""

    threshold: Share = 0.5
    """How warm a chosen cell is at least, as a share of the warmest cell, in (0, 1]; not used with `like`."""
    like: OracleRecipe | None = None
    """The oracle that decides how many."""
    heat: Literal["predicted", "true"] = "predicted"
    """Whose heat-map: the predicted class's, or the true class's."""

    def alone(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells on that side of the threshold; ``rng`` is not used."""
        means = self._means(question)
        if not means.any():
            return Feedback.abstain(question, NOTHING)
        return Feedback(question.image_id, means >= self.threshold * means.max())

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_] | None, str]:
        """The warmest cells, as many; ``rng`` decides between equal ones."""
        means = self._means(question)
        if not means.any():
            return None, NOTHING
        return strongest(means, int(cells.sum()), rng), f"as many cells as {self.like} chose, the warmest"

    def _means(self, question: Question) -> NDArray[np.float64]:
        return question.grid.means(question.cam if self.heat == "predicted" else question.cam_true)
