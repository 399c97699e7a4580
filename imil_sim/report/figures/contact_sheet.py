"""All figures of a report on one sheet, small, for a first look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.report.document import Picture
from imil_sim.report.figures import style

WIDTH = 1400
"""Pixels."""
COLUMNS, GAP, HEAD, TALLEST = 3, 20, 26, 620
"""Columns; pixels between pictures, of a title, and of the highest picture: a higher one is made smaller."""


class _Placed(NamedTuple):
    name: str
    pixels: NDArray[np.uint8]
    """(height, width, 3)."""
    left: int
    top: int


def contact_sheet(pictures: Sequence[Picture]) -> bytes:
    """A PNG, 1,400 pixels wide, of all pictures under their names; each goes to the column that ends highest.

    Raises:
        ValueError: there is no picture, or one is no PNG.
    """
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    width = (WIDTH - (COLUMNS + 1) * GAP) // COLUMNS
    ends, placed = [GAP] * COLUMNS, []
    for picture in pictures:
        column = ends.index(min(ends))
        pixels = _reduced(picture, width)
        placed.append(_Placed(picture.name, pixels, GAP + column * (width + GAP), ends[column] + HEAD))
        ends[column] += HEAD + len(pixels) + GAP
    return _sheet(placed, max(ends))


def _reduced(picture: Picture, width: int) -> NDArray[np.uint8]:
    found = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_COLOR_RGB)
    if found is None:
        raise ValueError(f"picture {picture.name!r} is no PNG")
    scale = min(width / found.shape[1], TALLEST / found.shape[0], 1.0)
    size = (max(1, round(found.shape[1] * scale)), max(1, round(found.shape[0] * scale)))
    return np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sheet(placed: Sequence[_Placed], height: int) -> bytes:
    dpi = style.DPI
    with style.own_settings():
        figure = style.blank(height / dpi, WIDTH / dpi)
        for of in placed:
            figure.figimage(of.pixels, of.left, height - of.top - len(of.pixels), resize=False)
            style.words(figure, of.left / dpi, (of.top - HEAD + 4) / dpi, style.shortened(of.name, 3.5, 10), size=10)
        return style.png_of(figure, exact=False)
