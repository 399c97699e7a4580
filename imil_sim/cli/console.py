"""Lines and tables on the terminal; whatever becomes of their reader, the files are written before."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Of what is standard output now."""
    return Console()


def say(line: str, style: str = "") -> None:
    """Print a line as it stands: nothing in it is markup, and a long one is left to the terminal."""
    console().print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def table_of(*headings: str, text: Collection[int] = (0,)) -> Table:
    """An empty table without lines. On a narrow terminal a column of ``text`` gives way, a number never."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, heading in enumerate(headings):
        if column in text:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    return table
