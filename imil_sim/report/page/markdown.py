"""The report as GitHub-flavoured Markdown, its figures and long tables beside it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from imil_sim.report.document import Document, Picture, Statement, Table
from imil_sim.report.page.shown import TONES, key, labels, legend, legible, numeric_columns, told

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

    Args:
        document: the report.
        figures_folder: where ``NAME.svg`` or ``NAME.png`` of every picture lies, relative to the Markdown file.
        tables_folder: where the files of `csv_tables` lie, relative to the Markdown file: tables with more than
            `MOST_ROWS` rows or `MOST_COLUMNS` columns are named with their files and not shown, and so are the numbers
            of the figures. Empty: there are no files, and every table is shown.

    Every text of the document is inert: it makes no markup, link, image, mention or formula.
    """
    written = _Markdown(labels(document), figures_folder, tables_folder)
    return "\n\n".join(written.document(document)) + "\n"


def csv_tables(document: Document) -> dict[str, bytes]:
    """Every table of a document as CSV by its file's name, unrounded."""
    return {f"{table.name}.csv": _csv(table) for table in document.tables}


def _csv(table: Table) -> bytes:
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow([legible(column.heading) for column in table.columns])
    rows.writerows([legible(cell) if isinstance(cell, str) else cell for cell in row] for row in table.rows)
    return written.getvalue().encode()


@dataclass(frozen=True, slots=True)
class _Markdown:
    """Blocks of Markdown."""

    labels: dict[str, str]
    figures: str
    tables: str

    def document(self, document: Document) -> Iterator[str]:
        answer, *others = document.statements or (None,)
        yield f"# {_text(document.title)}"
        yield f"Study **{_text(document.name)}**"
        if answer:
            yield _text(answer.text)
        if document.badges:
            yield _text(" · ".join(badge.text for badge in document.badges))
        yield from self.parts(document.lead)
        yield from _said(document.cautions)
        yield from _said(others)
        for section in document.sections:
            yield f"## {_text(section.title)}"
            yield from _said(section.statements)
            yield from (_text(paragraph) for paragraph in section.paragraphs if legible(paragraph))
            yield from self.parts(section.parts)

    def parts(self, parts: Iterable[Table | Picture]) -> Iterator[str]:
        """Short tables and pictures whole; the files of the other tables in a list at the end."""
        beside = []
        for part in parts:
            label = self.labels[key(part)]
            if isinstance(part, Picture):
                yield from _picture(part, label, self.figures)
                if part.data is not None and self.tables:
                    beside.append((f"Numbers of {label.lower()}", "", f"figure-{part.name}"))
            elif self.tables and (len(part.rows) > MOST_ROWS or len(part.columns) > MOST_COLUMNS):
                beside.append((label, part.caption, part.name))
            else:
                yield from _table(part, label)
        if beside:
            yield "\n".join(
                f"- {label}{': ' if caption else ''}{_inline(caption)}: [{name}.csv]({quote(self.tables)}/{name}.csv)"
                for label, caption, name in beside
            )


def _said(statements: Iterable[Statement]) -> Iterator[str]:
    """As a list, if there are any."""
    lines = [
        f"- {_text(one.text)}" if one.tone == "plain" else f"- **{TONES[one.tone]}:** {_text(one.text)}"
        for one in statements
    ]
    if lines:
        yield "\n".join(lines)


def _table(table: Table, label: str) -> Iterator[str]:
    yield f"**{label}.** {_text(table.caption)}"
    rules = ["---:" if numeric else "---" for numeric in numeric_columns(table)]
    rows = [[told(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    lines = [_row([_inline(column.heading) for column in table.columns]), _row(rules)]
    yield "\n".join(lines + [_row([_inline(cell) for cell in row]) for row in rows])
    if explained := legend(table):
        yield "\n".join(f"- **{_text(column.heading)}**: {_text(column.explained)}" for column in explained)
    yield from (_text(note) for note in table.notes if legible(note))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _picture(picture: Picture, label: str, folder: str) -> Iterator[str]:
    ending = "png" if picture.svg is None else "svg"
    yield f"![{_escaped(legible(picture.alt))}]({quote(folder)}/{picture.name}.{ending})"
    yield f"**{label}.** {_text(picture.caption)}"


def _text(text: str) -> str:
    """``text`` as a block of Markdown, or the beginning of one, that shows it and does nothing."""
    return _FIRST.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", _inline(text))


def _inline(text: str) -> str:
    """The same inside a line."""
    return _ADDRESSES.sub(_CUT, _escaped(legible(text)))


def _escaped(line: str) -> str:
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), line)
