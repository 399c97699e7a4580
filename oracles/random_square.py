"""All but a random square: CutOut, done once, on the images the clinician would have been asked about.

What it simulates: an augmentation in place of advice. The same images are changed at the same time, but what is taken
away is one square anywhere, as CutOut takes it from every image of every batch.
What it may know: the size of the image; with `like`, whether the other oracle answers about it.
What it needs: nothing. Options: `square`, the side of the square as a share of the image's longer side (50 of 224
pixels, as the paper's CutOut); `threshold`, the share of a cell that the square must cover for the cell to be blacked
out (the best-covered cell always is); `like`, another oracle (its name, or a table with its options), of which it takes
which images are answered about, and not how many cells.
Where the other one abstains: so does this one. Where it chose every cell, or none, and its image stays as it was, this
one's changes.
Where it is wrong: an answer is made of cells, so the square is rounded to them: its centre is drawn over all pixels, as
CutOut draws it, and the cells of which it covers half are taken away. On a grid of 4 x 4 that is one cell of 56 pixels
as a rule, in place of a square of 50; on a fine grid it comes close. It keeps nearly all of the image, where a
clinician keeps little. Where the square leaves no cell (on a grid of one, always) the answer is "nothing matters", and
the image stays as it was.
Source: the control "cutout on the same images" of imil-sim; CutOut of DeVries & Taylor 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, check_all, check_threshold, chosen


@dataclass(frozen=True)
class RandomSquare:
    """Chooses all cells but those that a square at a random place covers."""

    square: float = 50 / 224
    """Side of the square as a share of the image's longer side, in (0, 1]."""
    threshold: float = 0.5
    """Share of a cell, in (0, 1]."""
    like: OracleRecipe | None = None
    """The oracle that decides which images are answered about."""

    def __post_init__(self) -> None:
        check_all(lambda: check_threshold(self.threshold), self._check_square)

    def _check_square(self) -> None:
        if not 0 < self.square <= 1:
            raise ValueError(f"square is a share of the image's side, above 0 and up to 1, not {self.square}")

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """All cells but those of a square, for each image another."""
        if self.like is None:
            return [self._around(question, rng) for question, rng in zip(questions, rngs, strict=True)]
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [
            abstains_too(self.like, other) if other.cells is None else self._around(question, rng)
            for question, other, rng in zip(questions, others, own, strict=True)
        ]

    def _around(self, question: Question, rng: np.random.Generator) -> Feedback:
        height, width = question.image.shape
        side = max(1, round(self.square * max(height, width)))
        row, col = rng.integers((height, width)).tolist()
        top, left = row - side // 2, col - side // 2
        hole = np.zeros((height, width), dtype=np.bool_)
        hole[max(top, 0) : top + side, max(left, 0) : left + side] = True  # the centre lies inside, so part of it does
        return Feedback(question.image_id, ~chosen(question.grid.coverage(hole), self.threshold))
