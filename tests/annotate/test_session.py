from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil_sim.annotate import AnnotationSession, Given, Stale, read_questions
from imil_sim.annotate.session import MOST_DRAFTS, version
from imil_sim.errors import SessionError, UsageError
from imil_sim.sessions import read_session
from imil_sim.testing import sample_questions
from imil_sim_oracles.human import Human

Put = Callable[..., Path]


def given(*cells: int, **more: Any) -> Given:
    return Given(cells=cells, **more)


def sit(folder: Path) -> AnnotationSession:
    asked = read_questions(folder)
    return AnnotationSession(asked, asked.folder_of(None))


def test_what_is_saved_is_what_the_oracle_answers(session: AnnotationSession, answers: Path) -> None:
    session.save(0, given(1, 6, reason="the apex", seconds=3.5))
    session.save(1, given())
    session.save(2, Given(cells=None, reason="rotated"))
    human, rng = Human("ada", str(answers)), np.random.default_rng(0)
    questions = sample_questions(grids=[session.questions.grid], shapes=[(64, 64)])
    first, second, third = (human.answer(question, rng) for question in questions[:3])
    assert (session.questions.grid.numbers(first.cells), first.note) == ((1, 6), "the apex")
    assert (session.questions.grid.numbers(second.cells), second.reason) == ((), "")
    assert (third.cells, third.reason) == (None, "rotated")
    assert [answer is None for answer in session.answers()] == [False] * 3 + [True] * 4


def test_the_session_says_who_was_asked_what_and_when(session: AnnotationSession) -> None:
    assert not session.path.exists()
    session.save(1, given(2, seconds=3.5))
    written = read_session(session.path)
    header, (answer,) = written.header, written.answers
    assert (header.reader, header.grid, header.film_size) == ("ada", (4, 4), (64, 64))
    assert (header.set_name, header.set_fingerprint, header.states) == (
        "images",
        "cd" * 32,
        (session.questions.sheet.state,),
    )
    assert (header.instructions, header.source) == (session.questions.instructions, "imil-sim annotate")
    image = session.questions.images[1]
    assert (answer.order, answer.consultation, answer.seconds) == (1, 1, 3.5)
    assert (answer.image_sha256, answer.cam_sha256) == (image.image_sha256, image.cam_sha256)
    assert (answer.label, answer.predicted, answer.confidence) == (image.label, image.predicted, image.confidence)


def test_fault_45_two_windows_leave_one_answer_and_the_slower_one_is_named(
    session: AnnotationSession, put: Put
) -> None:
    other = sit(put())  # another server for the same reader
    first = session.save(0, given(1))
    with pytest.raises(Stale) as stale:
        other.save(0, given(2))
    assert stale.value.there == first
    assert other.save(0, given(1)) == first, "the same answer twice is one answer"
    changed = other.save(0, given(3, replaces=version(first)))
    with pytest.raises(Stale) as stale:
        session.save(0, given(4, replaces=version(first)))
    assert stale.value.there == changed
    assert [answer.cells for answer in read_session(session.path).answers] == [(3,)]
    assert changed.order == 2, "an answer that was changed was given later"


def test_a_second_consultation_goes_on_in_the_same_session(session: AnnotationSession, put: Put) -> None:
    first = session.save(0, given(1))
    later = sit(put(2))
    assert later.answers()[0] == first, "the oracle would find it: what was answered once holds"
    second = later.save(0, given(2, replaces=version(first)))
    third = later.save(1, given(3))
    assert [answer.consultation for answer in (first, second, third)] == [1, 2, 2]
    written = read_session(session.path)
    assert written.header.states == (session.questions.sheet.state, later.questions.sheet.state)
    assert written.answers == (first, second, third)
    assert (session.answers()[0], later.answers()[0]) == (first, second), "each before its own heat-map"


def test_a_half_written_line_is_gone_and_the_others_are_there(session: AnnotationSession) -> None:
    first = session.save(0, given(1))
    whole = session.path.read_bytes()
    session.path.write_bytes(whole + b'{"order": 2, "image_')
    assert session.answers()[:2] == (first, None)
    second = session.save(1, given(2))
    assert read_session(session.path).answers == (first, second)


