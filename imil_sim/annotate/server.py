"""The page in a browser: what it is served, and the answers it sends.

Everything that is served lies in memory from the start: no part of a request ever becomes the name of a file. The one
thing that is written is the session, by `AnnotationSession`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any, ClassVar

import cv2
import numpy as np
import uvicorn
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from imil_sim.annotate.gate import Gate, Ticket, refused
from imil_sim.annotate.session import AnnotationSession, Given, Stale, version
from imil_sim.errors import ImilSimError, UsageError
from imil_sim.sessions import SessionAnswer
from imil_sim.sessions.session import MOST_REASON
from imil_sim.sessions.untrusted import JsonFault, parse_json
from imil_sim.study.spec import lines

MOST_BODY = 1 << 20
"""Bytes of an answer: every cell of the finest grid that can be clicked, and the longest reason."""
BODY_SECONDS = 10.0
HEAD_SECONDS = 10.0
"""How long a connection may stay open on which no request is being answered."""
MOST_SILENT = 450
"""Connections on which no request has come yet, and connections accepted at once.

Both together stay below the 1024 open files of a usual process. Since no more are accepted at once, a new connection is
read before it is the oldest.
"""
_TYPES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Pages:
    """The addresses behind the gate: the page, its pictures, the state of the session, and where answers go."""

    def __init__(self, session: AnnotationSession) -> None:
        self._session = session
        assets = resources.files("imil_sim.annotate") / "page"
        self._assets = {name: ((assets / file).read_bytes(), kind) for name, (file, kind) in _TYPES.items()}
        self._images = [_png(image.image) for image in session.questions.images]
        self._cams = [_png(image.cam) for image in session.questions.images]

    def application(self) -> Starlette:
        """The application, without the gate."""
        routes = [
            Route("/", self._asset, methods=["GET"]),
            Route("/state", self._state, methods=["GET"]),
            Route("/image/{number:int}.png", self._image, methods=["GET"]),
            Route("/cam/{number:int}.png", self._cam, methods=["GET"]),
            Route("/answers/{number:int}", self._answer, methods=["POST"]),
            Route("/drafts/{number:int}", self._draft, methods=["POST"]),
            Route("/{name}", self._asset, methods=["GET"]),
        ]
        made = Starlette(routes=routes, exception_handlers={_Refused: _answer_refused})
        made.router.redirect_slashes = False
        return made

    async def _asset(self, request: Request) -> Response:
        found = self._assets.get(request.path_params.get("name", ""))
        if found is None:
            raise _Refused(404, "There is nothing at this address.")
        return Response(found[0], media_type=found[1])

    async def _image(self, request: Request) -> Response:
        return Response(self._images[self._number(request)], media_type="image/png")

    async def _cam(self, request: Request) -> Response:
        return Response(self._cams[self._number(request)], media_type="image/png")

    def _number(self, request: Request) -> int:
        number = int(request.path_params["number"])
        if number >= len(self._session.questions.images):
            raise _Refused(404, "There is no such image.")
        return number

    async def _state(self, request: Request) -> Response:
        with _refusing():
            answers, drafts = self._session.answers(), self._session.drafts()
        asked = self._session.questions
        height, width = asked.images[0].image.shape
        state = {
            "reader": self._session.folder.reader,
            "set": asked.sheet.set.name,
            "session": self._session.path.name,
            "instructions": asked.instructions,
            "most_reason": MOST_REASON,
            "class_names": asked.class_names,
            "size": [height, width],
            "row_edges": asked.grid.row_edges(height).tolist(),
            "col_edges": asked.grid.col_edges(width).tolist(),
            "images": [
                {
                    "image_id": image.image_id,
                    "label": image.label,
                    "predicted": image.predicted,
                    "confidence": image.confidence,
                    "answer": _shown(answer),
                    "draft": draft and draft.model_dump(mode="json"),
                }
                for image, answer, draft in zip(asked.images, answers, drafts, strict=True)
            ],
        }
        return JSONResponse(state)

    async def _answer(self, request: Request) -> Response:
        number, given = self._number(request), _parsed(await _body(request))
        try:
            with _refusing():  # on the event loop: the answers of several windows come one after the other
                return JSONResponse({"answer": _shown(self._session.save(number, given))})
        except Stale as stale:
            return JSONResponse({"answer": _shown(stale.there)}, 409)

    async def _draft(self, request: Request) -> Response:
        number, given = self._number(request), _parsed(await _body(request))
        with _refusing():
            return JSONResponse({"kept": self._session.keep_draft(number, given)})


@contextmanager
def _refusing() -> Iterator[None]:
    """Within it what is wrong with the answer or the session is the answer to the request."""
    try:
        yield
    except ImilSimError as error:
        raise _Refused(422 if isinstance(error, UsageError) else 500, str(error)) from error


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, _Refused)
    return refused(error.status, error.why)


async def _body(request: Request) -> bytes:
    """The body of an answer, bounded in kind, size and time; of one that is refused nothing is kept."""
    if request.headers.getlist("content-type") != ["application/json"]:
        raise _Refused(415, "An answer is application/json.")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise _Refused(415, "An answer is not compressed.")
    if int(request.headers.get("content-length") or 0) > MOST_BODY:
        raise _Refused(413, f"An answer has at most {MOST_BODY:,} bytes.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BODY:
                    raise _Refused(413, f"An answer has at most {MOST_BODY:,} bytes.")
    except TimeoutError:
        raise _Refused(408, "The answer did not arrive in time.") from None
    except ClientDisconnect:
        raise _Refused(400, "The answer did not arrive whole.") from None
    return bytes(body)


def _parsed(body: bytes) -> Given:
    try:
        text = body.decode("utf-8")
        parse_json(text)
        return Given.model_validate_json(text, strict=True)
    except (JsonFault, UnicodeDecodeError) as error:
        raise _Refused(422, f"The answer {error}") from error
    except ValidationError as error:
        raise _Refused(422, f"The answer is none: {lines(error)[0]}") from error


def _shown(answer: SessionAnswer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {"cells": answer.cells, "reason": answer.reason, "seconds": answer.seconds, "version": version(answer)}


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Our own encoding of what was decoded: no byte that somebody else wrote is served."""
    done, data = cv2.imencode(".png", pixels)
    assert done
    return bytes(data)


