"""What passes between the harness and a clinician: `Question`, `Feedback`, and the `Oracle` that answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.grid import Grid


def image_sha256(pixels: NDArray[np.uint8]) -> str:
    """SHA-256, 64 hex digits, over ``uint8 HEIGHT x WIDTH``, a line feed, and the pixels row by row.

    Taken of an image as the study sees it: 8 bits, at the study's size. The same image at another size has another.
    An image in colour begins ``uint8 HEIGHT x WIDTH x 3``.

    Raises:
        ValueError: the pixels are not uint8 of (height, width) or (height, width, 3).
    """
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(f"an image is uint8 of (height, width[, 3]), not {pixels.dtype} {pixels.shape}")
    head = f"uint8 {' x '.join(map(str, pixels.shape))}\n".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def cam_sha256(cam: NDArray[np.floating]) -> str:
    """`image_sha256` of a heat-map (height, width) in [0, 1] as it is shown and kept: in 256 shades."""
    return image_sha256(np.round(cam * 255).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class Question:
    """One image the model got wrong and was sure of, as it is shown to the clinician."""

    image_id: str
    image: NDArray[np.uint8]
    """(height, width), or (height, width, 3) in colour: the original image, whatever was blacked out before."""
    label: int
    """The true class, index into ``class_names``."""
    predicted: int
    """The class the model predicted, index into ``class_names``."""
    confidence: float
    """Probability given to the predicted class, in [0, 1]."""
    class_names: tuple[str, ...]
    cam: NDArray[np.float32]
    """(height, width), in [0, 1]: Grad-CAM of the predicted class."""
    cam_true: NDArray[np.float32]
    """(height, width), in [0, 1]: Grad-CAM of the true class."""
    grid: Grid
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """(height, width) by name (``lung``, ``lesion``): those the image has. An empty lesion mask means none is there."""
    estimated: frozenset[str] = frozenset()
    """Names of the masks that were estimated from the image, not drawn by a person."""
    place: int = 1
    """Which question of its consultation this is, in the order of asking, from 1; the surest misprediction is the first
    unless the study selects otherwise."""
    consultation: int = 1
    """Which consultation of its run this is, from 1."""

    @property
    def image_sha256(self) -> str:
        """`image_sha256` of the image: by it a recorded answer knows its image."""
        return image_sha256(self.image)

    @property
    def cam_sha256(self) -> str:
        """`cam_sha256` of the heat-map that is shown, the predicted class's."""
        return cam_sha256(self.cam)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One clinician's answer about one image."""

    image_id: str
    cells: NDArray[np.bool_] | None
    """(rows, cols), True where the cell matters; None when the oracle abstains."""
    reason: str = ""
    """Why it abstained; empty otherwise."""
    note: str = ""
    """What a reader of the record should know of an answer ("normal image: lung fields instead of lesions")."""

    @classmethod
    def abstain(cls, question: Question, reason: str) -> Feedback:
        """No answer, with the reason why; the image will stay as it was."""
        return cls(question.image_id, None, reason)


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The whole image set that a study draws its questions from."""

    name: str
    fingerprint: str
    """`ImageSet.training_fingerprint` of the whole set: over ids, pixels, labels and class names."""
    class_names: tuple[str, ...]
    labels: Mapping[str, int]
    """True class by id."""
    image: Callable[[str], NDArray[np.uint8]]
    """(height, width): the image of that id at the study's size."""


@runtime_checkable
class Oracle(Protocol):
    """The simulated clinician: a frozen dataclass whose fields are its options."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells that matter for ``question.label``; all chance comes from ``rng``, nothing is modified."""
        ...


@runtime_checkable
class ConsultationOracle(Oracle, Protocol):
    """An oracle that looks at all questions of a consultation before it answers any.

    Most do not need this: what one image's answer has to do with another image's (the answer before it, the cells
    chosen for somebody else) is all there is to it. The harness calls `answer_all` where there is one. `answer` is the
    consultation of a single question, and one line: ``return self.answer_all([question], [rng])[0]``.
    """

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> Sequence[Feedback]:
        """One answer a question, in their order, each with a generator of its own.

        The answer about an image may depend on which questions there are, and on their `place`; not on the order in
        which they are handed over.
        """
        ...
