"""A person in the loop: the run waits, the others go on, and the same command resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

RUN = ("run", "tiny.toml", "--workers", "0", "--seeds", "1", "--store", "store")


@pytest.fixture
def folder(here: Path) -> Path:
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


def statuses(folder: Path) -> dict[str, str]:
    frame = pd.read_csv(folder / "reports" / "tiny" / "results.csv")
    return dict(zip(frame["arm"], frame["status"], strict=True))


def asked(folder: Path) -> dict[str, Path]:
    """The folders of questions, by the oracle that asked."""
    found = (folder / "store" / "questions").glob("*/questions.json")
    return {json.loads(path.read_text())["oracle"]["name"]: path.parent for path in found}


@pytest.fixture
def answer(call: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``answer(folder, "1 2", "why", "skip", "")``: `imil-sim annotate --console`, those lines typed, then the end."""

    def typed(folder: Path, *lines: str) -> Any:
        rest = iter(lines)

        def read(prompt: str) -> str:
            try:
                return next(rest)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", read)
        return call("annotate", str(folder), "--console", "--no-browser")

    return typed


def test_a_run_waits_for_a_person_and_the_same_command_resumes_when_she_has_answered(
    folder: Path, call: Any, answer: Callable[..., Any]
) -> None:
    waiting = call(*RUN)
    assert waiting.code == 3, waiting
    assert statuses(folder) == {"baseline": "done", "lesions": "done", "person": "waiting", "like-her": "waiting"}
    questions = asked(folder)["human"]
    assert asked(folder).keys() == {"human", "random-cells"}
    where = questions.relative_to(folder / "store")
    lines = [line for line in waiting.out.splitlines() if line.startswith("waiting: person, seed 0: ")]
    assert len(lines) == 1
    assert "3 of 3 questions are not answered yet, the first: image " in lines[0]
    assert lines[0].endswith(f"by ada, in answers/ada-4x4.jsonl. The questions lie in {where} of the store")
    assert f"then run the same command again:\nimil-sim annotate {folder / 'store' / where}\n" in waiting.out
    before = {path.name for path in (folder / "store" / "stages").iterdir()}

    begun = answer(questions, "6 7 10 11", "the apex")
    assert begun.code == 3
    assert "2 of 3 questions are not answered yet; the same command goes on" in begun.out
    half = call(*RUN)
    assert half.code == 3
    assert "2 of 3 questions are not answered yet" in half.out
    assert {path.name for path in (folder / "store" / "stages").iterdir()} == before

    finished = answer(asked(folder)["random-cells"], "6, 7, 10, 11", "", "7 6", "")  # asked alike: answered together
    assert finished.code == 0
    assert "all 3 questions are answered" in finished.out
    done = call(*RUN)
    assert done.code == 0, done
    assert set(statuses(folder).values()) == {"done"}
    results = (folder / "reports" / "tiny" / "results.csv").read_bytes()
    assert before < {path.name for path in (folder / "store" / "stages").iterdir()}
    assert call(*RUN[:-1], "afresh").code == 0  # what was recorded is replayed: nothing waits any more
    assert (folder / "reports" / "tiny" / "results.csv").read_bytes() == results

    # An answer that is changed is a new answer, and the run says so; as many cells at random stay as they are.
    session = folder / "answers" / "ada-4x4.jsonl"
    text = session.read_text()
    first = json.loads(text.splitlines()[1])
    session.write_text(text.replace('"cells":[6,7,10,11]', '"cells":[6,7,10,12]', 1))
    changed = call(*RUN)
    assert changed.code == 0, changed
    said = "warning: person, seed 0: answered otherwise than in the results of before, which these replace: "
    assert said + first["image_id"] + "\n" in changed.err
    assert "warning: like-her" not in changed.err
    assert "answered otherwise" not in call(*RUN).err


def test_an_answer_about_other_pixels_fails_the_run_and_a_failure_outweighs_waiting(
    folder: Path, call: Any, answer: Callable[..., Any]
) -> None:
    assert call(*RUN).code == 3
    answer(asked(folder)["human"], "1", "")
    session = folder / "answers" / "ada-4x4.jsonl"
    header, line = session.read_text().splitlines()
    wrong = json.loads(line) | {"image_sha256": "0" * 64}
    session.write_text(f"{header}\n{json.dumps(wrong)}\n")
    called = call(*RUN)
    assert called.code == 1
    assert 'answers/ada-4x4.jsonl, line 2: image "' in called.out
    assert "had other pixels when it was answered" in called.out
    assert statuses(folder)["person"] == "failed"
