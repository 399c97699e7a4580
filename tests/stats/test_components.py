from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imil_sim.errors import PartError
from imil_sim.stats import Components, Resplit, components_of, metrics
from imil_sim.stats.mrmc import covariance_across_images, covariances

LABELS = np.repeat([0, 1], 5)
A = [0.1, 0.3, 0.35, 0.4, 0.8, 0.35, 0.6, 0.7, 0.9, 0.95]
B = [0.2, 0.4, 0.5, 0.6, 0.7, 0.3, 0.45, 0.65, 0.7, 0.8]
METRICS: tuple[str, ...] = ("auroc", "accuracy", "brier", "ece_top_label", "ece_positive")


def two_columns(scores: object) -> NDArray[np.float64]:
    given = np.asarray(scores, np.float64)
    return np.stack([1 - given, given], axis=-1)


def drawn(shape: tuple[int, ...], decimals: int = 2) -> NDArray[np.float64]:
    """Scores with ties and with exact zeros and ones."""
    rng = np.random.default_rng(11)
    return np.asarray(np.round(np.clip(rng.normal(0.5, 0.4, shape), 0, 1), decimals), np.float64)


def matrix(of: Components) -> NDArray[np.float64]:
    assert of.parts is not None
    return covariance_across_images(of.parts.reshape(-1, of.n_images))


# ----------------------------------------------------------------------------------------------------------- the values


@pytest.mark.parametrize("metric", METRICS)
def test_the_value_of_every_run_is_that_of_its_metric(metric: str) -> None:
    labels, shown = np.arange(40) % 2, two_columns(drawn((3, 4, 40)))
    of = components_of(metric, labels, shown)
    for arm, seed in np.ndindex(3, 4):
        run = shown[arm, seed]
        expected = (
            metrics.ece_positive(labels == 1, run[:, 1])
            if metric == "ece_positive"
            else getattr(metrics, metric)(labels, run)
        )
        assert of.values[arm, seed] == expected  # to the bit
    assert np.ptp(of.values) > 0


@pytest.mark.parametrize("metric", ["auroc", "accuracy", "brier", "ece_top_label"])
def test_three_classes_give_the_values_of_their_metrics_too(metric: str) -> None:
    rng = np.random.default_rng(3)
    labels, shown = rng.permutation(60) % 3, rng.dirichlet([1, 1, 1], size=(2, 2, 60))
    of = components_of(metric, labels, shown)
    assert of.values[1, 0] == pytest.approx(getattr(metrics, metric)(labels, shown[1, 0]), abs=1e-12)


def test_calibration_of_the_known_fixtures_counts_the_zero_and_the_one() -> None:
    confidence, hit = np.array([0.55, 0.65, 0.75, 0.85, 0.95, 0.95, 1.0]), np.array([1, 0, 1, 1, 1, 0, 1])
    of = components_of("ece_top_label", 1 - hit, two_columns(1 - confidence)[None, None])  # class 0 is predicted
    assert of.values[0, 0] == pytest.approx(2.40 / 7, abs=1e-12)
    assert components_of("ece_positive", [1, 0], two_columns([[[0.95, 1.0]]])).values[0, 0] == pytest.approx(0.475)
    assert components_of("ece_positive", [1, 1], two_columns([[[0.0, 0.0]]])).values[0, 0] == 1  # p = 0 is binned


# ------------------------------------------------------------------------------------------------------ the covariances


def test_delong_of_the_known_fixture() -> None:
    of = components_of("auroc", LABELS, two_columns([[A], [B]]))
    assert of.values[:, 0] == pytest.approx([0.82, 0.66], abs=1e-12)
    np.testing.assert_allclose(matrix(of), [[0.0208, 0.0244], [0.0244, 0.0372]], atol=1e-12)


