from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.cam_cold import CamCold
from imil_sim_oracles.cam_hot import CamHot


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(CamCold())
    check_oracle(CamCold(like=OracleRecipe("lesions"), heat="true"))


@pytest.mark.parametrize("heat", ["predicted", "true"])
def test_it_chooses_just_what_the_hot_one_does_not(asked: Any, heat: Any) -> None:
    questions = sample_questions()
    cold, hot = asked(CamCold(heat=heat), *questions), asked(CamHot(heat=heat), *questions)
    assert all((one.cells ^ other.cells).all() for one, other in zip(cold, hot, strict=True))
    assert sum(answer.cells.sum() for answer in cold) > sum(answer.cells.sum() for answer in hot)


def test_as_many_as_another_chose_the_coldest_first(image: Any, asked: Any, numbers: Any) -> None:
    heat = np.repeat(np.repeat(np.arange(16, 0, -1).reshape(4, 4) / 16, 2, axis=0), 2, axis=1).astype(np.float32)
    answers = asked(CamCold(like=OracleRecipe("lesions")), image("a", (1, 2), cam=heat), image("b", None, cam=heat))
    assert numbers(answers) == [(15, 16), None]
    assert answers[0].note == "as many cells as lesions chose, the coldest"


def test_equally_cold_cells_are_taken_at_random(image: Any, asked: Any, numbers: Any) -> None:
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[:2, :2] = 1.0
    images = [image(f"image-{i}", (1,), cam=heat) for i in range(300)]
    chosen = [answer[0] for answer in numbers(asked(CamCold(like=OracleRecipe("lesions")), *images))]
    counts = np.bincount(chosen, minlength=17)[1:]
    assert counts[0] == 0
    assert abs(counts[1:] - 20).max() < 4 * 4.4


def test_a_map_that_is_equally_warm_everywhere_is_all_hot_and_not_cold(image: Any, asked: Any, numbers: Any) -> None:
    even = image(cam=np.full((8, 8), 0.5, dtype=np.float32))
    assert numbers(asked(CamHot(), even)) == [tuple(range(1, 17))]
    assert numbers(asked(CamCold(), even)) == [()]


def test_a_cold_map_is_an_abstention(image: Any, asked: Any) -> None:
    answers = asked(CamCold(), image(cam=np.zeros((8, 8), dtype=np.float32)))
    assert answers[0].reason == "the heat-map is zero everywhere"
