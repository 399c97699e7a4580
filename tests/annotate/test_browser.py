"""The page in a real browser: a reader answers by mouse, by keyboard and by finger, and nothing is ever lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imil_sim import api
from imil_sim.annotate import AnnotationSession, read_questions
from imil_sim.engine.results import RunResult
from imil_sim.sessions import (
    SessionAnswer,
    read_session,
)
from imil_sim.study.study import parse_study

pytestmark = pytest.mark.browser

STUDY: dict[str, Any] = {
    "name": "folder",
    "seeds": 1,
    "images": {"source": "phantom", "size": 32, "train": 80, "test": 8},
    "model": {"name": "resnet10"},
    "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.01},
    "feedback": {"imil_epoch": 1, "num_outliers": 20},
}


class SessionFolder:
    """`imil-sim annotate` in a process of its own, and pages that are open at it."""

    def __init__(self, browser: Any, questions: Path) -> None:
        self.browser, self.questions = browser, questions
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.running: subprocess.Popen[str] | None = None
        self.contexts: list[Any] = []

    def start(self, *more: str) -> None:
        command = [sys.executable, "-m", "imil_sim", "annotate", str(self.questions), "--no-browser", *more]
        self.running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.running.stdout is not None
        for line in self.running.stdout:
            if line.startswith("the page is at "):
                self.url = line.split()[-1]
                return
        pytest.fail(f"it ended with {self.running.wait()}")

    def stop(self, number: int = signal.SIGKILL) -> int:
        if self.running is None:
            return 0
        os.kill(self.running.pid, number)
        self.running.communicate(timeout=30)
        code, self.running = self.running.returncode, None
        return code

    def page(self, width: int = 1280, height: int = 900, **more: Any) -> Page:
        context = self.browser.new_context(viewport={"width": width, "height": height}, **more)
        self.contexts.append(context)
        return Page(self, context.new_page())

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        self.stop()


class Page:
    """One page, and what a hand does with it."""

    def __init__(self, folder: SessionFolder, page: Any) -> None:
        self.folder, self.page = folder, page
        page.set_default_timeout(10_000)
        page.on("console", lambda message: folder.errors.append(message.text))
        page.on("pageerror", lambda error: folder.errors.append(str(error)))
        page.on("request", lambda request: self._watch(request.url))
        self.open()

    def _watch(self, url: str) -> None:
        if not url.startswith(self.folder.url):
            self.folder.elsewhere.append(url)

    def open(self) -> None:
        self.page.goto(self.folder.url)
        self.ready()

    def ready(self) -> None:
        self.page.locator("canvas:focus[aria-busy=false]").wait_for()

    def at(self, number: int) -> None:
        """Wait until that image, from 1, is on the screen."""
        self.page.get_by_role("heading", name=re.compile(rf"^Image {number} of ")).wait_for()
        self.ready()

    def middle(self, cell: int, side: int = 4) -> tuple[float, float]:
        """Where the middle of a cell is on the screen."""
        box = self.page.locator("canvas").bounding_box()
        row, col = divmod(cell - 1, side)
        return box["x"] + (col + 0.5) * box["width"] / side, box["y"] + (row + 0.5) * box["height"] / side

    def click(self, *cells: int) -> None:
        for cell in cells:
            self.page.mouse.click(*self.middle(cell))

    def drag(self, start: int, end: int) -> None:
        self.page.mouse.move(*self.middle(start))
        self.page.mouse.down()
        self.page.mouse.move(*self.middle(end))
        self.page.mouse.up()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def says(self, text: str, where: str = "body") -> None:
        """Wait until the page says so."""
        self.page.locator(where).filter(has_text=text).first.wait_for()

    @contextmanager
    def kept(self, *cells: int, reason: str = "") -> Iterator[None]:
        """Wait until the page knows that the server has the draft that what is done within ends with; () is none."""

        def is_it(request: Any) -> bool:
            given = request.post_data_json if "/drafts/" in request.url else {}
            return bool((given.get("cells"), given.get("reason")) == (list(cells) or None, reason))

        with self.page.expect_request_finished(is_it) as said:
            yield
        assert said.value.response().json() == {"kept": True}
        self.page.evaluate("keeping")

    def focus(self) -> None:
        """Come back from another window; wait until the page has what was done there."""
        self.page.evaluate("refresh()")

    def text(self, where: str) -> str:
        return str(self.page.locator(where).inner_text())


@pytest.fixture
def folder(chromium: Any) -> Iterator[Callable[[Path], SessionFolder]]:
    opened: list[SessionFolder] = []

    def made(questions: Path) -> SessionFolder:
        opened.append(SessionFolder(chromium, questions))
        opened[-1].start()
        return opened[-1]

    yield made
    for one in opened:
        one.close()


def run(store: Path, feedback: dict[str, Any]) -> RunResult:
    """The result of the study's one run, with that oracle."""
    arm = {"feedback": {"oracle": feedback["oracle"], "options": feedback["options"]}}
    study = parse_study({**STUDY, "arms": {"arm": arm}}, beside=store.parent)
    (result,) = api.run(study, store=store).stored
    return result


