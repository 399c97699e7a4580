from __future__ import annotations

from typing import Any

import numpy as np

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.spammer import Spammer

LESIONS = OracleRecipe("lesions")


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Spammer(LESIONS))


def test_so_many_images_are_answered_at_random_and_in_the_same_number(image: Any, asked: Any) -> None:
    images = [image(f"image-{i}", (6, 7, 10)) for i in range(400)]
    answers = asked(Spammer(LESIONS, probability=0.3), *images)
    spam = [answer for answer in answers if "at random" in answer.note]
    assert abs(len(spam) - 120) < 5 * 9.2
    assert {int(answer.cells.sum()) for answer in answers} == {3}
    assert {tuple(np.flatnonzero(answer.cells) + 1) for answer in answers if answer not in spam} == {(6, 7, 10)}
    counts = np.sum([answer.cells for answer in spam], axis=0)
    mean = 3 * len(spam) / 16
    assert abs(counts - mean).max() < 5 * np.sqrt(mean)


def test_the_ends_are_the_other_oracle_and_none_of_it(image: Any, asked: Any, numbers: Any) -> None:
    images = [image("a", (6,)), image("b", None)]
    assert numbers(asked(Spammer(LESIONS, probability=0.0), *images)) == [(6,), None]
    many = [image(f"image-{i}", (6,)) for i in range(50)]
    assert len(set(numbers(asked(Spammer(LESIONS, probability=1.0), *many)))) > 10
