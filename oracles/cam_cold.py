"""The cells the model ignores: the clinician who says "look anywhere else".

What it simulates: a reader who turns the heat-map round. Against a model that follows a marker in a corner this is good
advice without any knowledge of the chest; against one that looks at the right place it is the worst.
What it may know: the heat-map that is shown to the reader, of the predicted class (Grad-CAM); with `heat = "true"` that
of the true class instead, and so the label; not the lungs or the lesions. With `like`, how many cells the other oracle
chose for this image.
What it needs: nothing. Options: `threshold`, how cold a cell must be on average beside the warmest cell to be chosen
(0.5: less than half as warm, just the cells that `cam-hot` does not choose); or `like`, another oracle (its name, or a
table with its options), to choose as many cells as that one does for this image, the coldest first; `heat`, whose
heat-map, the `"predicted"` class's or the `"true"` one's. With `like`, cells that are equally cold (many are, at zero)
are taken in an order drawn at random.
Where the other one abstains: so does this one. A heat-map that is zero everywhere says nothing about what the model
ignores, and is an abstention too, with `like` also where the other oracle answers; one that is equally warm everywhere
gives no cell without `like`.
Where it is wrong: cells that are cold together, beside the image's edge as a rule, are seldom what matters; without
`like` it keeps most of the image.
Source: the control "cam-cold" of imil-sim; Grad-CAM of Selvaraju et al. 2017.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, Feedback, OracleRecipe, Question, Share, strongest

NOTHING = "the heat-map is zero everywhere"


@dataclass(frozen=True)
class CamCold(Derived):
    """Chooses the cells in which the heat-map is coldest."""

    threshold: Share = 0.5
    """Below which share of the warmest cell a cell is chosen, in (0, 1]; not used with `like`."""
    like: OracleRecipe | None = None
    """The oracle that decides how many."""
    heat: Literal["predicted", "true"] = "predicted"
    """Whose heat-map: the predicted class's, or the true class's."""

    def alone(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells on that side of the threshold; ``rng`` is not used."""
        means = self._means(question)
        if not means.any():
            return Feedback.abstain(question, NOTHING)
        return Feedback(question.image_id, means < self.threshold * means.max())

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_] | None, str]:
        """The coldest cells, as many; ``rng`` decides between equal ones."""
        means = self._means(question)
        if not means.any():
            return None, NOTHING
        return strongest(-means, int(cells.sum()), rng), f"as many cells as {self.like} chose, the coldest"

    def _means(self, question: Question) -> NDArray[np.float64]:
        return question.grid.means(question.cam if self.heat == "predicted" else question.cam_true)
