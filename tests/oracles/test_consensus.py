from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.errors import OracleError
from imil_sim.feedback import OracleRecipe, make_oracle
from imil_sim.testing import check_oracle
from imil_sim_oracles.consensus import Consensus

LESIONS, LUNGS, NOTHING = OracleRecipe("lesions"), OracleRecipe("lung-fields"), OracleRecipe("abstain")
INVERTED = OracleRecipe("inverted", {"like": "lesions"})
NOISY = OracleRecipe("noisy", {"like": "lesions", "miss": 0.3, "false_cell": 0.2})
RULES = ("union", "intersection", "majority", "staple")


@pytest.mark.parametrize("rule", RULES)
def test_it_keeps_the_promises_of_an_oracle(rule: Any) -> None:
    check_oracle(Consensus((LESIONS, NOISY), rule=rule))


@pytest.mark.parametrize(
    ("rule", "readers", "agreed"),
    [
        ("union", (LESIONS, INVERTED), tuple(range(1, 17))),
        ("intersection", (LESIONS, INVERTED), ()),
        ("majority", (LESIONS, INVERTED), ()),  # one of two is not more than half
        ("majority", (LESIONS, INVERTED, LUNGS), tuple(range(1, 17))),
        ("majority", (LESIONS, LESIONS, INVERTED), (1, 2)),
        ("majority", (LESIONS, NOTHING, LESIONS), (1, 2)),
        ("intersection", (LESIONS, NOTHING), (1, 2)),  # who abstains has no vote
        ("staple", (LESIONS, LESIONS, INVERTED), (1, 2)),
    ],
)
def test_the_rules_worked_out_by_hand(
    image: Any, asked: Any, numbers: Any, rule: Any, readers: Any, agreed: Any
) -> None:
    answers = asked(Consensus(readers, rule=rule), image("a", (1, 2)))
    assert numbers(answers) == [agreed]
    assert answers[0].note.startswith(f"{rule} of ")


@pytest.mark.parametrize("rule", RULES)
def test_where_all_abstain_so_does_it(image: Any, asked: Any, numbers: Any, rule: Any) -> None:
    answers = asked(Consensus((LESIONS, NOTHING), rule=rule), image("a", (1, 2)), image("b", None))
    assert numbers(answers) == [(1, 2), None]
    assert answers[0].note == f"{rule} of 1 of 2 readers"
    assert answers[1].reason == (
        "all readers abstain: lesions: TB image without a lesion outline; abstain: abstains from every question"
    )
    assert asked(Consensus((NOTHING, NOTHING), rule=rule), image("a", (1, 2)))[0].cells is None


def test_the_same_reader_twice_errs_independently(image: Any, asked: Any) -> None:
    images = [image(f"image-{i}", (6, 7, 10)) for i in range(300)]
    union = np.stack([a.cells for a in asked(Consensus((NOISY, NOISY), rule="union"), *images)])
    both = np.stack([a.cells for a in asked(Consensus((NOISY, NOISY), rule="intersection"), *images)])
    chosen = np.zeros((4, 4), dtype=bool)
    chosen.flat[[5, 6, 9]] = True
    # A false cell of either: 1 - 0.8^2 = 0.36; of both: 0.04. With equal draws each would be 0.2.
    assert union[:, ~chosen].mean() == pytest.approx(0.36, abs=0.03)
    assert both[:, ~chosen].mean() == pytest.approx(0.04, abs=0.02)


def test_many_noisy_readers_are_better_than_one(image: Any, asked: Any) -> None:
    images = [image(f"image-{i}", (6, 7, 10)) for i in range(60)]
    truth = np.zeros((4, 4), dtype=bool)
    truth.flat[[5, 6, 9]] = True

    def wrong(oracle: Any) -> int:
        return int(sum((answer.cells != truth).sum() for answer in asked(oracle, *images)))

    one = wrong(NOISY.make())
    assert wrong(Consensus((NOISY,) * 5)) < one / 2
    # STAPLE finds out whom to believe: two of three are no better than a coin, and outvote the third.
    coin = OracleRecipe("noisy", {"like": "lesions", "miss": 0.45, "false_cell": 0.45})
    good = OracleRecipe("noisy", {"like": "lesions", "miss": 0.05, "false_cell": 0.05})
    readers = (coin, good, coin, good)
    assert wrong(Consensus(readers, rule="staple")) < wrong(Consensus((coin, good, coin)))


def test_a_study_names_the_readers_in_a_list() -> None:
    made = make_oracle("consensus", {"readers": ["lesions", {"oracle": "noisy", "options": {"like": "lesions"}}]})
    assert made == Consensus((LESIONS, OracleRecipe("noisy", {"like": "lesions"})))
    with pytest.raises(OracleError, match="two oracles at least, not 1"):
        make_oracle("consensus", {"readers": ["lesions"]})
    with pytest.raises(OracleError, match=r'readers\.1: oracle "lesion" is not installed'):
        make_oracle("consensus", {"readers": ["lesions", "lesion"]})
