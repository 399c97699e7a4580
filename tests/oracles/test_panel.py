from __future__ import annotations

from typing import Any

import pytest

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.panel import Panel

LESIONS, INVERTED = OracleRecipe("lesions"), OracleRecipe("inverted", {"like": "lesions"})


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Panel((LESIONS, OracleRecipe("lazy", {"like": "lesions"}))))


def test_readers_take_turns_by_the_place_of_the_question(image: Any, asked: Any, numbers: Any) -> None:
    panel = Panel((LESIONS, INVERTED))
    images = [image("a", range(1, 16), place=1), image("b", range(1, 16), place=2), image("c", None, place=4)]
    answers = asked(panel, *images)
    assert numbers(answers) == [tuple(range(1, 16)), (16,), None]
    assert answers[0].note == "by reader 1 (lesions)"
    assert answers[2].reason == "reader 2 (inverted) abstains: lesions abstains: TB image without a lesion outline"
    assert numbers(asked(panel, *images[::-1])) == [None, (16,), tuple(range(1, 16))]


def test_each_reader_answers_as_in_an_arm_of_its_own(image: Any, asked: Any, numbers: Any) -> None:
    noisy = OracleRecipe("noisy", {"like": "lesions", "miss": 0.5, "false_cell": 0.5})
    images = [image(f"image-{i}", (6,), place=i) for i in range(1, 9)]
    shared, alone = numbers(asked(Panel((noisy, LESIONS)), *images)), numbers(asked(noisy.make(), *images))
    assert shared[::2] == alone[::2]
    assert set(shared[1::2]) == {(6,)}


def test_a_reader_of_the_whole_consultation_sees_its_own_images(image: Any, asked: Any, numbers: Any) -> None:
    swapped = OracleRecipe("swapped", {"like": "lesions"})
    images = [image(f"image-{i}", (i,), place=i) for i in range(1, 5)]
    assert numbers(asked(Panel((swapped, LESIONS)), *images)) == [(3,), (2,), (1,), (4,)]


def test_one_reader_is_no_panel() -> None:
    with pytest.raises(ValueError, match="two oracles at least, not 1"):
        Panel((LESIONS,))
