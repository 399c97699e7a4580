from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil_sim.errors import AwaitsAnswers
from imil_sim.feedback import Feedback, Grid, OracleError, Question
from imil_sim.testing import OracleCheckError, check_oracle, sample_questions
from oracles.human import Human

RNG = np.random.default_rng(0)
QUESTION = sample_questions(grids=[Grid(4, 4)], shapes=[(8, 8)])[0]


def line(question: Question = QUESTION, **changed: Any) -> str:
    answer = {
        "image_id": question.image_id,
        "image_sha256": question.image_sha256,
        "grid": list(question.grid.shape),
        "cells": [1, 6],
        "reason": "",
    }
    return json.dumps(answer | changed) + "\n"


@pytest.fixture
def human(tmp_path: Path) -> Human:
    return Human("reader-1", str(tmp_path))


def write(human: Human, *lines: str) -> None:
    (Path(human.folder) / f"{human.reader}.jsonl").write_text("".join(lines), encoding="utf-8")


def test_it_keeps_the_promises_of_an_oracle_on_questions_that_were_answered(human: Human) -> None:
    with pytest.raises(OracleCheckError, match=r'film "normal-4x4-64x64" by reader-1, in .*/reader-1\.jsonl'):
        check_oracle(human)
    write(human, *(line(question, cells=[1, 2]) for question in sample_questions()))
    check_oracle(human)


def test_cells_nothing_and_an_abstention_are_three_answers(human: Human) -> None:
    write(human, line())
    assert QUESTION.grid.numbers(human.answer(QUESTION, RNG).cells) == (1, 6)
    write(human, line(cells=[]))
    given = human.answer(QUESTION, RNG)
    assert given.cells is not None
    assert not given.cells.any()
    write(human, line(cells=None, reason="rotated film"))
    assert human.answer(QUESTION, RNG) == Feedback(QUESTION.image_id, None, "rotated film")


def test_it_waits_for_what_is_missing_or_not_filled_in(human: Human) -> None:
    finer = dataclasses.replace(QUESTION, grid=Grid(8, 8))
    other = dataclasses.replace(QUESTION, image_id="another")
    for lines in ((), ("\n",), (line(cells=None),), (line(other),)):
        write(human, *lines)
        with pytest.raises(AwaitsAnswers, match=rf'film "{QUESTION.image_id}" by reader-1'):
            human.answer(QUESTION, RNG)
    write(human, line(finer))
    with pytest.raises(AwaitsAnswers, match=r"there is an answer on the grid \[8, 8\]"):
        human.answer(QUESTION, RNG)
    write(human, line(cells=None), line(), "\n", line(cells=[6, 1]), line(finer, cells=[64]))
    assert QUESTION.grid.numbers(human.answer(QUESTION, RNG).cells) == (1, 6)
    assert finer.grid.numbers(human.answer(finer, RNG).cells) == (64,)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["{"], "line 1: is no JSON"),
        (["[" * 100_000], "line 1: is no JSON"),
        ([line(), "[]\n"], "line 2: an answer has exactly the fields cells, grid, image_id, image_sha256, reason"),
        ([line(extra=1)], "an answer has exactly the fields"),
        ([line(image_sha256="0" * 64)], "line 1: is about another film than .*0000000000000000"),
        ([line(cells=[0])], "cells are numbers from 1 to 16, or null, not"),
        ([line(cells=[17])], "cells are numbers from 1 to 16"),
        ([line(cells=[True])], "cells are numbers from 1 to 16"),
        ([line(cells="1 2")], "cells are numbers from 1 to 16"),
        ([line(reason="unsure")], "gives cells and a reason to abstain"),
        ([line(reason=3)], "reason must be text"),
        ([line(), line(cells=[2])], "line 2: contradicts an earlier line"),
        ([line(), line(cells=None, reason="rotated")], "line 2: contradicts an earlier line"),
    ],
)
def test_a_line_that_is_no_answer_is_named(human: Human, lines: list[str], told: str) -> None:
    write(human, *lines)
    with pytest.raises(OracleError, match=rf"reader-1\.jsonl, {told}|reader-1\.jsonl, line \d: {told}"):
        human.answer(QUESTION, RNG)


@pytest.mark.parametrize("reader", ["", "../x", "a/b", "a.b", "-a", "a" * 64])
def test_a_reader_is_a_name(tmp_path: Path, reader: str) -> None:
    with pytest.raises(ValueError, match="reader is a name of letters"):
        Human(reader, str(tmp_path))


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match=r"human: folder .*was not found"):
        Human("a", str(tmp_path / "none"))
    (tmp_path / "file").touch()
    with pytest.raises(OracleError, match="is a file"):
        Human("a", str(tmp_path / "file"))
