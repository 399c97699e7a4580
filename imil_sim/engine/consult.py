"""A consultation: predict, select, explain, ask, and blank what did not matter.

What is asked and answered becomes a `Consultation` for the record and a new `Overlay` for the training that follows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.engine.data import lung_mask
from imil_sim.engine.stages import Lineage
from imil_sim.engine.store import Store
from imil_sim.errors import DataError
from imil_sim.feedback import Feedback, Grid, ImageIndex, Oracle, Question
from imil_sim.feedback.ask import ask_together
from imil_sim.feedback.fill import Surroundings, brightness, guided
from imil_sim.feedback.selection import Selection
from imil_sim.images.image_set import ImageSet
from imil_sim.seeds import stream
from imil_sim.study.record import Answer, Consultation
from imil_sim.study.spec import FeedbackSpec
from imil_sim.training.overlay import Overlay

_Value = TypeVar("_Value", bound=np.generic)


def questions(
    images: ImageSet,
    selection: Selection,
    cams: NDArray[np.float32],
    cams_true: NDArray[np.float32],
    grid: Grid,
    consultation: int = 1,
) -> tuple[Question, ...]:
    """The questions (k,) about the selected training images, in the order of asking.

    Args:
        images: the training images, as they were before any blackout.
        selection: which of them, most confident first.
        cams: (k, height, width) of the predicted class, in the order of the selection.
        cams_true: (k, height, width) of the true class.
        grid: what the clinician picks from.
        consultation: which of its run it is, from 1.
    """
    asked = []
    for place, row in enumerate(selection.indices.tolist()):
        lung, estimated = lung_mask(images, row)
        masks = {name: mask.values[row] for name, mask in images.masks.items() if mask.present[row] and name != "lung"}
        if lung is not None:
            masks["lung"] = lung
        question = Question(
            image_id=images.ids[row],
            image=_locked(images.pixels[row]),
            label=int(images.labels[row]),
            predicted=int(selection.predicted[place]),
            confidence=float(selection.confidence[place]),
            class_names=images.class_names,
            cam=_locked(cams[place]),
            cam_true=_locked(cams_true[place]),
            grid=grid,
            masks={name: _locked(mask) for name, mask in masks.items()},
            estimated=frozenset({"lung"} if estimated else ()),
            place=place + 1,
            consultation=consultation,
        )
        asked.append(question)
    return tuple(asked)


def _locked(array: NDArray[_Value]) -> NDArray[_Value]:
    """A copy that an oracle cannot write to."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def ask_all(
    oracle: Oracle, asked: Sequence[Question], seed: int, number: int, seconds: float | None = None
) -> tuple[Feedback, ...]:
    """The oracle's answers, in the order of the questions; each draws from a stream of its own.

    Args:
        oracle: whom to ask.
        asked: the questions.
        seed: of the run.
        number: of the consultation within the run.
        seconds: how long to wait for each answer; none: for ever.

    Raises:
        OracleFailure: the oracle raised, took too long, or gave something that is not an answer to the question.
        AwaitsAnswers: a person has not answered all of them yet; all were asked.
    """
    streams = [stream(seed, "oracle", number, question.image_id) for question in asked]
    return ask_together(oracle, asked, streams, seconds)


def consult(
    spec: FeedbackSpec,
    epoch: int,
    selection: Selection,
    asked: Sequence[Question],
    answers: Sequence[Feedback],
    images: ImageSet,
    before: Overlay,
    *,
    seed: int,
    number: int,
) -> tuple[Consultation, Overlay]:
    """The record of a consultation, and the overlay that its answers make of ``before``.

    Blackout starts from the originals, whatever an earlier answer made of an image. What a fill draws is a function of
    ``seed`` (of the run), ``number`` (of the consultation, from 1) and the image.
    """
    fill = Filling(spec.fill, images, seed, number)
    overlay, recorded = replace(before, reordered=before.reordered or spec.reorder), []
    for row, question, feedback in zip(selection.indices.tolist(), asked, answers, strict=True):
        effect: Literal["replaced", "appended", "none"] = "none"
        if feedback.cells is not None and feedback.cells.any():
            overlay = overlay.without(row)
            if not feedback.cells.all():
                image = fill(row, question.grid.cells_to_mask(feedback.cells, images.shape))
                replaces = spec.mode == "replace"
                overlay = overlay.replace(row, image) if replaces else overlay.append(row, image)
                effect = "replaced" if replaces else "appended"
        answer = Answer(
            image_id=question.image_id,
            label=question.label,
            predicted=question.predicted,
            confidence=question.confidence,
            mispredicted=question.predicted != question.label,
            cells=None if feedback.cells is None else question.grid.numbers(feedback.cells),
            reason=feedback.reason,
            note=feedback.note,
            estimated_masks=tuple(sorted(question.estimated)),
            effect=effect,
        )
        recorded.append(answer)
    consultation = Consultation(
        epoch=epoch,
        grid=spec.grid_size,
        requested=spec.num_outliers,
        n_mispredictions=selection.n_mispredictions,
        n_excluded=selection.n_excluded,
        n_filled_up=selection.n_filled_up,
        answers=tuple(recorded),
    )
    return consultation, overlay


class Filling:
    """Images as they are trained on after one consultation: the chosen cells, and the study's fill around them."""

    def __init__(self, fill: str, images: ImageSet, seed: int, number: int) -> None:
        self._fill, self._images, self._seed, self._number = fill, images, seed, number
        self._brightness = cache(lambda: brightness(images.pixels))

    def __call__(self, row: int, keep: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """The image (height, width) of that row of the training images, filled where ``keep`` is not True.

        Raises:
            DataError: the fill needs another training image of the image's class, and there is none.
        """
        rng = stream(self._seed, "fill", self._number, self._images.ids[row])
        around = Surroundings(self._brightness, lambda draws: self._partner(row, draws))
        return guided(self._fill, self._images.pixels[row], keep, around, rng)

    def _partner(self, row: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        labels = self._images.labels
        others = np.flatnonzero(labels == labels[row])
        others = others[others != row]
        if not len(others):
            raise DataError(
                f'fill = "{self._fill}" needs another training image of the class '
                f"{self._images.class_names[labels[row]]} beside {self._images.ids[row]}, and there is none; use "
                'another fill, "mean" for one'
            )
        partner: NDArray[np.uint8] = self._images.pixels[int(rng.choice(others))]
        return partner


# ------------------------------------------------------------------------------------- for a person who answers later

FORMAT = 3
"""Of ``questions.json``; 1 did not name the state and the set, 2 not the selection and the fill."""


def put_questions(
    store: Store, key: str, asked: Sequence[Question], feedback: FeedbackSpec, state: Lineage, images: ImageIndex
) -> str:
    """Where in the store the questions lie: ``questions/KEY``; what is there already is left as it is.

    The entry holds ``questions.json`` and two pictures a question: the image, and the Grad-CAM of the predicted class.
    They are numbered, since an image's id may be no name for a file. `imil_sim.annotate` shows them to the person.

    Args:
        store: where to put them.
        key: of the consultation.
        asked: the questions, in the order of asking.
        feedback: who is asked.
        state: the model's state of training at the consultation.
        images: the whole set that the questions are about.
    """

    def write(place: Path) -> None:
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
            "questions": [_put(place, number, question) for number, question in enumerate(asked, 1)],
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
