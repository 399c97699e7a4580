"""The terminal: lines, tables, progress, and being stopped by a signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from imil_sim.errors import shown
from imil_sim.progress import Progress

PLAIN_EVERY = 20.0
"""Seconds between two plain lines, where there is no terminal to draw bars on."""


def console() -> Console:
    """Of what is standard output now."""
    return Console()


def say(line: str, style: str = "", *, to: Console | None = None) -> None:
    """Print a line as it stands: nothing in it is markup, and a long one is left to the terminal."""
    (to or console()).print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def table_of(*headings: str, text: Collection[int] = (0,)) -> Table:
    """An empty table without lines. On a narrow terminal a column of ``text`` gives way, a number never."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(headings))
    for column, heading in enumerate(headings):
        if column in text:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    return table


class TerminalProgress(Progress):
    """Bars on a terminal, plain lines elsewhere, both on stderr; a context that draws while it is open."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._printed = time.monotonic()

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.stop()

    def count(self, what: str, done: int, total: int, note: str = "") -> None:
        """Move the bar of ``what``; it is hidden while it is full, and begins anew with a clock of its own."""
        if done < self._done.get(what, 0):
            self.bars.remove_task(self._tasks.pop(what))
        if what not in self._tasks:
            self._tasks[what] = self.bars.add_task(what, total=total, note=note)
        self._done[what] = done
        self.bars.update(self._tasks[what], completed=done, total=total, note=note, visible=done < total)
        if time.monotonic() - self._printed > PLAIN_EVERY:
            tasks = (task for task in self.bars.tasks if task.visible)
            notes = (f"{t.completed:.0f} of {t.total:.0f} {t.description} {t.fields['note']}" for t in tasks)
            self.say(", ".join(notes))

    def say(self, line: str) -> None:
        """Print a line, where there are no bars."""
        self._printed = time.monotonic()
        if not self.console.is_terminal:
            say(line, to=self.console)

    def warn(self, message: str) -> None:
        """Print a yellow line."""
        say(f"warning: {shown(message)}", "yellow", to=self.console)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within it SIGINT and SIGTERM (of a batch system) raise `KeyboardInterrupt`, whatever the code they meet does.

    Python raises in the middle of whatever runs, and compiled code may lose it: reading tensors answers with a
    `ValueError` about their shape. So what is raised after a signal counts as the interruption it comes from.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
