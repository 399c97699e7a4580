from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.weightstats import ttost_paired

from imil_sim.stats import (
    Estimate,
    Resplit,
    equivalence,
    iqm,
    non_inferiority,
    over_seeds,
    superiority,
)
from imil_sim.stats.estimate import Bounds

# Student's sleep data (1908): hours gained with either drug
FIRST = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SECOND = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
SLEEP = SECOND - FIRST


def test_paired_t_on_the_sleep_data() -> None:
    found = over_seeds(SLEEP)
    assert found.statistic == pytest.approx(4.062128, abs=5e-7)
    assert found.p == pytest.approx(0.00283289, abs=5e-9)
    interval = scipy.stats.ttest_rel(SECOND, FIRST).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert (found.df, found.n_seeds, found.random_factors) == (9, 10, "seeds")


def test_one_observation_has_no_interval_and_none_no_value() -> None:
    one, none = over_seeds([0.3]), over_seeds([])
    assert (one.value, one.n_seeds) == (0.3, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.p)
    assert "one seed" in one.why_absent
    assert math.isnan(none.value)
    assert "no seed" in none.why_absent


def test_what_never_varies_is_not_certain() -> None:
    same, shifted = over_seeds([0.0] * 6), over_seeds([0.1] * 6, resolution=1e-12)
    assert (same.p, same.statistic) == (1.0, 0.0)
    assert math.isnan(shifted.p)
    for found in (same, shifted):
        assert math.isnan(found.high)
        assert "nothing varied" in found.why_absent


def test_an_interval_is_cut_where_no_metric_can_lie() -> None:
    found = over_seeds([0.9, 1.0, 1.0, 0.99, 0.7], bounds=Bounds(0.0, 1.0))
    assert found.high == 1.0
    assert found.low < 0.9


def test_overlapping_splits_widen_the_interval_by_nadeau_and_bengio() -> None:
    differences = [0.02, 0.05, -0.01, 0.03, 0.04]
    found, plain = over_seeds(differences, resplit=Resplit(530, 132)), over_seeds(differences)
    assert found.se == pytest.approx(math.sqrt((1 / 5 + 132 / 530) * np.var(differences, ddof=1)), rel=1e-12)
    assert found.df == 4
    assert found.se > 1.4 * plain.se
    assert found.random_factors == "seeds and splits"
    assert "Nadeau-Bengio" in found.method


def test_superiority_pairs_by_seed_and_halves_ties() -> None:
    assert superiority([3, 1, 2, 2], [1, 3, 2, 1]) == (1 + 0 + 0.5 + 1) / 4
    assert superiority([1, 3, 2, 1], [3, 1, 2, 2]) == 1 - 0.625
    assert math.isnan(superiority([], []))
    with pytest.raises(ValueError, match="3 values cannot be paired with 2"):
        superiority([1, 2, 3], [1, 2])


def test_iqm_is_the_mean_of_the_middle_half() -> None:
    assert iqm([100.0, 1, 2, 3, 4, -50, 3, 2]) == (2 + 2 + 3 + 3) / 4
    assert math.isnan(iqm([]))


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        over_seeds([0.1, math.nan])


# ------------------------------------------------------------------------------------------------------------- margins


def test_equivalence_on_the_sleep_data() -> None:
    found = equivalence(over_seeds(SLEEP), 3.0)
    assert found == pytest.approx(0.00265557, abs=5e-9)
    assert found == pytest.approx(float(ttost_paired(SECOND, FIRST, -3.0, 3.0)[0]), rel=1e-9)
    assert equivalence(over_seeds(-SLEEP), 3.0) == pytest.approx(found, rel=1e-12)
    assert equivalence(over_seeds(SLEEP), 1.0) > 0.5


def test_non_inferiority_looks_at_the_worse_side_only() -> None:
    slightly_better = over_seeds(SLEEP)
    expected = scipy.stats.ttest_1samp(SLEEP, -1.0, alternative="greater").pvalue
    assert non_inferiority(slightly_better, 1.0, higher_is_better=True) == pytest.approx(expected, rel=1e-9)
    assert non_inferiority(slightly_better, 1.0, higher_is_better=False) > 0.9
    one_sided = non_inferiority(slightly_better, 0.0, higher_is_better=True)
    assert one_sided == pytest.approx(slightly_better.p / 2, rel=1e-9)


def test_margins_without_a_standard_error_say_nothing_and_must_make_sense() -> None:
    assert math.isnan(equivalence(over_seeds([0.1]), 1.0))
    assert math.isnan(non_inferiority(over_seeds([0.1]), 1.0, higher_is_better=True))
    with pytest.raises(ValueError, match="above 0"):
        equivalence(over_seeds(SLEEP), 0.0)
    with pytest.raises(ValueError, match="0 or more"):
        non_inferiority(over_seeds(SLEEP), -1.0, higher_is_better=True)


def test_an_estimate_has_an_interval_or_a_reason() -> None:
    with pytest.raises(ValueError, match="an interval or a reason"):
        Estimate(value=0.1, random_factors="seeds", method="t", n_seeds=1, n_images=0)
