from __future__ import annotations

from typing import Any

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.single_region import SingleRegion

ORACLE = SingleRegion(OracleRecipe("lesions"))


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(SingleRegion(OracleRecipe("lung-fields")))


def test_the_largest_region_stays(image: Any, asked: Any, numbers: Any) -> None:
    images = [image("a", (1, 7, 8, 12)), image("b", (1, 16)), image("c", (1, 6)), image("d", (2, 3)), image("e", None)]
    answers = asked(ORACLE, *images)
    # Corners do not connect; of equal regions the first in reading order stays.
    assert numbers(answers) == [(7, 8, 12), (1,), (1,), (2, 3), None]
    assert answers[0].note == "one region of lesions's cells, 1 cells left out"
    assert answers[3].note == "all of lesions's cells"
