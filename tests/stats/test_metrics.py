from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imil_sim.stats import calibration, metrics, subsets

# statistics.md: the confidences and hits of one fixture, the labels and scores (AUROC .82 and .66) of the other
CONFIDENCE = [0.55, 0.65, 0.75, 0.85, 0.95, 0.95, 1.0]
HIT = [1, 0, 1, 1, 1, 0, 1]
LABELS = np.array([0] * 5 + [1] * 5)
SCORES_A = np.array([0.1, 0.3, 0.35, 0.4, 0.8, 0.35, 0.6, 0.7, 0.9, 0.95])
SCORES_B = np.array([0.2, 0.4, 0.5, 0.6, 0.7, 0.3, 0.45, 0.65, 0.7, 0.8])

shares = st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=40)


def two_columns(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([1 - scores, scores], axis=1)


def three_classes() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    return rng.permutation(60) % 3, rng.dirichlet([1, 1, 1], size=60)


# ----------------------------------------------------------------------------------------------------- calibration


def test_ece_of_the_known_fixtures() -> None:
    assert calibration.calibration_error(HIT, CONFIDENCE) == pytest.approx(2.40 / 7, abs=1e-12)
    assert metrics.ece_positive([1, 0], [0.95, 1.0]) == pytest.approx(0.475, abs=1e-12)


def test_the_two_conventions_differ_on_sure_negatives() -> None:
    labels, scores = np.array([0, 0, 1, 0]), np.array([0.1, 0.1, 0.9, 0.9])
    # Top label: four images at confidence 0.9, three right. Positive: 0 of 2 at 0.1, 1 of 2 at 0.9.
    assert metrics.ece_top_label(labels, two_columns(scores)) == pytest.approx(0.15)
    assert metrics.ece_positive(labels == 1, scores) == pytest.approx((0.2 + 0.8) / 4)


def test_bins_are_closed_above_and_the_first_on_both_sides() -> None:
    edges = [0.0, 1 / 15, np.nextafter(1 / 15, 1), 14 / 15, np.nextafter(14 / 15, 1), 1.0]
    assert calibration.calibration_bins(edges).tolist() == [0, 0, 1, 13, 14, 14]
    for k in range(1, 16):
        assert calibration.calibration_bins([k / 15]).tolist() == [k - 1]


def test_a_probability_of_zero_counts() -> None:
    assert metrics.ece_positive([True, False], [0.0, 0.0]) == pytest.approx(0.5)


@given(shares, st.integers(1, 20))
def test_ece_is_a_share_whatever_the_order_and_zero_for_a_prophet(rows: list[tuple[bool, float]], bins: int) -> None:
    hit, confidence = np.array([h for h, _ in rows]), np.array([c for _, c in rows])
    ece = partial(calibration.calibration_error, bins=bins)
    assert 0 <= ece(hit, confidence) <= 1
    assert ece(hit, confidence) == pytest.approx(ece(hit[::-1], confidence[::-1]), abs=1e-9)
    assert ece(hit, hit.astype(float)) == 0
    # The mean gap over all images is the coarsest calibration error: finer bins can only add to it.
    assert ece(hit, confidence) >= abs(hit.mean() - confidence.mean()) - 1e-9


def test_brier_is_the_usual_one_and_its_half_sum_beyond_two_classes() -> None:
    expected = sklearn.metrics.brier_score_loss(LABELS, SCORES_A)
    assert metrics.brier(LABELS, two_columns(SCORES_A)) == pytest.approx(expected, abs=1e-12)
    assert metrics.brier([0], [[0.5, 0.3, 0.2]]) == pytest.approx((0.25 + 0.09 + 0.04) / 2)


def test_nll_is_that_of_scikit_learn_and_finite_for_an_impossible_truth() -> None:
    labels, shown = three_classes()
    assert metrics.nll(labels, shown) == pytest.approx(sklearn.metrics.log_loss(labels, shown), abs=1e-12)
    assert metrics.nll([1], [[1.0, 0.0]]) == pytest.approx(36.0437, abs=1e-3)


# -------------------------------------------------------------------------------------------------- discrimination


def test_auroc_of_the_known_fixture_one_or_two_columns() -> None:
    assert metrics.auroc(LABELS, SCORES_A) == pytest.approx(0.82)
    assert metrics.auroc(LABELS, SCORES_B) == pytest.approx(0.66)
    assert metrics.auroc(LABELS, two_columns(SCORES_B)) == pytest.approx(0.66)


def test_auroc_of_three_classes_is_one_against_the_rest_each_class_counting_the_same() -> None:
    labels, shown = three_classes()
    expected = sklearn.metrics.roc_auc_score(labels, shown, multi_class="ovr", average="macro")
    assert metrics.auroc(labels, shown) == pytest.approx(expected, abs=1e-12)


@given(shares)
def test_auroc_is_the_share_of_ordered_pairs(rows: list[tuple[bool, float]]) -> None:
    positive, scores = np.array([p for p, _ in rows]), np.array([s for _, s in rows])
    up, down = scores[positive][:, None], scores[~positive][None, :]
    if up.size == 0 or down.size == 0:
        assert math.isnan(metrics.auroc(positive, scores))
    else:
        assert metrics.auroc(positive, scores) == pytest.approx(((up > down) + 0.5 * (up == down)).mean(), abs=1e-9)


def test_accuracy_gives_a_tie_to_the_first_class() -> None:
    assert metrics.accuracy([0, 1, 1, 0], [[0.5, 0.5], [0.5, 0.5], [0.1, 0.9], [0.2, 0.8]]) == 0.5


def test_sensitivity_and_specificity_by_hand() -> None:
    # Above one half: of the positives .6 .7 .9 .95, of the negatives .8.
    assert metrics.sensitivity(LABELS, SCORES_A) == pytest.approx(4 / 5)
    assert metrics.specificity(LABELS, SCORES_A) == pytest.approx(4 / 5)
    assert metrics.sensitivity(LABELS, SCORES_A, threshold=0.35) == pytest.approx(4 / 5)
    assert metrics.specificity(LABELS, SCORES_A, threshold=0.35) == pytest.approx(3 / 5)


@given(shares)
def test_accuracy_is_sensitivity_and_specificity_weighed_by_class(rows: list[tuple[bool, float]]) -> None:
    positive, scores = np.array([p for p, _ in rows]), np.array([s for _, s in rows])
    right = 0.0
    if positive.any():
        right += metrics.sensitivity(positive, scores) * positive.sum()
    if not positive.all():
        right += metrics.specificity(positive, scores) * (~positive).sum()
    assert metrics.accuracy(positive.astype(int), two_columns(scores)) == pytest.approx(right / len(rows))


# ------------------------------------------------------------------------------------------- undefined, and refused


def test_what_is_undefined_is_not_zero() -> None:
    nobody, nothing = np.zeros(0, np.int64), np.zeros((0, 2))
    for metric in (metrics.accuracy, metrics.auroc, metrics.ece_top_label, metrics.brier, metrics.nll):
        assert math.isnan(metric(nobody, nothing))
    assert math.isnan(metrics.auroc([1, 1], [0.2, 0.9]))
    assert math.isnan(metrics.auroc([0, 1, 1], np.full((3, 3), 1 / 3)))
    assert math.isnan(metrics.sensitivity([0, 0], [0.2, 0.9]))
    assert math.isnan(metrics.specificity([1, 1], [0.2, 0.9]))
    assert math.isnan(metrics.ece_positive([], []))


@pytest.mark.parametrize(
    ("labels", "probabilities", "said"),
    [
        ([0, 1], [[0.5, 0.5]], "do not go with"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "from 0 to 1"),
        ([0, -1], [[0.5, 0.5], [0.5, 0.5]], "from 0 to 1"),
        ([0.0, 1.0], [[0.5, 0.5], [0.5, 0.5]], "whole numbers"),
        ([0], [[math.nan, 0.5]], "1 of 2 do not"),
        ([0], [[1.5, -0.5]], r"in \[0, 1\]"),
    ],
)
def test_arrays_that_cannot_be_labels_and_probabilities_are_refused(
    labels: list[int], probabilities: list[list[float]], said: str
) -> None:
    for metric in (metrics.accuracy, metrics.auroc, metrics.ece_top_label, metrics.brier, metrics.nll):
        with pytest.raises(ValueError, match=said):
            metric(labels, probabilities)


def test_scores_of_two_classes_take_no_third_label() -> None:
    with pytest.raises(ValueError, match=r"0 or 1, not \[2\]"):
        metrics.auroc([0, 1, 2], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="finite"):
        metrics.auroc([0, 1], [0.1, math.inf])


# ------------------------------------------------------------------------------------------------------- attention


def test_pointing_game_counts_only_images_with_a_lesion() -> None:
    assert subsets.mean_known([1, math.nan, 0, 1]) == subsets.Known(pytest.approx(2 / 3), 3)
    nothing = subsets.mean_known([math.nan, math.nan])
    assert math.isnan(nothing.value)
    assert nothing.n == 0


def test_attention_ratio_is_the_mean_of_ratios_not_the_ratio_of_means() -> None:
    found = subsets.attention_ratio([0.6, 0.5, math.nan, 0.3, 0.2], [0.3, 0.25, 0.3, math.nan, 0.0])
    assert found == subsets.Known(pytest.approx(2.0), 2)
    assert subsets.attention_ratio([0.6, 0.1], [0.2, 0.2]).value == pytest.approx((3 + 0.5) / 2)


def test_auroc_of_masked_images_leaves_out_those_without_a_mask() -> None:
    shown = np.vstack([two_columns(SCORES_A), [[math.nan, math.nan]]])
    assert subsets.auroc_known([*LABELS, 0], shown) == subsets.Known(pytest.approx(0.82), 10)
    nothing = subsets.auroc_known([0, 1], np.full((2, 2), math.nan))
    assert math.isnan(nothing.value)
    assert nothing.n == 0


# ---------------------------------------------------------------------------------------------------------- groups


def test_groups_by_hand_and_none_is_left_out() -> None:
    labels = [0, 1, 0, 1, 1, 1, 0]
    scores = np.array([0.2, 0.8, 0.6, 0.4, 0.9, 0.3, 0.1])
    values = ["agrees", "agrees", "disagrees", "disagrees", "only TB", "only TB", ""]
    found = {group.value: group for group in subsets.groups(labels, two_columns(scores), values)}
    assert list(found) == ["agrees", "disagrees", "only TB", "unknown"]
    assert (found["agrees"].n, found["agrees"].accuracy, found["agrees"].auroc) == (2, 1.0, 1.0)
    assert (found["disagrees"].accuracy, found["disagrees"].auroc, found["disagrees"].reason) == (0.0, 0.0, "")
    assert found["only TB"].accuracy == 0.5
    assert math.isnan(found["only TB"].auroc)
    assert "none of its 2 images is of class 0" in found["only TB"].reason


def test_the_worst_group_is_known_large_enough_and_defined() -> None:
    of = [
        subsets.Group("large", 50, 0.8, 0.7),
        subsets.Group("small", 9, 0.1, 0.1),
        subsets.Group("one class", 30, 0.6, math.nan, "no AUROC"),
        subsets.Group("unknown", 80, 0.2, 0.2),
    ]
    assert subsets.worst(of, "accuracy") is of[2]
    assert subsets.worst(of, "auroc") is of[0]
    assert subsets.worst(of, "accuracy", minimum=5) is of[1]
    assert subsets.worst(of, "auroc", minimum=60) is None


def test_the_area_under_the_curve_is_that_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, scores = rng.permutation(np.arange(30) < rng.integers(1, 29)), rng.integers(0, 8, 30) / 8
        assert metrics.auroc(labels, scores) == pytest.approx(sklearn.metrics.roc_auc_score(labels, scores), abs=1e-12)