def test_runs_that_order_as_many_pairs_rightly_tie_to_the_bit() -> None:
    values = components_of("auroc", np.arange(10) < 3, two_columns(drawn((1, 400, 10)))).values
    assert (values == np.rint(values * 42) / 42).all()
    assert len(np.unique(values)) < 43


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=12), st.data())
def test_delong_is_the_covariance_of_placements_counted_pair_by_pair(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    n_positive = data.draw(st.integers(2, len(pairs) - 2))
    labels = np.arange(len(pairs)) < n_positive
    scores = np.array(pairs).T / 5
    wins = [(s[labels][:, None] > s[~labels]) + 0.5 * (s[labels][:, None] == s[~labels]) for s in scores]
    up = np.cov([w.mean(axis=1) for w in wins]) / n_positive
    down = np.cov([w.mean(axis=0) for w in wins]) / (~labels).sum()
    of = components_of("auroc", labels.astype(int), two_columns(scores[:, None]))
    np.testing.assert_allclose(matrix(of), up + down, atol=1e-12)


@pytest.mark.parametrize("metric", ["ece_top_label", "ece_positive"])
def test_the_closed_form_of_the_jackknife_leaves_out_one_image_after_another(metric: str) -> None:
    labels, scores = np.arange(30) % 2, drawn((2, 30))
    of = components_of(metric, labels, two_columns(scores[:, None]))

    def ece(run: NDArray[np.float64], keep: NDArray[np.bool_]) -> float:
        if metric == "ece_positive":
            return metrics.ece_positive(labels[keep] == 1, run[keep])
        return metrics.ece_top_label(labels[keep], two_columns(run[keep]))

    without = np.array([[ece(run, np.arange(30) != i) for i in range(30)] for run in scores])
    assert without.std() > 0
    np.testing.assert_allclose(matrix(of), np.cov(without) * 29**2 / 30, atol=1e-12)


def test_accuracy_has_the_sample_covariance_of_its_hits_with_n_minus_one() -> None:
    labels, scores = np.arange(20) % 2, drawn((2, 20))
    hits = (scores > 0.5) == (labels == 1)
    of = components_of("accuracy", labels, two_columns(scores[:, None]))
    np.testing.assert_allclose(matrix(of), np.cov(hits.astype(float), ddof=1) / 20, atol=1e-12)


def test_the_four_covariances_are_means_over_the_runs_they_name() -> None:
    of = components_of("brier", np.arange(25) % 2, two_columns(drawn((2, 3, 25))))
    assert of.parts is not None
    cov = matrix(of).reshape(2, 3, 2, 3)
    every = [((a, j), (b, k)) for a in range(2) for b in range(2) for j in range(3) for k in range(3)]

    def mean(same_arm: bool, same_seed: bool) -> float:
        return float(np.mean([cov[x + y] for x, y in every if (x[0] == y[0], x[1] == y[1]) == (same_arm, same_seed)]))

    expected = mean(True, True), mean(False, True), mean(True, False), mean(False, False)
    assert covariances(of.parts[0], of.parts[1]) == pytest.approx(expected, abs=1e-15)
    assert len({round(value, 9) for value in expected}) == 4


def test_parts_of_three_classes_agree_with_leaving_images_out() -> None:
    rng = np.random.default_rng(5)
    labels, shown = rng.permutation(90) % 3, rng.dirichlet([1, 1, 1], size=90)
    shown[np.arange(90), labels] += 0.5
    shown /= shown.sum(axis=1, keepdims=True)
    of = components_of("auroc", labels, shown[None, None])
    keep = ~np.eye(90, dtype=bool)
    without = [metrics.auroc(labels[k], shown[k]) for k in keep]
    # DeLong's variance and the jackknife's agree up to terms of 1 / n.
    assert matrix(of)[0, 0] == pytest.approx(np.var(without) * 89, rel=0.05)


# ----------------------------------------------------------------------------------------------------- what is missing


@pytest.mark.parametrize("metric", METRICS)
def test_a_missing_run_stays_missing_and_moves_no_other(metric: str) -> None:
    labels, shown = np.arange(30) % 2, two_columns(drawn((2, 3, 30)))
    whole = components_of(metric, labels, shown)
    shown[1, 2] = np.nan
    of = components_of(metric, labels, shown)
    assert of.parts is not None
    assert whole.parts is not None
    assert np.isnan(of.values).tolist() == [[False] * 3, [False, False, True]]
    assert np.isnan(of.parts[1, 2]).all()
    np.testing.assert_allclose(of.parts[0], whole.parts[0], atol=1e-12)
    shown[:] = np.nan
    assert np.isnan(components_of(metric, labels, shown).values).all()


@pytest.mark.parametrize("metric", METRICS)
def test_one_image_or_a_class_of_one_gives_a_reason_and_no_spread(metric: str) -> None:
    assert components_of(metric, [1], two_columns([[[0.7]]])).why_no_parts
    few = components_of(metric, [0, 0, 1], two_columns([[[0.2, 0.6, 0.7]]]))
    assert bool(few.why_no_parts) == (metric == "auroc")
    assert not np.isnan(few.values).any()


def test_a_class_without_images_has_no_auroc_and_says_so() -> None:
    of = components_of("auroc", [1, 1, 1], two_columns([[[0.2, 0.6, 0.7]]]))
    assert math.isnan(of.values[0, 0])
    assert "a class has no test image" in of.why_no_parts


@pytest.mark.parametrize(
    ("metric", "labels", "shown", "message"),
    [
        ("auroc", [0, 1], [[[1, 0], [0, 1]]], r"\(arms, seeds, images, classes\)"),
        ("auroc", [0, 1, 1], [[[[1, 0], [0, 1]]]], r"not \(1, 1, 2, 2\) and \(3,\)"),
        ("auroc", [0, 2], [[[[1, 0], [0, 1]]]], "whole numbers from 0 to 1"),
        ("brier", [0, 1], [[[[1, 0], [math.nan, 1]]]], "arm 0, seed 0"),
        ("brier", [0, 1], [[[[1, 0], [0, 1]]], [[[1, 0], [-0.5, 1.5]]]], "arm 1, seed 0"),
        ("ece_positive", [0, 1], [[[[1, 0, 0], [0, 1, 0]]]], "needs two classes"),
    ],
)
def test_arrays_that_do_not_go_together_are_named(metric: str, labels: object, shown: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        components_of(metric, labels, shown)  # type: ignore[arg-type]


def test_a_metric_that_is_not_installed_is_named() -> None:
    with pytest.raises(PartError, match=r'metric "auc" is not installed.*"auroc"'):
        components_of("auc", [0, 1], [[[[1, 0], [0, 1]]]])


def test_components_check_what_they_are_made_of() -> None:
    with pytest.raises(ValueError, match="need the reason"):
        Components("auroc", np.zeros((2, 3)), None)
    with pytest.raises(ValueError, match="do not go with"):
        Components("auroc", np.zeros((2, 3)), np.zeros((2, 4, 9)))
    with pytest.raises(ValueError, match="images on both sides"):
        Components.of_splits("auroc", np.zeros((2, 3)), Resplit(530, 0))
