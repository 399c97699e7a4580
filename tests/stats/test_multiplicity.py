from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from imil_sim.stats import benjamini_hochberg, holm

RAW = [0.01, 0.04, 0.03, 0.005]


def test_holm_and_benjamini_hochberg_of_the_known_fixture() -> None:
    assert holm(RAW) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(RAW) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_a_planned_comparison_without_a_p_still_counts() -> None:
    assert holm([0.01, np.nan, 0.03]) == pytest.approx([0.03, np.nan, 0.06], nan_ok=True)
    assert benjamini_hochberg([0.01, np.nan]) == pytest.approx([0.02, np.nan], nan_ok=True)


def test_nothing_is_adjusted_to_nothing_and_what_is_no_p_is_refused() -> None:
    assert holm([]).tolist() == []
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([0.5, 1.5])


def test_holm_is_that_of_statsmodels() -> None:
    p = np.random.default_rng(0).uniform(size=(20, 7)) ** 3
    for row in p:
        assert holm(row) == pytest.approx(multipletests(row, method="holm")[1], rel=1e-12)
        assert benjamini_hochberg(row) == pytest.approx(multipletests(row, method="fdr_bh")[1], rel=1e-12)
