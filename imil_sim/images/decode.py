"""One picture file to pixels: grayscale, 8 bits, at the study's size; and masks likewise.

What is read: PNG and JPEG. Grayscale of 8 bits (or fewer, scaled) as it is. 16 bits are scaled by their full range
(65535 to 255), with a notice; refused where the file uses 14 bits or fewer, for it would come out nearly black.
Colour is converted to grey (ITU-R BT.601 weights), with a notice, unless red = green = blue throughout, which is a
grayscale image stored in colour. An alpha channel is dropped where it is opaque and refused where it is not: what lies
under a transparent pixel is not defined. Orientation tags are ignored.

Decoders are lenient: some hand back the upper half of a truncated image and grey below it. So the container is walked
first, chunk by chunk, and a decoder sees whole files only. What lies between the markers of a JPEG has no checksum:
damage there stays unnoticed, as in any reader.
"""

from __future__ import annotations

import re
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import DataError

Conversion = Literal["16-bit", "colour"]
"""What was done to a picture beyond reading it, and is said in a notice."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
MAX_PIXELS = 100_000_000
"""More than any radiograph has (the largest of the Montgomery set has 20 million); a larger claim is refused."""

_PNG_CHUNKS_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)

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


def decode_gray(picture: Path | bytes) -> Decoded:
    """The picture in a file, or in its bytes, at its own size, grayscale.

    Raises:
        DataError: the file cannot be used; the message says what is wrong and the cure, without the file's name.
    """
    data = _read(picture) if isinstance(picture, Path) else picture
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


def decode_mask(picture: Path | bytes, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """The mask in a file, or in its bytes, at its own size, True where it is brighter than half; (height, width).

    A mask holds 0 and 255, or 0 and 1. It must have the size of its image, in pixels.

    Args:
        picture: the mask's file, or what is in it.
        shape: (height, width) of the image it belongs to, pixels; none where that is not known.

    Raises:
        DataError: as `decode_gray`; or the mask has another size than its image; or its values are neither.
    """
    pixels = decode_gray(picture).pixels
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


# ---------------------------------------------------------------------------------------------------- the container


@dataclass(frozen=True, slots=True)
class Container:
    """A whole picture file and what it says of itself."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    transparent_grey: bool
    """Whether a grayscale PNG declares one of its grey levels transparent (decoders ignore that)."""
    data: bytes
    """What to decode: the file, a PNG without the chunks that do not bear on its pixels."""


def inspect(data: bytes) -> Container:
    """The container that ``data``, the bytes of a file, holds.

    Raises:
        DataError: empty, neither PNG nor JPEG, truncated, damaged, or larger than `MAX_PIXELS`. The message says what
            is wrong and the cure; the caller knows the file's name.
    """
    if not data:
        raise DataError("has zero bytes; copy it again from its source")
    if data.startswith(JPEG_SIGNATURE):
        container = _inspect_jpeg(data)
    elif data.startswith(PNG_SIGNATURE) or PNG_SIGNATURE.startswith(data):
        container = _inspect_png(data)
    else:
        raise DataError("is neither PNG nor JPEG, whatever its name says; convert it to 8-bit grayscale PNG")
    if not container.width or not container.height:
        raise DataError("says that it has no pixels; save it again as PNG")
    if container.width * container.height > MAX_PIXELS:
        raise DataError(
            f"claims {container.width} x {container.height} pixels, more than {MAX_PIXELS:,}; it was not opened: "
            "reduce it, or remove it"
        )
    return container


def _truncated(data: bytes) -> DataError:
    return DataError(f"is truncated: it ends after {len(data):,} bytes; copy it again from its source")


def _inspect_png(data: bytes) -> Container:
    """Walk the chunks to IEND and check every CRC (PNG specification, third edition, section 5)."""
    view = memoryview(data)
    kept: list[bytes | memoryview] = [PNG_SIGNATURE]
    position, header, transparency = len(PNG_SIGNATURE), b"", False
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise _truncated(data)
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if not header and (kind, length) != (b"IHDR", 13):
            raise DataError("is a damaged PNG without a header; copy it again from its source")
        if end > len(data):
            raise _truncated(data)
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise DataError(f"is damaged: checksum of its {kind!r} part is wrong; copy it again from its source")
        if kind == b"IHDR":
            header = data[position + 8 : end - 4]
        transparency = transparency or kind == b"tRNS"
        if kind in _PNG_CHUNKS_KEPT:
            kept.append(view[position:end])
        position = end
    width, height, _, colour_type = struct.unpack_from(">IIBB", header)
    return Container(width, height, transparency and colour_type == 0, b"".join(kept))


def _inspect_jpeg(data: bytes) -> Container:
    """Walk the segments to the end-of-image marker (ITU-T T.81, annex B).

    Looking for the two bytes of that marker anywhere is not enough: an embedded thumbnail has its own.
    """
    position, width, height = 2, 0, 0
    while True:
        found = _JPEG_MARKER.search(data, position)
        if not found:
            raise _truncated(data)
        marker, position = found[1][0], found.end()
        if marker == 0xD9:
            return Container(width, height, transparent_grey=False, data=data)
        if position + 2 > len(data):
            raise _truncated(data)
        (length,) = struct.unpack_from(">H", data, position)
        if position + length > len(data):
            raise _truncated(data)
        if marker in _JPEG_FRAMES and length >= 7:
            height, width = struct.unpack_from(">HH", data, position + 3)
        # Behind a start of scan lie coded pixels; the next search skips them up to the next marker.
        position += length
