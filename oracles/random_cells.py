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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import (
    Feedback,
    Grid,
    ImageIndex,
    OracleError,
    OracleRecipe,
    Question,
    abstains_too,
    check_all,
    remark,
)


@dataclass(frozen=True)
class RandomCells:
    """Chooses cells at random, a fixed number or as many as another oracle chooses."""

    count: int | None = None
    """Cells an image, at least 1."""
    like: OracleRecipe | None = None
    """The oracle that decides how many."""

    def __post_init__(self) -> None:
        check_all(self._check_choice, self._check_count)

    def _check_choice(self) -> None:
        if (self.count is None) == (self.like is None):
            raise ValueError('exactly one of "count" (cells an image) and "like" (an oracle) is needed')

    def _check_count(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"count must be at least 1, not {self.count}")

    def misfits(self, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
        """That the grid has fewer cells than `count`, where it has."""
        told = "" if self.count is None else _too_many(self.count, grid)
        return (told,) if told else ()

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question.

        Raises:
            OracleError: `count` is more than the grid has.
        """
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """That many cells of the grid for each, every set of cells equally likely.

        Raises:
            OracleError: `count` is more than the grid has.
        """
        if self.like is None:
            count = int(self.count or 0)
            return [
                Feedback(question.image_id, _draw(question, count, rng))
                for question, rng in zip(questions, rngs, strict=True)
            ]
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [self._matched(*each) for each in zip(questions, others, own, strict=True)]

    def _matched(self, question: Question, other: Feedback, rng: np.random.Generator) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        note = remark(f"as many cells as {self.like} chose", other)
        return Feedback(question.image_id, _draw(question, int(other.cells.sum()), rng), note=note)


def _too_many(count: int, grid: Grid) -> str:
    """That the grid has fewer cells; empty where it has not."""
    cells = grid.rows * grid.cols
    if count <= cells:
        return ""
    told = f"count = {count}, but a grid of {grid.rows} x {grid.cols} has only {cells} cells"
    return f"{told}; use a smaller count or a finer grid_size"


def _draw(question: Question, count: int, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if told := _too_many(count, question.grid):
        raise OracleError(f"random-cells: {told}")
    cells = np.zeros(question.grid.rows * question.grid.cols, dtype=np.bool_)
    cells[rng.choice(cells.size, size=count, replace=False)] = True
    return cells.reshape(question.grid.shape)
