from __future__ import annotations

import math

import numpy as np
import pytest

from imil_sim.stats import calibration, null_ece


def test_the_null_line_by_hand() -> None:
    # One bin, two fair coins: |X - 1| is 1, 0 or 1 with chances 1/4, 1/2, 1/4.
    assert null_ece([0.5, 0.5]) == pytest.approx(0.5 / 2)
    # Two bins: E|X - p| = 2 p (1 - p) each.
    assert null_ece([0.2, 0.9]) == pytest.approx((2 * 0.2 * 0.8 + 2 * 0.9 * 0.1) / 2)
    assert null_ece([0.0, 1.0]) == 0


def test_a_perfectly_calibrated_model_shows_this_error_on_average() -> None:
    rng = np.random.default_rng(7)
    confidence = 0.5 + 0.5 * rng.beta(2.5, 1, 132)
    drawn = [calibration.calibration_error(rng.random(132) < confidence, confidence) for _ in range(2000)]
    assert null_ece(confidence) == pytest.approx(np.mean(drawn), abs=4 * float(np.std(drawn)) / math.sqrt(2000))
    assert 0.06 < null_ece(confidence) < 0.08  # the figure to know at 132 images


def test_the_null_line_of_no_image_is_unknown_and_of_many_small() -> None:
    assert math.isnan(null_ece([]))
    assert null_ece(np.tile([0.6, 0.9], 2000)) < 0.011
    with pytest.raises(ValueError, match=r"\(images,\)"):
        null_ece([[0.5]])
