from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil_sim.errors import AwaitsAnswers, SessionError
from imil_sim.feedback import (
    Feedback,
    Grid,
    OracleError,
    Question,
)
from imil_sim.sessions import (
    Session,
    SessionAnswer,
)
from imil_sim.sessions.files import write_session
from imil_sim.sessions.session import Header
from imil_sim.testing import OracleCheckError, check_oracle, sample_questions
from imil_sim_oracles.human import Human

RNG = np.random.default_rng(0)
QUESTION = sample_questions(grids=[Grid(4, 4)], shapes=[(8, 8)])[0]
OTHER_CAM = dataclasses.replace(QUESTION, cam=np.zeros_like(QUESTION.cam))


def answered(order: int = 1, question: Question = QUESTION, **changed: Any) -> SessionAnswer:
    message = {
        "order": order,
        "image_id": question.image_id,
        "image_sha256": question.image_sha256,
        "label": question.label,
        "cam_sha256": question.cam_sha256,
        "cells": (1, 6),
    }
    return SessionAnswer.model_validate(message | changed)


@pytest.fixture
def human(tmp_path: Path) -> Human:
    return Human("reader-1", str(tmp_path))


def write(human: Human, *answers: SessionAnswer, grid: tuple[int, int] = (4, 4), **header: Any) -> None:
    path = Path(human.folder) / f"{human.reader}-{grid[0]}x{grid[1]}.jsonl"
    write_session(path, Session(Header(reader=human.reader, grid=grid, **header), answers))


def test_it_keeps_the_promises_of_an_oracle_on_questions_that_were_answered(human: Human) -> None:
    with pytest.raises(OracleCheckError, match=r'image "normal-4x4-64x64" by reader-1, in .*/reader-1-4x4\.jsonl'):
        check_oracle(human)
    for grid in {question.grid for question in sample_questions()}:
        asked = [question for question in sample_questions() if question.grid == grid]
        write(human, *(answered(i, question) for i, question in enumerate(asked, 1)), grid=grid.shape)
    check_oracle(human)


def test_cells_nothing_and_an_abstention_are_three_answers(human: Human) -> None:
    write(human, answered(reason="the apex"))
    given = human.answer(QUESTION, RNG)
    assert (QUESTION.grid.numbers(given.cells), given.note) == ((1, 6), "the apex")
    write(human, answered(cells=()))
    given = human.answer(QUESTION, RNG)
    assert given.cells is not None
    assert not given.cells.any()
    for said, message in (("rotated image", "rotated image"), ("", "the reader skipped the image")):
        write(human, answered(cells=None, abstained=True, reason=said))
        assert human.answer(QUESTION, RNG) == Feedback(QUESTION.image_id, None, message)


def test_it_waits_for_what_is_missing_and_each_grid_has_its_own_session(human: Human) -> None:
    finer = dataclasses.replace(QUESTION, grid=Grid(8, 8))
    other = dataclasses.replace(QUESTION, image_id="another")
    for answers in ((), (answered(question=other),)):
        write(human, *answers)
        with pytest.raises(AwaitsAnswers, match=rf'image "{QUESTION.image_id}" by reader-1, in .*-4x4\.jsonl'):
            human.answer(QUESTION, RNG)
    write(human, answered())
    with pytest.raises(AwaitsAnswers, match=r"reader-1-8x8\.jsonl"):
        human.answer(finer, RNG)
    write(human, answered(cells=(64,)), grid=(8, 8))
    assert QUESTION.grid.numbers(human.answer(QUESTION, RNG).cells) == (1, 6)
    assert finer.grid.numbers(human.answer(finer, RNG).cells) == (64,)


def test_of_several_answers_the_one_before_the_same_heat_map_holds_and_else_the_last(human: Human) -> None:
    here = answered(1, consultation=1, cells=(2,))
    there = answered(2, consultation=2, cells=(3,), cam_sha256="0" * 64)
    write(human, here, there, states=("a" * 64, "b" * 64))
    assert QUESTION.grid.numbers(human.answer(QUESTION, RNG).cells) == (2,)
    assert OTHER_CAM.grid.numbers(human.answer(OTHER_CAM, RNG).cells) == (3,)


@pytest.mark.parametrize(
    ("answer", "header", "message"),
    [
        (answered(image_sha256="0" * 64), {}, "had other pixels when it was answered: SHA-256 0000000000000000"),
        (answered(image_sha256=None), {}, "was answered without the SHA-256"),
        (answered(label=1 - QUESTION.label), {}, f"was answered with the label {1 - QUESTION.label}"),
        (answered(), {"class_names": ("a", "b")}, "was answered with the classes a, b"),
    ],
)
def test_an_answer_to_another_question_is_named(
    human: Human, answer: SessionAnswer, header: dict[str, Any], message: str
) -> None:
    write(human, answer, **header)
    with pytest.raises(OracleError, match=rf'reader-1-4x4\.jsonl, line 2: image "{QUESTION.image_id}" {message}'):
        human.answer(QUESTION, RNG)


def test_a_file_that_is_no_session_of_that_grid_is_named(human: Human) -> None:
    path = Path(human.folder) / "reader-1-4x4.jsonl"
    path.write_text('{"image_id": "a", "cells": [1]}\n')
    with pytest.raises(SessionError, match="line 1 is no header"):
        human.answer(QUESTION, RNG)
    write(human, answered(cells=(64,)), grid=(8, 8))
    path.with_name("reader-1-8x8.jsonl").rename(path)
    with pytest.raises(OracleError, match=r"line 1: was recorded on a grid of 8 x 8; rename"):
        human.answer(QUESTION, RNG)


@pytest.mark.parametrize("reader", ["", "../x", "a/b", "a.b", "-a", "a" * 64])
def test_a_reader_is_a_name(tmp_path: Path, reader: str) -> None:
    with pytest.raises(ValueError, match="reader is a name of letters"):
        Human(reader, str(tmp_path))


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match=r"folder .*was not found"):
        Human("a", str(tmp_path / "none"))
    (tmp_path / "file").touch()
    with pytest.raises(OracleError, match="is a file"):
        Human("a", str(tmp_path / "file"))
