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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, check_threshold, remark, strongest


@dataclass(frozen=True)
class CamCold:
    """Chooses the cells in which the heat-map is coldest."""

    threshold: float = 0.5
    """Below which share of the warmest cell a cell is chosen, in (0, 1]; not used with `like`."""
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
        """The coldest cells of each image; ``rngs`` decide between equally cold ones."""
        if self.like is None:
            return [self._cold(question) for question in questions]
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [self._coldest(*each) for each in zip(questions, others, own, strict=True)]

    def _cold(self, question: Question) -> Feedback:
        means = self._means(question)
        if not means.any():
            return Feedback.abstain(question, "the heat-map is zero everywhere")
        return Feedback(question.image_id, means < self.threshold * means.max())

    def _coldest(self, question: Question, other: Feedback, rng: np.random.Generator) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        means = self._means(question)
        if not means.any():
            return Feedback.abstain(question, "the heat-map is zero everywhere")
        cells = strongest(-means, int(other.cells.sum()), rng)
        note = remark(f"as many cells as {self.like} chose, the coldest", other)
        return Feedback(question.image_id, cells, note=note)

    def _means(self, question: Question) -> NDArray[np.float64]:
        return question.grid.means(question.cam if self.heat == "predicted" else question.cam_true)