@pytest.mark.parametrize("cells", [(0,), (17,), (1, 10**9), (-1, 2)])
def test_a_cell_that_the_grid_has_not_is_refused_before_anything_is_written(
    session: AnnotationSession, cells: tuple[int, ...]
) -> None:
    with pytest.raises(UsageError, match="cells are numbers from 1 to 16"):
        session.save(0, given(*cells))
    assert not session.path.exists()


def test_a_session_of_other_classes_or_none_at_all_is_named_before_anybody_answers(
    session: AnnotationSession, put: Put
) -> None:
    session.save(0, given(1))
    session.path.write_text(session.path.read_text().replace('["normal","TB"]', '["no","yes"]'))
    with pytest.raises(UsageError, match="was recorded with the classes no, yes"):
        sit(put())
    session.path.write_text("{}\n")
    with pytest.raises(SessionError, match="line 1"):
        sit(put())


def test_two_studies_on_different_image_sets_do_not_share_a_session(session: AnnotationSession, put: Put) -> None:
    folder = put(2)
    sheet = folder / "questions.json"
    sheet.write_text(sheet.read_text().replace("cd" * 32, "ef" * 32))
    early = sit(folder)  # both were started before the first answer
    session.save(0, given(1))
    before = session.path.read_bytes()
    with pytest.raises(UsageError, match="name another reader or folder"):
        early.save(1, given(2))
    with pytest.raises(UsageError, match="name another reader or folder"):
        sit(folder)
    assert session.path.read_bytes() == before
    session.path.write_text(session.path.read_text().replace("[64,64]", "[32,32]").replace(f'"{"cd" * 32}"', "null"))
    with pytest.raises(UsageError, match="images of another size"):
        sit(put())


def test_a_session_may_be_a_link_to_a_file_and_is_not_begun_through_one_that_leads_nowhere(
    session: AnnotationSession, put: Put, answers: Path
) -> None:
    elsewhere = answers.parent / "elsewhere.jsonl"
    session.path.symlink_to(elsewhere)
    with pytest.raises(SessionError, match="remove the link"):
        session.save(0, given(1))
    with pytest.raises(SessionError, match="remove the link"):
        sit(put())
    assert not elsewhere.exists()
    elsewhere.touch()
    first = sit(put()).save(0, given(1))
    assert read_session(elsewhere).answers == (first,)
    assert session.path.is_symlink()


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_fault_52_a_folder_of_answers_that_vanishes_is_noticed_and_no_new_session_is_begun(
    session: AnnotationSession, answers: Path, begun: bool, left: str
) -> None:
    before = (session.save(0, given(1)),) if begun else ()
    away = answers.rename(answers.with_name("away"))
    if left == "an empty folder":  # as a place where nothing is mounted
        answers.mkdir()
    for change in (session.save, session.keep_draft):
        with pytest.raises(SessionError, match=r"Bring it back and save again"):
            change(1, given(2))
    assert not answers.exists() or list(answers.iterdir()) == []
    if answers.exists():
        answers.rmdir()
    away.rename(answers)
    second = session.save(1, given(2))
    assert read_session(session.path).answers == (*before, second)


def test_fault_52_a_session_that_was_removed_from_its_folder_is_not_begun_again(
    session: AnnotationSession, put: Put
) -> None:
    session.save(0, given(1))
    session.path.unlink()
    with pytest.raises(SessionError, match="run it again"):
        session.save(1, given(2))
    assert not session.path.exists()
    sit(put()).save(1, given(2))


@pytest.mark.parametrize("what", ["pixels", "label"])
def test_an_answer_about_another_image_of_that_name_is_kept_and_named_before_anybody_answers(
    session: AnnotationSession, put: Put, what: str
) -> None:
    first = session.save(0, given(1))
    pixels = session.questions.images[0].image_sha256
    old, new = (
        (pixels, "0" * 64) if what == "pixels" else (f'"label":{first.label}', f'"label":{1 - (first.label or 0)}')
    )
    text = session.path.read_text().replace(old, new)
    assert text != session.path.read_text()
    session.path.write_text(text)
    with pytest.raises(UsageError, match=r"other pixels or another label of 1 of these images, the first .* kept"):
        sit(put())
    with pytest.raises(UsageError, match="kept"):
        session.save(0, given(2))
    assert session.path.read_text() == text


