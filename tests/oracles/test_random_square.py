from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from imil_sim.feedback import Grid, OracleRecipe, Question
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.random_square import RandomSquare


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(RandomSquare())
    check_oracle(RandomSquare(square=0.5, threshold=0.1, like=OracleRecipe("lesions")))


def fine(count: int) -> list[Question]:
    """Images of 24 x 24 pixels with one cell a pixel: what is left out is the square itself."""
    question = sample_questions(grids=[Grid(24, 24)], shapes=[(24, 24)])[0]
    return [dataclasses.replace(question, image_id=f"image-{i}") for i in range(count)]


def test_a_square_is_left_out_whose_centre_may_be_any_pixel(asked: Any) -> None:
    holes = [~answer.cells for answer in asked(RandomSquare(square=7 / 24), *fine(400))]
    for hole in holes:
        rows, cols = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole.sum() == len(rows) * len(cols)  # one rectangle, cut off only by the edge of the image
        assert all(4 <= len(along) <= 7 for along in (rows, cols))
        assert all(len(along) == 7 or along[0] == 0 or along[-1] == 23 for along in (rows, cols))
    # A pixel in the middle lies in the square when the centre is one of 49 of 576: 34 of 400, standard deviation 5.6
    middle = np.sum(holes, axis=0)[8:16, 8:16]
    assert abs(middle - 400 * 49 / 576).max() < 4 * 5.6


def test_on_a_coarse_grid_it_leaves_out_one_cell_or_what_it_covers_half(asked: Any) -> None:
    images = [dataclasses.replace(image, grid=Grid(4, 4)) for image in fine(200)]
    left_out = {int((~answer.cells).sum()) for answer in asked(RandomSquare(), *images)}
    assert left_out <= {1, 2}
    assert 1 in left_out
    assert {int((~answer.cells).sum()) for answer in asked(RandomSquare(square=1.0), *images)} > {4, 16}


def test_of_a_grid_of_one_cell_nothing_is_left(image: Any, asked: Any) -> None:
    assert not asked(RandomSquare(), image("a", (1,), grid=Grid(1, 1)))[0].cells.any()


def test_it_takes_from_the_other_one_which_images_and_not_how_many_cells(image: Any, asked: Any) -> None:
    images = [image("a", range(1, 17)), image("b", (1, 2, 3))]
    assert [answer.cells.sum() for answer in asked(RandomSquare(like=OracleRecipe("lesions")), *images)] == [15, 15]


def test_it_abstains_where_the_other_one_does(image: Any, asked: Any) -> None:
    answers = asked(RandomSquare(like=OracleRecipe("lesions")), image("a", (1,)), image("b", None))
    assert answers[0].cells.sum() == 15
    assert answers[1].reason.startswith("lesions abstains")


def test_a_square_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"square\n.*less than or equal to 1"):
        RandomSquare(square=1.1)
