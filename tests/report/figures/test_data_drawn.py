"""What is drawn is what the numbers say: seeds, attention, overlap, disagreement, ROC, reliability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from imil_sim.report.figures import style
from imil_sim.report.figures.attention import attention
from imil_sim.report.figures.disagreement import changes_of, disagreement, hits_of, in_order
from imil_sim.report.figures.overlap import overlap
from imil_sim.report.figures.reliability import reliability, reliability_bins
from imil_sim.report.figures.roc import Roc, on_grid, roc, roc_of
from imil_sim.report.figures.seeds import seeds
from imil_sim.stats import metric_named

NAN = np.nan
LABELS = np.array([0, 0, 1, 1])


def dots(axes: Any) -> list[list[list[float]]]:
    """Where circles and diamonds stand."""
    return [c.get_offsets().tolist() for c in axes.collections if isinstance(c, PathCollection)]


def rows(picture: Any) -> Any:
    assert picture.table is not None
    return picture.table.rows


def test_seeds_are_differences_from_the_reference_of_the_same_seed(seen: Any) -> None:
    values = np.array([[0.82, 0.86, NAN], [0.80, 0.80, 0.80], [0.79, 0.85, 0.84]])
    picture = seeds(values, ["a", "base", "c"], "accuracy", name="s", reference=1, numbers=(7, 8, 9))
    circles, diamonds = dots(seen.figure.axes[0])
    assert circles == [
        pytest.approx(dot) for dot in ([0, 0], [0, 0], [0, 0], [0.02, 1], [0.06, 1], [-0.01, 2], [0.05, 2], [0.04, 2])
    ]
    assert diamonds == [pytest.approx(dot) for dot in ([0, 0], [0.04, 1], [0.08 / 3, 2])]
    assert [row[0] for row in rows(picture)] == ["base", "a", "c"]
    with pytest.raises(ValueError, match="3 arms and 2 seeds"):
        seeds(values, ["a", "b", "c"], "auroc", name="s", reference=0, numbers=(0, 1))


@pytest.mark.parametrize(("metric", "side"), [("auroc", "right"), ("brier", "left")])
def test_the_better_side_follows_the_metric(seen: Any, metric: str, side: str) -> None:
    seeds(np.eye(2), ["base", "b"], metric, name="s", reference=0, numbers=(0, 1))
    (axes,) = seen.figure.axes
    better = [where for where in ("left", "right") if "better than base" in axes.get_title(loc=where)]
    assert better == [side]
    assert metric_named(metric).higher_is_better == (side == "right")


def test_attention_has_one_dot_a_known_seed_and_a_line_where_a_map_has_no_aim(seen: Any) -> None:
    ratios = np.array([[1.2, 1.4], [1.5, NAN]])
    picture = attention(ratios, np.array([[0.5, 0.7], [0.1, 0.3]]), ["a", "b"], name="x")
    left, right = seen.figure.axes
    assert [len(dots(axes)[0]) for axes in (left, right)] == [3, 4]
    assert [line.get_xdata()[0] for line in left.lines] == [1]
    assert rows(picture)[1] == ("b", 1.5, 1.5, 1.5, pytest.approx(0.2), 0.1, 0.3, 2)
    attention(ratios, np.full((2, 2), NAN), ["a", "b"], name="x")
    assert len(seen.figure.axes) == 1  # what is not known takes no room


def test_overlap_has_every_pair_and_a_scale(seen: Any) -> None:
    dice = np.array([[1, 0.25, NAN], [0.25, 1, 0.5], [NAN, 0.5, 1]])
    picture = overlap(dice, ["a", "b", "c"], name="x", questions=np.full((3, 3), 20))
    axes, scale = seen.figure.axes
    assert sorted(text.get_text() for text in axes.texts) == ["0.25"] * 2 + ["0.50"] * 2 + ["1.00"] * 3
    assert axes.collections[0].get_cmap().name == style.COLOURS
    assert scale.get_ylim() == (0, 1)
    assert rows(picture) == (("a", "b", 0.25, 20), ("b", "c", 0.5, 20))
    with pytest.raises(ValueError, match="3 oracles"):
        overlap(dice * 2, ["a", "b", "c"], name="x")


def test_disagreement_by_hand(seen: Any) -> None:
    reference = np.array([[1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [1, 0, 0, 1, 1]], np.float64)
    hits = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 1], [NAN] * 5], np.float64)
    changes = changes_of(hits, reference)
    assert changes[:2].tolist() == [[0, 1, 1, -1, 0], [0, -1, 1, 0, 0]]
    assert in_order(changes).tolist() == [2, 1, 3]  # sums 2, 0 and -1; those that never changed are left out
    given: Any = {"name": "d", "reference_name": "base", "ids": list("abcde"), "seeds": (3, 4, 5)}
    one = disagreement(hits[None], reference, ["lesions"], **given)
    (image,) = seen.figure.axes[0].images
    assert image.get_array().filled(9).tolist() == [[1, 1, -1], [1, -1, 0], [9, 9, 9]]
    assert image.get_cmap().name == style.COLOURS
    assert rows(one) == (("c", 2, 0), ("b", 1, 1), ("d", 0, 1))
    same = np.where(np.isnan(hits), NAN, reference)
    several = disagreement(np.stack([hits, same]), reference, ["a", "b"], **given)
    assert rows(several) == (("a", 3, 3, 2, 10), ("b", 0, 0, 0, 10))
    with pytest.raises(ValueError, match="2 arms, 3 seeds"):
        disagreement(hits[None], reference, ["a", "b"], **given)


def test_hits_by_hand() -> None:
    probabilities = np.array([[[[0.9, 0.1], [0.4, 0.6]], [[NAN, NAN], [NAN, NAN]]]])
    found = hits_of(np.array([0, 0]), probabilities)[0]
    assert found[0].tolist() == [1, 0]
    assert np.isnan(found[1]).all()


def test_a_roc_curve_by_hand() -> None:
    curve = roc_of(LABELS == 1, [0.1, 0.4, 0.35, 0.8])
    assert curve.false_positive.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.true_positive.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.area == 0.75
    # Flat until the rise at 0.5, where the upper end counts.
    assert on_grid(curve, np.array([0, 0.25, 0.499, 0.5, 1])).tolist() == [0.5, 0.5, 0.5, 1, 1]
    half = roc_of(LABELS == 1, [0.2, 0.6, 0.6, 0.9])  # one tie between the classes: a slope from (0, 0.5) to (0.5, 1)
    assert on_grid(half, np.array([0.25])).tolist() == [0.75]
    for percent in range(1, 100):  # 0.07 of the grid and 7 / 100 are not the same float
        rise = Roc(np.array([0, 0, percent / 100, percent / 100, 1]), np.array([0, 0.2, 0.2, 0.9, 1]))
        assert on_grid(rise)[percent] == pytest.approx(0.9)
    with pytest.raises(ValueError, match="both classes"):
        roc_of([True, True], [0.1, 0.2])


def test_mean_and_seeds_of_roc_curves_as_drawn(seen: Any) -> None:
    perfect, inverse, missing = [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [NAN] * 4
    scores = np.array([[perfect, perfect, missing], [perfect, inverse, missing]])
    picture = roc(LABELS, scores, ["other", "base"], name="roc", reference=1)
    (axes,) = seen.figure.axes
    assert len(axes.lines) == 2 + 3  # two seeds (the run that is missing has no line), two means, the diagonal
    mean = next(line for line in axes.lines if line.get_color() == style.DARK)  # of the reference
    # One seed is at 1 throughout, the other at 0 until its last point: their mean is one half.
    assert np.asarray(mean.get_ydata())[1:-1].tolist() == [0.5] * 100
    assert rows(picture) == (("base", 2, 0.5, *(0.5,) * 5), ("other", 2, 1.0, *(1.0,) * 5))
    assert roc(LABELS, np.full((2, 3, 4), NAN), ["a", "b"], name="roc", reference=0).png  # no run is done


def test_bins_of_reliability_by_hand() -> None:
    counts, shown, came = reliability_bins([1, 0, 1, 1, 1, 0, 1], [0.55, 0.65, 0.75, 0.85, 0.95, 0.95, 1.0])
    assert np.flatnonzero(counts).tolist() == [8, 9, 11, 12, 14]
    assert counts[[8, 9, 11, 12, 14]].tolist() == [1, 1, 1, 1, 3]
    assert shown[[8, 14]] == pytest.approx([0.55, 2.9 / 3])
    assert came[[8, 9, 14]] == pytest.approx([1, 0, 2 / 3])
    assert np.isnan([shown[0], came[0]]).all()
    assert reliability_bins([0, 1], [0.0, 1.0], bins=2).counts.tolist() == [1, 1]  # the first is closed
    assert reliability_bins([0, 1], [0.5, 0.5], bins=2).counts.tolist() == [2, 0]


def test_a_panel_of_reliability_pools_the_seeds_and_leaves_out_what_is_missing(seen: Any) -> None:
    labels = np.array([0, 1])
    runs = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.2, 0.8]], [[NAN] * 2] * 2])
    picture = reliability(labels, np.stack([runs, np.full_like(runs, NAN)]), ["done", "missing"], name="r", bins=10)
    axes = seen.figure.axes[0]
    # Confidences 0.9, 0.8, 0.6, 0.8: hit, hit, miss, hit.
    assert [bar.get_height() for bar in axes.patches] == [0, 0, 0, 0, 0, 0.25, 0, 0.5, 0.25, 0]
    points = next(line for line in axes.lines if line.get_marker() == "o")
    assert np.asarray(points.get_xdata()) == pytest.approx([0.6, 0.8, 0.9])
    assert np.asarray(points.get_ydata()).tolist() == [0, 1, 1]
    whole = rows(picture)[0]
    assert whole[:5] == ("done", "all", 4, pytest.approx(3.1 / 4), 0.75)
    assert whole[5] == pytest.approx((0.15 + 0.40) / 2)
    # By chance: |coin - p| is 2 p (1 - p) on average, each image alone in its bin here.
    chance = [(2 * 0.9 * 0.1 + 2 * 0.8 * 0.2) / 2, (2 * 0.6 * 0.4 + 2 * 0.8 * 0.2) / 2]
    assert whole[6] == pytest.approx(np.mean(chance))
    assert rows(picture)[-1][:3] == ("missing", "all", 0)


def test_the_positive_convention_looks_at_the_probability_of_class_1(seen: Any) -> None:
    probabilities = np.array([[[[0.9, 0.1], [0.2, 0.8]]]])
    reliability(np.array([0, 1]), probabilities, ["a"], name="r", convention="positive", bins=10)
    assert [bar.get_height() for bar in seen.figure.axes[0].patches] == [0.5, 0, 0, 0, 0, 0, 0, 0.5, 0, 0]
    with pytest.raises(ValueError, match="3 classes"):
        reliability(np.array([0]), np.full((1, 1, 1, 3), 1 / 3), ["a"], name="r", convention="positive")
