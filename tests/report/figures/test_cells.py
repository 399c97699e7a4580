from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from imil_sim.report.figures import cells

OVERLAP = np.array([[1, 0.25, np.nan], [0.25, 1, 0.5], [np.nan, 0.5, 1]])


def test_every_pair_has_its_field_and_number(seen: Any) -> None:
    picture = cells(OVERLAP, ["a", "b", "c"], name="x", questions=np.full((3, 3), 20))
    shown = [text for text, _, _ in seen.texts]
    assert sorted(text for text in shown if "." in text and len(text) == 4) == sorted(
        ["1.00"] * 3 + ["0.25"] * 2 + ["0.50"] * 2
    )
    assert {"1 a", "2 b", "3 c", "1", "2", "3"} <= set(shown)
    assert "Most alike are b and c (0.50), least alike a and b (0.25)." in picture.alt
    assert picture.table is not None
    assert picture.table.rows == (("a", "b", 0.25, 20), ("b", "c", 0.5, 20))


def test_numbers_of_narrow_columns_keep_their_distance(seen: Any) -> None:
    cells(np.eye(30), [f"oracle-{place}" for place in range(30)], name="x")
    numbers = sorted((box.x0, box.x1) for text, box, _ in seen.texts if text.isdigit() and box.x0 < 800)
    assert 15 <= len(numbers) < 30
    assert min(after[0] - before[1] for before, after in pairwise(numbers)) > 3


def test_a_matrix_that_holds_no_overlap_is_refused() -> None:
    for wrong in (OVERLAP[:2], OVERLAP * 2):
        with pytest.raises(ValueError, match="3 oracles"):
            cells(wrong, ["a", "b", "c"], name="x")
