from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from imil_sim.errors import OracleFailure
from imil_sim.feedback import Feedback, Grid, OracleError, OracleRecipe, Question, ask_together, make_oracle
from imil_sim.seeds import stream
from imil_sim.sessions.drawn import Drawn
from imil_sim.sessions.files import write_session
from imil_sim.sessions.session import Header, Session, SessionAnswer
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.lung_fields import LungFields
from imil_sim_oracles.replay import Replay

GRID = Grid(4, 4)
ONE, TWO, THREE, *_ = sample_questions(grids=[GRID], shapes=[(64, 64)])


def answered(question: Question, order: int, cells: tuple[int, ...] | None, **changes: object) -> SessionAnswer:
    return SessionAnswer.model_validate(
        {
            "order": order,
            "image_id": question.image_id,
            "image_sha256": question.image_sha256,
            "label": question.label,
            "cam_sha256": question.cam_sha256,
            "abstained": cells is None,
            "cells": cells,
            **changes,
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.jsonl"


def write(path: Path, *answers: SessionAnswer, grid: Grid = GRID) -> str:
    write_session(path, Session(Header(reader="r", grid=grid.shape), answers))
    return str(path)


def ask(oracle: Replay, *questions: Question) -> list[Feedback]:
    return list(ask_together(oracle, questions, [stream(0, "oracle", 1, q.image_id) for q in questions]))


def numbers(feedback: Feedback, grid: Grid = GRID) -> tuple[int, ...] | None:
    return None if feedback.cells is None else grid.numbers(feedback.cells)


def test_it_keeps_the_promises_of_an_oracle(path: Path) -> None:
    questions = sample_questions(grids=[GRID])
    answers = [answered(q, i, (i % 16 + 1,) if i % 3 else None) for i, q in enumerate(questions[:-2], 1)]
    check_oracle(Replay(write(path, *answers), missing="skip"), questions)
    fallback = OracleRecipe("random-cells", {"count": 3})
    check_oracle(Replay(str(path), missing="fallback", fallback=fallback), questions)


def test_the_three_answers_stay_three_and_keep_their_words(path: Path) -> None:
    write(path, answered(ONE, 1, (3, 7), reason="focus"), answered(TWO, 2, ()), answered(THREE, 3, None, reason="no"))
    one, two, three = ask(Replay(str(path)), ONE, TWO, THREE)
    assert (numbers(one), one.note, one.reason) == ((3, 7), "focus", "")
    assert (numbers(two), two.note) == ((), "")
    assert (three.cells, three.reason) == (None, "no")
    write(path, answered(THREE, 3, None))
    assert ask(Replay(str(path)), THREE)[0].reason == "the recorded reader skipped the image"


def test_a_image_of_several_consultations_gets_the_answer_before_the_same_heat_map(path: Path) -> None:
    write(
        path,
        answered(ONE, 1, (1,)),
        answered(ONE, 2, (2,), consultation=2, cam_sha256="0" * 64),
        answered(ONE, 3, (3,), consultation=3, cam_sha256="1" * 64),
    )
    other = dataclasses.replace(ONE, cam=np.zeros_like(ONE.cam))
    assert [numbers(a) for a in (*ask(Replay(str(path)), ONE), *ask(Replay(str(path)), other))] == [(1,), (3,)]


def test_before_equal_heat_maps_each_consultation_gets_its_own_answer(path: Path) -> None:
    write(
        path,
        answered(ONE, 1, None, reason="no"),
        answered(ONE, 2, (2,), consultation=2),
        answered(ONE, 3, (3,), consultation=3),
        answered(ONE, 4, (4,), consultation=4, cam_sha256="0" * 64),
    )
    asked = [dataclasses.replace(ONE, consultation=number) for number in (1, 2, 3, 4)]
    given = [ask(Replay(str(path)), question)[0] for question in asked]
    # Before that heat-map there was no fourth consultation: the last of those before it holds.
    assert [numbers(feedback) for feedback in given] == [None, (2,), (3,), (3,)]
    assert given[0].reason == "no"


def test_strictly_pixels_label_and_grid_must_agree(path: Path) -> None:
    write(path, answered(ONE, 1, (1,)), answered(TWO, 2, (2,), image_sha256=None, label=None))
    strict, lenient = Replay(str(path)), Replay(str(path), strict=False)
    image = ONE.image.copy()
    image[0, 0] ^= 1
    other = dataclasses.replace(ONE, image=image, label=1, grid=Grid(2, 2))
    with pytest.raises(OracleFailure) as caught:
        ask(strict, other, TWO)
    for message in (
        f'image "{ONE.image_id}": recorded on other pixels',
        f'image "{ONE.image_id}": recorded with label 0',
        f'image "{ONE.image_id}": recorded on a grid of 4 x 4',
        f'image "{TWO.image_id}": recorded without the SHA-256 of its pixels',
        f'image "{TWO.image_id}": recorded without its label',
    ):
        assert message in str(caught.value)
    one, two = ask(lenient, other, TWO)
    assert numbers(one, Grid(2, 2)) == (1,)
    assert one.note == "recorded on other pixels; recorded with label 0; recorded on a grid of 4 x 4"
    assert (numbers(two), two.note) == ((2,), "")


def test_what_was_drawn_is_laid_under_another_grid(path: Path) -> None:
    drawn = Drawn(width=900, height=900, boxes=((700, 0, 900, 100),))
    write(path, answered(ONE, 1, (16,), drawn=drawn))
    fine = dataclasses.replace(ONE, grid=Grid(9, 9))
    lenient = Replay(str(path), strict=False)
    assert numbers(ask(lenient, ONE)[0]) == (16,)
    assert numbers(ask(lenient, fine)[0], Grid(9, 9)) == (8, 9)
    write(path, answered(ONE, 1, (1,), drawn=Drawn(width=2, height=2, mask=(0, 4))), grid=Grid(2, 2))
    with pytest.raises(OracleFailure, match="a grid of 4 rows was asked for"):
        ask(Replay(str(path), strict=False), ONE)


def test_what_becomes_of_a_image_without_an_answer(path: Path) -> None:
    write(path, answered(ONE, 1, (1,)))
    with pytest.raises(
        OracleFailure, match=r'no answer about 2 of 3 images: image "normal/without-masks.*choose what to'
    ):
        ask(Replay(str(path)), ONE, TWO, THREE)
    one, two, three = ask(Replay(str(path), missing="skip"), TWO, ONE, THREE)
    assert [numbers(a) for a in (one, two, three)] == [None, (1,), None]
    assert one.reason == "no recorded answer about this image"
    one, two = ask(Replay(str(path), missing="fallback", fallback=OracleRecipe("lung-fields")), ONE, THREE)
    expected = LungFields().answer(THREE, np.random.default_rng(0))
    assert numbers(one) == (1,)
    assert numbers(two) == numbers(expected)
    assert Replay(str(path)).answerable is None
    assert Replay(str(path), missing="restrict").answerable == {ONE.image_id}
    write(path.with_name("second.jsonl"), answered(TWO, 1, (1,)))
    second = OracleRecipe("replay", {"session": str(path.with_name("second.jsonl")), "missing": "restrict"})
    assert Replay(str(path), missing="fallback", fallback=second).answerable == {ONE.image_id, TWO.image_id}
    assert Replay(str(path), missing="fallback", fallback=OracleRecipe("lung-fields")).answerable is None


def test_a_session_that_is_none_is_told_before_anything_runs(path: Path) -> None:
    with pytest.raises(OracleError, match=r"replay: session .*session.jsonl.* was not found"):
        make_oracle("replay", {"session": str(path)})
    path.write_text('{"format": "imil-sim session", "version": 1, "reader": "r", "grid": [2, 2]}\n{"order": 1}\n')
    with pytest.raises(
        OracleError, match=r"(?s)cannot be used:.*line 2: image_id: is missing.*line 2: cells: is missing"
    ):
        make_oracle("replay", {"session": str(path)})
    write(path, answered(ONE, 1, (1,)))
    for options, message in (
        ({"missing": "fallback"}, "go together"),
        ({"fallback": "lung-fields"}, "go together"),
        ({"threshold": 0.0}, "threshold: must be greater than 0"),
        ({"missing": "guess"}, "'fail', 'skip', 'fallback' or 'restrict'"),
    ):
        with pytest.raises(OracleError, match=message):
            make_oracle("replay", {"session": str(path), **options})
    with path.open("ab") as file:
        file.write(b'{"order": 2, "ima')
    assert len(Replay(str(path)).warnings) == 1
