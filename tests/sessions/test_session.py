"""Sessions: written and read back, torn, wrong in every way, and bounded."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from imil_sim.errors import SessionError
from imil_sim.feedback.grid import Grid
from imil_sim.sessions import files
from imil_sim.sessions.drawn import Drawn
from imil_sim.sessions.files import (
    SessionFolder,
    append_answer,
    line_of,
    parse_session,
    read_session,
    session_bytes,
    write_session,
)
from imil_sim.sessions.session import Header, Session, SessionAnswer, id_problem, session_schema

HEADER = Header(reader="r-1", grid=(2, 2), class_names=("normal", "TB"), states=("a" * 64,))
DRAWN = Drawn(width=5, height=4, boxes=((0, 0, 2.5, 2),), polygons=(((1, 1), (5, 1), (5, 4)),), mask=(3, 2, 15))
ANSWERS = (
    SessionAnswer(order=1, image_id="TB/a", cells=(1, 4), drawn=DRAWN, reason="focus\nmoved <b>", seconds=3.25),
    SessionAnswer(order=2, image_id="b", cells=(), label=1, predicted=0, confidence=0.1 + 0.2, image_sha256="0" * 64),
    SessionAnswer(order=3, image_id="c", cells=None, abstained=True, reason="rotated \u2028 image"),
)
SESSION = Session(HEADER, ANSWERS)


def read(text: str | bytes) -> Session:
    return parse_session(text.encode() if isinstance(text, str) else text, "x.jsonl")


def header(**changes: Any) -> str:
    return json.dumps({"format": "imil-sim session", "version": 1, "reader": "r", "grid": [2, 2]} | changes) + "\n"


def answer(**changes: Any) -> str:
    return json.dumps({"order": 1, "image_id": "a", "cells": [1]} | changes) + "\n"


# ------------------------------------------------------------------------------------------------- written and read


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    write_session(path, Session(HEADER), new=True)
    assert read_session(path) == Session(HEADER)
    for number, one in enumerate(ANSWERS, 1):
        whole = append_answer(path, one)
        assert whole.answers == ANSWERS[:number]
        assert path.read_bytes().count(b"\n") == number + 1  # a line feed in a reason is none
    found = read_session(path)
    assert (found.header, found.answers, found.warnings, found.lines) == (HEADER, ANSWERS, (), (2, 3, 4))
    assert found.about("b") == ANSWERS[1:2]
    assert path.read_bytes() == session_bytes(SESSION)
    write_session(tmp_path / "t.jsonl", found)
    assert (tmp_path / "t.jsonl").read_bytes() == path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["s.jsonl", "t.jsonl"]


def test_the_least_a_session_can_hold_is_read() -> None:
    found = read(header() + answer() + "\n" + answer(order=2, image_id="b", abstained=True, cells=None))
    assert [one.cells for one in found.answers] == [(1,), None]
    assert found.header.date is None
    assert read(header(date="2026-02-28")).header.date is not None


def test_an_answer_once_given_stays(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    write_session(path, SESSION)
    before = path.read_bytes()
    with pytest.raises(SessionError, match=r"has an answer already; an answer once given stays\n.*order 1 is taken"):
        append_answer(path, ANSWERS[0].model_copy(update={"cells": (2,)}))
    with pytest.raises(SessionError, match="cell 5 lies outside the grid of 2 x 2"):
        append_answer(path, SessionAnswer(order=9, image_id="z", cells=(5,)))
    with pytest.raises(SessionError, match="is there already"):
        write_session(path, Session(HEADER), new=True)
    assert path.read_bytes() == before
    with pytest.raises(SessionError, match=r"cannot be written: No such file"):
        append_answer(tmp_path / "none.jsonl", ANSWERS[0])


def test_a_session_written_again_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    there, link = tmp_path / "there.jsonl", tmp_path / "link.jsonl"
    there.touch(mode=0o600)
    link.symlink_to("there.jsonl")
    write_session(link, SESSION)
    assert link.is_symlink()
    assert there.read_bytes() == session_bytes(SESSION)
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    link.unlink()
    link.symlink_to("link.jsonl")
    with pytest.raises(SessionError, match=r"link\.jsonl cannot be written: .*[Ll]oop"):
        write_session(link, SESSION)


def test_an_empty_file_is_a_session_that_nobody_has_begun(tmp_path: Path) -> None:
    path = tmp_path / "ann-2x2.jsonl"
    (tmp_path / "elsewhere").touch(mode=0o600)
    path.symlink_to("elsewhere")
    assert SessionFolder("ann", str(tmp_path)).session(Grid(2, 2)) is None
    write_session(path, Session(HEADER), new=True)
    assert path.is_symlink()
    assert read_session(path).header == HEADER
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o600
    with pytest.raises(SessionError, match="is there already"):
        write_session(path, SESSION, new=True)


def test_a_link_that_leads_nowhere_is_not_followed_to_a_new_session(tmp_path: Path) -> None:
    path = tmp_path / "ann-2x2.jsonl"
    path.symlink_to("elsewhere")
    with pytest.raises(SessionError, match="a link that leads nowhere"):
        write_session(path, SESSION, new=True)
    with pytest.raises(SessionError, match="remove the link"):
        SessionFolder("ann", str(tmp_path)).session(Grid(2, 2))
    assert os.listdir(tmp_path) == ["ann-2x2.jsonl"]


@pytest.mark.parametrize(
    ("image_id", "problem"),
    [
        ("Screenshot 2026-11-24 at 9.41\u202fAM", ""),
        ("R\u00f6ntgen\u00a01", ""),
        ("a" * 512, ""),
        ("a" * 513, "is longer than 512 characters"),
        ("a\u202eb", "cannot be printed"),
        ("a\x7fb", "cannot be printed"),
        ("../a", "is a path"),
    ],
)
def test_what_can_be_the_id_of_a_image(image_id: str, problem: str) -> None:
    assert problem in id_problem(image_id)
    assert bool(id_problem(image_id)) == bool(problem)
    if not problem:
        assert read(header() + answer(image_id=image_id)).answers[0].image_id == image_id


def test_two_windows_that_answer_at_once_leave_one_answer_a_image(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    write_session(path, Session(HEADER), new=True)
    refused: list[str] = []

    def answer_all(window: int) -> None:
        for number in range(10):
            one = SessionAnswer(order=1 + 2 * number + window, image_id=f"image-{number}", cells=(1 + window,))
            try:
                append_answer(path, one)
            except SessionError as error:
                refused.append(str(error))

    windows = [threading.Thread(target=answer_all, args=(window,)) for window in range(2)]
    for window in windows:
        window.start()
    for window in windows:
        window.join()
    assert len(read_session(path).answers) == len(refused) == 10
    assert all("has an answer already" in told for told in refused)


# ------------------------------------------------------------------------------------------------------------- torn


def test_a_file_that_ends_anywhere_loses_at_most_its_last_answer() -> None:
    whole = session_bytes(SESSION)
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(ends[0] + 1, len(whole) + 1):
        found = read(whole[:size])
        complete = sum(end <= size for end in ends[1:])  # the line feed itself may be what is missing
        assert found.answers == ANSWERS[:complete]
        torn = whole[:size].rpartition(b"\n")[2] and size not in ends
        assert bool(found.warnings) == bool(torn)
        if torn:
            assert found.warnings == (f"session x.jsonl, line {complete + 2}: was only half written, and is left out",)
    for size in range(ends[0]):
        with pytest.raises(SessionError, match="is no session"):
            read(whole[:size])


@pytest.mark.parametrize("tail", [line_of(ANSWERS[1])[:40], line_of(ANSWERS[1])[:-1], b"\0" * 20, b"\xc3"])
def test_answers_go_on_behind_a_torn_line(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(session_bytes(Session(HEADER, ANSWERS[:1])) + tail)
    append_answer(path, ANSWERS[2])
    kept = ANSWERS[1:2] if tail.endswith(b"}") else ()
    assert read_session(path).answers == (ANSWERS[0], *kept, ANSWERS[2])
    assert read_session(path).warnings == ()


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.jsonl"
    write_session(path, Session(HEADER, ANSWERS[:1]))
    before = path.read_bytes()
    write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(28, "No space left on device")
        return write(file, data[: len(data) - 50])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SessionError, match="No space left on device; the answer was not kept"):
        append_answer(path, ANSWERS[1])
    with pytest.raises(SessionError, match="No space left on device"):
        write_session(tmp_path / "new.jsonl", Session(HEADER), new=True)
    assert path.read_bytes() == before
    assert not (tmp_path / "new.jsonl").exists()


def test_a_header_has_its_name_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "s.jsonl", os.write

    class Killed(BaseException):
        """Nothing that is tidied up after, as after a kill."""

    def half(file: int, data: bytes) -> int:
        write(file, data[:20])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            write_session(path, Session(HEADER), new=True)
    begun = os.listdir(tmp_path)
    assert [name.startswith(".s.jsonl.") for name in begun] == [True]  # under another name, a hidden one
    assert not path.exists()
    write_session(path, Session(HEADER), new=True)
    append_answer(path, ANSWERS[0])
    assert read_session(path).answers == ANSWERS[:1]
    assert sorted(os.listdir(tmp_path)) == [*begun, "s.jsonl"]


# ------------------------------------------------------------------------------------------------------------ wrong

OTHER_SHA = "f" * 63

NO_SESSION = [
    header(format="x"),
    answer(),
    "[]\n",
    "",
    "\n\n",
    b"image_id,x_min\na,3\nb,4\n",
    b"\n  \nimage_id\n",  # behind blank lines
    b'{\n "images": [],\n "annotations": []\n}\n',  # written over several lines
    header().encode("utf-16"),
    '{"format" "imil-sim session"}\n' + answer(order=0),
]

WRONG = [
    (header(version=2), "line 1: is a session of format version 2; this imil-sim reads 1"),
    (header(version=True), "line 1: is a session of format version true"),
    (header(grid=[0, 2]), r"line 1: grid.0: .*\(found 0\)"),
    (header(grid=[2, 10**6]), "line 1: grid.1: "),
    (header(reader="a\nb"), "line 1: reader: holds a line break"),
    (header(grid=4), r"line 1: grid: must be a list \(found 4\)"),
    (header(grid=[2]), "line 1: grid.1: is missing"),
    (header(reader=5), "line 1: reader: must be text"),
    (header(date="yesterday"), "line 1: date: must be a valid date"),
    (header(red=1), r'line 1: red: there is no such field\. .*Did you mean "reader"'),
    (header() + answer(cells=[5]), 'line 2: image "a": cell 5 lies outside the grid of 2 x 2'),
    (header() + answer(cells=[0]), "line 2: cells.0: "),
    (header() + answer(cells=[2, 1]), "line 2: cells must be ascending numbers, each once"),
    (header() + answer(cells=[1.5]), "line 2: cells.0: must be a whole number"),
    (header() + answer(cells=None), "line 2: cells is null and abstained is false"),
    (header() + answer(abstained=True), "line 2: abstained is true, so cells and drawn must be null"),
    (header() + answer(label=True), "line 2: label: must be a whole number"),
    (header(class_names=["a", "b"]) + answer(label=2), "label is 2, but the header names 2 classes"),
    (header(states=["a" * 64]) + answer(consultation=2), "header names 1 of the model's states"),
    (header() + answer(confidence=1.5), "line 2: confidence: "),
    (header() + answer(confidence=1).replace(": 1}", ": NaN}"), "line 2: is no JSON"),
    (header() + answer(confidence=1).replace(": 1}", ": 1e999}"), "line 2: confidence: "),
    (header() + answer(seconds=1e300), "line 2: seconds: "),
    (header() + answer(order=10**30), "line 2: order: "),
    (header() + answer(order=1).replace(": 1,", ": 1" + "0" * 1_000_000 + ","), "line 2: is no JSON"),
    (header() + answer(image_sha256=OTHER_SHA), "line 2: image_sha256: "),
    (header() + answer()[:-2] + ', "order": 2}\n', 'line 2: has the key "order" twice'),
    (header() + answer() + answer(order=2), 'line 3: image "a": line 2 answers it already'),
    (header() + answer() + answer(order=2, cells=[2]), 'line 3: image "a": line 2 answers it already'),
    (header() + answer() + answer(image_id="b"), "line 3: order is 1, as on line 2"),
    (header() + "nonsense\n" + answer(), "line 2: is no JSON"),
    (header() + "[" * 100_000 + "\n", "line 2: is no JSON"),
    (header() + '{"drawn": ' * 500 + "1" + "}" * 500 + "\n", "line 2: "),
    (
        header() + answer(drawn={"width": 4, "height": 4, "boxes": [[0, 0, 5, 2]]}),
        r"line 2: drawn: the point \(5, 2\) lies outside the image of 4 x 4",
    ),
    (header() + answer(drawn={"width": 4, "height": 4, "boxes": [[2, 0, 2, 2]]}), "left < right"),
    (header() + answer(drawn={"width": 4, "height": 4, "mask": [3, 2]}), "add up to 5 pixels, the image has 16"),
    (header() + answer(drawn={"width": 99_999, "height": 99_999, "mask": [1]}), "has more than 100,000,000"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_line_is_named_and_nothing_is_used(text: str, told: str) -> None:
    with pytest.raises(SessionError, match=told) as caught:
        read(text)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("session x.jsonl cannot be used:\n  - line ")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", NO_SESSION, ids=range(len(NO_SESSION)))
def test_another_kind_of_file_is_refused_in_one_line(text: str | bytes) -> None:
    with pytest.raises(SessionError, match=r"^x\.jsonl is no session: .*imil-sim import makes sessions of others$"):
        read(text)


def test_a_byte_order_mark_is_passed_over_and_stays_where_it_is(tmp_path: Path) -> None:
    mark, path = b"\xef\xbb\xbf", tmp_path / "s.jsonl"
    path.write_bytes(mark + session_bytes(Session(HEADER, ANSWERS[:1])))
    assert read_session(path) == read(session_bytes(Session(HEADER, ANSWERS[:1])))
    append_answer(path, ANSWERS[1])
    assert path.read_bytes() == mark + session_bytes(Session(HEADER, ANSWERS[:2]))
    write_session(path, read_session(path))
    assert path.read_bytes() == session_bytes(Session(HEADER, ANSWERS[:2]))
    # A header without its line feed is whole, with a mark before it as without.
    path.write_bytes(mark + line_of(HEADER)[:-1])
    append_answer(path, ANSWERS[0])
    assert read_session(path).answers == ANSWERS[:1]
    with pytest.raises(SessionError, match="line 2: is no JSON"):
        read(header().encode() + mark + answer().encode())


def test_everything_that_is_wrong_is_found_at_once_up_to_a_bound() -> None:
    with pytest.raises(SessionError) as caught:
        read(header() + answer(cells=[0]) + answer(order=0) + "x\n")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()[1:]] == [f"  - line {n}" for n in (2, 3, 4)]
    with pytest.raises(SessionError, match="reading stopped here") as caught:
        read(header() + "x\n" * 1000)
    assert len(str(caught.value).splitlines()) == 1 + files.MOST_PROBLEMS + 1


@pytest.mark.parametrize(
    "image_id",
    [
        "../a",
        "a/../b",
        "/a",
        "a//b",
        "http://example.org/a.png",
        "a\\b",
        "..",
        ".",
        "",
        "a/",
        "a\0b",
        "a\nb",
        "x" * 513,
    ],
)
def test_an_id_that_leads_somewhere_is_refused(image_id: str) -> None:
    with pytest.raises(SessionError, match="line 2: image_id: "):
        read(header() + answer(image_id=image_id))
    assert not id_problem("TB/CHNCXR_0327_1 (2).v2")


@pytest.mark.parametrize(
    ("garbage", "told"),
    [
        (b" " * (1 << 23) + b"\n", "line 2: is longer than 8,388,608 bytes"),
        (b"\n" * 100_000, "is one of more than 100,000 lines"),
    ],
)
def test_a_file_of_garbage_is_read_only_as_far_as_the_bounds(garbage: bytes, told: str) -> None:
    with pytest.raises(SessionError, match=told):
        read(header().encode() + garbage)


@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from([header().encode(), answer().encode(), answer(order=2, image_id="b").encode()])
        | st.dictionaries(
            st.sampled_from([*SessionAnswer.model_fields, *Header.model_fields]),
            st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=3),
            max_size=6,
        ).map(lambda line: json.dumps(line).encode() + b"\n"),
        max_size=6,
    )
)
def test_any_bytes_are_a_session_or_refused(lines: list[bytes]) -> None:
    try:
        found = read(b"".join(lines))
    except SessionError as error:
        told = str(error)
    else:
        assert read(session_bytes(found)).answers == found.answers
        told = "x.jsonl"
    assert "x.jsonl" in told


# ------------------------------------------------------------------------------------------------------- the schema


@pytest.fixture
def docs(script: Callable[[str], ModuleType]) -> Any:
    """The writer of the published schema."""
    return script("docs/make_session_schema.py")


def test_the_published_schema_and_page_are_current(docs: Any) -> None:
    assert docs.SCHEMA.read_text() == docs.schema_text(), "run python docs/make_session_schema.py"
    page = docs.PAGE.read_text()
    assert page == docs.filled(page), "run python docs/make_session_schema.py"


def test_the_schema_takes_what_is_written_and_refuses_what_is_wrong() -> None:
    schema = Draft202012Validator(session_schema())
    Draft202012Validator.check_schema(session_schema())
    for line in session_bytes(SESSION).splitlines():
        assert schema.is_valid(json.loads(line))
    for line in (header(version=2), header(red=1), answer(cells=[0]), answer(label="TB"), answer(image_sha256="0")):
        assert not schema.is_valid(json.loads(line))


def test_the_example_of_the_page_is_a_session(docs: Any) -> None:
    example = docs.PAGE.read_text().split("```json\n")[1].split("```")[0]
    assert [one.image_id for one in read(example).answers] == ["CHNCXR_0327_1", "CHNCXR_0012_0"]
