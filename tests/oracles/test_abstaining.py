from __future__ import annotations

from typing import Any

import pytest

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.abstaining import Abstaining

LESIONS = OracleRecipe("lesions")


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Abstaining(LESIONS))
    check_oracle(Abstaining(LESIONS, unsure_above=0.0, skip=0.5))


def test_images_the_model_was_sure_of_are_skipped(image: Any, asked: Any, numbers: Any) -> None:
    images = [image(f"image-{confidence}", (6,), confidence=confidence) for confidence in (0.6, 0.89, 0.9, 1.0)]
    answers = asked(Abstaining(LESIONS, unsure_above=0.9), *images, image("none", None, confidence=0.5))
    assert numbers(answers) == [(6,), (6,), None, None, None]
    assert answers[2].reason == "skipped: the reader is unsure"
    assert answers[4].reason.startswith("lesions abstains")


def test_so_many_of_the_doubtful_ones_are_skipped(image: Any, asked: Any) -> None:
    images = [image(f"image-{i}", (6,)) for i in range(400)]
    skipped = [a for a in asked(Abstaining(LESIONS, unsure_above=0.0, skip=0.25), *images) if a.cells is None]
    assert abs(len(skipped) - 100) < 5 * 8.7


def test_a_confidence_is_at_most_one() -> None:
    with pytest.raises(ValueError, match="unsure_above\n"):
        Abstaining(LESIONS, unsure_above=90)
