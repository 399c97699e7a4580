from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from imil_sim.report.figures import forest
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


def test_marks_are_where_the_numbers_say(seen: Any) -> None:
    found = comparisons()
    picture = forest(found, ARMS, name="forest", placebo=found[1].a, margin=0.05)
    (axes,) = seen.figure.axes
    assert thick(axes) == [pytest.approx((c.a.low, c.a.high)) for c in found]
    assert len(axes.collections) == 6  # A, B and C of two rows
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    assert [line.get_xdata()[0] for line in diamonds] == [c.a.value for c in found]
    filled = [line.get_markerfacecolor() != "white" for line in diamonds]
    assert filled == [c.p_adjusted < 0.05 for c in found] == [True, False]
    bands = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches)
    assert bands == [pytest.approx(of) for of in sorted([(found[1].a.low, found[1].a.high), (-0.05, 0.05)])]
    for word in ("better", "same", "placebo", "±0.05", "Holm p", "A: new seeds and patients"):
        assert word in seen.words
    told = f"better +{found[0].a.value:.3f} [+{found[0].a.low:.3f}, +{found[0].a.high:.3f}]"
    assert f"1 of them differs from 0 after adjustment: {told}." in picture.alt
    assert picture.table is not None
    assert picture.table.rows[0][:4] == ("better", found[0].a.value, found[0].a.low, found[0].a.high)


def test_while_runs_are_to_come_a_comparison_is_not_decided(seen: Any) -> None:
    found = comparisons()
    found = (found[0], replace(found[0], arm=2))  # both far below 0.05
    picture = forest(found, ARMS, name="forest", to_come={(1, 0)})
    diamonds = [line for line in seen.figure.axes[0].lines if line.get_marker() == "D"]
    assert [line.get_markerfacecolor() != "white" for line in diamonds] == [False, True]
    assert diamonds[0].get_color() != diamonds[1].get_color()
    assert "Open whatever the p, for runs are still to come: better." in picture.caption
    assert "1 of them differs from 0 after adjustment: same" in picture.alt
    assert picture.alt.endswith("Runs are still to come of better.")
    alone = forest(found, ARMS, name="forest", to_come={(1, 0), (2, 0)})
    assert "after adjustment" not in alone.alt
    assert "to come" not in forest(found, ARMS, name="forest").caption


def test_a_row_without_interval_says_why(seen: Any) -> None:
    picture = forest(comparisons(seeds=3), ARMS, name="forest")
    assert thick(seen.figure.axes[0]) == []
    assert "too few seeds (3)" in seen.words
    assert picture.table is not None
    assert "at least 5 seeds" in str(picture.table.rows[0][-1])
    assert "None differs from 0" in picture.alt


def test_rows_of_several_references_name_both_arms(seen: Any) -> None:
    found = comparisons()
    forest([found[0], replace(found[1], reference=1)], ARMS, name="forest")
    assert "better − base" in seen.words
    assert "same − better" in seen.words


def test_where_every_seed_has_its_split_the_thick_interval_is_b(seen: Any) -> None:
    rng = np.random.default_rng(0)
    values = 0.8 + 0.01 * rng.standard_normal((3, 6))
    found = compare(Components.of_splits("auroc", values, Resplit(100, 30)), [(1, 0), (2, 0)])
    forest(found, ARMS, name="forest")
    assert thick(seen.figure.axes[0]) == [pytest.approx((c.b.low, c.b.high)) for c in found]
    assert "B: new seeds and splits" in seen.words
    assert "interval B" in seen.words


def test_no_runs_to_compare_is_said(seen: Any) -> None:
    empty = compare(Components("auroc", np.full((2, 3), np.nan), np.full((2, 3, 9), np.nan)), [(1, 0)])
    forest(empty, ARMS, name="forest")
    assert "no runs to compare" in seen.words


def test_several_metrics_or_none_are_refused() -> None:
    with pytest.raises(ValueError, match="one metric"):
        forest([], ARMS, name="forest")
