from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.report.findings import MOST_SEEDS, level_of, seeds_needed
from imil_sim.stats import Spread, minimum_detectable_effect


@given(seeds=st.floats(1e-6, 1e-2), shared=st.floats(-1e-4, 1e-3), effect=st.floats(0.005, 0.2))
def test_so_many_seeds_are_enough_and_one_fewer_is_not(seeds: float, shared: float, effect: float) -> None:
    spread = Spread(seeds, 0.001, shared)
    needed = seeds_needed(spread, effect)
    if math.isinf(needed):
        assert minimum_detectable_effect(spread, MOST_SEEDS) > effect
        return
    assert minimum_detectable_effect(spread, int(needed)) <= effect
    assert needed == 5 or minimum_detectable_effect(spread, int(needed) - 1) > effect


def test_with_no_end_of_seeds_the_images_are_the_floor() -> None:
    # Two-sided 5% and 80% power: 1.959964 + 0.841621 standard errors.
    spread = Spread(0.01, 0.001, 0.0001)
    assert minimum_detectable_effect(spread, 10**7) == pytest.approx(2.801585 * 0.01, rel=1e-3)
    assert seeds_needed(spread, 0.028) == math.inf


def test_what_is_seen_after_the_correction_is_larger() -> None:
    # Of 5 comparisons the first must have p below 1%: 2.575829 + 0.841621 standard errors.
    spread, level = Spread(0.01, 0.001, 0.0001), level_of(5)
    assert level == pytest.approx(0.99)
    assert level_of(1) == 0.95
    assert minimum_detectable_effect(spread, 10**7, level=level) == pytest.approx(3.417450 * 0.01, rel=1e-3)
    assert seeds_needed(spread, 0.05, level) > seeds_needed(spread, 0.05)
    needed = int(seeds_needed(spread, 0.05, level))
    assert minimum_detectable_effect(spread, needed, level=level) <= 0.05
    assert minimum_detectable_effect(spread, needed - 1, level=level) > 0.05


def test_an_unknown_spread_needs_nobody_knows_how_many() -> None:
    assert math.isnan(seeds_needed(Spread(math.nan, 0.001, math.nan), 0.02))
    assert math.isnan(seeds_needed(Spread(0.0, 0.001, 0.0), 0.02))