@dataclass(frozen=True)
class Address:
    """Where the page is served."""

    host: str
    """As a browser writes it."""
    port: int
    token: str

    @property
    def url(self) -> str:
        """What the reader opens; whoever has it may answer."""
        return self.beginning_with(self.token)

    def beginning_with(self, segment: str) -> str:
        """The address with that first segment of its path."""
        return f"http://{_bracketed(self.host)}:{self.port}/{segment}/"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody outside of this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser that opened it calls the host; through a tunnel to this machine too."""
        names = {self.host} | ({"127.0.0.1", "localhost"} if self.is_loopback else set())
        # A browser leaves the port of its scheme out (RFC 9110, section 4.2.3), in the origin too.
        ports = (":80", "") if self.port == 80 else (f":{self.port}",)
        return frozenset(_bracketed(name) + port for name in names for port in ports)


def application(session: AnnotationSession, address: Address, ticket: Ticket) -> ASGIApp:
    """The whole application, gate included."""
    return Gate(Pages(session).application(), address.hosts, address.token, ticket)


def serve(session: AnnotationSession, host: str, port: int, on_ready: Callable[[Address, Ticket], None]) -> None:
    """Serve the page until the process is stopped.

    Args:
        session: what is asked, and whom.
        host: address to listen at.
        port: port; 0: a free one.
        on_ready: called once it answers, with the address, and with the ticket for a browser that is started here.

    Raises:
        UsageError: nobody can listen there.
        KeyboardInterrupt: the process was stopped.
    """
    host = host.lower().rstrip(".")
    with closing(_listening(host, port)) as listening:
        name = host if any(letter.isalpha() for letter in host) else listening.getsockname()[0]
        address = Address(name, listening.getsockname()[1], secrets.token_urlsafe(32))
        ticket = Ticket()
        server = uvicorn.Server(config(application(session, address, ticket)))
        on_ready(address, ticket)
        server.run(sockets=[listening])


class _Punctual(H11Protocol):
    """Hangs up on who does not ask anything: uvicorn would wait for the head of a request for ever.

    Of too many silent connections the oldest is closed. All others are the reader's: a request without the token is
    refused, and its connection ends. So nobody without the token takes a place that the reader needs.
    """

    silent: ClassVar[dict[_Punctual, None]]
    """The connections of this server on which no request has come yet, the oldest first."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()
        self.silent[self] = None
        if len(self.silent) > MOST_SILENT:
            oldest = next(iter(self.silent))
            del self.silent[oldest]
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()
        if self.cycle is not None:
            self.silent.pop(self, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.silent.pop(self, None)
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """One deadline from the first wait on, which no further byte puts off; none while a request is answered."""
        if not getattr(self.cycle, "response_complete", True):  # None before the first request
            self._forget()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None


def config(served: ASGIApp) -> uvicorn.Config:
    """How it is served: no log of addresses, for they hold the token; everything bounded."""
    # access_log=False takes the log's handlers away; somebody else's handler would still write the addresses down.
    logging.getLogger("uvicorn.access").disabled = True

    class OfThisServer(_Punctual):
        silent: ClassVar[dict[_Punctual, None]] = {}

    return uvicorn.Config(
        served,
        http=OfThisServer,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=MOST_SILENT,
        h11_max_incomplete_event_size=1 << 14,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
    )


def _listening(host: str, port: int) -> socket.socket:
    everywhere = UsageError(
        f'--host "{host}" is every address of this machine; name the one that the reader will open, such as '
        "192.168.1.20"
    )
    if host in ("", "*"):
        raise everywhere
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"nobody can listen at {host}, port {port}: {error}; name another --host or --port") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(MOST_SILENT)
    except (OSError, OverflowError) as error:
        listening.close()
        raise UsageError(f"nobody can listen at {host}, port {port}: {error}; name another --host or --port") from error
    # What it was bound to, not what was typed: 0 and 0.0 are 0.0.0.0 too.
    found = ipaddress.ip_address(listening.getsockname()[0])
    if (getattr(found, "ipv4_mapped", None) or found).is_unspecified:
        listening.close()
        raise everywhere
    return listening


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
