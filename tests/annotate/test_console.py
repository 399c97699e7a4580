from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from imil_sim.annotate import AnnotationSession, Given
from imil_sim.annotate.console import Misread, cells_in, converse, drawn
from imil_sim.feedback import Grid
from imil_sim.sessions import read_session


class Talk:
    """A person who types these lines and then leaves."""

    def __init__(self, *lines: str) -> None:
        self.lines: Iterator[str] = iter(lines)
        self.said: list[str] = []
        self.shown: list[str] = []

    def ask(self, prompt: str) -> str:
        self.said.append(prompt)
        try:
            return next(self.lines)
        except StopIteration:
            raise EOFError from None

    def show(self, picture: Path) -> None:
        assert cv2.imread(str(picture)) is not None
        self.shown.append(picture.name)

    def with_(self, session: AnnotationSession) -> Talk:
        converse(session, self.ask, self.said.append, self.show)
        return self


def test_nothing_and_taking_back_are_asked_back_once(session: AnnotationSession) -> None:
    talk = Talk("none", "3", "", "back", "skip", "none", "skip", "5", "", "back", "back", "skip", "skip", "", "quit")
    with pytest.raises(EOFError):
        talk.with_(session)
    first, *others = session.answers()
    assert first is not None
    assert (first.abstained, others) == (True, [None] * 6)
    assert sum("type none again" in line for line in talk.said) == 2
    assert sum("type skip again" in line for line in talk.said) == 3


def test_all_questions_in_a_row_and_one_gone_back_to(session: AnnotationSession) -> None:
    talk = Talk(
        "5 6, 9", "the apex", "none", "none", "", "all", "", "skip", "rotated", "back", "16", "",
        "0", "17", "6 x", "", "1", "", "quit",
    )  # fmt: skip
    with pytest.raises(EOFError):
        talk.with_(session)
    said = [None if answer is None else (answer.cells, answer.reason) for answer in session.answers()]
    assert said == [
        ((5, 6, 9), "the apex"), ((), ""), (tuple(range(1, 17)), ""), ((16,), ""), ((1,), ""), None, None,
    ]  # fmt: skip
    assert talk.shown == ["001.png", "002.png", "003.png", "004.png", "005.png", "004.png", "005.png", "006.png"]
    image = session.questions.images[0]
    assert f'image 1 of 7, "{image.image_id}": the model says TB ({image.confidence:.0%}), it is normal' in "".join(
        talk.said
    )
    assert "answered: skipped (rotated)" in talk.said
    assert sum("is no cell; the cells are 1 to 16" in line for line in talk.said) == 4
    Talk("2", "", "3", "").with_(session)  # it goes on where it was left, and ends by itself
    assert None not in session.answers()


def test_what_another_window_answered_meanwhile_is_shown_and_kept(session: AnnotationSession) -> None:
    class Slow(Talk):
        def ask(self, prompt: str) -> str:
            if prompt.startswith("reason") and session.answers()[0] is None:
                session.save(0, Given(cells=(9,)))
            return super().ask(prompt)

    talk = Slow("1", "", "back", "quit")
    with pytest.raises(EOFError):
        talk.with_(session)
    first = session.answers()[0]
    assert first is not None
    assert first.cells == (9,)
    assert "answered: 9" in talk.said


def test_a_line_that_is_no_text_is_asked_for_again_and_no_reason_moves_the_cursor(session: AnnotationSession) -> None:
    session.save(1, Given(cells=(2,), reason="up\x1b[2J\r\nhere\u202e"))
    talk = Talk("1\udcff", "1", "caf\udce9", "at the apex", "back", "back", "quit")
    with pytest.raises(EOFError):
        talk.with_(session)
    assert r"answered: 2 (up\x1b[2J\r\nhere\u202e)" in talk.said
    first = session.answers()[0]
    assert first is not None
    assert first.reason == "at the apex"
    assert sum("that line held characters that cannot be read" in line for line in talk.said) == 2


def test_no_byte_that_is_typed_and_no_letter_that_the_terminal_has_not_ends_the_session(
    put: Callable[..., Path], answers: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "imil_sim",
        "annotate",
        str(put(ids=("\u00e4rztin",))),
        "--console",
        "--no-browser",
    ]
    done = subprocess.run(
        command,
        input=b"caf\xe9\n6\n\xff\nthe apex\nquit\n",
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
    )
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.count(b"that line held characters that cannot be read") == 2
    assert b'image 1 of 7, "\\xe4rztin"' in done.stdout
    (answer,) = read_session(answers / "ada-4x4.jsonl").answers
    assert (answer.image_id, answer.cells, answer.reason) == ("\u00e4rztin", (6,), "the apex")


def test_numbers_are_read_strictly() -> None:
    grid = Grid(4, 4)
    assert cells_in("16 2,2, 1", grid) == (1, 2, 16)
    assert cells_in("5-7, 6 1", grid) == (1, 5, 6, 7)
    assert (cells_in("none", grid), cells_in("all", grid)) == ((), tuple(range(1, 17)))
    for typed in ("", "0", "17", "-1", "1.5", "٣", "1 2 x", "9" * 5000, "none 1", "7-5", "1-17", "0-2", "1-", "-"):
        with pytest.raises(Misread, match="is no cell"):
            cells_in(typed, grid)


def test_the_picture_shows_image_and_heat_map_with_the_numbers_of_the_cells(session: AnnotationSession) -> None:
    image = session.questions.images[0]
    picture = drawn(image, Grid(4, 4))
    assert picture.shape == (640, 2 * 640 + 16, 3)
    left, right = picture[:, :640], picture[:, 656:]
    grey = np.abs(left.astype(int) - left[..., :1]).max(axis=2) == 0
    assert grey.mean() > 0.9, "the image itself stays grey"
    assert left[100, 100, 0] == pytest.approx(int(image.image[10, 10]), abs=12)
    assert not np.array_equal(left, right)
