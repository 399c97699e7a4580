from __future__ import annotations

import math

import numpy as np
import pytest

from imil_sim.stats import mcnemar, wilson


def in_dispute(gained: int, lost: int, n: int) -> tuple[list[bool], list[bool]]:
    ours = [True] * gained + [False] * lost + [True] * (n - gained - lost)
    return ours, [False] * gained + [True] * lost + [True] * (n - gained - lost)


def test_mcnemar_of_six_against_two() -> None:
    found = mcnemar(*in_dispute(6, 2, 132))
    assert found.p == pytest.approx(0.2890625, abs=1e-12)
    assert found.value == pytest.approx(4 / 132)
    assert mcnemar(*in_dispute(2, 6, 132)).value == pytest.approx(-4 / 132)
    # Bonett and Price by hand: 7/134 - 3/134 -+ 1.959964 sqrt((10/134 - (4/134)^2) / 134)
    reach = 1.959964 * math.sqrt((10 / 134 - (4 / 134) ** 2) / 134)
    assert (found.low, found.high) == pytest.approx((4 / 134 - reach, 4 / 134 + reach), abs=1e-8)


def test_five_against_none_is_no_finding_and_no_dispute_is_no_certainty() -> None:
    five, none = mcnemar(*in_dispute(5, 0, 132)), mcnemar(*in_dispute(0, 0, 132))
    assert five.p == pytest.approx(0.0625)
    assert five.low < 0 < five.high
    assert (none.value, none.p) == (0, 1)
    assert none.low < 0 < none.high


def test_wilson_by_hand_and_never_outside_the_unit_interval() -> None:
    z2, share = 1.959964**2, 8 / 10
    centre = (share + z2 / 20) / (1 + z2 / 10)
    reach = 1.959964 * math.sqrt(share * (1 - share) / 10 + z2 / 400) / (1 + z2 / 10)
    found = wilson([1] * 8 + [0] * 2)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, centre - reach, centre + reach), abs=1e-7)
    perfect = wilson(np.ones(20, bool))
    assert (perfect.value, perfect.high) == pytest.approx((1.0, 1.0))
    assert perfect.low == pytest.approx(20 / (20 + z2), abs=1e-7)


def test_hits_are_booleans_of_the_same_images() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        wilson([0.3, 1.0])
    with pytest.raises(ValueError, match="cannot be paired"):
        mcnemar([1, 0], [1])
