"""The ``annotate`` verb."""

from __future__ import annotations

import io
import sys
import threading
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from imil_sim.cli import options
from imil_sim.cli.console import say

if TYPE_CHECKING:
    from imil_sim.annotate.gate import Ticket
    from imil_sim.annotate.server import Address

WAITING = 3


def annotate(
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS_DIR", help="Folder questions/KEY of the store.")],
    host: Annotated[str, typer.Option("--host", help="Address to serve the page at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0: a free one.")] = 0,
    reader: Annotated[str | None, typer.Option("--reader", help="Who answers, where several are asked.")] = None,
    role: options.Role = "",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open nothing, only print where it is.")] = False,
    console: Annotated[bool, typer.Option("--console", help="Ask in this terminal, with numbered cells.")] = False,
    group_readable: options.GroupReadable = False,
) -> None:
    """Show the questions of a waiting run to a person, and write the answers down."""
    from imil_sim import annotate as room

    _forgive()
    asked = room.read_questions(questions)
    session = room.AnnotationSession(asked, asked.folder_of(reader), role)
    for warning in session.warnings():
        _warn(warning)
    say(f"{len(asked.images)} questions for {session.folder.reader}; the answers are written to {session.path}")
    try:
        if console:
            room.converse(session, input, say, _no_show if no_browser else _show)
        else:
            room.serve(session, host, port, partial(_open, not no_browser))
    except (KeyboardInterrupt, EOFError):
        say("")
    answers = session.answers()
    if missing := answers.count(None):
        say(f"{missing} of {len(answers)} questions are not answered yet; the same command goes on")
        raise typer.Exit(WAITING)
    say(f"all {len(answers)} questions are answered; the same `imil-sim run` command as before goes on with them")


def _warn(line: str) -> None:
    say(f"warning: {line}", "yellow", to=Console(stderr=True))


def _forgive() -> None:
    """No byte that is typed, and no name that this terminal has no letters for, ends the session."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _open(browser: bool, address: Address, ticket: Ticket) -> None:
    if not address.is_loopback:
        _warn(
            f"{address.host} may be reached from other machines, and what is sent is not encrypted; images and answers "
            "are open to whoever reads the address or the network"
        )
    say(f"the page is at {address.url}\nwhoever has this address may answer; Ctrl-C ends it, every answer is kept")
    sys.stdout.flush()
    if browser:  # some browsers are programs of the terminal, and come back when they are closed
        threading.Thread(target=webbrowser.open, args=(address.beginning_with(ticket.secret),), daemon=True).start()


def _show(picture: Path) -> None:
    webbrowser.open(picture.as_uri())


def _no_show(picture: Path) -> None:
    pass
