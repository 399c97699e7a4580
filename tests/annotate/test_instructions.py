"""A reader is said what is so in the study, and the session keeps every word of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imil_sim.annotate import AnnotationSession, Given, read_questions
from imil_sim.registry import names
from imil_sim.sessions.files import read_session

Put = Callable[..., Path]


def text_of(put: Put, **how: Any) -> str:
    return read_questions(put(**how)).instructions


def test_the_papers_setting_is_given_in_full(put: Put) -> None:
    assert text_of(put) == (
        "The model gave a wrong class to these images and was sure of it. Choose the cells that matter for the true "
        "class; prefer a single connected region. In training all other cells are blacked out. No cell chosen says "
        "that nothing on the image matters. Skip an image that you do not want to answer. If you like, say why: the "
        "model "
        "was focused on ... so I switched the focus towards ..."
    )


@pytest.mark.parametrize(
    ("how", "part"),
    [
        ({"selection": "highest-loss"}, "it may have given some of them the right class"),
        ({"selection": "random-images"}, "drawn at random"),
        ({"fill": "blur"}, "In training all other cells are blurred."),
        (
            {"fill": "mean", "mode": "append"},
            "stays in training as it is, and a copy of it in which all other cells are",
        ),
        ({"fill_up": "least-confident-correct"}, "images to which it gave the right class were added"),
    ],
)
def test_what_is_otherwise_in_the_study_is_said_otherwise(put: Put, how: dict[str, str], part: str) -> None:
    assert part in text_of(put, **how)
    if "selection" in how:
        assert "gave a wrong class" not in text_of(put, **how)


@pytest.mark.parametrize(
    ("name", "values"), [("selection", names("selections")), ("fill", names("fills")), ("mode", ("replace", "append"))]
)
def test_every_way_of_a_study_has_its_words(put: Put, name: str, values: tuple[str, ...]) -> None:
    texts = {read_questions(put(epoch, **{name: value})).instructions for epoch, value in enumerate(values, 1)}
    assert len(texts) == len(values) > 1


def test_an_oracle_that_asks_a_person_promises_nothing_of_the_cells(put: Put, answers: Path) -> None:
    like = {"oracle": "human", "options": {"reader": "ada", "folder": str(answers)}}
    asked = read_questions(put(oracle="noisy", options={"like": like}))
    assert "What is done with your cells is up to the oracle noisy, which asks you." in asked.instructions
    assert "blacked" not in asked.instructions


def test_a_session_keeps_all_that_its_reader_was_given(put: Put) -> None:
    texts = []
    for epoch, how in ((1, {}), (2, {"fill": "blur"}), (3, {})):
        asked = read_questions(put(epoch, **how))
        session = AnnotationSession(asked, asked.folder_of(None))
        session.save(epoch, Given(cells=(epoch,)))
        texts.append(asked.instructions)
    assert read_session(session.path).header.instructions == f"{texts[0]}\n\n{texts[1]}"
