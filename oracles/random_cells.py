"""Cells drawn at random: the clinician who does not look at the image.

What it simulates: feedback without knowledge, the control against which every other oracle is measured. With `like`
it chooses, image by image, as many cells as another oracle does, so that the two differ in *which* cells they keep and
not in how much of the image is left.
What it may know: the grid; with `like`, how many cells the other oracle chose for this image.
Where the other one abstains: so does this one.
What it needs: exactly one of the options `count` (cells an image, at most those of the grid) and `like` (the other
oracle: its name, or a table with its options).
Where it is wrong: its cells lie scattered, where a clinician's hang together; it matches the number of cells, not
their pixels, which differ by a row where the grid does not divide the image evenly.
Source: the control "random-cells" of imil-sim; not in Rao et al. 2024.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, Feedback, Grid, ImageIndex, OracleError, OracleRecipe, Question


@dataclass(frozen=True)
class RandomCells(Derived):
    """Chooses cells at random, a fixed number or as many as another oracle chooses."""

    count: Annotated[int, Field(ge=1)] | None = None
    """Cells an image, at least 1."""
    like: OracleRecipe | None = None
    """The oracle that decides how many."""

    def __post_init__(self) -> None:
        if (self.count is None) == (self.like is None):
            raise ValueError('exactly one of "count" (cells an image) and "like" (an oracle) is needed')

    def misfits(self, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
        """That the grid has fewer cells than `count`, where it has."""
        problem = _too_many(self.count or 0, grid)
        return (problem,) if problem else ()

    def alone(self, question: Question, rng: np.random.Generator) -> Feedback:
        """That many cells of the grid, every set of cells equally likely.

        Raises:
            OracleError: `count` is more than the grid has.
        """
        if problem := _too_many(self.count or 0, question.grid):
            raise OracleError(f"random-cells: {problem}")
        return Feedback(question.image_id, _draw(question.grid, self.count or 0, rng))

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """As many cells, drawn anew."""
        return _draw(question.grid, int(cells.sum()), rng), f"as many cells as {self.like} chose"


def _too_many(count: int, grid: Grid) -> str:
    """That the grid has fewer cells; empty where it has not."""
    cells = grid.rows * grid.cols
    if count <= cells:
        return ""
    few = f"count = {count}, but a grid of {grid.rows} x {grid.cols} has only {cells} cells"
    return f"{few}; use a smaller count or a finer grid_size"


def _draw(grid: Grid, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    cells = np.zeros(grid.rows * grid.cols, dtype=np.bool_)
    cells[rng.choice(cells.size, size=count, replace=False)] = True
    return cells.reshape(grid.shape)
