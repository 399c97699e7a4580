from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.feedback.agreement import cohen_kappa, dice, fleiss_kappa, staple


def votes(*rows: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """``votes("110", "010")``: a reader a line."""
    return np.array([[letter == "1" for letter in row] for row in rows])


def test_dice_worked_out_by_hand() -> None:
    assert dice(*votes("1100", "0110")) == 0.5  # one in common, two each
    assert dice(*votes("1110", "1110")) == 1.0
    assert dice(*votes("1000", "0111")) == 0.0
    assert math.isnan(dice(*votes("0000", "0000")))


def test_kappa_worked_out_by_hand() -> None:
    # 6 of 10 agree by choosing, 2 by leaving out; shares 0.7 and 0.7: expected 0.49 + 0.09 = 0.58
    one, other = votes("1111111000", "1111110100")
    assert cohen_kappa(one, other) == pytest.approx((0.8 - 0.58) / 0.42)
    assert cohen_kappa(one, one) == 1.0
    assert cohen_kappa(one, ~one) == pytest.approx(-0.42 / 0.58)
    assert math.isnan(cohen_kappa(*votes("000", "000")))
    assert cohen_kappa(*votes("111", "101")) == 0.0


def test_kappa_of_many_worked_out_by_hand() -> None:
    # Three readers, four cells with 3, 2, 1 and 0 votes: pairs agree in 3, 1, 1 and 3 of 3; half of all votes are yes.
    assert fleiss_kappa(votes("1110", "1100", "1000")) == pytest.approx((2 / 3 - 0.5) / 0.5)
    assert fleiss_kappa(votes("10", "10", "10")) == 1.0
    assert math.isnan(fleiss_kappa(votes("11", "11")))


@given(st.integers(0, 2**20), st.integers(2, 5))
def test_measures_do_not_depend_on_the_order_of_readers_or_cells(seed: int, readers: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.random((readers, 24)) < 0.4
    shuffled = rng.permutation(rng.permutation(table, axis=1), axis=0)
    assert fleiss_kappa(shuffled) == pytest.approx(fleiss_kappa(table), nan_ok=True)
    assert cohen_kappa(table[0], table[1]) == pytest.approx(cohen_kappa(table[1], table[0]), nan_ok=True)


def test_independent_readers_agree_no_better_than_chance() -> None:
    table = np.random.default_rng(0).random((3, 40_000)) < 0.3
    assert abs(fleiss_kappa(table)) < 0.02
    assert abs(cohen_kappa(table[0], table[1])) < 0.02


def test_staple_recovers_how_good_the_readers_are_and_what_is_true() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(20_000) < 0.25
    sensitivity, specificity = np.array([0.95, 0.8, 0.6]), np.array([0.98, 0.9, 0.95])
    chance = np.where(truth, sensitivity[:, None], 1 - specificity[:, None])
    table = rng.random(chance.shape) < chance
    found = staple(table)
    np.testing.assert_allclose(found.sensitivity, sensitivity, atol=0.03)
    np.testing.assert_allclose(found.specificity, specificity, atol=0.03)
    majority = 2 * table.sum(axis=0) > 3
    assert ((found.probability > 0.5) != truth).sum() < (majority != truth).sum()


def test_one_round_of_staple_worked_out_by_hand() -> None:
    # Two readers who always agree: their word is taken, and both are found perfect.
    found = staple(votes("1100", "1100"))
    np.testing.assert_allclose(found.probability, [1, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose([found.sensitivity, found.specificity], 1, atol=1e-6)


@pytest.mark.parametrize("vote", ["0000", "1111"])
def test_where_all_say_the_same_that_is_so(vote: str) -> None:
    assert staple(votes(vote, vote)).probability.tolist() == [float(letter) for letter in vote]


def test_a_reader_without_a_vote_says_nothing() -> None:
    table, voted = votes("110010", "110110", "000000"), votes("111111", "111111", "000000")
    with_silent, without = staple(table, voted), staple(table[:2])
    np.testing.assert_allclose(with_silent.probability, without.probability)
    voted[:, 5] = False  # nobody looked at the last cell: it stays at the prior, 7 of 10
    assert staple(table, voted).probability[5] == pytest.approx(0.7)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        dice(*(votes("11")[0], votes("111")[0]))
    with pytest.raises(ValueError, match="no cells"):
        cohen_kappa(*np.zeros((2, 0), dtype=np.bool_))
    with pytest.raises(ValueError, match="two readers at least"):
        fleiss_kappa(votes("11"))
    with pytest.raises(ValueError, match="at least one vote"):
        staple(votes("11"), votes("00"))
