"""Questions in a store as the engine writes them, and the folder of a reader, `ada`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imil_sim.annotate import AnnotationSession, read_questions
from imil_sim.engine.stages import Lineage
from imil_sim.engine.steps import put_questions
from imil_sim.engine.store import Store
from imil_sim.feedback import Grid, ImageIndex
from imil_sim.study.spec import FeedbackSpec
from imil_sim.testing import sample_questions

GRID = Grid(4, 4)


def putting(root: Path) -> Callable[..., Path]:
    """``put(epoch)``: the folder of seven questions about images of 64 x 64 on a grid of 4 x 4, ``ids`` their names.

    ``how`` is what else the study says of its feedback.
    """
    (root / "answers").mkdir()

    def put(epoch: int = 1, ids: tuple[str, ...] = (), options: dict[str, Any] | None = None, **how: str) -> Path:
        asked = list(sample_questions(grids=[GRID], shapes=[(64, 64)]))
        for number, name in enumerate(ids):
            asked[number] = dataclasses.replace(asked[number], image_id=name)
        if epoch > 1:  # another state of training looks elsewhere
            asked = [dataclasses.replace(question, cam=question.cam.T) for question in asked]
        said = {"reader": "ada", "folder": str(root / "answers")} if options is None else options
        feedback = FeedbackSpec.model_validate({"oracle": "human", "options": said, **how})
        images = ImageIndex("images", "cd" * 32, asked[0].class_names, {}, lambda image_id: asked[0].image)
        store = Store(root / "store")
        state = Lineage("trunk").trained(epoch, "")
        return store.root / put_questions(store, f"{epoch:064x}", asked, feedback, state, images)

    return put


def session_at(folder: Path) -> AnnotationSession:
    asked = read_questions(folder)
    return AnnotationSession(asked, asked.folder_of(None))


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    return putting(tmp_path)


@pytest.fixture
def answers(put: Callable[..., Path], tmp_path: Path) -> Path:
    """The folder of the answers."""
    return tmp_path / "answers"


@pytest.fixture
def session(put: Callable[..., Path]) -> AnnotationSession:
    return session_at(put())


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> AnnotationSession:
    """For tests that answer nothing."""
    return session_at(putting(tmp_path_factory.mktemp("shown"))())
