from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.errors import DataError
from imil_sim.images.decode import decode_gray, decode_mask, shrink, shrink_mask

Save = Callable[[Path, NDArray[Any]], Path]


def test_eight_bit_gray_comes_back_as_it_is(tmp_path: Path, save: Save, image: Callable[[int], NDArray[Any]]) -> None:
    decoded = decode_gray(save(tmp_path / "image.png", image(1)))
    np.testing.assert_array_equal(decoded.pixels, image(1))
    assert decoded.conversions == ()


def test_sixteen_bits_are_scaled_by_their_full_range(tmp_path: Path, save: Save) -> None:
    values = np.array([[0, 128, 129, 257], [257 * 100, 257 * 100 + 128, 257 * 100 + 129, 65535]], dtype=np.uint16)
    decoded = decode_gray(save(tmp_path / "image.png", values))
    assert decoded.pixels.tolist() == [[0, 0, 1, 1], [100, 100, 101, 255]]
    assert decoded.conversions == ("16-bit",)


@pytest.mark.parametrize("top", [0, 4095, 16383])
def test_sixteen_bits_of_which_few_are_used_are_refused(tmp_path: Path, save: Save, top: int) -> None:
    values = np.full((3, 3), top, dtype=np.uint16)
    with pytest.raises(DataError, match=rf"brightest value {top} of 65535.*scale it to 0\.\.65535"):
        decode_gray(save(tmp_path / "image.png", values))


def test_colour_is_converted_with_the_weights_of_bt_601_and_said(tmp_path: Path, save: Save) -> None:
    blue, green, red, grey = (200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)
    decoded = decode_gray(save(tmp_path / "image.png", np.array([[blue, green, red, grey]], dtype=np.uint8)))
    assert decoded.pixels.tolist() == [[23, 117, 60, 90]]  # 200 x 0.114, 0.587, 0.299
    assert decoded.conversions == ("colour",)


def test_gray_stored_in_colour_is_just_gray(tmp_path: Path, save: Save, image: Callable[[int], NDArray[Any]]) -> None:
    decoded = decode_gray(save(tmp_path / "image.png", np.dstack([image(1)] * 3)))
    np.testing.assert_array_equal(decoded.pixels, image(1))
    assert decoded.conversions == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_dropped_where_opaque_and_refused_where_not(tmp_path: Path, save: Save, dtype: type) -> None:
    top = np.iinfo(dtype).max
    layers = np.full((4, 4, 4), top, dtype=dtype)
    assert (decode_gray(save(tmp_path / "opaque.png", layers)).pixels == 255).all()
    layers[2, 1, 3] = top - 1
    with pytest.raises(DataError, match="has transparent pixels; flatten it"):
        decode_gray(save(tmp_path / "glass.png", layers))


def test_a_broken_colour_profile_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = cv2.imencode(".png", np.full((5, 5), 7, dtype=np.uint8))[1].tobytes()
    profile = b"iCCPjunk\0\0xxxx"
    broken = struct.pack(">I", len(profile) - 4) + profile + struct.pack(">I", zlib.crc32(profile))
    path = tmp_path / "image.png"
    path.write_bytes(whole[:33] + broken + whole[33:])
    assert (decode_gray(path).pixels == 7).all()
    assert capfd.readouterr() == ("", "")


def test_a_mask_is_cut_at_half_and_may_hold_ones(tmp_path: Path, save: Save) -> None:
    shades = np.array([[0, 127, 128, 255]], dtype=np.uint8)
    ones = np.array([[0, 1, 1, 0]], dtype=np.uint8)
    assert decode_mask(save(tmp_path / "a.png", shades), (1, 4)).tolist() == [[False, False, True, True]]
    assert decode_mask(save(tmp_path / "b.png", ones), (1, 4)).tolist() == [[False, True, True, False]]
    assert not decode_mask(save(tmp_path / "c.png", ones * 0), (1, 4)).any()


def test_shrinking_averages_areas() -> None:
    pixels = np.array([[0, 100, 10, 10], [100, 200, 10, 10]], dtype=np.uint8)
    assert shrink(np.vstack([pixels, pixels]), 2).tolist() == [[100, 10], [100, 10]]


def test_a_mask_pixel_needs_half_of_its_area() -> None:
    mask = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=np.bool_)
    assert shrink_mask(mask, 2).tolist() == [[True, False], [True, False]]


@pytest.mark.parametrize("side", [64, 1024])
def test_a_single_marked_pixel_survives_in_its_place(side: int) -> None:
    mask = np.zeros((side, side), dtype=np.bool_)
    mask[side * 5 // 8, side // 8] = True
    expected = np.zeros((4, 4), dtype=np.bool_)
    expected[2, 0] = True
    np.testing.assert_array_equal(shrink_mask(mask, 4), expected)
    assert not shrink_mask(np.zeros_like(mask), 4).any()
