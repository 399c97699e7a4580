"""What a reader sees of a text or a number, the same on a page, in Markdown and in LaTeX.

Escaping is each format's own affair and comes after.
"""

from __future__ import annotations

import math
import re
import unicodedata

from imil_sim.report.document import Cell, Column, Document, Picture, Table, Tone
from imil_sim.text import MINUS

MISSING = "–"
"""What stands for a value there is none of."""

TONES: dict[Tone, str] = {"plain": "Note", "good": "Favourable", "bad": "Unfavourable", "caution": "Caution"}
"""The word that carries a statement's tone where its colour is not seen."""

_WHITE = re.compile("[ \t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_JOINERS = "\u200c\u200d"


def legible(text: str) -> str:
    r"""``text`` on one line, with nothing in it that acts without being seen.

    Runs of blanks, tabs and line breaks become one blank, and blanks at the ends go. Control and format characters
    (marks that turn the direction of writing: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069; zero-width
    characters; tags), lone surrogates and noncharacters show their number instead. The zero-width joiners stay: some
    scripts cannot be written without them. Letters written from right to left stay too.

    >>> legible("image\u202e1.png\n")
    'image[U+202E]1.png'
    """
    return "".join(
        f"[U+{ord(character):04X}]" if _acts_unseen(character) else character
        for character in _WHITE.sub(" ", text).strip()
    )


def _acts_unseen(character: str) -> bool:
    if " " <= character <= "~" or character in _JOINERS:
        return False
    point = ord(character)
    noncharacter = point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF
    return noncharacter or unicodedata.category(character) in ("Cc", "Cf", "Cs")


def told(cell: Cell, column: Column) -> str:
    """What a cell shows: a number with its column's digits and a true minus, a dash for none, a text made legible.

    A number that rounds to zero has no sign.

    >>> told(-0.01234, Column("difference", digits=3, signed=True))
    '−0.012'
    """
    if isinstance(cell, str):
        return legible(cell)
    if cell is None or cell != cell:
        return MISSING
    if math.isinf(cell):
        return _signed("∞", cell, column)
    size = abs(cell)
    if column.digits is None:
        return _signed(f"{round(size)}" if round(size) == size else f"{size:.15g}", cell, column)
    digits = f"{size:.{column.digits}f}"
    if float(digits) > 0:
        return _signed(digits, cell, column)
    if column.never_zero and cell > 0:
        return f"< {10.0**-column.digits:.{column.digits}f}"
    return digits


def _signed(size: str, cell: float, column: Column) -> str:
    if cell < 0:
        return MINUS + size
    return f"+{size}" if column.signed and cell > 0 else size


def numeric_columns(table: Table) -> list[bool]:
    """Which columns are aligned and sorted as numbers: those with digits, and those that hold nothing else."""
    return [
        column.digits is not None or _all_numbers([row[index] for row in table.rows])
        for index, column in enumerate(table.columns)
    ]


def _all_numbers(cells: list[Cell]) -> bool:
    found = [cell for cell in cells if cell is not None]
    return bool(found) and not any(isinstance(cell, str) for cell in found)


def legend(table: Table) -> list[Column]:
    """The columns whose heading wants an explanation, in their order."""
    return [column for column in table.columns if column.explained]


def labels(document: Document) -> dict[str, str]:
    """``Table 3`` or ``Figure 2`` for every part, by its `key`; counted in the order of the document."""
    found: dict[str, str] = {}
    counts = {"Table": 0, "Figure": 0}
    for part in document.parts:
        kind = "Table" if isinstance(part, Table) else "Figure"
        counts[kind] += 1
        found[key(part)] = f"{kind} {counts[kind]}"
    return found


def key(part: Table | Picture) -> str:
    """``table.NAME`` or ``figure.NAME``; the point keeps it apart from the anchors of sections, which have none."""
    return f"{'table' if isinstance(part, Table) else 'figure'}.{part.name}"
