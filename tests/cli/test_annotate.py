"""The verb ``annotate``: what it refuses, what it warns of, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import imil_sim.annotate as room
from imil_sim.annotate.gate import Ticket
from imil_sim.annotate.server import Address
from imil_sim.cli import annotate as verb

STUDY = """
[arms.person]
feedback = { oracle = "human", options = { reader = "ada", folder = "answers" } }
"""


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("waiting")


@pytest.fixture
def questions(here: Path, waiting: Path, call: Any) -> Path:
    """Questions of a run that waits; the run is made once."""
    (here / "answers").mkdir()
    with (here / "tiny.toml").open("a") as study:
        study.write(STUDY)
    if not (waiting / "questions").exists():
        assert call("run", "tiny.toml", "--workers", "0", "--seeds", "1", "--store", str(waiting)).code == 3
    (found,) = (waiting / "questions").iterdir()
    return found


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been served, and what a browser would have opened; the page is left at once."""
    calls: list[Any] = []

    def serve(session: Any, host: str, port: int, on_ready: Any) -> None:
        calls.append((host, port))
        on_ready(Address(host, port or 4321, "the-token"), Ticket())
        raise KeyboardInterrupt

    class Thread:
        def __init__(self, target: Any, args: tuple[str], daemon: bool) -> None:
            calls.append(args[0])

        def start(self) -> None:
            pass

    monkeypatch.setattr(room, "serve", serve)
    monkeypatch.setattr(verb.threading, "Thread", Thread)
    return calls


def test_it_says_where_the_page_is_and_a_browser_does_not_get_the_token(
    here: Path, questions: Path, call: Any, served: list[Any]
) -> None:
    called = call("annotate", str(questions))
    assert called.code == 3
    assert f"3 questions for ada; the answers are written to {here / 'answers' / 'ada-4x4.jsonl'}\n" in called.out
    assert "the page is at http://127.0.0.1:4321/the-token/" in called.out
    assert "3 of 3 questions are not answered yet; the same command goes on" in called.out
    assert called.err == ""
    place, opened = served
    assert place == ("127.0.0.1", 0)
    assert opened.startswith("http://127.0.0.1:4321/")
    assert "the-token" not in opened


def test_another_address_than_loopback_is_warned_of(questions: Path, call: Any, served: list[Any]) -> None:
    called = call("annotate", str(questions), "--no-browser", "--host", "192.168.1.20", "--port", "8000")
    assert served == [("192.168.1.20", 8000)]
    assert "warning: 192.168.1.20 may be reached from other machines, and what is sent is not encrypted" in called.err
    assert "http://192.168.1.20:8000/the-token/" in called.out
    for host in ("::1", "localhost"):
        assert "warning" not in call("annotate", str(questions), "--no-browser", "--host", host).err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reader", "bob"], 'nobody called "bob" is asked these questions. Known: ada'),
        (["--host", "0.0.0.0"], '--host "0.0.0.0" is every address of this machine'),
        (["--host", "no.such.host.invalid"], "nobody can listen at no.such.host.invalid, port 0"),
        (["--role", "resident\nof"], "role: holds a line break"),
        (["--port", "70000"], "less than or equal to 65535"),
    ],
)
def test_a_wrong_call_ends_with_2_and_one_message(questions: Path, call: Any, arguments: list[str], said: str) -> None:
    called = call("annotate", str(questions), "--no-browser", *arguments)
    assert called.code == 2
    assert said in called.err
    assert "Traceback" not in called.err


def test_a_folder_that_holds_no_questions_or_no_folder_ends_with_2(here: Path, questions: Path, call: Any) -> None:
    called = call("annotate", str(here), "--no-browser")
    assert (called.code, "holds no questions.json" in called.err) == (2, True)
    (here / "answers").rmdir()
    called = call("annotate", str(questions), "--no-browser")
    assert (called.code, 'the answers of ada: folder "answers" was not found' in called.err) == (2, True)


def test_a_damaged_session_ends_with_2_and_a_half_written_line_with_a_warning(
    here: Path, questions: Path, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["1", "", "quit"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    assert call("annotate", str(questions), "--console", "--no-browser", "--role", "resident").code == 3
    session = here / "answers" / "ada-4x4.jsonl"
    whole = session.read_bytes()
    session.write_bytes(whole + b'{"order": 2')
    typed = iter(["quit"])
    called = call("annotate", str(questions), "--console", "--no-browser")
    assert (called.code, "line 3: was only half written" in called.err) == (3, True)
    assert json.loads(whole.splitlines()[0])["role"] == "resident"
    assert json.loads(whole.splitlines()[1])["cells"] == [1]
    session.write_bytes(b"")
    typed = iter(["quit"])
    called = call("annotate", str(questions), "--console", "--no-browser")
    assert (called.code, "ada-4x4.jsonl is empty" in called.err) == (3, True)
    session.write_text("{}")
    called = call("annotate", str(questions), "--console", "--no-browser")
    assert (called.code, "line 1" in called.err) == (2, True)
