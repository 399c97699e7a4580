"""Another oracle with a stated rate of mistakes: the clinician who is right most of the time.

What it simulates: errors of a known size on top of any reader. Three kinds, independent of one another and of image and
cell: `shift`, the probability that the whole answer is moved by one cell, up, down, left or right with equal chances
(pointing beside the finding; a cell at the edge stays at the edge, and two that meet become one); then `miss`, the
probability that a chosen cell is left out; and `false_cell`, the probability that any other cell is chosen. The
probabilities hold exactly, cell by cell; of 16 cells, 3 of them chosen, `miss = 0.1` and `false_cell = 0.05` take away
0.3 and add 0.65 cells on average.
What it may know: whatever the other oracle knows, through its answer.
Where the other one abstains: so does this one. Where it chose every cell, or none, this one may not, and the image
changes.
What it needs: `like`, the other oracle: its name, or a table with its options. Options: `miss`, `false_cell` and
`shift`, as said.
Where it is wrong: people do not err evenly: they miss small and faint findings, and add cells beside those they chose.
An answer of which every cell was missed says "nothing matters", and leaves the image as it was.
Source: label noise of Angluin & Laird 1988, cell by cell; not in Rao et al. 2024.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, OracleRecipe, Probability, Question

DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Up, down, left, right: (rows, columns)."""


@dataclass(frozen=True)
class Noisy(Derived):
    """Answers as another oracle does, with mistakes."""

    like: OracleRecipe
    """The oracle that would be right."""
    miss: Probability = 0.1
    """Probability that a chosen cell is left out, in [0, 1]."""
    false_cell: Probability = 0.05
    """Probability that another cell is chosen, in [0, 1]."""
    shift: Probability = 0.0
    """Probability that the answer is moved by one cell, in [0, 1]."""

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """The cells with mistakes."""
        # Drawn in any case and for every cell: whoever raises one rate finds the other mistakes where they were.
        moves, direction, luck = rng.random(), int(rng.integers(len(DIRECTIONS))), rng.random(cells.shape)
        pointed = moved(cells, *DIRECTIONS[direction]) if moves < self.shift else cells
        given = pointed ^ (luck < np.where(pointed, self.miss, self.false_cell))
        return given, f"{self.like} {'as it was' if np.array_equal(given, cells) else 'with mistakes'}"


def moved(cells: NDArray[np.bool_], down: int, right: int) -> NDArray[np.bool_]:
    """(rows, cols): the cells moved down and to the right by that many; at the edge they stay at the edge."""
    rows, cols = np.nonzero(cells)
    result = np.zeros_like(cells)
    result[np.clip(rows + down, 0, cells.shape[0] - 1), np.clip(cols + right, 0, cells.shape[1] - 1)] = True
    return result
