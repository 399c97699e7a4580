from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from imil_sim.errors import DataError
from imil_sim.images.decode import MAX_PIXELS, PNG_SIGNATURE, inspect


def encoded(extension: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(extension, pixels)[1].tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *between: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + b"".join(between) + chunk(b"IEND", b"")


IMAGE = np.random.default_rng(0).integers(0, 256, (12, 9)).astype(np.uint8)
THUMBNAIL = encoded(".jpg", IMAGE[:4, :4])
PLAIN_JPEG = encoded(".jpg", IMAGE)
# An application segment behind the start-of-image marker holds a whole JPEG, end marker included.
JPEG_WITH_THUMBNAIL = PLAIN_JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(THUMBNAIL) + 2) + THUMBNAIL + PLAIN_JPEG[2:]


@pytest.mark.parametrize("data", [encoded(".png", IMAGE), JPEG_WITH_THUMBNAIL], ids=["png", "jpeg"])
def test_a_whole_file_tells_its_size_and_no_shorter_one_passes(data: bytes) -> None:
    whole = inspect(data)
    assert (whole.width, whole.height) == (9, 12)
    for cut in range(1, len(data)):
        with pytest.raises(DataError, match=r"truncated|damaged|neither"):
            inspect(data[:cut])


def test_the_progressive_jpeg_of_many_scans_is_followed_to_its_end() -> None:
    data = cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert data.count(b"\xff\xda") > 1
    assert (inspect(data).width, inspect(data).height) == (9, 12)
    with pytest.raises(DataError, match="truncated"):
        inspect(data[: data.rindex(b"\xff\xda")])


def test_any_flipped_byte_of_a_png_is_noticed() -> None:
    data = encoded(".png", IMAGE)
    for place in range(len(PNG_SIGNATURE), len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        with pytest.raises(DataError, match=r"truncated|damaged"):
            inspect(bytes(flipped))


def test_a_decoder_gets_no_chunk_that_does_not_bear_on_the_pixels() -> None:
    whole = inspect(png(3, 3, chunk(b"iCCP", b"no profile"), chunk(b"IDAT", b"pixels")))
    assert b"iCCP" not in whole.data
    assert whole.data == png(3, 3, chunk(b"IDAT", b"pixels"))


def test_a_picture_bomb_is_refused_by_its_header() -> None:
    side = int(MAX_PIXELS**0.5)
    assert inspect(png(side, side)).width == side
    with pytest.raises(DataError, match="more than 100,000,000; it was not opened"):
        inspect(png(side + 1, side))


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "zero bytes"), (b"GIF89a...", "neither PNG nor JPEG"), (png(0, 5), "no pixels")],
    ids=["empty", "gif", "no-pixels"],
)
def test_what_holds_no_picture_is_refused_with_a_cure(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"{message}.*; \w+"):
        inspect(data)
