"""What passes between the harness and a clinician: `Question`, `Feedback`, and the `Oracle` that answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.grid import Grid


@dataclass(frozen=True, slots=True)
class Question:
    """One image the model got wrong and was sure of, as it is shown to the clinician."""

    image_id: str
    image: NDArray[np.uint8]
    """(height, width): the original film, whatever was blacked out before."""
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

    @property
    def image_sha256(self) -> str:
        """SHA-256, 64 hex digits, of the film's pixels row by row: by it a recorded answer knows its film."""
        return hashlib.sha256(np.ascontiguousarray(self.image).tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Feedback:
    """One clinician's answer about one image."""

    image_id: str
    cells: NDArray[np.bool_] | None
    """(rows, cols), True where the cell matters; None when the oracle abstains."""
    reason: str = ""
    """Why it abstained; empty otherwise."""
    note: str = ""
    """What a reader of the record should know of an answer ("normal film: lung fields instead of lesions")."""

    @classmethod
    def abstain(cls, question: Question, reason: str) -> Feedback:
        """No answer, with the reason why; the image will stay as it was."""
        return cls(question.image_id, None, reason)


@runtime_checkable
class Oracle(Protocol):
    """The simulated clinician: a frozen dataclass whose fields are its options."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells that matter for ``question.label``; all chance comes from ``rng``, nothing is modified."""
        ...
