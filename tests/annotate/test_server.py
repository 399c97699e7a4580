"""The server from outside, over its socket: who is let in, and what a hostile request comes to."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import psutil
import pytest
import uvicorn

from imil_sim.annotate import AnnotationSession, read_questions, server
from imil_sim.annotate.gate import TICKET_SECONDS, Ticket
from imil_sim.annotate.server import MOST_BODY, Address, application, config, serve
from imil_sim.annotate.session import version
from imil_sim.errors import UsageError
from imil_sim.sessions import read_session

TOKEN = "T0ken-_" * 6


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Served:
    """A server in a thread of this process, and requests to it, byte by byte."""

    def __init__(self, session: AnnotationSession, port: int | None = None, ticket: Ticket | None = None) -> None:
        """``port``: the one that it takes itself to be at."""
        self.session = session
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self.listening.getsockname()[1], TOKEN)
        self.host = f"127.0.0.1:{self.address.port}"
        self.ticket = ticket or Ticket()
        believed = Address("127.0.0.1", port or self.address.port, TOKEN)
        self.server = uvicorn.Server(config(application(session, believed, self.ticket)))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        self.listening.close()
        assert not self.thread.is_alive()

    def raw(self, sent: bytes) -> Reply:
        """What comes back until the server closes."""
        got = b""
        with closing(socket.create_connection(("127.0.0.1", self.address.port), timeout=10)) as line:
            try:
                line.sendall(sent)
                while part := line.recv(1 << 16):
                    got += part
            except ConnectionError:  # it closed while we were still sending
                pass
        head, _, body = got.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        return Reply(int(first.split()[1]) if first else 0, headers, body)

    def ask(
        self,
        path: str = "",
        *,
        method: str = "GET",
        token: str = TOKEN,
        host: str | None = None,
        body: bytes = b"",
        **headers: str,
    ) -> Reply:
        lines = [f"{method} /{token}/{path} HTTP/1.1", f"Host: {self.host if host is None else host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return self.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)

    def answer(self, number: int, given: Any, **headers: str) -> Reply:
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        sent = {
            "Origin": f"http://{self.host}",
            "Content_Type": "application/json",
            "Content_Length": str(len(body)),
        } | headers
        return self.ask(f"answers/{number}", method="POST", body=body, **{k: v for k, v in sent.items() if v})


@pytest.fixture
def served(session: AnnotationSession) -> Iterator[Served]:
    running = Served(session)
    yield running
    running.close()


@pytest.fixture(scope="module")
def gate(shown: AnnotationSession) -> Iterator[Served]:
    """A server that nobody answers."""
    running = Served(shown)
    yield running
    running.close()
    assert not shown.path.exists()


GIVEN = {"cells": [1, 6], "reason": "the apex", "seconds": 2.5, "replaces": None}


def test_the_page_its_parts_and_the_state(gate: Served) -> None:
    page = gate.ask()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    parts = set(re.findall(r'(?:src|href)="([^"]*)"', page.body.decode()))
    assert parts == {"page.css", "page.js", "icon.svg"}, "it asks nobody else for anything"
    for part in parts:
        assert gate.ask(part).status == 200
        assert b"http" not in gate.ask(part).body.replace(b"http://www.w3.org/2000/svg", b"")
    state = json.loads(gate.ask("state").body)
    assert (state["reader"], state["row_edges"], len(state["images"])) == ("ada", [0, 16, 32, 48, 64], 7)
    for kind in ("image", "cam"):
        shown = cv2.imdecode(np.frombuffer(gate.ask(f"{kind}/1.png").body, np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(shown, getattr(gate.session.questions.images[1], kind))


def test_an_answer_is_on_disk_when_it_is_acknowledged(served: Served) -> None:
    reply = served.answer(2, GIVEN)
    assert reply.status == 200
    (answer,) = read_session(served.session.path).answers
    assert (answer.image_id, answer.cells, answer.reason) == (
        served.session.questions.images[2].image_id,
        (1, 6),
        "the apex",
    )
    assert json.loads(reply.body)["answer"] == {
        "cells": [1, 6], "reason": "the apex", "seconds": 2.5, "version": version(answer),
    }  # fmt: skip
    assert json.loads(served.ask("state").body)["images"][2]["answer"] == json.loads(reply.body)["answer"]


# -------------------------------------------------------------------------------------------------------- the gate


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.2:{port}",
        "127.0.0.1.evil.example:{port}",
        "",
    ],
)
def test_fault_39_a_foreign_host_is_refused(gate: Served, host: str) -> None:
    said = gate.ask(host=host.format(port=gate.address.port, host=gate.host))
    assert said.status in (400, 421)
    assert b"<html" not in said.body


def test_fault_39_the_printed_address_and_its_other_name_are_let_in(gate: Served) -> None:
    for host in (gate.host, f"localhost:{gate.address.port}"):
        assert gate.ask(host=host).status == 200
    twice = f"GET /{TOKEN}/ HTTP/1.1\r\nHost: {gate.host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert gate.raw(twice.encode()).status in (400, 421)
    assert gate.raw(f"GET /{TOKEN}/ HTTP/1.0\r\n\r\n".encode()).status == 421


def test_fault_39_at_port_80_a_browser_leaves_the_port_out(shown: AnnotationSession) -> None:
    assert Address("192.168.1.20", 80, TOKEN).hosts == {"192.168.1.20", "192.168.1.20:80"}
    assert Address("192.168.1.20", 8080, TOKEN).hosts == {"192.168.1.20:8080"}
    running = Served(shown, port=80)
    try:
        for host in ("127.0.0.1", "localhost", "127.0.0.1:80"):
            assert running.ask("state", host=host, Origin=f"http://{host}").status == 200
        assert running.ask("state", host=running.host).status == 421
        assert running.ask("state", host="127.0.0.1", Origin="http://localhost").status == 403
    finally:
        running.close()


@pytest.mark.parametrize("tail", ["/", "?", "#", "/?#", "/?#@evil.example", "@evil.example", "\\", ",evil.example"])
def test_fault_40_a_host_that_only_begins_like_ours_is_refused(gate: Served, tail: str) -> None:
    assert gate.ask(host=gate.host + tail).status in (400, 421)
    assert gate.ask(host="evil.example" + tail + gate.host).status in (400, 421)


@pytest.mark.parametrize(
    "origin",
    [
        "null", "https://{host}", "http://{host}.evil.example", "http://{host}/", "http://evil.example",
        "http://evil.example#http://{host}", "http://{host}@evil.example", "HTTP://{host}", "http://127.0.0.1",
        "http://localhost:{port}", "",
    ],
)  # fmt: skip
def test_fault_41_an_origin_that_is_not_the_page_is_refused(gate: Served, origin: str) -> None:
    said = origin.format(host=gate.host, port=gate.address.port)
    assert gate.answer(0, GIVEN, Origin=said).status == 403
    if said:
        assert gate.ask("state", Origin=said).status == 403
    assert not gate.session.path.exists()


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "x", TOKEN.lower(), "%54" + TOKEN[1:], "state", "x" * 5000])
def test_fault_42_without_the_token_nobody_is_let_in_and_it_is_never_logged(
    gate: Served, token: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        for path in ("", "state", "image/0.png", "page.js"):
            said = gate.ask(path, token=token)
            assert said.status == 403
            assert TOKEN.encode() not in said.body
        assert gate.raw(f"GET / HTTP/1.1\r\nHost: {gate.host}\r\nConnection: close\r\n\r\n".encode()).status == 403
        assert gate.ask("state").status == 200
        assert gate.answer(0, b"{").status == 422
    printed = "".join(capfd.readouterr())
    assert TOKEN not in printed + caplog.text + "".join(str(record.args) for record in caplog.records)


def test_fault_42_every_start_has_a_token_of_its_own(
    session: AnnotationSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[Address] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    for _ in range(2):
        serve(session, "127.0.0.1", 0, lambda address, ticket: addresses.append(address))
    first, second = (address.token for address in addresses)
    assert first != second
    assert len(first) >= 43, "256 bits"


def test_fault_42_the_ticket_of_a_browser_opens_the_page_once(served: Served) -> None:
    secret = served.ticket.secret
    assert served.ask(token=secret, host="evil.example").status == 421
    first, again = served.ask(token=secret), served.ask(token=secret)
    assert (first.status, first.headers["location"]) == (303, f"/{TOKEN}/")
    assert (again.status, "location" in again.headers) == (403, False)
    assert b"used already. Was it you?" in again.body
    assert b"somebody else on this machine" in again.body


def test_fault_42_a_ticket_grows_old_and_the_printed_address_does_not(session: AnnotationSession) -> None:
    clock = [100.0]
    running = Served(session, ticket=Ticket(lambda: clock[0]))
    try:
        clock[0] += TICKET_SECONDS + 0.1
        late = running.ask(token=running.ticket.secret)
        assert (late.status, "location" in late.headers) == (403, False)
        assert b"too old: it was good for 30 seconds. Open the address that is printed" in late.body
        clock[0] += 300
        assert [running.ask().status for _ in range(2)] == [200, 200]
    finally:
        running.close()
    young = Ticket(lambda: clock[0])
    clock[0] += TICKET_SECONDS - 0.1
    assert young.take() == ""


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2fetc%2fpasswd", "%252e%252e/x", "..\\..\\x", "../../../etc/passwd", "image/..%2f0.png",
        "image/0.png%00", "image/../state", "./state", "//etc/passwd", "state/", "image/-1.png", "image/7.png",
        "image/999999.png", "image/" + "9" * 5000 + ".png", "image/0.png/x", "image/0", "page.html", "server.py",
        "pag%65.js", "image/٣.png", "questions.json", "answers/ada-4x4.jsonl",
    ],
)  # fmt: skip
def test_fault_43_an_address_that_is_none_of_the_page_is_404(gate: Served, path: str) -> None:
    sent = f"GET /{TOKEN}/{path} HTTP/1.1\r\nHost: {gate.host}\r\nConnection: close\r\n\r\n".encode()
    said = gate.raw(sent)
    assert said.status == (400 if not path.isascii() else 404)  # a request line that is not ASCII is no HTTP


# ------------------------------------------------------------------------------------------------------ what comes in


def test_fault_44_a_range_is_not_looked_at(gate: Served) -> None:
    whole = gate.ask("image/0.png")
    for wanted in ("bytes=0-0", "bytes=" + ",".join(f"{i}-" for i in range(1000)), "bytes=99999999999-"):
        said = gate.ask("image/0.png", Range=wanted)
        assert (said.status, said.body) == (200, whole.body)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": ""}, 415),
        ({"Content_Encoding": "gzip"}, 415),
        ({"Content_Length": str(MOST_BODY + 1)}, 413),
        ({"Content_Length": "9" * 18}, 413),
        ({"Content_Length": "-1"}, 400),
    ],
)
def test_fault_44_a_body_of_another_kind_or_size_is_refused_unread(
    gate: Served, headers: dict[str, str], status: int
) -> None:
    assert gate.answer(0, GIVEN, **headers).status == status
    assert not gate.session.path.exists()
    assert gate.ask("state").status == 200


def test_fault_44_a_body_without_an_end_is_cut_off(served: Served) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    said = served.answer(0, chunk * 64, Content_Length="", Transfer_Encoding="chunked")
    assert said.status in (0, 413)  # 0: it hung up while we were still sending
    assert served.ask("state").status == 200
    assert served.ask("state", X_Long="x" * 2_000_000).status in (0, 400, 431)
    assert served.answer(0, GIVEN).status == 200


def test_fault_44_a_body_that_does_not_come_is_not_waited_for(gate: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.05)
    assert gate.answer(0, b"{", Content_Length="100").status == 408


CROWD = """
import selectors, socket, sys

