from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from imil_sim.feedback import Grid, OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.fatigue import Fatigue

LESIONS = OracleRecipe("lesions")
CELLS = Grid(4, 4).cells_from_numbers((6, 7, 10))


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Fatigue(LESIONS))
    check_oracle(Fatigue(LESIONS, growth=0.5, most=1.0))


def test_the_rate_grows_from_nothing_to_its_bound() -> None:
    oracle = Fatigue(LESIONS, growth=0.1, most=0.25)
    assert [oracle.rate(place) for place in (1, 2, 3, 4, 20)] == pytest.approx([0.0, 0.1, 0.2, 0.25, 0.25])


@pytest.mark.parametrize("place", [1, 3, 9])
def test_so_many_cells_are_in_the_wrong_place_and_none_is_lost(image: Any, asked: Any, place: int) -> None:
    oracle = Fatigue(LESIONS, growth=0.1)
    images = [image(f"image-{i}", (6, 7, 10), place=place) for i in range(500)]
    given = np.stack([answer.cells for answer in asked(oracle, *images)])
    assert (given.sum(axis=(1, 2)) == 3).all()
    lost, rate = int((~given[:, CELLS]).sum()), min(0.5, 0.1 * (place - 1))
    assert abs(lost - 1500 * rate) <= 5 * math.sqrt(1500 * rate * (1 - rate))
    if rate:  # and they went to all the others alike
        gained = given[:, ~CELLS].sum(axis=0)
        assert abs(gained - lost / 13).max() < 5 * math.sqrt(lost / 13)


def test_its_place_decides_and_not_the_order_of_being_asked(image: Any, asked: Any, numbers: Any) -> None:
    oracle = Fatigue(LESIONS, growth=1.0, most=1.0)
    first, last = image("a", (6, 7, 10), place=1), image("b", (6, 7, 10), place=2)
    for answers in (asked(oracle, first, last), asked(oracle, last, first)[::-1]):
        assert numbers(answers)[0] == (6, 7, 10)
        assert not set(numbers(answers)[1]) & {6, 7, 10}


def test_all_cells_have_nothing_to_be_exchanged_for(image: Any, asked: Any, numbers: Any) -> None:
    tired = Fatigue(LESIONS, growth=1.0, most=1.0)
    answers = asked(tired, image("a", range(1, 17), place=5), image("b", range(1, 16), place=5), image("c", None))
    assert numbers(answers)[0] == tuple(range(1, 17))
    assert len(numbers(answers)[1]) == 15
    assert 16 in numbers(answers)[1]
    assert numbers(answers)[2] is None
    assert answers[0].note == "lesions at an error rate of 1.00"
