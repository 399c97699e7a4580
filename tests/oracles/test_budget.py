from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.budget import Budget

LESIONS = OracleRecipe("lesions")


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Budget(OracleRecipe("lung-fields"), cells=2))
    check_oracle(Budget(OracleRecipe("lung-fields"), cells=2, keep="random"))


def test_the_heart_of_the_largest_region_stays(image: Any, asked: Any, numbers: Any) -> None:
    # 6, 7, 8, 11 are one region with its middle at row 1.25, column 2: 7 lies nearest, then 11, then 6 and 8.
    answers = asked(Budget(LESIONS, cells=2), image("a", (6, 7, 8, 11, 13)), image("b", (1, 16)), image("c", None))
    assert numbers(answers) == [(7, 11), (1, 16), None]
    assert answers[0].note == "2 of lesions's 5 cells"
    assert numbers(asked(Budget(LESIONS, cells=3), image("a", (6, 7, 8, 11, 13)))) == [(6, 7, 11)]


def test_at_random_every_chosen_cell_is_as_likely_and_no_other(image: Any, asked: Any) -> None:
    images = [image(f"image-{i}", (6, 7, 8, 11, 13)) for i in range(500)]
    answers = [answer.cells for answer in asked(Budget(LESIONS, cells=2, keep="random"), *images)]
    assert {int(cells.sum()) for cells in answers} == {2}
    counts = np.sum(answers, axis=0).ravel()
    assert set(np.flatnonzero(counts) + 1) == {6, 7, 8, 11, 13}
    assert abs(counts[counts > 0] - 200).max() < 4 * 11  # 500 images, 2 of 5 cells: 200, standard deviation 11


def test_no_cells_are_no_budget() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Budget(LESIONS, cells=0)
