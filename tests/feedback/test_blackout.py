from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.feedback.fill import blackout, filled
from imil_sim.feedback.grid import Grid


def picture(height: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """No pixel is 0, so that whatever is blacked out shows."""
    return np.random.default_rng(7).integers(1, 256, (height, width), dtype=np.uint8)


def test_what_is_not_kept_is_black_and_what_is_kept_is_untouched() -> None:
    image = np.array([[10, 20], [30, 40]], dtype=np.uint8)
    keep = np.array([[True, False], [False, True]])
    assert blackout(image, keep).tolist() == [[10, 0], [0, 40]]
    assert image.tolist() == [[10, 20], [30, 40]]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(6, 30), st.integers(6, 30))
def test_all_cells_are_the_identity_and_no_cells_are_night(rows: int, cols: int, height: int, width: int) -> None:
    grid, image = Grid(rows, cols), picture(height, width)
    every = np.ones(grid.shape, dtype=np.bool_)
    same = blackout(image, grid.cells_to_mask(every, image.shape))
    assert (same == image).all()
    assert not np.shares_memory(same, image)
    assert not blackout(image, grid.cells_to_mask(~every, image.shape)).any()


def test_a_blackout_and_its_inverse_add_up_to_the_image() -> None:
    image, keep = picture(11, 7), np.random.default_rng(1).random((11, 7)) < 0.5
    assert (blackout(image, keep) + blackout(image, ~keep) == image).all()


def test_another_filling_goes_where_the_black_would() -> None:
    image, keep = picture(4, 5), np.zeros((4, 5), dtype=np.bool_)
    keep[:2] = True
    other = np.full((4, 5), 99, dtype=np.uint8)
    out = filled(image, keep, other)
    assert (out[:2] == image[:2]).all()
    assert (out[2:] == 99).all()
    assert out.dtype == np.uint8
    assert (filled(image, keep, 99) == out).all()


def test_wrong_arguments_are_named() -> None:
    image = picture(4, 4)
    with pytest.raises(ValueError, match=r"uint8 \(4, 4\) and bool \(4, 5\)"):
        blackout(image, np.ones((4, 5), dtype=np.bool_))
    with pytest.raises(ValueError, match=r"uint8 \(4, 4\) and uint8"):
        blackout(image, image)
    with pytest.raises(ValueError, match="float32"):
        blackout(image.astype(np.float32), np.ones((4, 4), dtype=np.bool_))
    with pytest.raises(ValueError, match="filling is float64"):
        filled(image, np.ones((4, 4), dtype=np.bool_), np.zeros((4, 4)))
