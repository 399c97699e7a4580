"""The questions of a consultation on disk, for a person who answers later."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from imil_sim.engine.stages import Lineage
from imil_sim.engine.steps import put_questions
from imil_sim.engine.store import Store
from imil_sim.feedback import Grid, ImageIndex
from imil_sim.study.spec import FeedbackSpec
from imil_sim.testing import sample_questions

KEY = "ab" * 32
FEEDBACK = FeedbackSpec.model_validate({"oracle": "human", "options": {"reader": "a", "folder": "b"}})
IMAGES = ImageIndex("set", "cd" * 32, ("normal", "TB"), {}, lambda image_id: np.zeros((8, 8), np.uint8))
NASTY = ["../../etc/passwd", "a/b", "x\0y", "line\nbreak", "-rf", "ä" * 300, ""]


@pytest.fixture
def asked() -> list[object]:
    questions = sample_questions(grids=[Grid(4, 4)], shapes=[(8, 8)])
    return [dataclasses.replace(q, image_id=name) for q, name in zip(questions, NASTY, strict=True)]


def test_everything_that_is_asked_lies_there_whatever_the_ids(tmp_path: Path, asked: list[object]) -> None:
    store = Store(tmp_path / "store")
    state = Lineage("trunk").trained(7, "")
    place = put_questions(store, KEY, asked, FEEDBACK, state, IMAGES)  # type: ignore[arg-type]
    assert place == f"questions/{KEY}"
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    folder = store.root / place
    about = json.loads((folder / "questions.json").read_text())
    assert (about["epoch"], about["grid"], about["class_names"]) == (7, [4, 4], ["normal", "TB"])
    assert (about["state"], about["set"]) == (state.key, {"name": "set", "fingerprint": "cd" * 32})
    assert about["oracle"] == {"name": "human", "options": {"reader": "a", "folder": "b"}}
    assert len(about["questions"]) == len(asked)
    for entry, question in zip(about["questions"], asked, strict=True):
        assert entry["image_id"] == question.image_id  # type: ignore[attr-defined]
        assert entry["image_sha256"] == question.image_sha256  # type: ignore[attr-defined]
        image = cv2.imread(str(folder / entry["image"]), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(image, question.image)  # type: ignore[attr-defined]
        cam = cv2.imread(str(folder / entry["cam"]), cv2.IMREAD_UNCHANGED)
        assert np.abs(cam / 255 - question.cam).max() <= 0.5 / 255 + 1e-6  # type: ignore[attr-defined]
    assert store.find("questions", KEY) == folder


def test_questions_that_lie_there_already_are_left_as_they_are(tmp_path: Path, asked: list[object]) -> None:
    store = Store(tmp_path / "store")
    for _ in range(2):
        put_questions(store, KEY, asked, FEEDBACK, Lineage("trunk"), IMAGES)  # type: ignore[arg-type]
    before = (store.root / "questions" / KEY / "questions.json").read_bytes()
    put_questions(store, KEY, asked[:1], FEEDBACK, Lineage("trunk"), IMAGES)  # type: ignore[arg-type]
    assert (store.root / "questions" / KEY / "questions.json").read_bytes() == before
