"""Images whose answer is known: the oracle ``lesions`` chooses just the cells that an image is made with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, Grid, Oracle, Question, ask_together
from imil_sim.seeds import stream
from imil_sim.testing import sample_questions

GRID = Grid(4, 4)

Image = Callable[..., Question]
Asked = Callable[..., list[Feedback]]
Numbers = Callable[[Sequence[Feedback]], list[tuple[int, ...] | None]]


def cells(*numbers: int) -> NDArray[np.bool_]:
    return GRID.cells_from_numbers(numbers)


@pytest.fixture
def image() -> Image:
    """A TB image of 8 x 8 pixels under a grid of 4 x 4, with lesions in those cells; none: nobody outlined any."""
    plain = sample_questions(grids=[GRID], shapes=[(8, 8)])[3]

    def make(image_id: str = "a", chosen: Sequence[int] | None = (7,), **changes: object) -> Question:
        lung = np.ones((8, 8), dtype=np.bool_)
        masks = {"lung": lung}
        if chosen is not None:
            masks["lesion"] = GRID.cells_to_mask(cells(*chosen), (8, 8))
        return dataclasses.replace(plain, image_id=image_id, masks=masks, **changes)

    return make


@pytest.fixture
def asked() -> Asked:
    """The answers of an oracle in a consultation of these questions, as the harness asks."""

    def go(oracle: Oracle, *questions: Question, seed: int = 0) -> list[Feedback]:
        rngs = [stream(seed, "oracle", 1, question.image_id) for question in questions]
        return list(ask_together(oracle, questions, rngs))

    return go


@pytest.fixture
def numbers() -> Numbers:
    """The numbers of the chosen cells of every answer; None where it abstained."""
    return lambda answers: [None if a.cells is None else GRID.numbers(a.cells) for a in answers]
