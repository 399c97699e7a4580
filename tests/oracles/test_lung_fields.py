from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from imil_sim.feedback import Feedback, Grid, Question
from imil_sim.testing import check_oracle, sample_questions
from oracles.lung_fields import LungFields

RNG = np.random.default_rng(0)


def film(**changes: object) -> Question:
    """10 x 10 pixels, 2 x 2 cells: the lungs fill cell 1, half of cell 2, and 1 of 25 pixels of cell 4."""
    lung = np.zeros((10, 10), dtype=np.bool_)
    lung[:5, :5], lung[:5, 5:8], lung[9, 9] = True, True, True
    lung[4, 5:8] = False
    question = sample_questions(grids=[Grid(2, 2)], shapes=[(10, 10)])[0]
    return dataclasses.replace(question, masks={"lung": lung}, **changes)


def answer(question: Question, oracle: LungFields | None = None) -> Feedback:
    return (oracle or LungFields()).answer(question, RNG)


def numbers(**options: float) -> tuple[int, ...]:
    cells = answer(film(), LungFields(**options)).cells
    assert cells is not None
    return film().grid.numbers(cells)


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(LungFields())
    check_oracle(LungFields(threshold=0.5, single_region=True))


def test_the_cells_the_lung_covers_worked_out_by_hand() -> None:
    assert (answer(film()).reason, answer(film()).note) == ("", "")
    assert numbers() == (1, 2)
    assert numbers(threshold=0.04) == (1, 2, 4)
    assert numbers(threshold=0.5) == (1,)


def test_one_region_is_the_one_with_more_lung() -> None:
    lung = np.zeros((40, 40), dtype=np.bool_)
    lung[:30, :10], lung[:, 30:] = True, True
    question = dataclasses.replace(film(), grid=Grid(4, 4), masks={"lung": lung})
    both, one = answer(question).cells, answer(question, LungFields(single_region=True)).cells
    assert both is not None
    assert one is not None
    assert (both.sum(), one.sum(), one[:, 3].all()) == (7, 4, True)


def test_an_estimated_mask_is_said_in_the_note() -> None:
    estimated = answer(film(estimated=frozenset({"lung"})))
    assert estimated.note == "lung mask estimated"
    assert (estimated.cells == answer(film()).cells).all()
    assert answer(film(estimated=frozenset({"lesion"}))).note == ""


def test_without_a_mask_it_abstains_and_says_why() -> None:
    assert answer(dataclasses.replace(film(), masks={})).reason == "no lung mask, and none could be estimated"
    empty = answer(dataclasses.replace(film(), masks={"lung": np.zeros((10, 10), dtype=np.bool_)}))
    assert (empty.cells, empty.reason) == (None, "the lung mask is empty")


def test_it_knows_neither_label_nor_model() -> None:
    flipped = film(label=1, predicted=0, confidence=0.5, cam=film().cam_true)
    assert (answer(flipped).cells == answer(film()).cells).all()


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        LungFields(threshold=0)