def given(path: Path) -> list[tuple[int, ...] | None]:
    return [answer.cells for answer in sorted(read_session(path).answers, key=lambda answer: answer.order)]


def as_masks(answers: tuple[SessionAnswer, ...], folder: Path) -> None:
    """The same cells as PNG masks; a skipped image has none."""
    for answer in answers:
        if answer.cells is not None:
            mask = np.zeros(16, dtype=np.uint8)
            mask[[cell - 1 for cell in answer.cells]] = 255
            (folder / answer.image_id).parent.mkdir(parents=True, exist_ok=True)
            large = np.kron(mask.reshape(4, 4), np.ones((8, 8), dtype=np.uint8))
            assert cv2.imwrite(str(folder / f"{answer.image_id}.png"), large)


def test_a_reader_answers_twenty_questions_and_the_study_goes_on_as_if_they_had_always_been_there(
    folder: Callable[[Path], SessionFolder], tmp_path: Path
) -> None:
    (tmp_path / "answers").mkdir()
    human = {"oracle": "human", "options": {"reader": "ada", "folder": str(tmp_path / "answers")}}
    waiting = run(tmp_path / "store", human)
    assert waiting.record.status == "waiting"
    (questions,) = (tmp_path / "store" / "questions").iterdir()
    session = tmp_path / "answers" / "ada-4x4.jsonl"
    at = folder(questions)
    page = at.page()
    expected: list[tuple[int, ...] | None] = []

    for number in range(1, 8):  # by mouse: a cell, a drag over three, one of them taken back
        page.at(number)
        page.click(number)
        page.drag(9, 11)
        page.click(10)
        page.page.get_by_role("button", name="Save and next").click()
        expected.append(tuple(sorted({number, 9, 11})))
        page.at(number + 1)
        assert given(session) == expected, "each is on disk before the next image shows"

    page.press("ArrowRight", "ArrowRight", "Space", "ArrowDown", "Space", "r")  # from where the mouse was
    page.page.keyboard.type("the model was focused on the marker, sni")  # letters are keys elsewhere
    page.page.reload()  # in the middle
    page.at(8)
    assert "2 of 16 cells chosen: 11 15" in page.text("#chosen"), "what was chosen and not yet saved is still there"
    assert page.page.locator("#reason").input_value() == "the model was focused on the marker, sni"
    page.press("Enter")
    expected.append((11, 15))

    for number in range(9, 13):  # by keyboard: all, none, all again, none, and the last cell of the first row
        page.at(number)
        page.press("i", "c", "u", "i", *["ArrowRight"] * number, "Space", "Enter")
        expected.append((4,))
    page.at(13)
    assert given(session) == expected

    with page.kept(*range(1, 17)):
        page.press("a")
    assert at.stop() == -signal.SIGKILL
    page.press("Enter")
    page.says("Not saved. The server does not answer.")
    page.says("so is what you chose and wrote here: the new page shows it")
    assert given(session) == expected
    at.start()
    page.open()
    page.at(13)
    assert page.text("#answered") == "12 answered"
    page.says("This was chosen here before and is not saved yet.")
    assert page.text("#chosen") == "all cells chosen"

    page.press("Enter")
    page.at(14)
    page.press("s")
    page.at(15)
    page.press("Enter")
    page.says("No cell is chosen.")
    page.press("Enter")
    page.at(16)
    expected += [tuple(range(1, 17)), None, ()]
    for number in range(16, 21):
        page.at(number)
        page.click(number - 10)
        page.press("Enter")
        expected.append((number - 10,))
    page.says("All images are answered", "dialog[open]")
    assert given(session) == expected
    assert at.stop(signal.SIGINT) == 0

    recorded = read_session(session)
    assert recorded.answers[7].reason == "the model was focused on the marker, sni"
    assert 0 < sum(answer.seconds or 0 for answer in recorded.answers) < 60
    resumed = run(tmp_path / "store", human)
    assert resumed.record.status == "done"
    as_masks(recorded.answers, tmp_path / "masks")
    replay = {"oracle": "replay", "options": {"session": str(session)}}
    masks = {"oracle": "replayed-masks", "options": {"folder": str(tmp_path / "masks"), "threshold": 1.0}}
    for oracle in (replay, masks):
        again = run(tmp_path / "afresh", oracle)
        assert [answer.cells for answer in again.record.consultations[0].answers] == expected
        for predictions in sorted(resumed.folder.glob("predictions-*.npz")):
            assert predictions.read_bytes() == (again.folder / predictions.name).read_bytes()
    assert at.elsewhere == []
    assert [error for error in at.errors if "ERR_CONNECTION_REFUSED" not in error] == []


