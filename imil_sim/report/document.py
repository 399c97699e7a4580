"""What a report consists of, before anybody decides whether it becomes a web page, Markdown or LaTeX.

Every text in here may come from outside (study titles, image ids, a clinician's reasons): whoever renders it treats it
as plain text and escapes it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Cell = str | int | float | None
"""What stands in a table; None and NaN are shown as a dash."""

MOST_CAUTIONS = 3
"""On the first screen."""

Tone = Literal["plain", "good", "bad", "caution"]
"""How a statement is coloured; never the only carrier of its meaning."""


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
