"""The report as one HTML file that needs nothing else: no network, no second file.

Its content security policy lets nothing in but pictures written into the page itself, and one script, named by its
hash. Without that script the page lacks the sorting of tables and nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from imil_sim.errors import several
from imil_sim.report.document import MOST_CAUTIONS, Document, Picture, Section, Table
from imil_sim.report.page.shown import TONES, key, labels, legend, legible, numeric_columns, told

CSS_PIXELS_AN_INCH = 96
_METRES_AN_INCH = 0.0254
_UNITS = {"": 1.0, "px": 1.0, "pt": 96 / 72, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}

MANY_ROWS = 30
"""A longer table scrolls inside its own frame, under its headings."""
MANY_COLUMNS = 9
"""A table of so many is set in smaller type."""
SHORT_HEADING = 10
SHORT_TEXT = 20
"""Characters; a heading, and the texts of a column, that are no longer stay on one line: an interval, say."""


def render_html(document: Document) -> bytes:
    """The page, UTF-8; equal documents give equal bytes.

    Raises:
        ValueError: a picture's bytes are not a PNG.
    """
    script = _asset("page.js")
    page = _environment().get_template("page.html").render(
        document=document,
        labels=labels(document),
        style=Markup(_asset("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip
    return page.encode()


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imil_sim.report.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Whatever a template shows passes here first, so that none can forget it; autoescape comes after.
        finalize=_legible,
    )
    environment.globals |= {
        "MANY_ROWS": MANY_ROWS, "MANY_COLUMNS": MANY_COLUMNS, "TONES": TONES, "told": told, "classes_of": _classes,
        "legend": legend, "key": key, "size": size, "source": _source, "holds": _holds, "MOST_CAUTIONS": MOST_CAUTIONS,
    }  # fmt: skip
    return environment


def _legible(value: Any) -> Any:
    return value if isinstance(value, Markup) else legible(str(value))


class _Classes(NamedTuple):
    """Of a column's heading and of its cells: ``n`` for numbers, ``s`` for texts too short to be broken."""

    heading: str
    cell: str


def _classes(table: Table) -> list[_Classes]:
    found = []
    for index, (column, numeric) in enumerate(zip(table.columns, numeric_columns(table), strict=True)):
        longest = max((len(cell) for row in table.rows if isinstance(cell := row[index], str)), default=0)
        kind = ["n"] if numeric else []
        heading = [*kind, "s"] if len(column.heading) <= SHORT_HEADING else kind
        cells = [*kind, "s"] if longest <= SHORT_TEXT else kind
        found.append(_Classes(" ".join(heading), " ".join(cells)))
    return found


def _holds(section: Section) -> str:
    """What one finds on unfolding a section: ``3 tables, 1 figure``."""
    figures = sum(isinstance(part, Picture) for part in section.parts)
    counts = {"table": len(section.parts) - figures, "figure": figures}
    return ", ".join(several(count, what) for what, count in counts.items() if count)


def _asset(name: str) -> str:
    """Style or script as it stands between its tags; a line ends in a line feed there, whatever the checkout made."""
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0].replace("\r\n", "\n")


def _source(picture: Picture) -> Markup:
    """The picture as an address that holds it whole."""
    kind, content = ("svg+xml", picture.svg) if picture.svg is not None else ("png", picture.png)
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")


# ------------------------------------------------------------------------------------------------ the size of a picture


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
