from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, Grid, Question
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.lesions import Lesions

RNG = np.random.default_rng(0)
NORMAL, TB = 0, 1


def mask(*numbers: int) -> NDArray[np.bool_]:
    """(8, 8) over a grid of 4 x 4: all pixels of the cells with those numbers."""
    grid = Grid(4, 4)
    return grid.cells_to_mask(grid.cells_from_numbers(numbers), (8, 8))


def image(label: int, masks: dict[str, NDArray[np.bool_]], estimated: tuple[str, ...] = ()) -> Question:
    question = sample_questions(grids=[Grid(4, 4)], shapes=[(8, 8)])[0]
    return dataclasses.replace(question, label=label, predicted=1 - label, masks=masks, estimated=frozenset(estimated))


def answered(question: Question, oracle: Lesions | None = None) -> tuple[tuple[int, ...], str]:
    feedback = (oracle or Lesions()).answer(question, RNG)
    assert feedback.cells is not None
    return question.grid.numbers(feedback.cells), feedback.note


def abstained(question: Question, oracle: Lesions | None = None) -> str:
    feedback = (oracle or Lesions()).answer(question, RNG)
    assert feedback == Feedback(question.image_id, None, feedback.reason)
    return feedback.reason


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Lesions())
    check_oracle(Lesions(threshold=0.5, single_region=True, no_outline="lung-fields"))


def test_a_diseased_image_is_answered_with_its_lesions_and_nothing_else() -> None:
    assert answered(image(TB, {"lung": mask(2, 3), "lesion": mask(7, 16)})) == ((7, 16), "")
    assert answered(image(TB, {"lesion": mask(7)}, estimated=("lesion",))) == ((7,), "lesion mask estimated")


def test_one_region_is_the_largest_lesion() -> None:
    question = image(TB, {"lesion": mask(1, 7, 8)})
    assert answered(question, Lesions(single_region=True)) == ((7, 8), "")


def test_a_normal_image_is_answered_with_the_lung_fields_and_says_so() -> None:
    note = "normal image: lung fields instead of lesions"
    assert answered(image(NORMAL, {"lung": mask(2, 3)})) == ((2, 3), note)
    assert answered(image(NORMAL, {"lung": mask(2, 3), "lesion": mask()})) == ((2, 3), note)
    assert answered(image(NORMAL, {"lung": mask(2, 3)}, ("lung",)))[1] == f"{note}; lung mask estimated"


def test_an_outline_counts_whatever_the_class_is_called_first() -> None:
    # a set may list its classes in any order: what is outlined is what matters
    assert answered(image(NORMAL, {"lung": mask(2, 3), "lesion": mask(9)})) == ((9,), "")
    assert "no lung mask" in abstained(image(NORMAL, {"lesion": mask()}))


@pytest.mark.parametrize("masks", [{"lung": mask(2, 3)}, {"lung": mask(2, 3), "lesion": mask()}])
def test_a_diseased_image_without_an_outline_is_not_a_normal_one(masks: dict[str, NDArray[np.bool_]]) -> None:
    assert abstained(image(TB, masks)) == "TB image without a lesion outline"
    assert answered(image(TB, masks), Lesions(no_outline="lung-fields")) == (
        (2, 3),
        "TB image without a lesion outline: lung fields instead of lesions",
    )
    assert "no lung mask" in abstained(image(TB, {}), Lesions(no_outline="lung-fields"))
