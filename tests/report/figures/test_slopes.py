from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection

from imil_sim.report.figures import slopes

VALUES = np.array([[0.82, 0.86, np.nan], [0.80, 0.80, 0.80], [0.79, 0.85, 0.84]])


def strips(axes: Any) -> tuple[list[list[float]], list[list[float]]]:
    """Where circles and diamonds stand."""
    circles, diamonds = (c for c in axes.collections if isinstance(c, PathCollection))
    return circles.get_offsets().tolist(), diamonds.get_offsets().tolist()


def test_dots_are_differences_from_the_reference_of_the_same_seed(seen: Any) -> None:
    picture = slopes(VALUES, ["a", "base", "c"], "accuracy", name="s", reference=1, seeds=(7, 8, 9))
    (axes,) = seen.figure.axes
    circles, diamonds = strips(axes)
    assert circles == [
        pytest.approx(dot) for dot in ([0, 0], [0, 0], [0, 0], [0.02, 1], [0.06, 1], [-0.01, 2], [0.05, 2], [0.04, 2])
    ]
    assert diamonds == [pytest.approx(dot) for dot in ([0, 0], [0.04, 1], [0.08 / 3, 2])]
    threads = [c for c in axes.collections if isinstance(c, LineCollection) and len(c.get_segments()[0]) > 2]
    assert len(threads[0].get_segments()) == 3
    assert "reference, 0.800" in seen.words
    assert "+0.040 ± 0.028" in seen.words
    assert "the lowest mean is +0.027 (c, above 0 in 2 of 3 seeds)" in picture.alt
    assert picture.table is not None
    assert [row[0] for row in picture.table.rows] == ["base", "a", "c"]


def test_many_arms_have_no_threads(seen: Any) -> None:
    slopes(np.tile(VALUES[1:2], (13, 1)), list("abcdefghijklm"), "auroc", name="s", reference=0, seeds=range(3))
    axes = seen.figure.axes[0]
    assert not [c for c in axes.collections if isinstance(c, LineCollection) and len(c.get_segments()[0]) > 2]
    assert len(strips(axes)[0]) == 39


def test_a_reference_without_runs_leaves_an_empty_figure(seen: Any) -> None:
    values = np.array([[np.nan, np.nan], [0.8, 0.9]])
    assert "No seed has both" in slopes(values, ["a", "b"], "auroc", name="s", reference=0, seeds=(0, 1)).alt


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="3 arms and 2 seeds"):
        slopes(VALUES, ["a", "b", "c"], "auroc", name="s", reference=0, seeds=(0, 1))
