"""The report as GitHub-flavoured Markdown, its figures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from imil_sim.report.document import Document, Picture, Section, Table
from imil_sim.report.page.shown import TONES, key, labels, legend, legible, numeric_columns, told

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "$": "&#36;"}
"""As entities: a backslash before a bar is read differently inside a table and outside, and $ begins a formula."""
_SPECIAL = re.compile(r"[&<>|\\$`*\[\]#~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_FIRST = re.compile(r"^(?:([-+=])|([0-9]+)([.)]))")
"""What makes a list, a rule or a heading at the beginning of a line."""
_ADDRESSES = re.compile(r"(?<=@)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
"""Where a bare address is cut, so that no reader of GitHub's dialect makes it a link, nor a name after @ a mention."""
_CUT = "<!-- -->"


def render_markdown(document: Document, figures_folder: str = "figures") -> str:
    """The report in Markdown; equal documents give equal text.

    Args:
        document: the report.
        figures_folder: where ``NAME.svg`` or ``NAME.png`` of every picture lies, relative to the Markdown file.

    Every text of the document is inert: it makes no markup, link, image, mention or formula.
    """
    label = labels(document)
    blocks = [f"# {_text(document.title)}", f"Study **{_text(document.name)}**"]
    if document.statements:
        said = [f"- **{TONES[statement.tone]}:** {_text(statement.text)}" for statement in document.statements]
        blocks.append("\n".join(said))
    for section in document.sections:
        blocks.extend(_section(section, label, figures_folder))
    return "\n\n".join(blocks) + "\n"


def _section(section: Section, label: dict[str, str], folder: str) -> Iterator[str]:
    yield f"## {_text(section.title)}"
    yield from (_text(paragraph) for paragraph in section.paragraphs if legible(paragraph))
    for part in section.parts:
        if isinstance(part, Table):
            yield from _table(part, label[key(part)])
        else:
            yield from _picture(part, label[key(part)], folder)


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
    if picture.table is not None:
        yield f"<details>\n<summary>Numbers of {label.lower()}</summary>"
        yield from _table(picture.table, f"Numbers of {label.lower()}")
        yield "</details>"


def _text(text: str) -> str:
    """``text`` as a block of Markdown, or the beginning of one, that shows it and does nothing."""
    return _FIRST.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", _inline(text))


def _inline(text: str) -> str:
    """The same inside a line."""
    return _ADDRESSES.sub(_CUT, _escaped(legible(text)))


def _escaped(line: str) -> str:
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), line)
