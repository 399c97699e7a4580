"""The gate before the page: who may ask at all. Everything that passes it comes from this page, opened by this address.

A page on the loopback address is within reach of every program of this machine and, through the browser, of every web
page the user has open. So a request passes only if its host is exactly the address that was printed (no other name was
made to point here), its first path segment is the token (nobody guessed the address), and its origin, where it has
one, is the page itself (no other page sends it). All three are compared whole, never by their beginning.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_PATH = re.compile(rb"/([a-z]+(/[0-9]{1,6})?(\.[a-z]+)?)?")
"""Every address of the page; whatever is encoded, nested or dotted otherwise is none."""


TICKET_SECONDS = 30.0
"""How long a ticket is good for: a browser that is not running yet needs a few seconds on a slow machine."""


class Ticket:
    """Opens the page once, within `TICKET_SECONDS` of its making.

    A browser is started with an address on its command line, which every user of this machine may read. So it gets that
    of the ticket, which leads it to the page and is worth nothing afterwards. The address that is printed holds the
    token instead, which stays good: nobody else reads this terminal.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.secret = secrets.token_urlsafe(32)
        self._clock, self._until, self._spent = clock, clock() + TICKET_SECONDS, False

    def fits(self, offered: bytes) -> bool:
        """Whether this ticket was offered, be it good or not."""
        return secrets.compare_digest(offered, self.secret.encode())

    def take(self) -> str:
        """Spends it; why it opens nothing, or an empty text where it opens the page."""
        if self._spent:
            return (
                "This address was used already. Was it you? Then open the address that is printed in the terminal. If "
                "it was not, somebody else on this machine has the page open: end imil-sim annotate with Ctrl-C, and "
                "run the command again."
            )
        if self._clock() > self._until:
            return (
                f"This address is too old: it was good for {TICKET_SECONDS:.0f} seconds. Open the address that is "
                "printed in the terminal, or run the command again."
            )
        self._spent = True
        return ""


@dataclass(frozen=True)
class Gate:
    """The ASGI application ``inner``, behind the gate."""

    inner: ASGIApp
    hosts: frozenset[str]
    """What the header ``Host`` may say: ``127.0.0.1:8000``."""
    token: str
    ticket: Ticket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it; every answer carries `HEADERS`."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        path = bytes(scope.get("raw_path") or scope["path"].encode())
        token, slash, name = path[1:].partition(b"/")
        rest = slash + name
        refusal = self._refusal(scope, token)
        if refusal is None and not _PATH.fullmatch(rest):
            refusal = refused(404, "There is nothing at this address.")
        inside = {**scope, "path": rest.decode("latin-1"), "raw_path": rest, "root_path": ""}
        await (refusal or self.inner)(scope if refusal else inside, receive, guarded)

    def _refusal(self, scope: Scope, token: bytes) -> Response | None:
        """What is answered to a request that does not pass; None where it does."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return refused(
                421,
                "This page has another address; open the one that imil-sim printed. A tunnel to it needs the same port "
                "at both ends.",
            )
        if self.ticket.fits(token):
            why = self.ticket.take()
            return refused(403, why) if why else RedirectResponse(f"/{self.token}/", 303)
        if not secrets.compare_digest(token, self.token.encode()):
            return refused(403, "The token is missing or wrong; open the address that imil-sim printed.")
        expected = [f"http://{hosts[0]}"]
        if origins != expected and (origins or scope["method"] not in ("GET", "HEAD")):
            return refused(403, "Only the page itself may ask this.")
        return None


def refused(status: int, why: str) -> PlainTextResponse:
    """The answer to a request that is refused; the connection ends with it, so that no body is read any further."""
    return PlainTextResponse(why, status, headers={"Connection": "close"})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
