from __future__ import annotations

from typing import Any

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.inverted import Inverted

LESIONS = OracleRecipe("lesions")


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Inverted(LESIONS))


def test_it_chooses_what_the_other_leaves(image: Any, asked: Any, numbers: Any) -> None:
    answers = asked(Inverted(LESIONS), image("a", range(3, 17)), image("b", range(1, 17)), image("c", None))
    assert numbers(answers) == [(1, 2), (), None]
    assert answers[0].note == "the cells that lesions did not choose"
    assert answers[2].reason == "lesions abstains: TB image without a lesion outline"


def test_inverted_twice_is_the_oracle_itself(image: Any, asked: Any, numbers: Any) -> None:
    twice = Inverted(OracleRecipe("inverted", {"like": "lesions"}))
    assert numbers(asked(twice, image("a", (1, 7)))) == [(1, 7)]