def test_fault_45_of_two_windows_the_slower_is_shown_what_is_there(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    one, two = at.page(), at.page()
    one.click(1, 2)
    two.click(5)
    two.press("r")
    two.page.keyboard.type("mine")
    one.press("Enter")
    one.at(2)
    two.press("Control+Enter")
    two.says("answered meanwhile in another window")
    assert two.text("#chosen") == "2 of 16 cells chosen: 1 2 (saved)"
    assert given(answers / "ada-4x4.jsonl") == [(1, 2)]
    two.press("Escape", "u")
    assert two.text("#chosen") == "1 of 16 cells chosen: 5"
    two.press("Enter")
    two.at(2)
    assert given(answers / "ada-4x4.jsonl") == [(5,)], "now the reader has seen what it replaces"
    one.press("p")
    one.at(1)
    one.page.evaluate("window.dispatchEvent(new Event('focus'))")
    one.says("1 of 16 cells chosen: 5 (saved)", "#chosen")
    assert [error for error in at.errors if "409" not in error] == []


def test_fault_52_a_folder_of_answers_that_vanishes_leaves_the_choice_on_the_page_to_be_saved_once_it_is_back(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    page = folder(put()).page()
    page.click(1)
    page.press("Enter")
    page.at(2)
    away = answers.rename(answers.with_name("away"))
    answers.mkdir()
    page.click(5)
    page.press("Enter")
    page.says("Not saved; what you chose and wrote stays in this window.", "#notice")
    page.says("Was the folder unmounted, moved or emptied? Bring it back and save again.", "#notice")
    assert page.text("#chosen") == "1 of 16 cells chosen: 5"
    answers.rmdir()
    away.rename(answers)
    page.press("Enter")
    page.at(3)
    assert given(answers / "ada-4x4.jsonl") == [(1,), (5,)]


def test_fault_45_a_draft_that_saw_the_focus_come_back_still_replaces_what_it_was_begun_on(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    one, two = at.page(), at.page()
    one.click(5)
    one.press("r")
    one.page.keyboard.type("mine")
    two.click(1, 2)
    two.press("Enter")
    two.at(2)
    one.focus()
    assert one.text("#answered") == "1 answered"
    assert one.text("#chosen") == "1 of 16 cells chosen: 5", "the reader is at it"
    one.press("Escape", "Enter")
    one.says("Not saved: this image was answered meanwhile in another window")
    assert given(answers / "ada-4x4.jsonl") == [(1, 2)], "nobody has seen that answer here before it was replaced"
    assert one.text("#chosen") == "2 of 16 cells chosen: 1 2 (saved)"
    assert one.page.locator("#reason").input_value() == ""
    one.press("u")
    assert one.text("#chosen") == "1 of 16 cells chosen: 5"
    assert one.page.locator("#reason").input_value() == "mine"
    one.press("Enter")
    one.at(2)
    (answer,) = read_session(answers / "ada-4x4.jsonl").answers
    assert (answer.cells, answer.reason) == ((5,), "mine")
    assert [error for error in at.errors if "409" not in error] == []


def test_fault_45_a_draft_that_was_overtaken_while_another_image_was_shown_can_be_brought_back(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    one, two = at.page(), at.page()
    one.click(5)
    one.press("r")
    one.page.keyboard.type("mine")
    one.press("Escape", "n")
    one.at(2)
    two.click(1, 2)
    two.press("Enter")
    two.at(2)
    one.page.evaluate("window.dispatchEvent(new Event('focus'))")
    one.says("1 answered", "#answered")
    one.press("p")
    one.at(1)
    one.says("This image was answered meanwhile in another window")
    assert one.text("#chosen") == "2 of 16 cells chosen: 1 2 (saved)"
    one.press("a", "u", "u")
    assert one.text("#chosen") == "1 of 16 cells chosen: 5"
    assert one.page.locator("#reason").input_value() == "mine"
    one.page.locator("#reason").fill("mine, and more")
    one.press("Escape", "c", "u")
    assert one.page.locator("#reason").input_value() == "mine, and more", "taking back cells takes back no words"
    assert given(answers / "ada-4x4.jsonl") == [(1, 2)]
    assert at.errors == []


def test_a_tablet_tap_drag_pinch_and_everything_large_enough_to_be_hit(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    page = at.page(820, 1180, has_touch=True, color_scheme="dark")
    tap, screen = page.page.touchscreen.tap, page.page.context.new_cdp_session(page.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        said = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": said})

    tap(*page.middle(6))
    assert page.text("#chosen") == "1 of 16 cells chosen: 6"
    touch("touchStart", page.middle(9))
    touch("touchMove", page.middle(11))
    touch("touchEnd")
    assert page.text("#chosen") == "4 of 16 cells chosen: 6 9 10 11"
    touch("touchStart", page.middle(6))
    touch("touchStart", page.middle(6), page.middle(7))
    touch("touchMove", page.middle(5), page.middle(8))
    touch("touchEnd")
    assert int(page.text("#zoom-value").rstrip("%")) > 150
    assert page.text("#chosen") == "4 of 16 cells chosen: 6 9 10 11", "two fingers choose nothing"
    page.page.get_by_role("button", name="Reset view").tap()
    assert page.text("#zoom-value") == "100%"
    page.page.get_by_role("button", name="Save and next").tap()
    page.at(2)
    assert given(answers / "ada-4x4.jsonl") == [(6, 9, 10, 11)]
    sizes = page.page.evaluate(
        "[...document.querySelectorAll('button, input, textarea')].filter((e) => e.checkVisibility())"
        ".map((e) => [e.id, e.getBoundingClientRect()]).filter(([id, box]) => box.width < 44 || box.height < 44)"
    )
    assert sizes == []
    assert page.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        820,
        1180,
    ]
    assert (at.errors, at.elsewhere) == ([], [])


def test_after_the_server_has_stopped_the_old_page_says_what_is_kept_and_the_new_one_has_it(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    page = at.page()
    with page.kept(5, reason="m"):
        page.click(5)
        page.press("r", "m")
    at.stop()
    page.page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.says("The server does not answer. Where it has stopped, run the same imil-sim annotate command again")
    page.says("so is what you chose and wrote here: the new page shows it", "#notice")
    page.press("Escape")
    page.click(6)
    page.says("What you changed here since is kept by this window only", "#notice")
    at.start()
    other = at.page()  # of another browser, at another port
    other.at(1)
    assert other.text("#chosen") == "1 of 16 cells chosen: 5"
    assert other.page.locator("#reason").input_value() == "m"
    other.press("Enter")
    other.at(2)
    (answer,) = read_session(answers / "ada-4x4.jsonl").answers
    assert (answer.cells, answer.reason) == ((5,), "m")
    assert [one.name for one in answers.iterdir()] == ["ada-4x4.jsonl"], "a draft that was saved is gone"
    assert page.page.evaluate("localStorage.length") == 0, "nothing outlives the window in the browser"
    assert [error for error in at.errors if "ERR_CONNECTION_REFUSED" not in error] == []


def test_fault_45_a_window_takes_back_no_draft_but_its_own(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    one, two = at.page(), at.page()
    posted: list[Any] = []
    two.page.on("request", lambda request: "/drafts/" in request.url and posted.append(request.post_data_json))
    with one.kept(5):
        one.click(5)
    two.focus()
    two.press("n")
    two.at(2)
    two.press("p")
    two.at(1)
    assert two.text("#chosen") == "0 of 16 cells chosen", "it goes on with what it showed"
    two.page.reload()
    two.ready()
    assert posted == [], "it looked at the image, and chose nothing"

    with two.kept(9):
        two.click(9)
    one.focus()
    one.press("u")
    assert one.text("#chosen") == "0 of 16 cells chosen"
    one.press("n")
    one.at(2)
    at.stop()
    at.start()
    three = at.page()
    assert three.text("#chosen") == "1 of 16 cells chosen: 9"
    with three.kept():
        three.click(9)
    assert list(answers.iterdir()) == [], "what it took over it may take back"
    with three.kept(1):
        three.click(1)
    three.page.reload()
    three.ready()
    with three.kept():
        three.click(1)
    assert list(answers.iterdir()) == []
    assert [error for error in at.errors if "ERR_CONNECTION_REFUSED" not in error] == []


def overtaken(at: SessionFolder) -> Page:
    """A window that chose 5 on the first image, and does not know that another one has saved 9 since."""
    one, two = at.page(), at.page()
    with one.kept(5):
        one.click(5)
    two.click(9)
    two.press("Enter")
    two.at(2)
    return one


def test_fault_45_what_another_window_saved_since_is_not_promised_to_be_shown(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path]
) -> None:
    at = folder(put())
    one = overtaken(at)
    at.stop()
    one.page.evaluate("window.dispatchEvent(new Event('focus'))")
    one.says("the new page shows it, unless another window has changed or saved this image since", "#notice")
    at.start()
    three = at.page()
    three.press("p")  # the first image, which is not the first without an answer any more
    three.at(1)
    assert three.text("#chosen") == "1 of 16 cells chosen: 9 (saved)"


def test_fault_45_a_draft_that_the_server_did_not_take_is_not_said_to_be_kept(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path]
) -> None:
    at = folder(put())
    one = overtaken(at)
    with one.page.expect_request_finished(lambda request: "/drafts/" in request.url) as said:
        one.click(6)
    assert said.value.response().json() == {"kept": False}
    one.press("u")
    at.stop()
    one.page.evaluate("window.dispatchEvent(new Event('focus'))")
    one.says("What you changed here since is kept by this window only", "#notice")


def test_a_server_that_was_only_out_of_reach_is_said_to_answer_again_and_gets_what_was_chosen_meanwhile(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path]
) -> None:
    at = folder(put())
    page = at.page()
    page.page.route("**/*", lambda route: route.abort())
    page.click(5)
    page.says("The server does not answer.", "#notice")
    page.says("kept by this window only", "#notice")
    page.page.unroute("**/*")
    with page.kept(5):
        page.focus()
    page.says("The server answers again. What is not saved yet can be saved.", "#notice")
    page.press("n")
    page.at(2)
    page.page.route("**/*", lambda route: route.abort())
    page.press("n")
    page.says("The server does not send the image.", "#notice")
    page.page.unroute("**/*")
    page.press("p")
    page.at(2)
    page.says("The server answers again.", "#notice")
    assert [error for error in at.errors if "ERR_FAILED" not in error] == []


def test_what_is_taken_back_while_the_server_is_being_sent_is_sent_too(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path]
) -> None:
    at = folder(put())
    page = at.page()
    with page.kept(5):
        page.click(5)
    held: list[Any] = []
    page.page.route("**/drafts/0", lambda route: route.continue_() if held else held.append(route))
    page.click(6)
    while not held:
        page.page.wait_for_timeout(10)
    page.press("u")
    with page.kept(5):
        held[0].continue_()
    at.stop()
    at.start()
    assert at.page().text("#chosen") == "1 of 16 cells chosen: 5"


def test_the_image_does_not_take_the_keyboard_from_a_reader_who_is_typing_already(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path]
) -> None:
    page = folder(put()).page()
    held: list[Any] = []
    page.page.route("**/image/1.png", lambda route: held.append(route))
    page.press("n", "r")
    page.page.keyboard.type("th")
    page.says("Image 2", "#place")
    while not held:
        page.page.wait_for_timeout(10)
    held[0].continue_()
    page.page.locator("canvas[aria-busy=false]").wait_for()
    page.page.keyboard.type("is")
    assert page.page.locator("#reason").input_value() == "this"


def test_a_page_of_an_earlier_start_at_the_same_port_says_so(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    page = at.page()
    with page.kept(5):
        page.click(5)
    at.stop()
    at.start("--port", at.url.split(":")[2].split("/")[0])
    page.press("Enter")
    page.says("Not saved. The server was started again: open the address that it printed then.", "#notice")
    page.says("so is what you chose and wrote here: the new page shows it", "#notice")
    page.open()
    assert page.text("#chosen") == "1 of 16 cells chosen: 5"
    assert not (answers / "ada-4x4.jsonl").exists()


def test_skipping_what_was_chosen_is_asked_back_and_after_the_mouse_the_keys_are_for_the_image(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    at = folder(put())
    page = at.page()
    page.click(5)
    page.press("s")  # typed for a reason, say
    page.says("Cells are chosen. Skip once more to give no answer all the same", "#notice")
    assert page.text("#skip") == "Yes, skip it"
    page.page.get_by_role("button", name="Invert").click()
    assert page.text("#skip") == "Skip"
    page.press("Enter")
    page.at(2)
    page.click(5)
    page.press("s", "s")
    page.at(3)
    assert given(answers / "ada-4x4.jsonl") == [tuple(cell for cell in range(1, 17) if cell != 5), None]
    assert at.errors == []


def test_the_help_shows_its_beginning_in_a_low_window_and_the_sliders_say_their_units(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path]
) -> None:
    page = folder(put()).page(1280, 600)
    page.press("?")
    page.says("How to answer", "dialog[open]")
    assert page.page.evaluate("document.getElementById('help').scrollTop") == 0
    page.press("Escape", "h", "+")
    said = [page.page.locator(f"#{name}").get_attribute("aria-valuetext") for name in ("heat", "zoom")]
    assert said == ["off", "125%"]


def test_how_it_is_looked_at_changes_what_is_seen_and_not_what_is_answered(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path]
) -> None:
    page = folder(put()).page()

    def seen() -> str:
        page.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return str(page.page.evaluate("document.getElementById('image').toDataURL()"))

    pictures = [seen()]
    for keys in (["h"], ["h", "]"], ["w"] * 4, ["l"] * 4, ["+"], ["Shift+ArrowRight"]):
        page.press(*keys)
        pictures.append(seen())
    assert len(set(pictures)) == len(pictures)
    page.press("0", "[")
    assert seen() == pictures[0]
    page.page.locator("#window").fill("100")
    assert seen() != pictures[0]
    page.press("Escape", "0", "?")
    page.says("How to answer", "dialog[open]")
    page.press("a", "Escape")
    assert page.text("#chosen") == "0 of 16 cells chosen", "under the help no key does anything"
    page.page.mouse.move(*page.middle(16))
    page.page.mouse.wheel(0, -500)
    page.click(16)
    assert page.text("#chosen") == "1 of 16 cells chosen: 16", "enlarged about the pointer, the cell stays under it"


def test_fault_35_markup_in_an_id_and_in_a_reason_is_text(
    folder: Callable[[Path], SessionFolder], put: Callable[..., Path], answers: Path
) -> None:
    nasty = "<img src=x onerror=document.title=1> & <b>"
    questions = put(ids=(nasty,))
    at = folder(questions)
    page = at.page()
    assert page.text("#image-id").startswith(nasty)
    page.click(1)
    page.page.locator("#reason").fill(nasty)
    page.press("Control+Enter")
    page.at(2)
    page.press("p")
    page.at(1)
    page.page.reload()
    page.ready()
    assert page.page.locator("#reason").input_value() == nasty
    asked = read_questions(questions)
    first = AnnotationSession(asked, asked.folder_of(None)).answers()[0]
    assert first is not None
    assert first.reason == nasty
    assert page.page.title() == "Which cells matter? - imil-sim"
    assert (at.errors, at.elsewhere) == ([], [])