def opened():
    line = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30)
    waiting.register(line, selectors.EVENT_READ)
    return line

waiting = selectors.DefaultSelector()
lines = {opened() for _ in range(600)}
print("open", flush=True)
while True:
    for key, _ in waiting.select():
        waiting.unregister(key.fileobj)
        key.fileobj.close()
        opened()
"""
"""600 idle connections, each opened again when it is closed; a process of its own, for its number of open files."""


def test_fault_51_among_hundreds_of_idle_connections_the_reader_gets_through(served: Served) -> None:
    crowd = subprocess.Popen([sys.executable, "-c", CROWD, str(served.address.port)], stdout=subprocess.PIPE)
    try:
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == b"open\n"
        for number in range(5):
            assert served.ask("state").status == 200
            assert served.answer(number, GIVEN).status == 200
        assert len(served.server.server_state.connections) > 400, "the crowd is still there"
    finally:
        crowd.kill()
        crowd.communicate()


def test_of_too_many_silent_connections_the_oldest_is_closed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_SILENT", 2)
    lines = [socket.create_connection(("127.0.0.1", served.address.port), timeout=4) for _ in range(4)]
    assert [hung_up_on(line, b"") for line in lines[:2]] == [b"", b""]
    for line in lines[2:]:
        line.sendall(f"GET /{TOKEN}/ HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        line.close()


def test_fault_44_who_asks_nothing_is_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    state = f"GET /{TOKEN}/state HTTP/1.1\r\nHost: {served.host}\r\n"
    beginnings = (b"", b"G", state.encode(), f"{state}\r\n{state}".encode())  # the last one: half a second request
    lines = [socket.create_connection(("127.0.0.1", served.address.port), timeout=4) for _ in beginnings]
    for line, sent in zip(lines, beginnings, strict=True):
        line.sendall(sent)
    assert hung_up_on(lines[0], b"") == b""
    assert hung_up_on(lines[1], b"") == b""
    assert hung_up_on(lines[2], b"X") == b"", "one more byte now and then puts nothing off"
    assert hung_up_on(lines[3], b"X").startswith(b"HTTP/1.1 200 ")
    assert served.ask("state").status == 200


def hung_up_on(line: socket.socket, drip: bytes) -> bytes:
    """What came until the other side closed, while it was sent that byte again and again."""
    got, until = b"", time.monotonic() + 4  # uvicorn itself would close a silent one after 5
    line.settimeout(0.05 if drip else 4)
    with closing(line):
        while time.monotonic() < until:
            try:
                line.sendall(drip)
                part = line.recv(1 << 16)
            except TimeoutError:
                continue
            except ConnectionError:
                return got
            if not part:
                return got
            got += part
    pytest.fail("it is still open")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000, b'{"cells": [1], "cells": [2]}', b'{"cells": [NaN]}',
        b'{"cells": [1], "more": 1}', b'{"cells": [6, 1]}', b'{"cells": [1, 1]}', b'{"cells": ["1"]}',
        b'{"cells": [1.5]}', b'{"cells": [true]}', b'{"cells": [0]}', b'{"cells": [17]}',
        b'{"cells": [' + b"9" * 50_000 + b"]}", b'{"reason": "x"}', b'{"cells": [], "seconds": -1}',
        b'{"cells": [], "seconds": 1e308}',
        b'{"cells": [], "reason": "' + b"x" * 10_001 + b'"}',
    ],
)  # fmt: skip
def test_fault_33_an_answer_that_is_none_is_refused_with_the_reason(gate: Served, body: bytes) -> None:
    said = gate.answer(0, body)
    assert (said.status, said.headers["content-type"]) == (422, "text/plain; charset=utf-8")
    assert said.body
    assert len(said.body) < 500
    assert not gate.session.path.exists()


def test_other_methods_and_other_images_are_refused(gate: Served) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        assert gate.ask("state", method=method, Origin=f"http://{gate.host}").status == 405
    assert gate.answer(7, GIVEN).status == 404
    assert gate.ask("answers/0").status == 405
    assert gate.ask("state", method="HEAD").body == b""


def test_fault_45_a_double_submit_is_one_answer_and_a_stale_one_gets_409(served: Served) -> None:
    first, again = served.answer(0, GIVEN), served.answer(0, GIVEN)
    assert (first.status, again.status) == (200, 200)
    assert first.body == again.body
    late = served.answer(0, {**GIVEN, "cells": [2]})
    assert late.status == 409
    there = json.loads(late.body)["answer"]
    assert there["cells"] == [1, 6], "what is there, so that the page can show it"
    assert served.answer(0, {**GIVEN, "cells": [2], "replaces": there["version"]}).status == 200
    assert [answer.cells for answer in read_session(served.session.path).answers] == [(2,)]


def test_fault_45_of_many_at_once_one_is_kept(served: Served) -> None:
    statuses: list[int] = []

    def send(cell: int) -> None:
        statuses.append(served.answer(0, {**GIVEN, "cells": [cell]}).status)

    threads = [threading.Thread(target=send, args=(cell,)) for cell in range(1, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 15
    assert len(read_session(served.session.path).answers) == 1


def test_an_answer_that_cannot_be_written_is_not_acknowledged(served: Served, answers: Path) -> None:
    assert served.answer(0, GIVEN).status == 200
    served.session.path.write_text("damaged\n")
    said = served.answer(1, GIVEN)
    assert said.status == 500
    assert b"is no session: line 1 is no JSON" in said.body


def test_fault_52_a_folder_of_answers_that_vanishes_is_said_and_saving_goes_on_once_it_is_back(
    served: Served, answers: Path
) -> None:
    assert served.answer(0, GIVEN).status == 200
    away = answers.rename(answers.with_name("away"))
    answers.mkdir()
    reply = served.answer(1, GIVEN)
    assert reply.status == 500
    assert b"Bring it back and save again" in reply.body
    assert list(answers.iterdir()) == []
    answers.rmdir()
    away.rename(answers)
    assert served.answer(1, GIVEN).status == 200
    assert len(read_session(served.session.path).answers) == 2


def test_what_is_not_saved_yet_is_kept_until_it_is(served: Served, put: Callable[..., Path]) -> None:
    def draft(number: int, given: Any) -> Reply:
        body = json.dumps(given).encode()
        headers = {"Origin": f"http://{served.host}", "Content_Type": "application/json"}
        return served.ask(f"drafts/{number}", method="POST", body=body, Content_Length=str(len(body)), **headers)

    assert json.loads(draft(0, GIVEN).body) == {"kept": True}
    assert json.loads(draft(1, GIVEN).body) == {"kept": True}
    assert draft(1, {**GIVEN, "cells": None}).status == 200
    state = json.loads(served.ask("state").body)["images"]
    assert [image["draft"] for image in state] == [GIVEN] + [None] * 6
    assert [image["answer"] for image in state] == [None] * 7, "it is no answer"
    assert draft(0, {**GIVEN, "cells": [17]}).status == 422
    assert draft(7, GIVEN).status == 404
    assert served.ask("drafts/0").status == 405
    assert served.answer(0, GIVEN).status == 200
    assert json.loads(served.ask("state").body)["images"][0]["draft"] is None
    assert json.loads(draft(0, {**GIVEN, "cells": [2]}).body) == {"kept": False}, "it came too late"
    assert json.loads(served.ask("state").body)["images"][0]["draft"] is None


# ------------------------------------------------------------------------------------------------------ what goes out


def test_every_answer_carries_the_headers(served: Served) -> None:
    replies = [
        served.ask(), served.ask("page.js"), served.ask("image/0.png"), served.ask("state"), served.ask("none"),
        served.ask(token="x"), served.ask(host="evil.example"), served.answer(0, GIVEN), served.answer(0, b"{"),
        served.ask("state", method="PUT", Origin=f"http://{served.host}"),
    ]  # fmt: skip
    for reply in replies:
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cache-control"] == "no-store"
        assert not {"server", "set-cookie", "access-control-allow-origin"} & reply.headers.keys()


def test_fault_36_content_types_are_fixed_and_no_byte_of_a_picture_is_passed_on(put: Callable[..., Path]) -> None:
    folder = put()
    image = folder / "001-image.png"
    image.write_bytes(image.read_bytes() + b"<script>alert(1)</script>")
    asked = read_questions(folder)
    running = Served(AnnotationSession(asked, asked.folder_of(None)))
    try:
        said = running.ask("image/0.png", Accept="text/html")
    finally:
        running.close()
    assert said.headers["content-type"] == "image/png"
    assert b"script" not in said.body


def test_fault_35_an_id_with_markup_stays_a_text_of_json(put: Callable[..., Path]) -> None:
    nasty = "</script><img src=x onerror=alert(1)>"
    asked = read_questions(put(ids=(nasty.replace("/", "|"),)))
    running = Served(AnnotationSession(asked, asked.folder_of(None)))
    try:
        state, page = running.ask("state"), running.ask()
    finally:
        running.close()
    assert state.headers["content-type"] == "application/json"
    assert json.loads(state.body)["images"][0]["image_id"] == nasty.replace("/", "|")
    assert b"onerror" not in page.body


# ------------------------------------------------------------------------------------------- a process of its own


@pytest.fixture
def process(put: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """``process()``: `imil-sim annotate` as a process, and the address that it printed."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "imil_sim", "annotate", str(put()), "--no-browser"]
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(running)
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("the page is at "):
                return running, line.split()[-1]
        pytest.fail(f"it ended with {running.wait()}")

    yield start
    for running in started:
        running.kill()
        running.communicate()


