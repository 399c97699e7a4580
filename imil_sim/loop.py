"""One step of the IMIL loop on anything that has images and predictions (Rao et al. 2024, section 3.1).

Select the images to ask about, put them to the oracle, and make the overlay under which training goes on. Everything is
a function of its arguments: who trains, with what, and when to ask, is somebody else's affair.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import DataError
from imil_sim.feedback import Feedback, Grid, ImageIndex, Oracle, Question
from imil_sim.feedback.ask import ask_together
from imil_sim.feedback.fill import Surroundings, brightness, guided
from imil_sim.feedback.selection import Selection, select, share_outside
from imil_sim.seeds import stream
from imil_sim.sessions.recorded import unanswerable
from imil_sim.study.record import Answer, Consultation
from imil_sim.study.spec import FeedbackSpec
from imil_sim.training.overlay import Overlay

_Value = TypeVar("_Value", bound=np.generic)

Maps = NDArray[np.float32] | Sequence[NDArray[np.float32]]
"""(k, height, width); or one (height, width) an image, where their sizes differ."""

Explain = Callable[[NDArray[np.int64], NDArray[np.int64]], Maps]
"""Heat maps (height, width) in [0, 1], of the size of their image: of training rows (k,), for these classes (k,)."""


class TrainingImages(Protocol):
    """The images that are trained on, as they were before any feedback."""

    @property
    def ids(self) -> Sequence[str]:
        """One id an image, all different."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,): index into ``class_names``."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class; of two classes the second is the positive one."""

    def image(self, row: int) -> NDArray[np.uint8]:
        """(height, width), or (height, width, 3)."""

    def masks_of(self, row: int) -> tuple[Mapping[str, NDArray[np.bool_]], frozenset[str]]:
        """(height, width) by name, and the names of those that were estimated from the image."""


def choose(
    spec: FeedbackSpec,
    images: TrainingImages,
    logits: NDArray[np.floating],
    oracle: Oracle,
    explain: Explain,
    answered: frozenset[str] = frozenset(),
    *,
    seed: int,
    number: int,
) -> Selection:
    """The images of one consultation, in the order of asking.

    Args:
        spec: whom to ask about what.
        images: the training images.
        logits: (n, classes), of the model on the images as it is being trained on them.
        oracle: who will be asked; one whose answers were recorded is only asked about those images.
        explain: heat maps, for a selection that looks at them.
        answered: ids of the images that got an answer before.
        seed: of the run.
        number: of the consultation within the run, from 1.
    """

    def outside(candidates: Selection) -> NDArray[np.floating]:
        maps = explain(candidates.indices, candidates.predicted)
        lungs = [images.masks_of(int(row))[0].get("lung") for row in candidates.indices]
        return np.array([share_outside(cam, lung) for cam, lung in zip(maps, lungs, strict=True)])

    return select(
        spec.selection,
        logits,
        images.labels,
        images.ids,
        spec.num_outliers,
        exclude=unanswerable(oracle, images.ids) | (frozenset() if spec.revisit else answered),
        fill_up=spec.fill_up,
        rng=stream(seed, "select", number),
        outside=outside,
    )


def questions(
    images: TrainingImages,
    selection: Selection,
    cams: Maps,
    cams_true: Maps,
    grid: Grid,
    number: int = 1,
) -> tuple[Question, ...]:
    """The questions (k,) about the selected training images, in the order of asking.

    Args:
        images: the training images.
        selection: which of them.
        cams: (k, height, width) of the predicted class, in the order of the selection.
        cams_true: (k, height, width) of the true class.
        grid: what the clinician picks from.
        number: of the consultation within its run, from 1.
    """
    rows = zip(selection.indices.tolist(), selection.predicted, selection.confidence, cams, cams_true, strict=True)
    return tuple(
        _question(images, row, int(predicted), float(confidence), cam, cam_true, grid, place, number)
        for place, (row, predicted, confidence, cam, cam_true) in enumerate(rows, 1)
    )


def _question(
    images: TrainingImages,
    row: int,
    predicted: int,
    confidence: float,
    cam: NDArray[np.float32],
    cam_true: NDArray[np.float32],
    grid: Grid,
    place: int,
    number: int,
) -> Question:
    masks, estimated = images.masks_of(row)
    return Question(
        image_id=images.ids[row],
        image=_locked(images.image(row)),
        label=int(images.labels[row]),
        predicted=predicted,
        confidence=confidence,
        class_names=images.class_names,
        cam=_locked(cam),
        cam_true=_locked(cam_true),
        grid=grid,
        masks={name: _locked(mask) for name, mask in masks.items()},
        estimated=estimated,
        place=place,
        consultation=number,
    )


def _locked(array: NDArray[_Value]) -> NDArray[_Value]:
    """A copy that an oracle cannot write to."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def ask(
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
    rngs = [stream(seed, "oracle", number, question.image_id) for question in asked]
    return ask_together(oracle, asked, rngs, seconds)


