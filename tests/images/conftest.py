"""Small image sets on disk, made anew for every test that asks for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

HEIGHT, WIDTH = 40, 32


def _image(seed: int) -> NDArray[np.uint8]:
    """(40, 32), unlike the image of any other seed."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)


def _box(top: int, left: int, bottom: int, right: int) -> NDArray[np.uint8]:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def _save(path: Path, pixels: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def image() -> Callable[[int], NDArray[np.uint8]]:
    """A function from a seed to an image of 40 rows and 32 columns."""
    return _image


@pytest.fixture
def save() -> Callable[[Path, NDArray[Any]], Path]:
    """A function that writes pixels to a file, its format given by the extension, and makes the folders."""
    return _save


@pytest.fixture
def shenzhen(tmp_path: Path) -> Path:
    """Six normal and six TB images in the layout of the Shenzhen set.

    The first normal image has no lung mask, the last TB image no lesion mask; a lung is the left half, a lesion rows
    0-9.
    """
    root = tmp_path / "shenzhen"
    rows = ["study_id,sex,age,findings"]
    for number in range(1, 13):
        label = int(number > 6)
        stem = f"CHNCXR_{number:04d}_{label}"
        _save(root / "CXR_png" / f"{stem}.png", _image(number))
        if number != 1:
            _save(root / "masks" / f"{stem}_mask.png", _box(0, 0, HEIGHT, WIDTH // 2))
        if label and number != 12:
            _save(root / "lesions" / "masks" / f"{stem}_lesion.png", _box(0, 0, 10, WIDTH))
        rows.append(f"{stem}.png,{'Male' if number % 2 else 'Female'},{20 + number},{'PTB' if label else 'normal'}")
    (root / "shenzhen_metadata.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Three images of class ``clear`` and three of class ``opaque``, a folder each."""
    root = tmp_path / "classes"
    for number in range(6):
        _save(root / ("clear" if number < 3 else "opaque") / f"image{number}.png", _image(number))
    return root


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """``images.csv``: eight images in ``pictures/``, four a class, with split, patient, sex and lung mask columns."""
    root = tmp_path / "table"
    rows = ["file,finding,part,patient,sex,lungs"]
    for number in range(8):
        _save(root / "pictures" / f"image{number}.png", _image(number))
        _save(root / "lungs" / f"image{number}.png", _box(0, 0, HEIGHT, WIDTH // 2))
        mask = f"lungs/image{number}.png" if number else ""
        part = "val" if number in (3, 7) else "train"
        rows.append(f"image{number}.png,{'TB' if number > 3 else 'normal'},{part},p{number // 2},f,{mask}")
    # p1 holds images 2 and 3, p3 images 6 and 7: the part column tears both.
    path = root / "images.csv"
    path.write_text("\n".join(rows) + "\n")
    return path
