"""What is drawn is what the numbers say: seeds, attention, overlap, disagreement, ROC, reliability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from imil_sim.report.figures import style
from imil_sim.report.figures.overlap import overlap
from imil_sim.report.figures.predictions import (
    GRID,
    disagreement,
    hits_of,
    in_order,
    on_grid,
    reliability,
    reliability_bins,
    roc,
)
from imil_sim.report.figures.strips import attention, seeds
from imil_sim.report.readers import ReaderAgreement
from imil_sim.stats import metric_named

NAN = np.nan
LABELS = np.array([0, 0, 1, 1])


def dots(axes: Any) -> list[list[list[float]]]:
    """Where circles and diamonds stand."""
    return [c.get_offsets().tolist() for c in axes.collections if isinstance(c, PathCollection)]


def rows(picture: Any) -> list[list[Any]]:
    assert picture.data is not None
    return picture.data.to_numpy().tolist()


def test_seeds_are_differences_from_the_reference_of_the_same_seed(seen: Any) -> None:
    numbers = [[0.82, 0.86, NAN], [0.80, 0.80, 0.80], [0.79, 0.85, 0.84]]
    picture = seeds(pd.DataFrame(numbers, ["a", "base", "c"], [7, 8, 9]), "accuracy", "base")
    circles, diamonds = dots(seen.figure.axes[0])
    assert circles == [
        pytest.approx(dot) for dot in ([0, 0], [0, 0], [0, 0], [0.02, 1], [0.06, 1], [-0.01, 2], [0.05, 2], [0.04, 2])
    ]
    assert diamonds == [pytest.approx(dot) for dot in ([0, 0], [0.04, 1], [0.08 / 3, 2])]
    assert [row[0] for row in rows(picture)] == ["base", "a", "c"]


@pytest.mark.parametrize(("metric", "side"), [("auroc", "right"), ("brier", "left")])
def test_the_better_side_follows_the_metric(seen: Any, metric: str, side: str) -> None:
    seeds(pd.DataFrame(np.eye(2), ["base", "b"]), metric, "base")
    (axes,) = seen.figure.axes
    better = [where for where in ("left", "right") if "better than base" in axes.get_title(loc=where)]
    assert better == [side]
    assert metric_named(metric).higher_is_better == (side == "right")


def test_attention_has_one_dot_a_known_seed_and_a_line_where_a_map_has_no_aim(seen: Any) -> None:
    frame = pd.DataFrame({"arm": list("aabb"), "seed": [0, 1, 0, 1], "attention_ratio": [1.2, 1.4, 1.5, NAN],
                          "pointing": [0.5, 0.7, 0.1, 0.3]})  # fmt: skip
    attention(frame, ["a", "b"])
    left, right = seen.figure.axes
    assert [len(dots(axes)[0]) for axes in (left, right)] == [3, 4]
    assert [line.get_xdata()[0] for line in left.lines] == [1]
    attention(frame.assign(pointing=NAN), ["a", "b"])
    assert len(seen.figure.axes) == 1  # what is not known takes no room


def test_overlap_has_every_pair_and_a_scale(seen: Any) -> None:
    dice = np.array([[1, 0.25, NAN], [0.25, 1, 0.5], [NAN, 0.5, 1]])
    picture = overlap(ReaderAgreement(("a", "b", "c"), np.full((3, 3), 20), dice, dice, 20, 0.5))
    axes, scale = seen.figure.axes
    assert sorted(text.get_text() for text in axes.texts) == ["0.25"] * 2 + ["0.50"] * 2 + ["1.00"] * 3
    assert axes.collections[0].get_cmap().name == style.COLOURS
    assert scale.get_ylim() == (0, 1)
    assert [rows(picture)[place] for place in (0, 2)] == [["a", "b", 0.25, 20], ["b", "c", 0.5, 20]]


def test_disagreement_by_hand(seen: Any) -> None:
    reference = np.array([[1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [1, 0, 0, 1, 1]], np.float64)
    hits = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 1], [NAN] * 5], np.float64)
    changes = hits - reference
    assert changes[:2].tolist() == [[0, 1, 1, -1, 0], [0, -1, 1, 0, 0]]
    assert in_order(changes).tolist() == [2, 1, 3]  # sums 2, 0 and -1; those that never changed are left out
    same = np.where(np.isnan(hits), NAN, reference)
    picture = disagreement(np.stack([hits, reference, same]), ["a", "base", "b"], 1, list("abcde"))
    (image,) = seen.figure.axes[0].images
    assert image.get_array().filled(9).tolist() == [[1, 1, -1], [1, -1, 0], [9, 9, 9]]
    assert image.get_cmap().name == style.COLOURS
    assert rows(picture) == [["a", "c", 2, 0], ["a", "b", 1, 1], ["a", "d", 0, 1]]
    assert "fixed 3, broken 2" in seen.words


def test_hits_by_hand() -> None:
    probabilities = np.array([[[[0.9, 0.1], [0.4, 0.6]], [[NAN, NAN], [NAN, NAN]]]])
    found = hits_of(np.array([0, 0]), probabilities)[0]
    assert found[0].tolist() == [1, 0]
    assert np.isnan(found[1]).all()


def test_a_roc_curve_by_hand() -> None:
    # From (0, 0) up to 0.5, flat until the rise at 0.5, where the upper end counts.
    assert on_grid(LABELS == 1, [0.1, 0.4, 0.35, 0.8]).tolist() == [0.5] * 50 + [1] * 51
    # One tie between the classes: a slope from (0, 0.5) to (0.5, 1).
    assert on_grid(LABELS == 1, [0.2, 0.6, 0.6, 0.9])[[0, 25, 50]].tolist() == [0.5, 0.75, 1]
    # 0.07 of the grid and 7 of 100 images are not the same float: the rise is where it is all the same.
    for false_positives in range(1, 100):
        normal = np.where(np.arange(100) < false_positives, 0.9, 0.1)
        curve = on_grid(np.repeat([False, True], 100), np.concatenate([normal, np.full(100, 0.5)]))
        assert curve[false_positives] == 1
        assert curve[false_positives / 100 - 0.005 > GRID].tolist() == [0] * false_positives


def test_mean_and_seeds_of_roc_curves_as_drawn(seen: Any) -> None:
    perfect, inverse, missing = [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [NAN] * 4
    scores = np.array([[perfect, perfect, missing], [perfect, inverse, missing]])
    picture = roc(LABELS == 1, scores, ["other", "base"], 1)
    (axes,) = seen.figure.axes
    assert len(axes.lines) == 2 + 3  # two seeds (the run that is missing has no line), two means, the diagonal
    mean = next(line for line in axes.lines if line.get_color() == style.DARK)  # of the reference
    # One seed is at 1 throughout, the other at 0 until its last point: their mean is one half.
    assert np.asarray(mean.get_ydata())[1:-1].tolist() == [0.5] * 100
    assert rows(picture)[:100] == [["other", rate, 1.0] for rate in GRID[:100]]
    assert "other (1.000)" in picture.alt or "to 1.000 (other)" in picture.alt
    assert roc(LABELS == 1, np.full((2, 3, 4), NAN), ["a", "b"], 0).png  # no run is done


def test_bins_of_reliability_by_hand() -> None:
    found = reliability_bins([1, 0, 1, 1, 1, 0, 1], [0.55, 0.65, 0.75, 0.85, 0.95, 0.95, 1.0])
    assert found.index.tolist() == [8, 9, 11, 12, 14]
    assert found["images"].tolist() == [1, 1, 1, 1, 3]
    assert found.loc[[8, 14], "confidence"].tolist() == pytest.approx([0.55, 2.9 / 3])
    assert found.loc[[8, 9, 14], "rate"].tolist() == pytest.approx([1, 0, 2 / 3])
    assert reliability_bins([0, 1], [0.0, 1.0], bins=2)["images"].tolist() == [1, 1]  # the first is closed
    assert reliability_bins([0, 1], [0.5, 0.5], bins=2).index.tolist() == [0]


def test_a_panel_of_reliability_pools_the_seeds_and_leaves_out_what_is_missing(seen: Any) -> None:
    labels = np.array([0, 1])
    runs = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.2, 0.8]], [[NAN] * 2] * 2])
    picture = reliability(labels, np.stack([runs, np.full_like(runs, NAN)]), ["done", "missing"], "top-label")
    axes, empty = seen.figure.axes
    # Confidences 0.9, 0.8, 0.6, 0.8: hit, hit, miss, hit.
    assert [bar.get_height() for bar in axes.patches] == [0.25, 0.5, 0.25]
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([8 / 15, 11 / 15, 13 / 15])
    points = next(line for line in axes.lines if line.get_marker() == "o")
    assert np.asarray(points.get_xdata()) == pytest.approx([0.6, 0.8, 0.9])
    assert np.asarray(points.get_ydata()).tolist() == [0, 1, 1]
    assert not empty.patches
    assert rows(picture) == [
        ["done", place, count, pytest.approx(said), came]
        for place, count, said, came in ((8, 1, 0.6, 0), (11, 2, 0.8, 1), (13, 1, 0.9, 1))
    ]
    # By chance: |coin - p| is 2 p (1 - p) on average, each image alone in its bin here.
    chance = np.mean([(2 * 0.9 * 0.1 + 2 * 0.8 * 0.2) / 2, (2 * 0.6 * 0.4 + 2 * 0.8 * 0.2) / 2])
    assert f"ECE {(0.15 + 0.40) / 2:.3f} ({chance:.3f})" in seen.words


def test_the_positive_convention_looks_at_the_probability_of_class_1(seen: Any) -> None:
    reliability(np.array([0, 1]), np.array([[[[0.9, 0.1], [0.2, 0.8]]]]), ["a"], "positive")
    assert [bar.get_x() for bar in seen.figure.axes[0].patches] == pytest.approx([1 / 15, 11 / 15])
