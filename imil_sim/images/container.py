"""PNG and JPEG files as containers: whether the file is whole, and how large the picture in it is.

Decoders are lenient: some hand back the upper half of a truncated image and grey below it, and print to the terminal
while they do. So the container is walked first, chunk by chunk, and a decoder sees whole files only. What lies between
the markers of a JPEG has no checksum: damage there stays unnoticed, as in any reader.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from imil_sim.errors import DataError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
MAX_PIXELS = 100_000_000
"""More than any radiograph has (the largest of the Montgomery set has 20 million); a larger claim is refused."""

_PNG_CHUNKS_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)


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
