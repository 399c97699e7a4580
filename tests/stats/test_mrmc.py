from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from imil_sim.stats import Covariances, Inferences, Spread, minimum_detectable_effect
from imil_sim.stats.contrast import Contrast, inferences
from imil_sim.stats.estimate import Bounds
from imil_sim.stats.mrmc import covariances, new_images, new_seeds_and_images, spread, variance

# Van Dyke's data as summarised by Obuchowski and Rockette: five readers, spin echo and cine MRI
CINE = [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066]
SPIN_ECHO = [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169]
VAN_DYKE = Covariances(0.00080229, 0.00034661, 0.00034407, 0.00023903)


def of_van_dyke() -> Inferences:
    differences = np.array(SPIN_ECHO) - CINE
    return inferences(Contrast(differences, VAN_DYKE.of_difference(variance(differences)), 0, bounds=Bounds(-1, 1)))


def test_obuchowski_rockette_on_van_dykes_published_summaries() -> None:
    a, b, c = of_van_dyke()
    assert (a.statistic**2, a.df, a.p) == pytest.approx((4.46, 15.26, 0.0517), abs=5e-3)
    assert a.p == pytest.approx(0.0517, abs=5e-5)
    assert (a.low, a.high) == pytest.approx((-0.00036, 0.08796), abs=5e-6)
    assert (b.statistic, b.p) == pytest.approx((2.950, 0.0420), abs=5e-4)
    assert b.p == pytest.approx(0.0420, abs=5e-5)
    assert c.statistic == pytest.approx(2.340, abs=5e-4)
    assert c.p == pytest.approx(0.0193, abs=5e-5)
    assert [e.random_factors for e in (a, b, c)] == ["seeds and patients", "seeds", "patients"]


def test_the_spread_of_a_difference_is_the_textbooks_analysis_of_variance() -> None:
    table = np.array([SPIN_ECHO, CINE])
    interaction = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    ms_arm = 5 * table.mean(axis=1).var(ddof=1)
    ms_interaction = (interaction**2).sum() / 4
    denominator = ms_interaction + 5 * (VAN_DYKE.cov2 - VAN_DYKE.cov3)
    a = of_van_dyke().a
    assert a.statistic**2 == pytest.approx(ms_arm / denominator, rel=1e-12)
    assert a.df == pytest.approx(denominator**2 / (ms_interaction**2 / 4), rel=1e-12)


def test_a_negative_shared_covariance_counts_as_none() -> None:
    negative, none = Spread(0.4, 0.3, -0.05), Spread(0.4, 0.3, 0.0)
    assert new_seeds_and_images(negative, 8) == new_seeds_and_images(none, 8) == pytest.approx((math.sqrt(0.05), 7))
    assert new_images(negative, 8) == new_images(none, 8)


def test_the_spread_of_a_difference_is_the_same_by_the_four_covariances_and_directly() -> None:
    arm, reference = np.random.default_rng(2).normal(size=(2, 6, 40)) + np.random.default_rng(3).normal(size=40)
    values = (arm - reference).mean(axis=1)
    direct = spread(values, arm - reference)
    assert covariances(arm, reference).of_difference(direct.seeds) == pytest.approx(direct, rel=1e-9)


def test_fixed_seeds_have_the_standard_error_of_the_mean_difference_on_each_image() -> None:
    rng = np.random.default_rng(4)
    differences = rng.normal(size=(6, 50)) + rng.normal(size=50)  # arms interact with images: nothing is cut at 0
    found = new_images(spread(differences.mean(axis=1), differences), 6)
    assert found.se == pytest.approx(differences.mean(axis=0).std(ddof=1) / math.sqrt(50), rel=1e-9)


def test_the_detectable_effect_of_seeds_alone_is_that_of_the_paired_t() -> None:
    for seeds in (5, 10, 30):
        expected = 0.02 * TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8)
        found = minimum_detectable_effect(Spread(0.02**2, 0.001, 0.0), seeds)
        assert found == pytest.approx(expected, rel=1e-3)


def test_more_seeds_detect_less_and_less_until_the_images_are_the_floor() -> None:
    known = Spread(0.0008, 0.001, 0.0002)
    effects = [minimum_detectable_effect(known, seeds) for seeds in (5, 10, 30, 10**6)]
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] == pytest.approx((1.959964 + 0.841621) * math.sqrt(0.0002), rel=1e-3)
    assert minimum_detectable_effect(known, 10, power=0.9) > effects[1]


def test_a_detectable_effect_needs_a_known_spread_power_and_seeds() -> None:
    assert math.isnan(minimum_detectable_effect(Spread(0.1, math.nan, math.nan), 5))
    assert math.isnan(minimum_detectable_effect(Spread(0.0, 0.0, 0.0), 5))
    with pytest.raises(ValueError, match="two seeds"):
        minimum_detectable_effect(Spread(0.1, 0.1, 0.1), 1)
    with pytest.raises(ValueError, match="power"):
        minimum_detectable_effect(Spread(0.1, 0.1, 0.1), 5, power=1.0)
