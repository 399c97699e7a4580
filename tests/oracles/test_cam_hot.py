from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.cam_hot import CamHot

HEAT = np.zeros((8, 8), dtype=np.float32)
HEAT[0:2, 0:2] = 1.0  # cell 1
HEAT[0:2, 2:4] = 0.5  # cell 2
HEAT[2:4, 0:2] = [[0.4, 0.4], [0.4, 0.9]]  # cell 5: 0.525 on average
HEAT[7, 7] = 1.0  # cell 16: 0.25 on average


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(CamHot())
    check_oracle(CamHot(like=OracleRecipe("lesions"), heat="true"))


def test_the_warm_cells_worked_out_by_hand(image: Any, asked: Any, numbers: Any) -> None:
    question = image(cam=HEAT, cam_true=HEAT.T.copy())
    assert numbers(asked(CamHot(), question)) == [(1, 2, 5)]
    assert numbers(asked(CamHot(threshold=0.51), question)) == [(1, 5)]
    assert numbers(asked(CamHot(threshold=0.51, heat="true"), question)) == [(1, 2)]
    assert numbers(asked(CamHot(threshold=0.2), question)) == [(1, 2, 5, 16)]


def test_as_many_as_another_chose_the_warmest_first(image: Any, asked: Any, numbers: Any) -> None:
    oracle = CamHot(like=OracleRecipe("lesions"))
    images = [image("a", (9, 10, 11), cam=HEAT), image("b", (9,), cam=HEAT), image("c", None, cam=HEAT)]
    answers = asked(oracle, *images)
    assert numbers(answers) == [(1, 2, 5), (1,), None]
    assert answers[0].note == "as many cells as lesions chose, the warmest"


def test_equally_warm_cells_are_taken_at_random(image: Any, asked: Any, numbers: Any) -> None:
    even = np.full((8, 8), 0.5, dtype=np.float32)
    images = [image(f"image-{i}", (1,), cam=even) for i in range(400)]
    counts = np.bincount([chosen[0] for chosen in numbers(asked(CamHot(like=OracleRecipe("lesions")), *images))])[1:]
    assert abs(counts - 25).max() < 4 * 4.8  # 400 images, 16 cells: 25 each, standard deviation 4.8


def test_a_cold_map_is_an_abstention(image: Any, asked: Any) -> None:
    question = image(cam=np.zeros((8, 8), dtype=np.float32))
    for oracle in (CamHot(), CamHot(like=OracleRecipe("lesions"))):
        assert asked(oracle, question)[0].reason == "the heat-map is zero everywhere"


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold\n"):
        CamHot(threshold=1.5)
