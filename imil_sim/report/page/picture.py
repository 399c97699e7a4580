"""The size a picture is meant to be shown at."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from imil_sim.report.document import Picture

CSS_PIXELS_AN_INCH = 96
_METRES_AN_INCH = 0.0254
_UNITS = {"": 1.0, "px": 1.0, "pt": 96 / 72, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in CSS pixels."""

    width: int
    height: int


def size(picture: Picture) -> Size:
    """The size of the drawing that a page shows: of the SVG where there is one, else of the PNG at its resolution.

    An SVG that names no size, or one in percent, is shown at the PNG's.

    Raises:
        ValueError: the PNG is none.
    """
    of_png = _png_size(picture)
    return (_svg_size(picture.svg) if picture.svg is not None else None) or of_png


def _svg_size(svg: bytes) -> Size | None:
    head = re.search(rb"<svg\b[^>]*>", svg)
    if head is None:
        return None
    sides = []
    for side in (b"width", b"height"):
        found = re.search(rb"\s" + side + rb"\s*=\s*[\"']\s*([0-9.]+)\s*([a-z]*)\s*[\"']", head[0])
        unit = _UNITS.get(found[2].decode()) if found else None
        if found is None or unit is None:
            return None
        sides.append(max(1, round(float(found[1]) * unit)))
    return Size(*sides)


def _png_size(picture: Picture) -> Size:
    """From the header, and the resolution in the chunk pHYs (PNG specification, third edition, 11.2.1 and 11.3.4.3)."""
    png = picture.png
    if png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR" or len(png) < 24:
        raise ValueError(f"picture {picture.name!r} holds no PNG: it begins with {png[:8]!r}")
    width, height = struct.unpack(">II", png[16:24])
    scale = 1.0
    place = png.find(b"pHYs", 24, max(24, png.find(b"IDAT")))
    if place >= 0 and len(png) >= place + 13:
        across, unit = struct.unpack(">I4xB", png[place + 4 : place + 13])
        if unit == 1 and across:
            scale = CSS_PIXELS_AN_INCH / (across * _METRES_AN_INCH)
    return Size(max(1, round(width * scale)), max(1, round(height * scale)))