def test_an_answer_that_does_not_say_about_which_pixels_makes_room_for_one_that_does(
    session: AnnotationSession,
) -> None:
    session.save(0, given(1))
    pixels = session.questions.images[0].image_sha256
    session.path.write_text(session.path.read_text().replace(f'"{pixels}"', "null", 1))
    assert session.answers()[0] is None
    answer = session.save(0, given(2))
    assert read_session(session.path).answers == (answer,)


def test_what_is_not_saved_is_kept_for_the_next_start_and_no_longer_than_it_is_needed(
    session: AnnotationSession, put: Put, answers: Path
) -> None:
    assert session.keep_draft(0, given(1, 6, reason="the apex"))
    assert session.keep_draft(1, given(reason="no cell yet"))
    assert session.keep_draft(0, given(1, 6, 7, reason="the apex"))
    (file,) = answers.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = sit(put())  # another start
    assert again.drafts() == (given(1, 6, 7, reason="the apex"), given(reason="no cell yet"), *[None] * 5)
    assert again.answers() == (None,) * 7, "a draft is no answer"
    assert sit(put(2)).drafts() == (None,) * 7, "another heat-map is another question"
    first = again.save(0, given(2))
    assert again.drafts()[:2] == (None, given(reason="no cell yet"))
    assert not again.keep_draft(0, given(1, 6, 7)), "it came after the answer that it became"
    assert again.keep_draft(0, given(3, replaces=version(first)))
    for number in (0, 1):
        assert again.keep_draft(number, Given(cells=None, replaces=version(again.answers()[number])))
    assert [one.name for one in answers.iterdir()] == ["ada-4x4.jsonl"]
    with pytest.raises(UsageError, match="cells are numbers from 1 to 16"):
        again.keep_draft(1, given(17))


def test_drafts_are_bounded_and_damaged_ones_keep_nobody_from_answering(
    session: AnnotationSession, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_DRAFTS > 7
    monkeypatch.setattr("imil_sim.annotate.session.MOST_DRAFTS", 2)
    for number in range(3):
        assert session.keep_draft(number, given(1))
    assert session.drafts() == (None, given(1), given(1), *[None] * 4), "the oldest go first"
    path = answers / ".ada-4x4.drafts.json"
    for data in (b"", b"{", b"\xff", b'{"drafts": [{}]}', b"[" * 100_000):
        path.write_bytes(data)
        assert session.drafts() == (None,) * 7
    session.save(0, given(1))
    assert session.keep_draft(1, given(2))
    assert session.drafts()[1] == given(2)


def test_the_role_stands_in_the_session_and_another_one_is_named(session: AnnotationSession, put: Put) -> None:
    def sit_as(role: str) -> AnnotationSession:
        return AnnotationSession(session.questions, session.folder, role)

    session.save(0, given(1))
    assert read_session(session.path).header.role == ""
    sit_as("resident").save(1, given(2))
    written = read_session(session.path)
    assert (written.header.role, len(written.answers)) == ("resident", 2), "what was unknown is known now"
    with pytest.raises(UsageError, match=r'whose role is "resident", not "radiologist"; leave --role out'):
        sit_as("radiologist")
    sit_as("").save(2, given(3))
    assert read_session(session.path).header.role == "resident"


@pytest.mark.parametrize("role", ["resi\ndent", "resident\udce9", "r" * 501, "\u202eresident"])
def test_a_role_that_no_session_can_hold_is_named_before_anybody_answers(session: AnnotationSession, role: str) -> None:
    with pytest.raises(UsageError, match=r"the session of ada cannot be begun:\n  - role: ") as said:
        AnnotationSession(session.questions, session.folder, role)
    assert str(said.value).isascii()
    assert len(str(said.value)) < 300


def test_a_class_that_no_session_can_name_is_named_before_anybody_answers(put: Put) -> None:
    folder = put()
    sheet = json.loads((folder / "questions.json").read_text())
    sheet["class_names"] = ["normal", "T\nB"]
    (folder / "questions.json").write_text(json.dumps(sheet))
    with pytest.raises(UsageError, match=r'class_names\.1: .*"T\\nB"'):
        sit(folder)


def test_an_empty_session_is_begun_anew_with_a_warning(session: AnnotationSession) -> None:
    assert session.warnings() == ()
    session.path.touch()
    assert "is empty, its writer was stopped before the first line; it is begun anew" in session.warnings()[0]
    first = session.save(0, given(1))
    assert read_session(session.path).answers == (first,)
    assert session.warnings() == ()