def post(url: str, number: int, given: Any) -> int:
    found = re.fullmatch(r"http://(127\.0\.0\.1:([0-9]+))/([^/]+)/", url)
    assert found, url
    body = json.dumps(given).encode()
    head = (
        f"POST /{found[3]}/answers/{number} HTTP/1.1\r\nHost: {found[1]}\r\nOrigin: http://{found[1]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with closing(socket.create_connection(("127.0.0.1", int(found[2])), timeout=30)) as line:
        line.sendall(head.encode() + body)
        return int(line.recv(100).split()[1])


def test_fault_46_and_47_an_acknowledged_answer_survives_a_kill_and_only_loopback_listens(
    process: Callable[[], tuple[subprocess.Popen[str], str]], put: Callable[..., Path]
) -> None:
    for number in range(2):
        running, url = process()
        listening = [
            line.laddr
            for one in [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
            for line in one.net_connections("inet")
            if line.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
        ]
        assert [place.ip for place in listening] == ["127.0.0.1"]
        assert f":{listening[0].port}/" in url
        assert post(url, number, {**GIVEN, "cells": [number + 1]}) == 200
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        asked = read_questions(put())
        kept = read_session(AnnotationSession(asked, asked.folder_of(None)).path).answers
        assert [answer.cells for answer in kept] == [(1,), (2,)][: number + 1]


def test_asked_to_stop_it_says_what_is_missing_and_has_logged_no_token(
    process: Callable[[], tuple[subprocess.Popen[str], str]],
) -> None:
    running, url = process()
    for number in range(7):
        assert post(url, number, GIVEN) == 200
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "all 7 questions are answered" in rest
    assert url.rsplit("/", 2)[1] not in rest


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "*", "0", "0.0", "0x0", "00.0x0", "::ffff:0.0.0.0", "0::0"])
def test_fault_47_every_address_at_once_is_refused(session: AnnotationSession, host: str) -> None:
    with pytest.raises(UsageError, match="is every address of this machine; name the one"):
        serve(session, host, 0, lambda address, ticket: pytest.fail(address.url))


def test_an_address_that_is_taken_or_none_of_ours_is_named(session: AnnotationSession) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        for host, port in (("127.0.0.1", taken.getsockname()[1]), ("192.0.2.1", 0)):
            with pytest.raises(UsageError, match="nobody can listen at"):
                serve(session, host, port, lambda address, ticket: pytest.fail(address.url))


@pytest.mark.parametrize(("host", "shown"), [("127.1", "127.0.0.1"), ("LocalHost.", "localhost")])
def test_fault_39_a_host_is_printed_and_let_in_as_a_browser_writes_it(
    session: AnnotationSession, monkeypatch: pytest.MonkeyPatch, host: str, shown: str
) -> None:
    addresses: list[Address] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    serve(session, host, 0, lambda address, ticket: addresses.append(address))
    (address,) = addresses
    assert address.url.startswith(f"http://{shown}:{address.port}/")
    assert address.hosts == {f"127.0.0.1:{address.port}", f"localhost:{address.port}"}
