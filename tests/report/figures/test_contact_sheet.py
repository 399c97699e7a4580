from __future__ import annotations

import cv2
import numpy as np
import pytest

from imil_sim.report.document import Picture
from imil_sim.report.figures import contact_sheet


def plain(name: str, colour: tuple[int, int, int], height: int, width: int = 900) -> Picture:
    """A picture of one colour."""
    pixels = np.full((height, width, 3), colour[::-1], np.uint8)
    return Picture(name, "", "", cv2.imencode(".png", pixels)[1].tobytes())


def test_every_picture_is_there_whole_and_in_proportion() -> None:
    colours = ((255, 0, 0), (0, 128, 0), (0, 0, 255), (200, 100, 0))
    heights = (300, 9000, 600, 900)
    pictures = [plain(f"p{h}", colour, h) for colour, h in zip(colours, heights, strict=True)]
    png = contact_sheet(pictures)
    assert png == contact_sheet(pictures)
    sheet = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert sheet is not None
    assert sheet.shape[1] == 1400
    for colour, shape in zip(colours, ((147, 440), (620, 62), (293, 440), (440, 440)), strict=True):
        rows, columns = np.nonzero((sheet == colour).all(axis=2))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == shape
        assert len(rows) == shape[0] * shape[1]  # nothing lies over it


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="'broken' is no PNG"):
        contact_sheet([Picture("broken", "", "", b"nothing")])
