from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from imil_sim.report.figures.roc import Roc, on_grid, roc, roc_of
from imil_sim.stats import metrics

LABELS = np.array([0, 0, 1, 1])


def test_a_curve_by_hand() -> None:
    curve = roc_of(LABELS == 1, [0.1, 0.4, 0.35, 0.8])
    assert curve.false_positive.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.true_positive.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.area == 0.75
    # Flat until the rise at 0.5, where the upper end counts.
    assert on_grid(curve, np.array([0, 0.25, 0.499, 0.5, 1])).tolist() == [0.5, 0.5, 0.5, 1, 1]


def test_images_of_equal_score_enter_together() -> None:
    curve = roc_of(LABELS == 1, [0.5, 0.5, 0.5, 0.5])
    assert (curve.false_positive.tolist(), curve.true_positive.tolist()) == ([0, 1], [0, 1])
    assert on_grid(curve, np.array([0.0, 0.3, 1.0])).tolist() == [0, 0.3, 1]
    half = roc_of(LABELS == 1, [0.2, 0.6, 0.6, 0.9])  # one tie between the classes: a slope from (0, 0.5) to (0.5, 1)
    assert on_grid(half, np.array([0.25])).tolist() == [0.75]


def test_a_rise_at_a_rate_of_the_grid_counts_in_full() -> None:
    for percent in range(1, 100):  # 0.07 of the grid and 7 / 100 are not the same float
        rise = Roc(np.array([0, 0, percent / 100, percent / 100, 1]), np.array([0, 0.2, 0.2, 0.9, 1]))
        assert on_grid(rise)[percent] == pytest.approx(0.9)


def test_the_area_is_the_auroc() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 9, 60) / 9  # many ties
    assert roc_of(labels == 1, scores).area == pytest.approx(metrics.auroc(labels, scores))


def test_mean_and_seeds_as_drawn(seen: Any) -> None:
    perfect, inverse = [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1]
    missing = [np.nan] * 4
    picture = roc(
        LABELS, np.array([[perfect, perfect, perfect], [perfect, inverse, missing]]), ["other", "base"], name="roc",
        reference=1,
    )  # fmt: skip
    (axes,) = seen.figure.axes
    threads = [c for c in axes.collections if isinstance(c, LineCollection)]
    assert sorted(len(of.get_segments()) for of in threads) == [2, 3]  # the run that is missing has no line
    mean = next(line for line in axes.lines if line.get_color() == "#000000")  # of the reference
    # One seed is at 1 throughout, the other at 0 until its last point: their mean is one half.
    assert np.asarray(mean.get_ydata())[1:-1].tolist() == [0.5] * 100
    assert picture.table is not None
    assert picture.table.rows == (
        ("base", 2, 0.5, *(0.5,) * 5),
        ("other", 3, 1.0, *(1.0,) * 5),
    )
    assert "reference, base: 0.500; over all arms from 0.500 (base) to 1.000 (other)" in picture.alt


def test_no_run_at_all_still_gives_a_figure(seen: Any) -> None:
    assert "No run is done" in roc(LABELS, np.full((2, 3, 4), np.nan), ["a", "b"], name="roc", reference=0).alt


def test_what_is_no_roc_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        roc_of([True, True], [0.1, 0.2])
    with pytest.raises(ValueError, match="1 arms"):
        roc(LABELS, np.zeros((2, 3, 4)), ["a"], name="roc", reference=0)
