"""The ``oracles`` verb."""

from __future__ import annotations

import re
import textwrap

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imil_sim.errors import OracleError
from imil_sim.feedback.registry import card, installed, load, options_of, summary

HOUSE = "imil-sim"
"""The distribution whose oracles need no word about where they come from."""

MOST_COLUMNS = 90
"""A line that ends a sentence before this column ended its paragraph, too."""


def show_oracles() -> None:
    """Print one line an oracle; one that cannot be imported says so instead of hiding, a guest says whose it is."""
    table = Table("oracle", "what it simulates", box=None, pad_edge=False, header_style="bold")
    for entry in installed():
        try:
            line = summary(load(entry.name))
        except OracleError as error:
            line = f"cannot be used: {error}"
        guest = "" if entry.distribution.split()[0] == HOUSE else f" (from {entry.distribution})"
        table.add_row(escape(entry.name), escape(line + guest))
    Console().print(table)


def show_oracle(name: str) -> None:
    """Print an oracle's card and its options.

    Raises:
        OracleError: it is unknown or cannot be imported.
    """
    cls = load(name)
    console = Console()
    console.print(f"[bold]{escape(name)}[/bold]\n")
    console.print(reflowed(card(cls), console.width), markup=False, highlight=False)
    options = options_of(cls)
    if options:
        table = Table("option", "type", "default", box=None, pad_edge=False, header_style="bold")
        for option in options:
            table.add_row(escape(option.name), escape(option.type), escape(option.default))
        console.print()
        console.print(table)


_OPENING = re.compile(r"(?P<bullet>[-*+] |\d+[.)] )|[A-Z][\w ]{0,30}:( |$)|\s")
"""What a line begins with that stands by itself: a bullet, a label such as ``What it needs:``, or indented text."""


def reflowed(text: str, width: int) -> str:
    r"""``text`` with its paragraphs filled anew to ``width`` columns; lists, labels, indented lines keep their place.

    >>> print(reflowed("What it needs: a mask of\nthe lung.\n- one\n- two", 20))
    What it needs: a
    mask of the lung.
    - one
    - two
    """
    paragraphs: list[str] = []
    ended = True
    for line in text.splitlines():
        if ended or not line or _OPENING.match(line) or paragraphs[-1][:1].isspace():
            paragraphs.append(line)
        else:
            paragraphs[-1] += f" {line}"
        ended = not line or (line.endswith((".", ":", "?", "!", '."')) and len(line) < MOST_COLUMNS)
    return "\n".join(_filled(paragraph, width) for paragraph in paragraphs)


def _filled(paragraph: str, width: int) -> str:
    if not paragraph or paragraph[0].isspace():  # an example in code is left as it is
        return paragraph
    found = _OPENING.match(paragraph)
    bullet = found.group("bullet") if found else None
    return textwrap.fill(
        paragraph, width, subsequent_indent=" " * len(bullet or ""), break_long_words=False, break_on_hyphens=False
    )
