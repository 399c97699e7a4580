"""The questions of a consultation on disk, for a person who answers later.

``questions/KEY/`` in the store holds ``questions.json`` and two pictures a question: the image, and the Grad-CAM of the
predicted class. The pictures are numbered, since an image's id may be no name for a file. `imil_sim.annotate` shows
them to the person and writes the answers down.
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
from imil_sim.feedback import ImageIndex, Question
from imil_sim.study.spec import FeedbackSpec

FORMAT = 3
"""1 had a sheet to fill in beside the questions, and named neither the state nor the set. 2 did not say why these
images were selected, and what becomes of the cells."""


def put_questions(
    store: Store, key: str, asked: Sequence[Question], feedback: FeedbackSpec, state: Lineage, images: ImageIndex
) -> str:
    """Where in the store the questions lie: ``questions/KEY``; what is there already is left as it is.

    Args:
        store: where to put them.
        key: of the consultation.
        asked: the questions, in the order of asking.
        feedback: who is asked.
        state: the model's state of training at the consultation.
        images: the whole set that the questions are about.
    """

    def write(place: Path) -> None:
        told = [_put(place, number, question) for number, question in enumerate(asked, 1)]
        about = {
            "format": FORMAT,
            "oracle": {"name": feedback.oracle, "options": feedback.options},
            "selection": feedback.selection,
            "fill_up": feedback.fill_up,
            "fill": feedback.fill,
            "mode": feedback.mode,
            "epoch": state.epoch,
            "state": state.key,
            "set": {"name": images.name, "fingerprint": images.fingerprint},
            "grid": list(feedback.grid_size),
            "class_names": list(asked[0].class_names),
            "questions": told,
        }
        (place / "questions.json").write_text(json.dumps(about, indent=1), encoding="utf-8")

    if store.find("questions", key) is None:
        store.put("questions", key, write, trunk=state.trunk)
    return f"questions/{key}"


def _put(place: Path, number: int, question: Question) -> dict[str, Any]:
    image, cam = f"{number:03d}-image.png", f"{number:03d}-cam.png"
    (place / image).write_bytes(_png(question.image))
    (place / cam).write_bytes(_png(np.round(question.cam * 255).astype(np.uint8)))
    return {
        "image_id": question.image_id,
        "image_sha256": question.image_sha256,
        "label": question.label,
        "predicted": question.predicted,
        "confidence": question.confidence,
        "image": image,
        "cam": cam,
    }


def _png(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", pixels)
    assert done
    return bytes(data)
