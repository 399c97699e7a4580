"""The report as one HTML file that needs nothing else: no network, no second file.

Its content security policy lets nothing in but pictures written into the page itself, and one script, named by its
hash. Without that script the page lacks the sorting of tables and nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from imil_sim.errors import several
from imil_sim.report.document import MOST_CAUTIONS, TONES, Document, Picture, Section, Table, key, legible

MANY_ROWS = 30
"""Of a longer table only so many are shown where it has a file; else it scrolls in its own frame."""
MANY_COLUMNS = 9
"""A table of so many is set in smaller type."""
SHORT_HEADING = 10
SHORT_TEXT = 20
"""Characters; a heading, and the texts of a column, that are no longer stay on one line: an interval, say."""


def render_html(document: Document, tables_folder: str = "") -> bytes:
    """The page, UTF-8; equal documents give equal bytes.

    Args:
        document: the report.
        tables_folder: where the files of `csv_tables` lie, relative to the page: of a long table only the first rows
            are shown, and its file is named. Empty: there are no files, and every row is there.
    """
    pages = templates(legible)
    script, style = (_asset(pages, name) for name in ("page.js", "page.css"))
    page = pages.get_template("page.html").render(
        document=document, labels=document.labels, tables_folder=tables_folder, style=Markup(style),
        script=Markup(script), script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        MANY_ROWS=MANY_ROWS, MANY_COLUMNS=MANY_COLUMNS, MOST_CAUTIONS=MOST_CAUTIONS, TONES=TONES,
        classes_of=_classes, key=key, source=_source, holds=_holds,
    )  # fmt: skip
    return page.encode()


@functools.cache
def templates(shown: Callable[[str], str], *, autoescape: bool = True) -> jinja2.Environment:
    """The templates of this folder; whatever one of them shows passes ``shown`` first, so that none can forget it.

    What ``shown`` gives is then escaped as HTML and XML want it, unless it is `Markup` already.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader("imil_sim.report.page"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: value if isinstance(value, Markup) else shown(str(value)),
    )


class _Classes(NamedTuple):
    """Of a column's heading and of its cells: ``n`` for numbers, ``s`` for texts too short to be broken."""

    heading: str
    cell: str


def _classes(table: Table) -> list[_Classes]:
    found = []
    for index, (column, numeric) in enumerate(zip(table.columns, table.numeric, strict=True)):
        longest = max((len(cell) for row in table.rows if isinstance(cell := row[index], str)), default=0)
        short = {"heading": len(column.heading) <= SHORT_HEADING, "cell": longest <= SHORT_TEXT}
        found.append(_Classes(**{of: " ".join(["n"] * numeric + ["s"] * is_short) for of, is_short in short.items()}))
    return found


def _holds(section: Section) -> str:
    """What one finds on unfolding a section: ``3 tables, 1 figure``."""
    figures = sum(isinstance(part, Picture) for part in section.parts)
    counts = {"table": len(section.parts) - figures, "figure": figures}
    return ", ".join(several(count, what) for what, count in counts.items() if count)


def _asset(pages: jinja2.Environment, name: str) -> str:
    """Style or script as it stands between its tags; a line ends in a line feed there, whatever the checkout made."""
    assert pages.loader is not None
    return pages.loader.get_source(pages, name)[0].replace("\r\n", "\n")


def _source(picture: Picture) -> Markup:
    """The picture as an address that holds it whole."""
    kind, content = ("svg+xml", picture.svg) if picture.svg is not None else ("png", picture.png)
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")