def conclude(
    spec: FeedbackSpec,
    epoch: int,
    selection: Selection,
    asked: Sequence[Question],
    answers: Sequence[Feedback],
    images: TrainingImages,
    before: Overlay,
    *,
    seed: int,
    number: int,
) -> tuple[Consultation, Overlay]:
    """The record of a consultation, and the overlay that its answers make of ``before``.

    Blackout starts from the originals, whatever an earlier answer made of an image. What a fill draws is a function of
    ``seed`` (of the run), ``number`` (of the consultation, from 1) and the image.

    Raises:
        DataError: the fill needs another training image of the image's class, and there is none.
    """
    fill = Filling(spec.fill, images, seed, number)
    overlay, recorded = replace(before, reordered=before.reordered or spec.reorder), []
    for row, question, feedback in zip(selection.indices.tolist(), asked, answers, strict=True):
        effect: Literal["replaced", "appended", "none"] = "none"
        if feedback.cells is not None and feedback.cells.any():
            overlay = overlay.without(row)
            if not feedback.cells.all():
                height, width = question.image.shape[:2]
                image = fill(row, question.grid.cells_to_mask(feedback.cells, (height, width)))
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


def answered(consultation: Consultation) -> frozenset[str]:
    """Ids of the images that got an answer; they are not asked about again unless the study revisits."""
    return frozenset(answer.image_id for answer in consultation.answers if answer.cells is not None)


class Filling:
    """Images as they are trained on after one consultation: the chosen cells, and the study's fill around them."""

    def __init__(self, fill: str, images: TrainingImages, seed: int, number: int) -> None:
        self._fill, self._images, self._seed, self._number = fill, images, seed, number
        self._brightness = cache(lambda: brightness(map(images.image, range(len(images.ids)))))

    def __call__(self, row: int, keep: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """The image of that row, filled where ``keep`` (height, width) is not True."""
        rng = stream(self._seed, "fill", self._number, self._images.ids[row])
        image = self._images.image(row)
        around = Surroundings(self._brightness, lambda draws: self._partner(row, image, draws))
        return guided(self._fill, image, keep, around, rng)

    def _partner(self, row: int, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        labels = self._images.labels
        others = np.flatnonzero(labels == labels[row])
        others = others[others != row]
        if not len(others):
            raise DataError(
                f'fill = "{self._fill}" needs another training image of the class '
                f"{self._images.class_names[labels[row]]} beside {self._images.ids[row]}, and there is none; use "
                'another fill, "mean" for one'
            )
        partner = self._images.image(int(rng.choice(others)))
        if partner.shape[:2] != image.shape[:2]:
            partner = cv2.resize(partner, image.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.uint8)
        return partner


# ------------------------------------------------------------------------------------- for a person who answers later

FORMAT = 3
"""Of ``questions.json``; 1 did not name the state and the set, 2 not the selection and the fill."""


def question_files(
    asked: Sequence[Question], spec: FeedbackSpec, epoch: int, state: str, images: ImageIndex
) -> dict[str, bytes]:
    """The files by which `imil_sim.annotate` shows the questions of a consultation to a person, by name.

    ``questions.json``, and two pictures a question: the image, and the Grad-CAM of the predicted class. They are
    numbered, since an image's id may be no name for a file.

    Args:
        asked: the questions, in the order of asking; at least one.
        spec: who is asked.
        epoch: completed epochs.
        state: key of the model's state of training; empty where it has none.
        images: the whole set that the questions are about.
    """
    files: dict[str, bytes] = {}
    entries = []
    for number, question in enumerate(asked, 1):
        image, cam = f"{number:03d}-image.png", f"{number:03d}-cam.png"
        files |= {image: _png(question.image), cam: _png(np.round(question.cam * 255).astype(np.uint8))}
        entries.append(
            {
                "image_id": question.image_id,
                "image_sha256": question.image_sha256,
                "label": question.label,
                "predicted": question.predicted,
                "confidence": question.confidence,
                "image": image,
                "cam": cam,
            }
        )
    about = {
        "format": FORMAT,
        "oracle": {"name": spec.oracle, "options": spec.options},
        "selection": spec.selection,
        "fill_up": spec.fill_up,
        "fill": spec.fill,
        "mode": spec.mode,
        "epoch": epoch,
        "state": state,
        "set": {"name": images.name, "fingerprint": images.fingerprint},
        "grid": list(spec.grid_size),
        "class_names": list(asked[0].class_names),
        "questions": entries,
    }
    return files | {"questions.json": json.dumps(about, indent=1).encode()}


def _png(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])
    assert done
    return bytes(data)
