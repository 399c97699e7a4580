"""The ``oracles`` verb."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from rich.markup import escape

from imil_sim import api
from imil_sim.cli import options
from imil_sim.cli.console import console, say, table_of
from imil_sim.errors import OracleError, UsageError
from imil_sim.registry import parts

MOST_COLUMNS = 90
"""A line that ends a sentence before this column ended its paragraph, too."""


def oracles(
    name: Annotated[
        str | None, typer.Argument(help="Print this oracle's card and options; with --gallery draw it alone.")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option("--gallery", metavar="FILE.png", help="Draw the oracles' answers to ten questions.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            metavar="STUDY.toml",
            help="Whose images --gallery shows, on the grid that its arms share; else the phantom's on 8 x 8.",
        ),
    ] = None,
    store: options.Store = options.STORE,
    group_readable: options.GroupReadable = False,
) -> None:
    """List the installed oracles, print the card of one, or draw what they answer."""
    if gallery is not None:
        api.write_gallery(gallery, None if study is None else api.load_study(study), store=store, only=name)
        say(f"{gallery}")
    elif study is not None:
        raise UsageError("--study says whose images are drawn: give --gallery FILE.png with it, or leave it out")
    elif name is None:
        _print_list()
    else:
        _print_card(name)


def _print_list() -> None:
    """Print one line an oracle; one that cannot be imported says so instead of hiding, a guest says whose it is."""
    table = table_of("oracle", "what it simulates", text=(0, 1))
    for part in parts("oracles"):
        try:
            line = api.card(api.load_oracle(part.name)).splitlines()[0]
            line += f" (from {part.distribution})" if part.guest else ""
        except OracleError as error:  # its message names the package
            line = f"cannot be used: {error}"
        table.add_row(escape(part.name), escape(line))
    console().print(table)


def _print_card(name: str) -> None:
    oracle = api.load_oracle(name)
    say(f"{name}\n", "bold")
    say(reflowed(api.card(oracle), console().width))
    if not (found := api.options_of(oracle)):
        return
    try:
        types = get_type_hints(oracle)
    except Exception:  # a guest's annotations may name anything; they are then shown as they stand
        types = {}
    table = table_of("option", "value", "default", text=range(3))
    for option in found:
        value = value_words(types[option.name]) if option.name in types else option.type
        table.add_row(escape(option.name), escape(value), escape(default_words(option.default)))
    console().print()
    console().print(table)


_WORDS = {
    "str": ("text", "texts"),
    "int": ("whole number", "whole numbers"),
    "float": ("number", "numbers"),
    "bool": ("true or false", "true or false"),
    "OracleRecipe": ("an oracle", "oracles"),
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
    if origin is None and (words := _WORDS.get(getattr(hint, "__name__", ""))):
        return words[number]
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
