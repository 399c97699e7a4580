"""What a report consists of, before anybody decides whether it becomes a web page, Markdown or LaTeX.

Every text in here may come from outside (study titles, image ids, a clinician's reasons): whoever renders it treats it
as plain text and escapes it. What a reader sees of a text or a number is the same in every format, and stands here.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from imil_sim.text import MINUS

Cell = str | int | float | None
"""What stands in a table; None and NaN are shown as a dash."""

MISSING = "–"
"""What stands for a value there is none of."""

MOST_CAUTIONS = 3
"""On the first screen."""

Tone = Literal["plain", "good", "bad", "caution"]
"""How a statement is coloured; never the only carrier of its meaning."""

TONES: dict[Tone, str] = {"plain": "Note", "good": "Favourable", "bad": "Unfavourable", "caution": "Caution"}
"""The word that carries a statement's tone where its colour is not seen."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    digits: int | None = None
    """Digits after the point; None: a text, or a whole number."""
    signed: bool = False
    """Whether a positive number shows its plus."""
    explained: str = ""
    """What the heading stands for, where it is short."""
    never_zero: bool = False
    """Whether a positive number too small for its digits is shown as `< 0.001` and not as zero: a p-value."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; the first column names the row."""

    name: str
    """Of its anchor and file: a-z, 0-9 and hyphens."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    """Shown under the table."""

    def __post_init__(self) -> None:
        _check_name("table", self.name)
        if wrong := [row for row in self.rows if len(row) != len(self.columns)]:
            raise ValueError(f"table {self.name!r} has {len(self.columns)} columns, and a row of {len(wrong[0])}")

    @property
    def numeric(self) -> list[bool]:
        """Which columns are aligned and sorted as numbers: those with digits, and those that hold nothing else."""
        cells = [[row[index] for row in self.rows if row[index] is not None] for index in range(len(self.columns))]
        return [
            column.digits is not None or (bool(own) and not any(isinstance(cell, str) for cell in own))
            for column, own in zip(self.columns, cells, strict=True)
        ]

    @property
    def legend(self) -> list[Column]:
        """The columns whose heading wants an explanation, in their order."""
        return [column for column in self.columns if column.explained]

    @property
    def written(self) -> list[list[str]]:
        """Its cells as they are read."""
        return [[cell_text(cell, column) for cell, column in zip(row, self.columns, strict=True)] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, drawn."""

    name: str
    """Of its anchor and file: a-z, 0-9 and hyphens."""
    caption: str
    alt: str
    """What somebody who cannot see it must know: what is drawn and what it shows, in a sentence or two."""
    png: bytes
    svg: bytes | None = None
    """None where the figure is made of images, which a vector format only makes larger."""
    data: pd.DataFrame | None = field(default=None, compare=False)
    """The numbers drawn, which stand in a file beside it; None where it is made of images."""

    def __post_init__(self) -> None:
        _check_name("picture", self.name)


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence computed from the numbers."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report with a heading of its own."""

    anchor: str
    """a-z, 0-9 and hyphens; each once in a document."""
    title: str
    paragraphs: tuple[str, ...] = ()
    parts: tuple[Table | Picture, ...] = ()
    statements: tuple[Statement, ...] = ()
    """What stands before the parts, a line each."""

    def __post_init__(self) -> None:
        _check_name("section", self.anchor)


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    name: str
    """Of the study."""
    title: str
    statements: tuple[Statement, ...]
    """What the document says, the most important first: the first one answers its question."""
    sections: tuple[Section, ...]
    """Folded, but for the first where nothing leads."""
    badges: tuple[Statement, ...] = ()
    """What the answer rests on, a few words each."""
    lead: tuple[Table | Picture, ...] = ()
    """The plot and the table of the first screen."""
    cautions: tuple[Statement, ...] = ()
    """What to doubt, a line each, the gravest first; more than `MOST_CAUTIONS` are folded."""

    @property
    def labels(self) -> dict[str, str]:
        """``Table 3`` or ``Figure 2`` for every part, by its `key`; counted in their order."""
        tables = {key(table): f"Table {n}" for n, table in enumerate(self.tables, 1)}
        return tables | {key(picture): f"Figure {n}" for n, picture in enumerate(self.pictures, 1)}

    @property
    def parts(self) -> tuple[Table | Picture, ...]:
        """All tables and pictures, in order."""
        return (*self.lead, *(part for section in self.sections for part in section.parts))

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in order."""
        return tuple(part for part in self.parts if isinstance(part, Table))

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in order."""
        return tuple(part for part in self.parts if isinstance(part, Picture))

    def __post_init__(self) -> None:
        for kind, names in (
            ("section", [section.anchor for section in self.sections]),
            ("table", [table.name for table in self.tables]),
            ("picture", [picture.name for picture in self.pictures]),
        ):
            if twice := sorted(name for name, count in Counter(names).items() if count > 1):
                raise ValueError(f"document {self.name!r} has several {kind}s named {', '.join(twice)}")


def _check_name(kind: str, name: str) -> None:
    """A name is part of a file's and of an address: whatever is made from outside text has to be made safe before."""
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", name):
        raise ValueError(f"{kind} {name!r}: a name is made of a-z, 0-9 and hyphens, and begins with no hyphen")


# ------------------------------------------------------------------------------------------------- what a reader sees


def key(part: Table | Picture) -> str:
    """``table.NAME`` or ``figure.NAME``; the point keeps it apart from the anchors of sections, which have none."""
    return f"{'table' if isinstance(part, Table) else 'figure'}.{part.name}"


def cell_text(cell: Cell, column: Column) -> str:
    """What a cell shows: a number with its column's digits and a true minus, a dash for none, a text made legible.

    A number that rounds to zero has no sign.

    >>> cell_text(-0.01234, Column("difference", digits=3, signed=True))
    '−0.012'
    """
    if isinstance(cell, str):
        return legible(cell)
    if cell is None or cell != cell:
        return MISSING
    digits, size = column.digits, abs(cell)
    if math.isinf(cell):
        shown = "∞"
    elif digits is None:
        shown = f"{round(size)}" if round(size) == size else f"{size:.15g}"
    else:
        shown = f"{size:.{digits}f}"
        if not float(shown):
            return f"< {10.0**-digits:.{digits}f}" if column.never_zero and cell > 0 else shown
    return (MINUS if cell < 0 else "+" if column.signed and cell > 0 else "") + shown


_WHITE = re.compile("[ \t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_JOINERS = "\u200c\u200d"


def legible(text: str) -> str:
    r"""``text`` on one line, with nothing in it that acts without being seen.

    Runs of blanks, tabs and line breaks become one blank, and blanks at the ends go. Control and format characters,
    lone surrogates and noncharacters show their number instead. The zero-width joiners stay, since some scripts cannot
    be written without them, and so do letters written from right to left.

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
