from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from imil_sim.report.figures import attention


def test_one_dot_a_known_seed_and_a_line_where_a_map_has_no_aim(seen: Any) -> None:
    ratios = np.array([[1.2, 1.4], [1.5, np.nan]])
    picture = attention(ratios, np.array([[0.5, 0.7], [0.1, 0.3]]), ["a", "b"], name="x")
    left, right = seen.figure.axes
    circles = [next(c for c in axes.collections if isinstance(c, PathCollection)) for axes in (left, right)]
    assert [len(c.get_offsets()) for c in circles] == [3, 4]
    assert [line.get_xdata()[0] for line in left.lines] == [1]
    low, high = left.get_xlim()
    assert low < 1 < high
    assert "runs from 1.30 (a) to 1.50 (b)" in picture.alt
    assert "runs from 0.20 (b) to 0.60 (a)" in picture.alt
    assert picture.table is not None
    assert picture.table.rows[1] == ("b", 1.5, 1.5, 1.5, pytest.approx(0.2), 0.1, 0.3, 2)


def test_without_masks_it_is_said(seen: Any) -> None:
    unknown = np.full((2, 3), np.nan)
    picture = attention(unknown, unknown, ["a", "b"], name="x")
    assert seen.words.count("not known: no masks") == 2
    assert "The share of lesions hit is not known." in picture.alt
    with pytest.raises(ValueError, match="1 arms"):
        attention(unknown, unknown, ["a"], name="x")
