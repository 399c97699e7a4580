"""The report as one HTML file that needs nothing else: no network, no second file.

Its content security policy lets nothing in but pictures written into the page itself, and one script, named by its
hash. Without that script the page lacks the sorting of tables and nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from imil_sim.errors import several
from imil_sim.report.document import MOST_CAUTIONS, Document, Picture, Section, Table
from imil_sim.report.page.shown import TONES, key, labels, legend, legible, numeric_columns, told

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
    script = _asset("page.js")
    page = _environment().get_template("page.html").render(
        document=document,
        labels=labels(document),
        tables_folder=tables_folder,
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
        "legend": legend, "key": key, "source": _source, "holds": _holds, "MOST_CAUTIONS": MOST_CAUTIONS,
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
