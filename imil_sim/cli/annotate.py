"""The ``annotate`` verb."""

from __future__ import annotations

import io
import sys
import threading
import webbrowser
from functools import partial
from pathlib import Path

from rich.console import Console

from imil_sim.annotate import AnnotationSession, read_asked
from imil_sim.annotate.console import converse
from imil_sim.annotate.gate import Ticket
from imil_sim.annotate.server import Address, is_loopback, serve, usual_spelling

WAITING = 3


def annotate(
    folder: Path, *, reader: str | None, role: str, host: str, port: int, browser: bool, in_console: bool
) -> int:
    """Show the questions in a folder to a person; gives the exit code: 0 where all are answered, else 3.

    Raises:
        ImilSimError: the questions, or the place of the answers, cannot be used.
    """
    _forgive()
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    warn = partial(Console(stderr=True).print, style="yellow", markup=False, highlight=False, soft_wrap=True)
    asked = read_asked(folder)
    session = AnnotationSession(asked, asked.desk_of(reader), role)
    for warning in session.warnings():
        warn(f"warning: {warning}")
    told = f"{len(asked.images)} questions for {session.folder.reader}; the answers are written to {session.path}"

    def ready(address: Address, ticket: Ticket) -> None:
        if not is_loopback(address.host):
            warn(
                f"warning: {address.host} may be reached from other machines, and what is sent is not encrypted; "
                f"images "
                "and answers are open to whoever reads the address or the network"
            )
        say(told)
        _open(say, browser, address, ticket)

    try:
        if in_console:
            say(told)
            converse(session, input, say, _show if browser else lambda picture: None)
        else:
            serve(session, usual_spelling(host), port, ready)
    except (KeyboardInterrupt, EOFError):
        say("")
    return _told(session, say)


def _forgive() -> None:
    """No byte that is typed, and no name that this terminal has no letters for, ends the session."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _open(say: partial[None], browser: bool, address: Address, ticket: Ticket) -> None:
    say(f"the page is at {address.url}\nwhoever has this address may answer; Ctrl-C ends it, every answer is kept")
    sys.stdout.flush()
    if browser:  # some browsers are programs of the terminal, and come back when they are closed
        threading.Thread(target=webbrowser.open, args=(address.beginning_with(ticket.secret),), daemon=True).start()


def _show(picture: Path) -> None:
    webbrowser.open(picture.as_uri())


def _told(session: AnnotationSession, say: partial[None]) -> int:
    answers = session.answers()
    missing = answers.count(None)
    if missing:
        say(f"{missing} of {len(answers)} questions are not answered yet; the same command goes on")
        return WAITING
    say(f"all {len(answers)} questions are answered; the same `imil-sim run` command as before goes on with them")
    return 0
