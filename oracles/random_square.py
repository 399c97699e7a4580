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

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, Feedback, OracleRecipe, Question, Share, chosen


@dataclass(frozen=True)
class RandomSquare(Derived):
    """Chooses all cells but those that a square at a random place covers."""

    square: Share = 50 / 224
    """Side of the square as a share of the image's longer side, in (0, 1]."""
    threshold: Share = 0.5
    """Share of a cell, in (0, 1]."""
    like: OracleRecipe | None = None
    """The oracle that decides which images are answered about."""

    def alone(self, question: Question, rng: np.random.Generator) -> Feedback:
        """All cells but those of a square."""
        return Feedback(question.image_id, self._around(question, rng))

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """The same, whatever the other one chose."""
        return self._around(question, rng), ""

    def _around(self, question: Question, rng: np.random.Generator) -> NDArray[np.bool_]:
        height, width = question.image.shape
        side = max(1, round(self.square * max(height, width)))
        row, col = rng.integers((height, width)).tolist()
        top, left = row - side // 2, col - side // 2
        hole = np.zeros((height, width), dtype=np.bool_)
        hole[max(top, 0) : top + side, max(left, 0) : left + side] = True  # the centre lies inside, so part of it does
        return ~chosen(question.grid.coverage(hole), self.threshold)
