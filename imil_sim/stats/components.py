"""What the statistics work on: a metric of every run, and what each test image adds to it.

A run's metric is a mean over images (accuracy, Brier score) or behaves like one. ``parts`` are scaled so that, for any
metric and any two runs, the covariance of the two metrics across images is the sample covariance of their parts over
the number of images: one formula, whatever the metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from imil_sim.stats.metric import Floats, Labels, Metric, UndefinedError, metric_named


class Resplit(NamedTuple):
    """Sizes of the sets when every seed has a split of its own."""

    n_train: int
    n_test: int


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """A metric of every run of a study, with its components."""

    metric: str
    """Its name."""
    values: Floats
    """(arms, seeds); NaN where the run is missing or the metric undefined."""
    parts: Floats | None
    """(arms, seeds, images), see the module; NaN with a missing run. None where the runs share no images, or the metric
    does not say how it varies across them; claims then rest on inference B."""
    why_no_parts: str = ""
    """Why no spread across images is known, for all runs; empty where it is known."""
    resplit: Resplit | None = None
    """Set where every seed has its own split: images are then not shared, and B is Nadeau and Bengio's."""

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise ValueError(f"values are (arms, seeds), not of shape {self.values.shape}")
        if self.parts is not None and self.parts.shape[:2] != self.values.shape:
            raise ValueError(f"parts of shape {self.parts.shape} do not go with values of {self.values.shape}")
        if self.parts is None and not self.why_no_parts:
            raise ValueError("values without parts need the reason: why_no_parts")

    @property
    def n_images(self) -> int:
        """Test images all runs share; of a split per seed, the size of one test set; 0 where it is not known."""
        if self.parts is not None:
            return int(self.parts.shape[2])
        return self.resplit.n_test if self.resplit else 0

    @classmethod
    def of_splits(cls, metric: str, values: ArrayLike, resplit: Resplit) -> Components:
        """Components of a study with a split per seed: ``values`` (arms, seeds), no spread across images.

        Raises:
            ValueError: the values are not (arms, seeds), or a set is empty.
        """
        if min(resplit) < 1:
            raise ValueError(f"a split needs images on both sides, not {resplit.n_train} and {resplit.n_test}")
        why = "every seed has a split of its own, so no two runs of different seeds share their test images"
        return cls(metric, np.asarray(values, np.float64), None, why, resplit)


def components_of(metric: str, labels: ArrayLike, probabilities: ArrayLike) -> Components:
    """The metric of every run and what each image adds to it: its values per image, or its pseudovalues.

    Args:
        metric: the name of an installed one.
        labels: (images,), class numbers from 0.
        probabilities: (arms, seeds, images, classes) in [0, 1]; a run that is missing is NaN throughout.

    Raises:
        PartError: no metric of that name is installed.
        ValueError: the arrays do not go together; a run is NaN in part or leaves [0, 1]; a metric of the positive class
            is asked for of more than two.
    """
    of = metric_named(metric)
    truth, shown = _checked(of, labels, probabilities)
    arms, seeds, images, classes = shown.shape
    runs = shown.reshape(arms * seeds, images, classes)
    present = ~np.isnan(runs).any(axis=(1, 2))
    values = np.full(arms * seeds, math.nan)
    each = of.per_image or of.pseudovalues
    if of.per_image is None:
        values[present] = [of.value(truth, run) for run in runs[present]]
    if each is None:
        why = f"how {of.label} varies across images is not known: it declares neither values per image nor pseudovalues"
        return Components(metric, values.reshape(arms, seeds), None, why)
    why, parts = "", np.full((arms * seeds, images), math.nan)
    try:
        parts[present] = each(truth, runs[present])
    except UndefinedError as undefined:
        why = str(undefined)
    if of.per_image is not None:
        values[present] = parts[present].mean(axis=1)
    if images < 2 and not why:
        why = "one test image says nothing about others"
    return Components(metric, values.reshape(arms, seeds), parts.reshape(arms, seeds, images), why)


def _checked(metric: Metric, labels: ArrayLike, probabilities: ArrayLike) -> tuple[Labels, Floats]:
    truth, shown = np.asarray(labels), np.asarray(probabilities, np.float64)
    if shown.ndim != 4 or shown.shape[3] < 2 or truth.shape != shown.shape[2:3] or not truth.size:
        raise ValueError(
            f"probabilities must be (arms, seeds, images, classes) with labels (images,), not {shown.shape} and "
            f"{truth.shape}"
        )
    if truth.dtype.kind not in "iub" or not np.isin(truth, np.arange(shown.shape[3])).all():
        raise ValueError(
            f"labels must be whole numbers from 0 to {shown.shape[3] - 1}, not {np.unique(truth).tolist()}"
        )
    if metric.binary and shown.shape[3] != 2:
        raise ValueError(f"{metric.name} needs two classes; of {shown.shape[3]} none is the positive one")
    known = np.isnan(shown).sum(axis=(2, 3))
    partly = (known > 0) & (known < shown.shape[2] * shown.shape[3])
    outside = ((shown < 0) | (shown > 1)).any(axis=(2, 3))
    if partly.any() or outside.any():
        where = [f"arm {arm}, seed {seed}" for arm, seed in np.argwhere(partly | outside)[:5]]
        raise ValueError(f"probabilities must lie in [0, 1], or a run be NaN throughout; not so: {'; '.join(where)}")
    return truth.astype(np.int64), shown
