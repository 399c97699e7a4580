"""Lung fields estimated from the image: found where they are known exactly, and not made up where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.images.lungs import SMALLEST, estimate_lungs
from imil_sim.images.phantom import image as phantom_image


def _two_lungs(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A bright image with two dark upright ellipses, and where they are."""
    y, x = np.mgrid[:height, :width]
    v, u = (y + 0.5) / height, (x + 0.5) / width
    lungs = np.zeros((height, width), np.bool_)
    for centre in (0.30, 0.70):
        lungs |= ((u - centre) / 0.14) ** 2 + ((v - 0.45) / 0.30) ** 2 < 1
    return np.where(lungs, 90, 190).astype(np.uint8), lungs


def _dice(a: NDArray[np.bool_] | None, b: NDArray[np.bool_]) -> float:
    assert a is not None
    assert a.shape == b.shape
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


@pytest.mark.parametrize("shape", [(64, 64), (256, 256), (300, 240), (2000, 1700)])
def test_two_ellipses_are_found_at_any_size(shape: tuple[int, int]) -> None:
    image, lungs = _two_lungs(*shape)
    estimate = estimate_lungs(image)
    assert estimate.reason == ""
    assert _dice(estimate.mask, lungs) > 0.93


def test_a_image_and_its_enlargement_have_the_same_lungs() -> None:
    image = phantom_image(3, "train", 0, 128, diseased=False).pixels
    small, large = estimate_lungs(image).mask, estimate_lungs(np.kron(image, np.ones((3, 3), np.uint8))).mask
    assert small is not None
    assert _dice(large, np.kron(small, np.ones((3, 3), np.bool_))) > 0.98


def test_phantom_lungs_are_found_diseased_or_not() -> None:
    images = [phantom_image(3, "train", i, 96, diseased=i % 2 == 1, marker="L") for i in range(20)]
    dice = [_dice(estimate_lungs(one.pixels).mask, one.lung) for one in images]
    assert np.mean(dice) > 0.95  # 0.976 when written
    assert min(dice) > 0.85


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8)


def _clouds() -> NDArray[np.uint8]:
    """Noise as smooth as lungs are large."""
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(size=(128, 128)), (0, 0), 12)
    return np.asarray(255 * (noise - noise.min()) / np.ptp(noise), np.uint8)


def _one_lung() -> NDArray[np.uint8]:
    image, _ = _two_lungs(128, 128)
    image[:, 64:] = 190
    return image


def _one_disc() -> NDArray[np.uint8]:
    y, x = np.mgrid[:128, :128]
    return np.where((x - 64) ** 2 + (y - 64) ** 2 < 45**2, 60, 190).astype(np.uint8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros((96, 96), np.uint8),
        lambda: np.full((96, 96), 255, np.uint8),
        _noise,
        _clouds,
        _one_lung,
        _one_disc,
        lambda: 255 - phantom_image(3, "train", 0, 128, diseased=False).pixels,
        lambda: _two_lungs(SMALLEST - 1, 128)[0],
    ],
    ids=["black", "white", "noise", "clouds", "one lung", "one disc", "inverted", "too small"],
)
def test_an_implausible_image_is_an_abstention_with_its_reason(make: Callable[[], NDArray[np.uint8]]) -> None:
    estimate = estimate_lungs(make())
    assert estimate.mask is None
    assert estimate.reason


def test_the_image_stays_and_the_answer_too_on_any_number_of_threads() -> None:
    image = phantom_image(3, "train", 1, 160, diseased=True).pixels.copy()
    before, threads = image.tobytes(), cv2.getNumThreads()
    image.flags.writeable = False
    try:
        masks = []
        for count in (1, 4, 4):
            cv2.setNumThreads(count)
            masks.append(estimate_lungs(image).mask)
    finally:
        cv2.setNumThreads(threads)
    assert image.tobytes() == before
    assert masks[0] is not None
    assert all(mask is not None and mask.tobytes() == masks[0].tobytes() for mask in masks)


@pytest.mark.parametrize("wrong", [np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.float32)])
def test_only_gray_bytes_are_images(wrong: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match=r"\(height, width\) uint8 image"):
        estimate_lungs(wrong)  # type: ignore[arg-type]  # the wrong type is the test


def test_shenzhen_lungs_agree_with_the_drawn_masks(real_data: Path) -> None:
    masks = sorted((real_data / "shenzhen" / "masks").glob("*_mask.png"))[::14]
    assert len(masks) == 41
    dice = []
    for path in masks:
        image = cv2.imread(str(real_data / "shenzhen" / "CXR_png" / path.name.replace("_mask", "")), 0)
        truth = cv2.imread(str(path), 0)
        assert image is not None
        assert truth is not None
        mask = estimate_lungs(image.astype(np.uint8)).mask
        if mask is not None:
            dice.append(_dice(mask, truth > 127))
    assert len(dice) >= 40
    assert np.mean(dice) > 0.92
    assert min(dice) > 0.5
