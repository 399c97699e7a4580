"""The ``oracles`` verb."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imil_sim.errors import OracleError
from imil_sim.feedback import Oracle, OracleRecipe
from imil_sim.feedback.registry import card, load, options_of
from imil_sim.registry import parts

HOUSE = "imil-sim"
"""The distribution whose oracles need no word about where they come from."""

MOST_COLUMNS = 90
"""A line that ends a sentence before this column ended its paragraph, too."""


def show_oracles() -> None:
    """Print one line an oracle; one that cannot be imported says so instead of hiding, a guest says whose it is."""
    table = Table("oracle", "what it simulates", box=None, pad_edge=False, header_style="bold")
    for entry in parts("oracles"):
        guest = "" if entry.distribution.split()[0] == HOUSE else f" (from {entry.distribution})"
        try:
            line = card(load(entry.name)).splitlines()[0] + guest
        except OracleError as error:  # its message names the package
            line = f"cannot be used: {error}"
        table.add_row(escape(entry.name), escape(line))
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
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("option", "value", "default"):
            table.add_column(heading, overflow="fold")
        hints = _hints(cls)
        for option in options:
            value = value_words(hints[option.name]) if option.name in hints else option.type
            table.add_row(escape(option.name), escape(value), escape(default_words(option.default)))
        console.print()
        console.print(table)


_WORDS: dict[object, tuple[str, str]] = {
    str: ("text", "texts"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    bool: ("true or false", "true or false"),
    OracleRecipe: ("an oracle", "oracles"),
}
"""One value of a type, and several, in the words of docs/studies.md."""


def value_words(hint: Any) -> str:
    """What a study file writes for an option of that type, in words.

    >>> value_words(tuple[str, str] | None), value_words(Literal["left", "right"])
    ('list of 2 texts', 'one of "left", "right"')
    """
    return _words(hint, 0)


def _words(hint: Any, number: int) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint][number]
    if origin is Literal:
        return f"one of {', '.join(json.dumps(part) for part in parts)}"
    if origin in (Union, UnionType):
        return " or ".join(_words(part, number) for part in parts if part is not NoneType)
    if origin is tuple and parts and Ellipsis not in parts and len(set(parts)) == 1:
        return f"list of {len(parts)} {_words(parts[0], 1)}"
    if origin in (tuple, list) and parts and (len(parts) == 1 or Ellipsis in parts):
        return f"list of {_words(parts[0], 1)}"
    if isinstance(origin or hint, type) and issubclass(origin or hint, Mapping):
        return "table"
    return hint.__name__ if isinstance(hint, type) and origin is None else str(hint)


def default_words(default: str) -> str:
    """A default as a study file writes it, of one as Python writes it.

    >>> default_words("('x_min', 'x_max')"), default_words("None"), default_words("False")
    ('["x_min", "x_max"]', 'none', 'false')
    """
    try:
        value = ast.literal_eval(default)
        return "none" if value is None else json.dumps(value, ensure_ascii=False)
    except (ValueError, SyntaxError, TypeError):  # an object of a guest's own, or "required"
        return default


def _hints(cls: type[Oracle]) -> Mapping[str, Any]:
    try:
        return get_type_hints(cls)
    except Exception:  # a guest's annotations may name anything; they are then shown as they stand
        return {}


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
