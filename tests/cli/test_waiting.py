"""A person in the loop: the run waits, the others go on, and the same command resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

RUN = ("run", "tiny.toml", "--workers", "0", "--seeds", "1", "--store", "store")


@pytest.fixture
def desk(here: Path) -> Path:
    """A study with a person, who has not answered yet, and one arm that chooses as many cells as the person does."""
    (here / "answers").mkdir()
    with (here / "tiny.toml").open("a") as study:
        study.write(
            """
[arms.person]
feedback = { oracle = "human", options = { reader = "ada", folder = "answers" } }
[arms.like-her]
feedback.oracle = "random-cells"
feedback.options.like = { oracle = "human", options = { reader = "ada", folder = "answers" } }
"""
        )
    return here


def statuses(desk: Path) -> dict[str, str]:
    frame = pd.read_csv(desk / "reports" / "tiny" / "results.csv")
    return dict(zip(frame["arm"], frame["status"], strict=True))


def sheets(desk: Path) -> dict[str, Path]:
    """The sheets to fill in, by the oracle that asked."""
    found = (desk / "store" / "questions").glob("*/answers.jsonl")
    return {json.loads((path.parent / "questions.json").read_text())["oracle"]["name"]: path for path in found}


def test_a_run_waits_for_a_person_and_the_same_command_resumes_when_she_has_answered(desk: Path, call: Any) -> None:
    waiting = call(*RUN)
    assert waiting.code == 3, waiting
    assert statuses(desk) == {"baseline": "done", "lesions": "done", "person": "waiting", "like-her": "waiting"}
    sheet = sheets(desk)["human"]
    assert sheets(desk).keys() == {"human", "random-cells"}
    where = sheet.parent.relative_to(desk / "store")
    lines = [line for line in waiting.out.splitlines() if line.startswith("waiting: person, seed 0: ")]
    assert len(lines) == 1
    assert "3 of 3 questions are not answered yet, the first: film " in lines[0]
    assert lines[0].endswith(f"by ada, in answers/ada.jsonl. The questions lie in {where} of the store")
    assert f"the store is {desk / 'store'}; when the answers are there, run the same command again" in waiting.out
    before = {path.name for path in (desk / "store" / "stages").iterdir()}

    blank = [json.loads(line) for line in sheet.read_text().splitlines()]
    answered = [{**line, "cells": [6, 7, 10, 11]} for line in blank]
    answers = desk / "answers" / "ada.jsonl"
    answers.write_text(json.dumps(answered[0]) + "\n" + "".join(json.dumps(line) + "\n" for line in blank[1:]))
    half = call(*RUN)
    assert half.code == 3
    assert "2 of 3 questions are not answered yet" in half.out
    assert {path.name for path in (desk / "store" / "stages").iterdir()} == before

    answers.write_text("".join(json.dumps(line) + "\n" for line in answered))
    done = call(*RUN)
    assert done.code == 0, done
    assert set(statuses(desk).values()) == {"done"}
    results = (desk / "reports" / "tiny" / "results.csv").read_bytes()
    assert before < {path.name for path in (desk / "store" / "stages").iterdir()}
    assert call(*RUN[:-1], "afresh").code == 0  # what was recorded is replayed: nothing waits any more
    assert (desk / "reports" / "tiny" / "results.csv").read_bytes() == results


def test_an_answer_about_other_pixels_fails_the_run_and_a_failure_outweighs_waiting(desk: Path, call: Any) -> None:
    assert call(*RUN).code == 3
    lines = [json.loads(line) for line in sheets(desk)["human"].read_text().splitlines()]
    wrong = {**lines[0], "image_sha256": "0" * 64, "cells": [1]}
    (desk / "answers" / "ada.jsonl").write_text(json.dumps(wrong) + "\n")
    called = call(*RUN)
    assert called.code == 1
    assert "answers/ada.jsonl, line 1: is about another film than" in called.out
    assert statuses(desk)["person"] == "failed"
