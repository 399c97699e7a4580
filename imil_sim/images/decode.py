"""One picture file to pixels: grayscale, 8 bits, at the study's size; and masks likewise.

What is read: PNG and JPEG. Grayscale of 8 bits (or fewer, scaled) as it is. 16 bits are scaled by their full range
(65535 to 255), with a notice; refused where the file uses 14 bits or fewer, for it would come out nearly black.
Colour is converted to grey (ITU-R BT.601 weights), with a notice, unless red = green = blue throughout, which is a
grayscale image stored in colour. An alpha channel is dropped where it is opaque and refused where it is not: what lies
under a transparent pixel is not defined. Orientation tags are ignored.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import DataError
from imil_sim.images.container import inspect

Conversion = Literal["16-bit", "colour"]
"""What was done to a picture beyond reading it, and is said in a notice."""

MAX_BYTES = 1 << 30
LOWEST_TOP_OF_16_BIT = 1 << 14

_Raw: TypeAlias = NDArray[Any]
"""What PNG and JPEG decode to: uint8 or uint16."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture at its own size."""

    pixels: NDArray[np.uint8]
    """(height, width), 0 black."""
    conversions: tuple[Conversion, ...] = ()


def decode_gray(path: Path) -> Decoded:
    """The picture in ``path`` at its own size, grayscale.

    Raises:
        DataError: the file cannot be used; the message says what is wrong and the cure, without the file's name.
    """
    return _decode_gray(_read(path))


def _decode_gray(data: bytes) -> Decoded:
    container = inspect(data)
    raw = _decode(container.data)
    conversions: list[Conversion] = []
    if container.transparent_grey:
        raise _transparent()
    if raw.ndim == 3:
        raw, coloured = _to_gray(raw)
        conversions += ["colour"] if coloured else []
    if raw.dtype == np.uint16:
        raw = _to_8_bit(raw)
        conversions.append("16-bit")
    return Decoded(raw.astype(np.uint8, copy=False), tuple(conversions))


def decode_mask(path: Path, shape: tuple[int, int] | None) -> NDArray[np.bool_]:
    """The mask in ``path`` at its own size, True where it is brighter than half; (height, width).

    A mask holds 0 and 255, or 0 and 1. It must have the size of its image, in pixels.

    Args:
        path: the mask's file.
        shape: (height, width) of the image it belongs to, pixels; none where that is not known.

    Raises:
        DataError: as `decode_gray`; or the mask has another size than its image; or its values are neither.
    """
    return _mask_of(decode_gray(path).pixels, shape)


def mask_of_bytes(data: bytes) -> NDArray[np.bool_]:
    """(height, width): the mask in the bytes of a picture file, True where it is brighter than half.

    Raises:
        DataError: as `decode_mask`.
    """
    return _mask_of(_decode_gray(data).pixels, None)


def _mask_of(pixels: NDArray[np.uint8], shape: tuple[int, int] | None) -> NDArray[np.bool_]:
    if shape is not None and pixels.shape != shape:
        raise DataError(
            f"is a mask of another size: {_size(pixels.shape)} pixels, its image {_size(shape)}; bring it to the size "
            "of its image"
        )
    top = int(pixels.max())
    if 1 < top < 128:
        raise DataError(f"is no mask: its brightest value is {top}; write 255 (or 1) inside and 0 outside")
    return pixels > (0 if top == 1 else 127)


def shrink(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The picture brought to ``size`` x ``size`` by area interpolation; the aspect is not kept.

    A picture of that size comes back unchanged, bit for bit.
    """
    if pixels.shape == (size, size):
        return pixels
    return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def shrink_mask(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """The mask brought to ``size`` x ``size``: True where at least half of the pixel is covered.

    A mask that covers something never vanishes: where no pixel is half covered, the best-covered ones are True. So a
    lesion of a few pixels stays a lesion on a small image.
    """
    covered = shrink(mask.astype(np.uint8) * np.uint8(255), size)
    if covered.any():
        return covered >= min(128, int(covered.max()))
    if not mask.any():
        return np.zeros((size, size), dtype=np.bool_)
    # Too thin even for 1 in 255: take the pixel under the centre of what there is.
    rows, columns = np.nonzero(mask)
    kept = np.zeros((size, size), dtype=np.bool_)
    kept[int(rows.mean() * size / mask.shape[0]), int(columns.mean() * size / mask.shape[1])] = True
    return kept


def _read(path: Path) -> bytes:
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise DataError("is a folder, not an image file; move it away")
        if not stat.S_ISREG(about.st_mode):
            raise DataError("is not an ordinary file; move it away")
        if about.st_size > MAX_BYTES:
            raise DataError(f"has {about.st_size:,} bytes, too many for a radiograph; reduce it, or remove it")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError("does not exist; add it, or remove what names it") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}; check its owner, its rights and the disk") from None


def _decode(data: bytes) -> _Raw:
    """(height, width) or (height, width, 3 or 4: blue, green, red, alpha)."""
    try:
        raw = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        raw = None
    if raw is None:
        raise DataError("cannot be decoded, though it is complete; open it in an image viewer and save it again as PNG")
    return raw


def _to_gray(raw: _Raw) -> tuple[_Raw, bool]:
    """(height, width), and whether colours were lost."""
    if raw.shape[2] == 4 and int(raw[..., 3].min()) < np.iinfo(raw.dtype).max:
        raise _transparent()
    blue, green, red = raw[..., 0], raw[..., 1], raw[..., 2]
    if (blue == green).all() and (green == red).all():
        return blue, False
    return cv2.cvtColor(raw[..., :3], cv2.COLOR_BGR2GRAY), True


def _to_8_bit(raw: NDArray[np.uint16]) -> NDArray[np.uint8]:
    top = int(raw.max())
    if top < LOWEST_TOP_OF_16_BIT:
        raise DataError(
            f"has 16 bits of which it uses {max(1, top.bit_length())} (brightest value {top} of 65535), and would come "
            "out nearly black; scale it to 0..65535, or save it with 8 bits"
        )
    return ((raw.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _transparent() -> DataError:
    return DataError("has transparent pixels; flatten it in an image editor and save it without alpha channel")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
