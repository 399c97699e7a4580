"""`Metric`: what a number about predictions is called, which way it is better, and how it varies across images.

A metric is a *part*: one file that declares one `Metric`, and one line under ``imil_sim.metrics`` in a package's
``pyproject.toml``. Columns, tables, axes, captions and margins follow from what it declares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imil_sim import registry
from imil_sim.errors import PartError

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

PRIMARY = "auroc"
"""The metric that claims rest on."""


class UndefinedError(ValueError):
    """What `Metric.per_image` and `Metric.pseudovalues` raise where these images give no spread; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of a run: a number from the labels of the test images and the probabilities given to them.

    How it varies across images is known through `per_image` or `pseudovalues`, of which at most one is given. A metric
    with neither is compared over seeds alone (inference B).
    """

    name: str
    """As in the entry point: the column of results.csv, and what study files write."""
    label: str
    """What a reader calls it, such as "Brier score"."""
    higher_is_better: bool
    value: Callable[[Labels, Floats], float]
    """Of labels (images,) and probabilities (images, classes): the metric of one run; NaN where it is undefined."""
    per_image: Callable[[Labels, Floats], Floats] | None = None
    """Of labels (images,) and probabilities (runs, images, classes): (runs, images), whose means are the metric."""
    pseudovalues: Callable[[Labels, Floats], Floats] | None = None
    """As `per_image`, for a metric that is no mean: (runs, images) such that the covariance across images of the
    metrics of two runs is the sample covariance of their rows over the number of images; `jackknifed` makes them of
    any metric."""
    unit: str = ""
    """Of a difference in a sentence: ``points`` for hundredths, ``nats``; empty for a bare number."""
    low: float = 0.0
    high: float = 1.0
    """Between which values the metric lies; infinite where nothing bounds it."""
    binary: bool = False
    """Whether it is about the positive class, number 1, and so not defined for more than two classes."""
    hits: bool = False
    """Whether its values per image are 0 or 1: of one seed it then has Wilson's interval and McNemar's test."""
    spread: str = "variance across images of one seed, normal"
    """What the inference over patients from one seed is called."""
    caveat: str = ""
    """What to know of its intervals; empty where there is nothing."""
    compared: bool = True
    """Whether arms are compared in it; without, it is a column of results.csv and no more."""
    order: int = 100
    """Its place in tables, ascending; of equals by name. The primary metric comes first in any case."""

    def __post_init__(self) -> None:
        if self.per_image and self.pseudovalues:
            raise ValueError(f"the metric {self.name} has values per image or pseudovalues, not both")
        if self.hits and not self.per_image:
            raise ValueError(f"the metric {self.name} counts hits, so it needs them per image")

    def is_better(self, difference: float) -> bool:
        """Whether an arm with this difference from another one is the better of the two."""
        return difference > 0 if self.higher_is_better else difference < 0

    @property
    def better_side(self) -> str:
        """``higher`` or ``lower``."""
        return "higher" if self.higher_is_better else "lower"


def metric_named(name: str) -> Metric:
    """The installed metric of that name.

    Raises:
        PartError: there is none, it cannot be imported, or what it declares is no `Metric` of that name.
    """
    found = registry.load("metrics", name)
    if not isinstance(found, Metric) or found.name != name:
        what = f'the metric "{found.name}"' if isinstance(found, Metric) else f"a {type(found).__name__}"
        raise PartError(
            f'the entry point "{name}" in the group imil_sim.metrics names {what}: it must name a Metric of that name',
            "metrics",
            name,
        )
    return found


def metric_names(*, compared: bool = True) -> tuple[str, ...]:
    """The names of the installed metrics that arms are compared in, or of all; the primary one first.

    Raises:
        PartError: as `metric_named`.
    """
    found = [metric_named(name) for name in registry.names("metrics")]
    found.sort(key=lambda metric: (metric.name != PRIMARY, metric.order, metric.name))
    return tuple(metric.name for metric in found if metric.compared or not compared)


def jackknifed(value: Callable[[Labels, Floats], float]) -> Callable[[Labels, Floats], Floats]:
    """The pseudovalues of any metric that is smooth in the images: n value - (n - 1) value without the image.

    It takes one evaluation an image and a run; a closed form is faster where there is one.
    """

    def pseudovalues(labels: Labels, probabilities: Floats) -> Floats:
        images = len(labels)
        if images < 2:
            raise UndefinedError("one test image says nothing about others")
        without = [np.delete(np.arange(images), image) for image in range(images)]
        each = [[value(labels[kept], run[kept]) for kept in without] for run in probabilities]
        whole = np.array([value(labels, run) for run in probabilities])
        found = images * whole[:, None] - (images - 1) * np.array(each).reshape(len(probabilities), images)
        if np.isnan(found).any() and not np.isnan(whole).any():
            raise UndefinedError("it is undefined once one of the test images is left out")
        return np.asarray(found, np.float64)

    return pseudovalues


def of_positive(function: Callable[[ArrayLike, ArrayLike], float]) -> Callable[[Labels, Floats], float]:
    """`Metric.value` of a function of (images,) bool and the probability (images,) of the positive class."""
    return lambda labels, probabilities: function(labels == 1, probabilities[:, 1])


# ------------------------------------------------------------------------------------------------- checks of arguments


def mean(values: NDArray[np.generic]) -> float:
    """The mean; NaN of none."""
    return float(values.astype(np.float64).mean()) if len(values) else math.nan


def checked_probabilities(values: ArrayLike, name: str) -> Floats:
    """The values as an array; raises ``ValueError`` where one is NaN or outside [0, 1]."""
    shown = np.asarray(values, np.float64)
    wrong = ~((shown >= 0) & (shown <= 1))
    if wrong.any():
        raise ValueError(f"{name} must lie in [0, 1]; {wrong.sum()} of {wrong.size} do not, such as {shown[wrong][0]}")
    return shown


def positives(positive: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Labels 0 and 1 of ``n`` images as (n,) bool; raises ``ValueError`` where they are something else."""
    truth = np.asarray(positive)
    if truth.shape != (n,):
        raise ValueError(f"labels of shape {truth.shape} do not go with {n} scores")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels of one score an image must be 0 or 1, not {np.setdiff1d(truth, (0, 1)).tolist()}")
    return truth.astype(np.bool_)


def scored(positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Truth (n,) and scores (n,) in [0, 1]; raises ``ValueError`` where they do not go together."""
    shown = checked_probabilities(scores, "scores")
    if shown.ndim != 1:
        raise ValueError(f"scores must be (n,), not {shown.shape}")
    return positives(positive, len(shown)), shown


def classified(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Labels, Floats]:
    """Labels (n,) and probabilities (n, classes); raises ``ValueError`` where they do not go together."""
    truth, shown = np.asarray(labels), checked_probabilities(probabilities, "probabilities")
    if shown.ndim != 2 or shown.shape[1] < 2 or truth.shape != shown.shape[:1]:
        raise ValueError(f"labels of shape {truth.shape} do not go with probabilities of shape {shown.shape}")
    classes = np.arange(shown.shape[1])
    if len(truth) and not (truth.dtype.kind in "iub" and np.isin(truth, classes).all()):
        raise ValueError(f"labels must be whole numbers from 0 to {classes[-1]}, not {np.unique(truth).tolist()}")
    return truth.astype(np.int64), shown
