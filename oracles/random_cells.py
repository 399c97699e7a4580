"""Cells drawn at random: the clinician who does not look at the film.

What it simulates: feedback without knowledge, the control against which every other oracle is measured. With `like`
it chooses, film by film, as many cells as another oracle does, so that the two differ in *which* cells they keep and
not in how much of the film is left.
What it may know: the grid; with `like`, how many cells the other oracle chose for this film. Where the other one
abstains, so does this one.
What it needs: exactly one of the options `count` (cells a film) and `like` (the other oracle: its name, or a table
with its options).
Where it is wrong: its cells lie scattered, where a clinician's hang together; it matches the number of cells, not
their pixels, which differ by a row where the grid does not divide the film evenly.
Source: the control "random-cells" of imil-sim; not in Rao et al. 2024.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, OracleError, OracleRecipe, Question


@dataclass(frozen=True)
class RandomCells:
    """Chooses cells at random, a fixed number or as many as another oracle chooses."""

    count: int | None = None
    """Cells a film, at least 1."""
    like: OracleRecipe | None = None
    """The oracle that decides how many."""

    def __post_init__(self) -> None:
        if (self.count is None) == (self.like is None):
            raise ValueError('exactly one of "count" (cells a film) and "like" (an oracle) is needed')
        if self.count is not None and self.count < 1:
            raise ValueError(f"count must be at least 1, not {self.count}")

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """That many cells of the grid, each set of cells equally likely.

        Raises:
            OracleError: `count` is more than the grid has.
        """
        if self.like is None:
            return Feedback(question.image_id, _draw(question, int(self.count or 0), rng))
        # The other oracle sees the generator as it would in an arm of its own, so it answers what it answers there.
        other = self.like.make().answer(question, copy.deepcopy(rng))
        if other.cells is None:
            return Feedback.abstain(question, f"{self.like} abstains: {other.reason}")
        # Our own numbers come from a child seeded by a draw: independent of whatever the other one drew.
        own = np.random.Generator(np.random.PCG64(rng.integers(2**63, size=2).tolist()))
        note = f"as many cells as {self.like} chose" + (f" ({other.note})" if other.note else "")
        return Feedback(question.image_id, _draw(question, int(other.cells.sum()), own), note=note)


def _draw(question: Question, count: int, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    cells = np.zeros(question.grid.rows * question.grid.cols, dtype=np.bool_)
    if count > cells.size:
        raise OracleError(
            f"random-cells: count = {count}, but a grid of {question.grid.rows} x {question.grid.cols} has only "
            f"{cells.size} cells. Use a smaller count or a finer grid_size."
        )
    cells[rng.choice(cells.size, size=count, replace=False)] = True
    return cells.reshape(question.grid.shape)
