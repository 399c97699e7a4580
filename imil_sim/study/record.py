"""`RunRecord`: what a run leaves behind, versioned, so that a reader of next year never has to guess.

A record holds the whole spec, defaults included, the fingerprints of the data, versions and hardware, every answer
and the history of training. It holds no metric: those are computed from the predictions when a report is made, so a
new metric needs no new training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imil_sim.study.spec import RunSpec, Spec

RECORD_VERSION: Literal[1] = 1
"""Format of the records below; a change that an older reader would misread raises it."""


class Answer(Spec):
    """One question of a consultation and what became of it."""

    image_id: str
    label: int
    """True class."""
    predicted: int
    """Class the model predicted."""
    confidence: float
    """Probability given to the predicted class, in [0, 1]."""
    mispredicted: bool
    """False only for an image asked about to fill up a shortage."""
    cells: tuple[int, ...] | None
    """Numbers of the chosen cells, 1 at the top left, row by row; None: the oracle abstained."""
    reason: str = ""
    """Why it abstained."""
    note: str = ""
    """What the oracle said of its answer."""
    estimated_masks: tuple[str, ...] = ()
    """Masks the oracle was shown that were estimated from the image."""
    effect: Literal["replaced", "appended", "none"]
    """What became of the training set; none after an abstention, no cells, or all cells."""


class Consultation(Spec):
    """One interruption of training, with every count a reader needs."""

    epoch: int
    """Completed epochs before it."""
    grid: tuple[int, int]
    """Rows and columns."""
    requested: int
    """``num_outliers``."""
    n_mispredictions: int
    """Mispredicted training images that could be asked about."""
    n_excluded: int
    """Mispredicted images not asked about: an earlier consultation got an answer, or the oracle has none recorded."""
    n_filled_up: int
    """Correctly predicted images asked about because mispredictions ran short."""
    answers: tuple[Answer, ...]
    """In the order of asking: most confident first."""

    @property
    def n_asked(self) -> int:
        """Questions put to the oracle."""
        return len(self.answers)

    @property
    def n_abstained(self) -> int:
        """Questions the oracle gave no answer to."""
        return sum(answer.cells is None for answer in self.answers)

    @property
    def n_nothing(self) -> int:
        """Answers that chose no cell; the image stays as it was."""
        return sum(answer.cells == () for answer in self.answers)

    @property
    def n_everything(self) -> int:
        """Answers that chose every cell; a no-op."""
        cells = self.grid[0] * self.grid[1]
        return sum(answer.cells is not None and len(answer.cells) == cells for answer in self.answers)

    @property
    def n_replaced(self) -> int:
        """Answers that changed the training set."""
        return sum(answer.effect != "none" for answer in self.answers)

    @property
    def shortage(self) -> int:
        """How many questions fewer than requested."""
        return self.requested - self.n_asked


class EpochRow(Spec):
    """One epoch of training."""

    epoch: int
    """From 1."""
    loss: float
    """Mean training loss over the images of the epoch."""
    accuracy: float
    """Share of training images predicted right while training on them (training mode, augmented), in [0, 1]."""


class RunRecord(Spec):
    """What one run leaves behind."""

    version: Literal[1] = RECORD_VERSION
    run_key: str
    status: Literal["done", "failed", "waiting"]
    reason: str = ""
    """Why the run failed or what it waits for."""
    questions: str = Field("", exclude_if=lambda entry: not entry)
    """Entry of the store that holds the questions the run waits for, ``questions/KEY``; empty where it does not."""
    study: str = Field("", exclude_if=lambda entry: not entry)
    """Name of the study, where the run is one of a training of one's own; empty for a run of ours."""
    spec: RunSpec
    data: dict[str, str] = Field(default_factory=dict)
    """Fingerprints of the training images (``train``), the test part (``main``), every further test set by name."""
    n_train: int = 0
    n_test: dict[str, int] = Field(default_factory=dict)
    """Images of each test set."""
    stages: tuple[str, ...] = ()
    """Keys of the training states the run went through, in order."""
    class_names: tuple[str, ...] = ()
    consultations: tuple[Consultation, ...] = ()
    history: tuple[EpochRow, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    """Versions and hardware."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Wall time of the parts of the run; 0 where the store already held them."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the final model says of every image of one test set; (n,) throughout unless said otherwise."""

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    """(n, classes), rows sum to 1."""
    lungs_hidden: NDArray[np.float64]
    """(n, classes): probabilities with the lungs blacked out; NaN where no lung mask is known."""
    lungs_only: NDArray[np.float64]
    """(n, classes): probabilities with everything but the lungs blacked out; NaN where no lung mask is known."""
    cam_in_lung: NDArray[np.float64]
    """Share of the Grad-CAM (predicted class) that lies in the lung, in [0, 1]; NaN without CAM or lung mask."""
    lung_share: NDArray[np.float64]
    """The lung's share of the image, in (0, 1]; NaN without lung mask."""
    lung_estimated: NDArray[np.bool_]
    """Whether the lung mask was estimated from the image."""
    pointing: NDArray[np.float64]
    """1 where the Grad-CAM of the *true* class has its maximum in a lesion, 0 where beside; NaN without a lesion.

    The true class's, as in Zhang et al. (2016): a missed image is asked where the evidence for TB lies, not for normal.
    """
    attributes: Mapping[str, tuple[str, ...]]
    """By name, one value an image; ``""`` where unknown."""
    cam_rows: NDArray[np.int64]
    """(k,): rows of the images whose CAM is kept as a picture, the same ones for every run on the same test set."""
    cams: NDArray[np.uint8]
    """(k, height, width): their Grad-CAMs of the predicted class, 0 to 255."""

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Plain arrays by name, for a file."""
        arrays: dict[str, NDArray[np.generic]] = {
            name: getattr(self, name)
            for name in (
                "labels", "probabilities", "lungs_hidden", "lungs_only", "cam_in_lung", "lung_share",
                "lung_estimated", "pointing", "cam_rows", "cams",
            )
        }  # fmt: skip
        arrays["ids"] = np.array(self.ids, dtype=np.str_)
        for name, values in sorted(self.attributes.items()):
            arrays[f"attribute:{name}"] = np.array(values, dtype=np.str_)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Predictions:
        """The inverse of `to_arrays`.

        Raises:
            KeyError: an array is missing.
        """
        fields = {name: arrays[name] for name in cls.__dataclass_fields__ if name not in ("ids", "attributes")}
        attributes = {
            name.removeprefix("attribute:"): tuple(str(v) for v in values)
            for name, values in arrays.items()
            if name.startswith("attribute:")
        }
        return cls(ids=tuple(str(i) for i in arrays["ids"]), attributes=attributes, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class TrainingPredictions:
    """What the final model says of its training images, as they were before any feedback.

    A threshold may be chosen on them, as it may never be on test images.
    """

    labels: NDArray[np.int64]
    """(n,)"""
    probabilities: NDArray[np.float64]
    """(n, classes), rows sum to 1."""

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Plain arrays by name, for a file."""
        return {"labels": self.labels, "probabilities": self.probabilities}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> TrainingPredictions:
        """The inverse of `to_arrays`.

        Raises:
            KeyError: an array is missing.
        """
        return cls(np.asarray(arrays["labels"], np.int64), np.asarray(arrays["probabilities"], np.float64))
