from __future__ import annotations

from typing import Any

import pytest

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from oracles.panel import Panel

LESIONS, INVERTED = OracleRecipe("lesions"), OracleRecipe("inverted", {"like": "lesions"})


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Panel((LESIONS, OracleRecipe("lazy", {"like": "lesions"}))))


def test_readers_take_turns_by_the_place_of_the_question(film: Any, asked: Any, numbers: Any) -> None:
    panel = Panel((LESIONS, INVERTED))
    films = [film("a", range(1, 16), place=1), film("b", range(1, 16), place=2), film("c", None, place=4)]
    answers = asked(panel, *films)
    assert numbers(answers) == [tuple(range(1, 16)), (16,), None]
    assert answers[0].note == "by reader 1 (lesions)"
    assert answers[2].reason == "reader 2 (inverted) abstains: lesions abstains: TB film without a lesion outline"
    assert numbers(asked(panel, *films[::-1])) == [None, (16,), tuple(range(1, 16))]


def test_each_reader_answers_as_in_an_arm_of_its_own(film: Any, asked: Any, numbers: Any) -> None:
    noisy = OracleRecipe("noisy", {"like": "lesions", "miss": 0.5, "false_cell": 0.5})
    films = [film(f"film-{i}", (6,), place=i) for i in range(1, 9)]
    shared, alone = numbers(asked(Panel((noisy, LESIONS)), *films)), numbers(asked(noisy.make(), *films))
    assert shared[::2] == alone[::2]
    assert set(shared[1::2]) == {(6,)}


def test_a_reader_of_the_whole_consultation_sees_its_own_films(film: Any, asked: Any, numbers: Any) -> None:
    swapped = OracleRecipe("swapped", {"like": "lesions"})
    films = [film(f"film-{i}", (i,), place=i) for i in range(1, 5)]
    assert numbers(asked(Panel((swapped, LESIONS)), *films)) == [(3,), (2,), (1,), (4,)]


def test_one_reader_is_no_panel() -> None:
    with pytest.raises(ValueError, match="two oracles at least, not 1"):
        Panel((LESIONS,))
