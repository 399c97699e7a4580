from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from imil_sim.report.figures.forest import forest
from imil_sim.stats import Comparison, Components, Resplit, compare

ARMS = ("base", "better", "same")


def comparisons(seeds: int = 6, images: int = 40) -> tuple[Comparison, ...]:
    """Accuracies of three arms: the second is right on many more images than the first, the third is as the first."""
    rng = np.random.default_rng(3)
    parts = (rng.random((3, seeds, images)) < np.array([0.5, 0.95, 0.5])[:, None, None]).astype(np.float64)
    return compare(Components("accuracy", parts.mean(axis=2), parts), [(1, 0), (2, 0)])


def thick(axes: Any) -> list[tuple[float, float]]:
    """Ends of the thick intervals, from the top."""
    lines = [c for c in axes.collections if isinstance(c, LineCollection) and c.get_linewidths()[0] > 2]
    return [(float(c.get_segments()[0][0, 0]), float(c.get_segments()[0][1, 0])) for c in lines]


def filled(axes: Any) -> list[bool]:
    return [line.get_markerfacecolor() != "white" for line in axes.lines if line.get_marker() == "D"]


def labels(axes: Any) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def test_marks_are_where_the_numbers_say(seen: Any) -> None:
    found = comparisons()
    picture = forest(found, ARMS, placebo=found[1].a, margin=0.05)
    axes, beside = seen.figure.axes
    assert thick(axes) == [pytest.approx((c.a.low, c.a.high)) for c in found]
    assert len(axes.collections) == 6  # A, B and C of two rows
    assert [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"] == [c.a.value for c in found]
    assert filled(axes) == [c.p_adjusted < 0.05 for c in found] == [True, False]
    bands = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches)
    assert bands == [pytest.approx(of) for of in sorted([(found[1].a.low, found[1].a.high), (-0.05, 0.05)])]
    assert labels(axes) == ["better", "same"]
    assert [f"{c.a.value:+.3f}".replace("-", "−") in text for c, text in zip(found, labels(beside), strict=True)] == [
        True,
        True,
    ]
    assert picture.data is not None
    assert picture.data.iloc[0, :4].tolist() == ["better", found[0].a.value, found[0].a.low, found[0].a.high]


def test_it_is_read_640_pixels_wide(seen: Any) -> None:
    forest(comparisons(), ARMS)
    width = seen.figure.canvas.get_width_height()[0]
    dots_an_inch = seen.figure.dpi * 640 / width
    assert min(size for _, _, size in seen.texts) * dots_an_inch / 72 >= 12  # pixels of text


def test_while_runs_are_to_come_a_comparison_is_not_decided(seen: Any) -> None:
    found = comparisons()
    found = (found[0], replace(found[0], arm=2))  # both far below 0.05
    forest(found, ARMS, unfinished={"better"})
    assert filled(seen.figure.axes[0]) == [False, True]
    forest(found, ARMS, unfinished={"base"})
    assert filled(seen.figure.axes[0]) == [False, False]


def test_without_interval_there_is_no_bar_and_the_seeds_are_counted(seen: Any) -> None:
    forest(comparisons(seeds=3), ARMS)
    axes, beside = seen.figure.axes
    assert thick(axes) == []
    assert all("3 seeds" in label for label in labels(beside))
    empty = compare(Components("auroc", np.full((2, 3), np.nan), np.full((2, 3, 9), np.nan)), [(1, 0)])
    forest(empty, ARMS)
    assert "no runs" in labels(seen.figure.axes[1])[0]


def test_rows_of_several_references_name_both_arms(seen: Any) -> None:
    found = comparisons()
    forest([found[0], replace(found[1], reference=1)], ARMS)
    assert labels(seen.figure.axes[0]) == ["better − base", "same − better"]


def test_where_every_seed_has_its_split_the_thick_interval_is_b(seen: Any) -> None:
    rng = np.random.default_rng(0)
    values = 0.8 + 0.01 * rng.standard_normal((3, 6))
    found = compare(Components.of_splits("auroc", values, Resplit(100, 30)), [(1, 0), (2, 0)])
    forest(found, ARMS)
    assert thick(seen.figure.axes[0]) == [pytest.approx((c.b.low, c.b.high)) for c in found]
