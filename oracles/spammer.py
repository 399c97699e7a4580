"""Another oracle that now and then points anywhere: the reader who wants to be done.

What it simulates: somebody who answers an image without looking, with probability `probability`, and as well as the
other oracle otherwise. An answer without looking has as many cells as the other oracle's, drawn at random, so it
differs in which cells it keeps and not in how much of the image is left. With probability 1 it is `random-cells` with
`like`, drawn anew.
What it may know: whatever the other oracle knows, through its answer.
Where the other one abstains: so does this one.
What it needs: `like`, the other oracle: its name, or a table with its options. Option: `probability`.
Where it is wrong: whoever points without looking would point as often at a diseased image without an outline as at any
other, and choose a number of cells of their own.
Source: the spammer of crowdsourcing, as in Raykar & Yu 2012; not in Rao et al. 2024.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, OracleRecipe, Probability, Question


@dataclass(frozen=True)
class Spammer(Derived):
    """Answers as another oracle does, or with as many random cells."""

    like: OracleRecipe
    """The oracle that answers when it looks."""
    probability: Probability = 0.3
    """That an image is answered without looking, in [0, 1]."""

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """The same cells, or as many anywhere."""
        looks, anywhere = rng.random() >= self.probability, rng.permutation(cells.ravel())
        if looks:
            return cells, f"as {self.like}"
        return anywhere.reshape(cells.shape), f"as many cells as {self.like} chose, at random"
