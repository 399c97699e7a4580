"""A consultation: predict, select, explain, ask, and blank what did not matter.

Everything here is a function of its arguments; what is asked and answered becomes a `Consultation` for the record and
a new `Overlay` for the training that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from imil_sim.engine.data import lung_mask
from imil_sim.errors import DataError
from imil_sim.feedback import Feedback, Grid, Oracle, Question
from imil_sim.feedback.ask import ask_together
from imil_sim.feedback.fill import Surroundings, brightness, guided
from imil_sim.feedback.selection import Selection
from imil_sim.images.image_set import ImageSet
from imil_sim.seeds import stream
from imil_sim.study.record import Answer, Consultation
from imil_sim.study.spec import FeedbackSpec
from imil_sim.training.overlay import Overlay

_Value = TypeVar("_Value", bound=np.generic)

Effect = Literal["replaced", "appended", "none"]
"""What an answer makes of the training set."""


@dataclass(frozen=True)
class Outcome:
    """What comes out of a consultation."""

    consultation: Consultation
    overlay: Overlay
    """The training images from now on."""
    answered: frozenset[str]
    """Ids of the training images that somebody has given an answer about so far; they are not asked about again."""


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
    return tuple(
        _question(images, selection, i, cams[i], cams_true[i], grid, consultation)
        for i in range(len(selection.indices))
    )


def _question(
    images: ImageSet,
    selection: Selection,
    number: int,
    cam: NDArray[np.float32],
    cam_true: NDArray[np.float32],
    grid: Grid,
    consultation: int,
) -> Question:
    row = int(selection.indices[number])
    lung, estimated = lung_mask(images, row)
    masks = {name: mask.values[row] for name, mask in images.masks.items() if mask.present[row] and name != "lung"}
    if lung is not None:
        masks["lung"] = lung
    return Question(
        image_id=images.ids[row],
        image=_locked(images.pixels[row]),
        label=int(images.labels[row]),
        predicted=int(selection.predicted[number]),
        confidence=float(selection.confidence[number]),
        class_names=images.class_names,
        cam=_locked(cam),
        cam_true=_locked(cam_true),
        grid=grid,
        masks={name: _locked(mask) for name, mask in masks.items()},
        estimated=frozenset({"lung"} if estimated else ()),
        place=number + 1,
        consultation=consultation,
    )


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
    return ask_together(
        oracle, asked, [stream(seed, "oracle", number, question.image_id) for question in asked], seconds
    )


def consult(
    spec: FeedbackSpec,
    epoch: int,
    selection: Selection,
    asked: Sequence[Question],
    answers: Sequence[Feedback],
    images: ImageSet,
    before: Overlay,
    answered: frozenset[str],
    *,
    seed: int,
    number: int,
) -> Outcome:
    """The overlay that the answers make of ``before``, and the record of it; blackout starts from the originals.

    What a fill draws is a function of ``seed`` (of the run), ``number`` (of the consultation, from 1) and the image.
    """
    fill = Filling(spec.fill, images, seed, number)
    overlay, known, recorded = replace(before, reordered=before.reordered or spec.reorder), set(answered), []
    for row, question, feedback in zip(selection.indices.tolist(), asked, answers, strict=True):
        effect: Effect = "none"
        if feedback.cells is not None:
            known.add(question.image_id)
            if feedback.cells.any():  # starting from the original, whatever an earlier answer made of it
                overlay = overlay.without(row)
            if feedback.cells.any() and not feedback.cells.all():
                keep = question.grid.cells_to_mask(feedback.cells, images.shape)
                image = fill(row, keep)
                replaces = spec.mode == "replace"
                overlay = overlay.replace(row, image) if replaces else overlay.append(row, image)
                effect = "replaced" if replaces else "appended"
        recorded.append(_answer(question, feedback, effect))
    consultation = Consultation(
        epoch=epoch,
        grid=spec.grid_size,
        requested=spec.num_outliers,
        n_mispredictions=selection.n_mispredictions,
        n_excluded=selection.n_excluded,
        n_filled_up=selection.n_filled_up,
        answers=tuple(recorded),
    )
    return Outcome(consultation, overlay, frozenset(known))


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


def _answer(question: Question, feedback: Feedback, effect: Effect) -> Answer:
    cells = None if feedback.cells is None else question.grid.numbers(feedback.cells)
    return Answer(
        image_id=question.image_id,
        label=question.label,
        predicted=question.predicted,
        confidence=question.confidence,
        mispredicted=question.predicted != question.label,
        cells=cells,
        reason=feedback.reason,
        note=feedback.note,
        estimated_masks=tuple(sorted(question.estimated)),
        effect=effect,
    )
