"""The questions of a consultation on disk, for a person who answers later.

``questions/KEY/`` in the store holds ``questions.json``, two pictures a question (the film, and the Grad-CAM of the
predicted class), and ``answers.jsonl``, a sheet to fill in: one line a question, with everything but the answer. The
pictures are numbered, since an image's id may be no name for a file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.engine.stages import Lineage
from imil_sim.engine.store import Store
from imil_sim.feedback import Question
from imil_sim.study.spec import FeedbackSpec

FORMAT = 1


def put_questions(store: Store, key: str, asked: Sequence[Question], feedback: FeedbackSpec, state: Lineage) -> str:
    """Where in the store the questions lie: ``questions/KEY``; what is there already is left as it is."""

    def write(place: Path) -> None:
        told = [_put(place, number, question) for number, question in enumerate(asked, 1)]
        about = {
            "format": FORMAT,
            "oracle": {"name": feedback.oracle, "options": feedback.options},
            "epoch": state.epoch,
            "grid": list(feedback.grid_size),
            "class_names": list(asked[0].class_names),
            "questions": told,
        }
        (place / "questions.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        (place / "answers.jsonl").write_text("".join(_blank(question) for question in asked), encoding="utf-8")

    if store.find("questions", key) is None:
        store.put("questions", key, write, trunk=state.trunk)
    return f"questions/{key}"


def _put(place: Path, number: int, question: Question) -> dict[str, Any]:
    film, cam = f"{number:03d}-film.png", f"{number:03d}-cam.png"
    (place / film).write_bytes(_png(question.image))
    (place / cam).write_bytes(_png(np.round(question.cam * 255).astype(np.uint8)))
    return {
        "image_id": question.image_id,
        "image_sha256": question.image_sha256,
        "label": question.label,
        "predicted": question.predicted,
        "confidence": question.confidence,
        "film": film,
        "cam": cam,
    }


def _blank(question: Question) -> str:
    """The line of one question with nothing answered yet."""
    line = {
        "image_id": question.image_id,
        "image_sha256": question.image_sha256,
        "grid": list(question.grid.shape),
        "cells": None,
        "reason": "",
    }
    return json.dumps(line) + "\n"


def _png(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", pixels)
    assert done
    return bytes(data)
