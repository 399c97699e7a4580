from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imil_sim.feedback import Grid, OracleRecipe
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.noisy import Noisy, moved

LESIONS = OracleRecipe("lesions")
CELLS = Grid(4, 4).cells_from_numbers((6, 7, 10))
IMAGES = 500


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Noisy(LESIONS))
    check_oracle(Noisy(LESIONS, miss=0.5, false_cell=0.3, shift=0.9))


def close(count: int, trials: int, rate: float) -> bool:
    """Within five standard deviations of a binomial count."""
    return abs(count - trials * rate) <= 5 * math.sqrt(trials * rate * (1 - rate)) + 1e-9


@pytest.fixture
def answers(image: Any, asked: Any) -> Any:
    images = [image(f"image-{i}", (6, 7, 10)) for i in range(IMAGES)]
    return lambda **rates: np.stack([answer.cells for answer in asked(Noisy(LESIONS, **rates), *images)])


RATES = st.sampled_from([0.0, 0.05, 0.3, 0.7, 1.0])


def test_each_rate_is_what_it_says(answers: Any) -> None:
    @settings(max_examples=12, deadline=None)
    @given(miss=RATES, false_cell=RATES)
    def hold(miss: float, false_cell: float) -> None:
        given = answers(miss=miss, false_cell=false_cell)
        assert close(int((~given[:, CELLS]).sum()), IMAGES * 3, miss)
        assert close(int(given[:, ~CELLS].sum()), IMAGES * 13, false_cell)
        # And for every cell by itself: no cell is luckier than another
        for row, col in np.ndindex(4, 4):
            wrong = int((given[:, row, col] != CELLS[row, col]).sum())
            assert close(wrong, IMAGES, miss if CELLS[row, col] else false_cell)

    hold()


def test_mistakes_of_one_cell_tell_nothing_of_another(answers: Any) -> None:
    wrong = (answers(miss=0.4, false_cell=0.4) != CELLS).reshape(IMAGES, 16)
    correlation = np.corrcoef(wrong.T)[~np.eye(16, dtype=bool)]
    assert abs(correlation).max() < 5 / math.sqrt(IMAGES)


@pytest.mark.parametrize("shift", [0.0, 0.25, 1.0])
def test_the_answer_is_moved_with_its_probability_in_every_direction_alike(answers: Any, shift: float) -> None:
    given = answers(miss=0.0, false_cell=0.0, shift=shift)
    same = (given == CELLS).all(axis=(1, 2))
    assert close(int((~same).sum()), IMAGES, shift)
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        there = (given == np.roll(CELLS, (down, right), axis=(0, 1))).all(axis=(1, 2))
        assert close(int(there.sum()), IMAGES, shift / 4)


def test_a_moved_answer_has_mistakes_at_the_same_rates(answers: Any) -> None:
    given = answers(miss=0.3, false_cell=0.1, shift=1.0)
    # Each of four answers is as likely, and mistakes are made of the one that was moved.
    places = [np.roll(CELLS, step, axis=axis) for step in (1, -1) for axis in (0, 1)]
    expected = np.where(places, 0.7, 0.1).mean(axis=0)
    for row, col in np.ndindex(4, 4):
        assert close(int(given[:, row, col].sum()), IMAGES, expected[row, col])


def test_moved_cells_stop_at_the_edge() -> None:
    grid = Grid(2, 3)
    assert grid.numbers(moved(grid.cells_from_numbers((1, 2, 4)), 0, 1)) == (2, 3, 5)
    assert grid.numbers(moved(grid.cells_from_numbers((2, 3)), 0, 1)) == (3,)
    assert grid.numbers(moved(grid.cells_from_numbers((1, 5)), -1, 0)) == (1, 2)


def test_a_higher_rate_keeps_the_mistakes_of_the_lower(answers: Any) -> None:
    few, many = answers(miss=0.1, false_cell=0.0), answers(miss=0.4, false_cell=0.0)
    assert (many <= few).all()
    assert many.sum() < few.sum()


def test_without_mistakes_it_is_the_other_oracle(image: Any, asked: Any, numbers: Any) -> None:
    perfect = Noisy(LESIONS, miss=0.0, false_cell=0.0)
    answers = asked(perfect, image("a", (1, 16)), image("b", None))
    assert numbers(answers) == [(1, 16), None]
    assert answers[0].note == "lesions as it was"
    wrong = asked(Noisy(LESIONS, miss=1.0, false_cell=0.0), image("a", (1, 16)))
    assert (numbers(wrong), wrong[0].note) == ([()], "lesions with mistakes")


def test_an_answer_is_as_it_was_where_moving_it_moved_nothing(image: Any, asked: Any) -> None:
    (answer,) = asked(Noisy(LESIONS, miss=0.0, false_cell=0.0, shift=1.0), image("a", (1,), grid=Grid(1, 1)))
    assert (answer.cells.tolist(), answer.note) == ([[True]], "lesions as it was")


def test_noise_upon_noise_is_drawn_anew(image: Any, asked: Any) -> None:
    images = [image(f"image-{i}", (6,)) for i in range(200)]
    once = Noisy(LESIONS, miss=0.0, false_cell=0.5)
    twice = Noisy(OracleRecipe("noisy", {"like": "lesions", "miss": 0.0, "false_cell": 0.5}), miss=0.5, false_cell=0.5)
    changed = [one.cells ^ other.cells for one, other in zip(asked(once, *images), asked(twice, *images), strict=True)]
    # The same draws twice would undo every false cell; independent ones flip each with one half.
    assert close(int(np.sum(changed)), 200 * 16, 0.5)


def test_noise_is_that_of_the_image_and_not_of_its_neighbours(image: Any, asked: Any, numbers: Any) -> None:
    oracle = Noisy(LESIONS, miss=0.5, false_cell=0.5)
    images = [image(f"image-{i}", (1,)) for i in range(4)]
    assert numbers(asked(oracle, *images))[2] == numbers(asked(oracle, images[2]))[0]


@pytest.mark.parametrize("option", ["miss", "false_cell", "shift"])
def test_a_rate_is_a_probability(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option}\n.*less than or equal to 1"):
        Noisy(LESIONS, **{option: 1.5})


def test_abstentions_stay(asked: Any) -> None:
    answers = asked(Noisy(LESIONS, miss=0.9), *sample_questions())
    assert any(answer.reason.startswith("lesions abstains: ") for answer in answers)
