"""The report as GitHub-flavoured Markdown, with its figures and long tables beside it; and a table as LaTeX or CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from imil_sim.report.document import TONES, Document, Picture, Table, key, legible
from imil_sim.report.page.html import templates

MOST_ROWS, MOST_COLUMNS = 12, 8
"""A larger table stands in a file beside the report."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "$": "&#36;"}
"""As entities: a backslash before a bar is read differently inside a table and outside, and $ begins a formula."""
_SPECIAL = re.compile(r"[&<>|\\$`*\[\]#~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_FIRST = re.compile(r"^(?:([-+=])|([0-9]+)([.)]))")
"""What makes a list, a rule or a heading at the beginning of a line."""
_ADDRESSES = re.compile(r"(?<=@)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
"""Where a bare address is cut, so that no reader of GitHub's dialect makes it a link, nor a name after @ a mention."""
_CUT = "<!-- -->"


def render_markdown(document: Document, figures_folder: str = "figures", tables_folder: str = "") -> str:
    """The report in Markdown; equal documents give equal text.

    Every text of the document is inert: it makes no markup, link, image, mention or formula.

    Args:
        document: the report.
        figures_folder: where ``NAME.svg`` or ``NAME.png`` of every picture lies, relative to the Markdown file.
        tables_folder: where the files of `csv_tables` lie, relative to the Markdown file: tables with more than
            `MOST_ROWS` rows or `MOST_COLUMNS` columns, and the numbers of the figures, are named with their files and
            not shown. Empty: there are no files, and every table is shown.
    """
    return markdown(
        "markdown.j2", document=document, labels=document.labels, key=key, TONES=TONES, beside=_beside, alt=_alt,
        figures=Markup(quote(figures_folder)), tables=Markup(quote(tables_folder)),
    )  # fmt: skip


def markdown(template: str, **given: Any) -> str:
    """What a template makes of what it is given; every text that it shows is inert."""
    written = templates(_inline).get_template(template).render(start=_start, **given)
    return re.sub("\n{3,}", "\n\n", written).strip("\n") + "\n"


def _beside(part: Table | Picture, tables: str) -> str:
    """The file of a table too large for the report, or of a figure's numbers; empty where there is none."""
    if isinstance(part, Picture):
        return f"figure-{part.name}.csv" if tables and part.data is not None else ""
    large = len(part.rows) > MOST_ROWS or len(part.columns) > MOST_COLUMNS
    return f"{part.name}.csv" if tables and large else ""


def _start(text: str) -> Markup:
    """``text`` as the beginning of a block that shows it and does nothing."""
    return Markup(_FIRST.sub(lambda of: f"\\{of[1]}" if of[1] else f"{of[2]}\\{of[3]}", _inline(text)))


def _inline(text: str) -> Markup:
    """The same inside a line."""
    return Markup(_ADDRESSES.sub(_CUT, _alt(text)))


def _alt(text: str) -> Markup:
    """The same where it describes a picture."""
    return Markup(_SPECIAL.sub(lambda of: _ENTITIES.get(of[0], f"\\{of[0]}"), legible(text)))


# ----------------------------------------------------------------------------------------------------------------- CSV


def csv_tables(document: Document) -> dict[str, bytes]:
    """Every table of a document as CSV by its file's name, unrounded."""
    return {f"{table.name}.csv": _csv(table) for table in document.tables}


def _csv(table: Table) -> bytes:
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow([legible(column.heading) for column in table.columns])
    rows.writerows([legible(cell) if isinstance(cell, str) else cell for cell in row] for row in table.rows)
    return written.getvalue().encode()


# --------------------------------------------------------------------------------------------------------------- LaTeX

_WRITTEN = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    '"': r"\char34{}",  # \textquotedbl is unknown in the encoding LaTeX starts with
    # at the beginning of a row these would be read as options of the \\ before
    "[": "{[}", "]": "{]}", "*": "{*}",
    "−": "$-$", "–": r"\textendash{}", "×": r"$\times$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "\u00a0": "~",
}  # fmt: skip
_OF_LATEX = re.compile("|".join([*map(re.escape, _WRITTEN), r"[{}$&#%_]|-(?=-)|,(?=,)"]))


def render_latex(table: Table) -> str:
    """A floating table in the style of booktabs: caption, label ``tab:NAME``, rules, notes below.

    Every text of the table is inert: it starts no command, group, comment, column or row. Letters that LaTeX does not
    know stay as they are: XeLaTeX and LuaLaTeX show them, if the font has them.
    """
    rows = [[_latex(cell) for cell in row] for row in table.written]
    written = pd.DataFrame(rows, columns=[_latex(column.heading) for column in table.columns]).to_latex(
        index=False,
        column_format="".join("r" if right else "l" for right in table.numeric),
        caption=_latex(table.caption),
        label=f"tab:{table.name}",
    )
    notes = [f"{legible(column.heading)}: {legible(column.explained)}" for column in table.legend] + list(table.notes)
    below = "".join(f"\\par\\smallskip{{\\footnotesize {_latex(note)}\\par}}\n" for note in notes if legible(note))
    begin, end = "\\begin{table}\n", "\\end{table}\n"
    inner = written.removeprefix(begin).removesuffix(end)
    return f"% needs \\usepackage{{booktabs}}\n{begin}\\centering\n{inner}{below}{end}"


def _latex(text: str) -> str:
    """``text`` as LaTeX that shows it and does nothing; doubled hyphens and commas are kept from becoming one sign."""

    def inert(found: re.Match[str]) -> str:
        sign = found[0]
        return _WRITTEN.get(sign) or (f"{sign}{{}}" if sign in "-," else f"\\{sign}")

    return _OF_LATEX.sub(inert, legible(text))
