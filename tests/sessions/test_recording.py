"""The session of a run, where what was asked and answered is none that a session can hold."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from imil_sim.errors import SessionError
from imil_sim.feedback.question import ImageIndex
from imil_sim.sessions.recorded import recorded_session
from imil_sim.sessions.session import MOST_REASON, Header, Session, SessionAnswer
from imil_sim.study.record import Answer, Consultation, RunRecord
from imil_sim.study.spec import RunSpec

SPEC = RunSpec.model_validate(
    {"arm": {"images": {"source": "phantom"}, "feedback": {"oracle": "lesions", "grid_size": [2, 2]}}, "seed": 0}
)
PIXELS = np.zeros((4, 4), np.uint8)


def answer(image_id: str, **changes: object) -> Answer:
    given = {"label": 0, "predicted": 1, "confidence": 0.9, "mispredicted": True, "cells": (1,), "effect": "replaced"}
    return Answer.model_validate({"image_id": image_id, **given, **changes})


def record(*answers: Answer) -> RunRecord:
    consultation = Consultation(
        epoch=1, grid=(2, 2), requested=9, n_mispredictions=9, n_excluded=0, n_filled_up=0, answers=answers
    )
    return RunRecord(run_key="k", status="done", spec=SPEC, consultations=(consultation,))


def of_run(record: RunRecord, *more: Any) -> Session:
    assert record.spec.arm.feedback is not None
    return recorded_session(record.spec.arm.feedback, record.consultations, *more)


def images(*ids: str, class_names: tuple[str, ...] = ("normal", "TB")) -> ImageIndex:
    return ImageIndex("set", "f" * 64, class_names, dict.fromkeys(ids, 0), lambda _: PIXELS)


def test_words_that_are_too_long_are_shortened_and_say_so() -> None:
    whole, long = "w" * MOST_REASON, "w" * (MOST_REASON + 1)
    made = of_run(record(answer("a", note=whole), answer("b", note=long)), images("a", "b"), [None], (), "s")
    assert [len(one.reason) for one in made.answers] == [MOST_REASON, MOST_REASON]
    assert made.answers[0].reason == whole
    assert made.answers[1].reason == "w" * (MOST_REASON - 12) + " [shortened]"


def test_what_no_session_can_hold_is_named_with_its_image_and_the_cure() -> None:
    wrong = record(answer("a\x7fb"), answer("good"), answer("c", cells=(2, 1)))
    with pytest.raises(SessionError) as caught:
        of_run(wrong, images("a\x7fb", "good", "c", class_names=("no\nrmal", "TB")), [None], (), "arm x")
    head, names, image, cells = str(caught.value).splitlines()
    assert head == "no session can be made of arm x:"
    assert names.startswith("  - class_names.0: holds a line break")
    assert names.endswith("give it another name in the study or its images")
    assert image.startswith(r"  - image 'a\x7fb': image_id: holds a backslash")
    assert image.endswith("give the image another name, or set record = false")
    assert cells.startswith("  - image 'c': cells must be ascending numbers, each once")
    assert cells.endswith("mend what the oracle answers, or set record = false")
    assert caught.value.exit_code == 2


def test_of_a_person_the_session_says_who_when_and_how_long() -> None:
    person = Session(
        Header(reader="ann", role="resident", date=datetime.date(2026, 1, 2), instructions="Look.", grid=(2, 2)),
        (
            SessionAnswer(order=1, image_id="a", cells=(1,), seconds=7.5),
            SessionAnswer(order=2, image_id="b", cells=(2,), seconds=9),  # changed since the run
            SessionAnswer(order=3, image_id="c", abstained=True, cells=None, seconds=3),
        ),
    )
    asked = answer("a"), answer("b"), answer("c", cells=None, reason="blurred", effect="none")
    made = of_run(record(*asked), images("a", "b", "c"), [None], (), "s", person)
    head = made.header
    assert (head.reader, head.role, head.date, head.instructions) == (
        "ann",
        "resident",
        datetime.date(2026, 1, 2),
        "Look.",
    )
    assert [one.seconds for one in made.answers] == [7.5, None, 3]
    simulated = of_run(record(*asked), images("a", "b", "c"), [None], (), "s")
    assert (simulated.header.reader, simulated.header.role, simulated.header.date) == ("lesions", "oracle", None)
    assert {one.seconds for one in simulated.answers} == {None}
