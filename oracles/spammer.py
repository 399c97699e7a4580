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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, check_probability, remark


@dataclass(frozen=True)
class Spammer:
    """Answers as another oracle does, or with as many random cells."""

    like: OracleRecipe
    """The oracle that answers when it looks."""
    probability: float = 0.3
    """That an image is answered without looking, in [0, 1]."""

    def __post_init__(self) -> None:
        check_probability("probability", self.probability)

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The other oracle's answers, some of them at random."""
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [self._perhaps(other, rng) for other, rng in zip(others, own, strict=True)]

    def _perhaps(self, other: Feedback, rng: np.random.Generator) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        looks, anywhere = rng.random() >= self.probability, rng.permutation(other.cells.ravel())
        if looks:
            return Feedback(other.image_id, other.cells, note=remark(f"as {self.like}", other))
        note = remark(f"as many cells as {self.like} chose, at random", other)
        return Feedback(other.image_id, anywhere.reshape(other.cells.shape), note=note)
