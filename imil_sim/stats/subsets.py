"""Numbers over a part of the test images: those with masks, and the groups of an attribute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imil_sim.stats.metric import classified, mean
from imil_sim.stats.metrics.accuracy import accuracy
from imil_sim.stats.metrics.auroc import auroc

MINIMUM_GROUP = 10
"""Images a group needs to be called the worst: one image in a smaller one moves its accuracy by over ten points."""

UNKNOWN = "unknown"
"""The group of the images whose attribute the source does not know."""


class Known(NamedTuple):
    """A number over those images for which the ingredients are known, and how many they are."""

    value: float
    """NaN where ``n`` is 0, or the number is undefined on these images."""
    n: int


@dataclass(frozen=True, slots=True)
class Group:
    """The images of one attribute value."""

    value: str
    n: int
    accuracy: float
    auroc: float
    """NaN where the group has one class only; ``reason`` then says so."""
    reason: str = ""


def mean_known(values: ArrayLike) -> Known:
    """Mean of what is not NaN, and how many that is: the pointing game (Zhang et al. 2016) of hits (n,) 1, 0 or NaN."""
    numbers = np.asarray(values, np.float64)
    known = numbers[~np.isnan(numbers)]
    return Known(mean(known), len(known))


def attention_ratio(cam_in_lung: ArrayLike, lung_share: ArrayLike) -> Known:
    """Mean over images of the CAM's share in the lung over the lung's share of the image; 1 for a map without aim.

    Both (n,) in [0, 1], NaN where unknown; an image with either unknown, or with an empty lung mask, does not count.
    """
    inside, share = np.asarray(cam_in_lung, np.float64), np.asarray(lung_share, np.float64)
    if inside.shape != share.shape:
        raise ValueError(f"{inside.shape} shares of the map but {share.shape} shares of the image")
    usable = share > 0
    return mean_known(inside[usable] / share[usable])


def auroc_known(labels: ArrayLike, probabilities: ArrayLike) -> Known:
    """`auroc` of the images whose probabilities (n, classes) are not NaN: of masked images, where masks are known."""
    truth, shown = np.asarray(labels), np.asarray(probabilities, np.float64)
    if shown.ndim != 2 or len(truth) != len(shown):
        raise ValueError(f"{len(truth)} labels do not go with probabilities of shape {shown.shape}")
    known = ~np.isnan(shown).any(axis=1)
    return Known(auroc(truth[known], shown[known]), int(known.sum()))


def groups(labels: ArrayLike, probabilities: ArrayLike, values: Sequence[str]) -> tuple[Group, ...]:
    """One `Group` for every attribute value, sorted by value; an empty value is `UNKNOWN`.

    No group is left out: one without an AUROC says why.
    """
    truth, shown = classified(labels, probabilities)
    if len(values) != len(truth):
        raise ValueError(f"{len(values)} attribute values do not go with {len(truth)} images")
    named = np.array([value or UNKNOWN for value in values], dtype=object)
    return tuple(_group(value, truth[named == value], shown[named == value]) for value in sorted(set(named)))


def worst(of: Iterable[Group], metric: Literal["accuracy", "auroc"], minimum: int = MINIMUM_GROUP) -> Group | None:
    """The group with the lowest value of the metric; None where no group qualifies.

    A group qualifies with ``minimum`` images or more, a known value and a defined metric; of equal groups the first.
    """
    fit = [g for g in of if g.n >= minimum and g.value != UNKNOWN and not math.isnan(getattr(g, metric))]
    return min(fit, key=lambda group: float(getattr(group, metric)), default=None)


def _group(value: str, truth: NDArray[np.int64], shown: NDArray[np.float64]) -> Group:
    area = auroc(truth, shown)
    absent = sorted(set(range(shown.shape[1])) - set(truth.tolist()))
    reason = f"no AUROC: none of its {len(truth)} images is of class {', '.join(map(str, absent))}" if absent else ""
    return Group(value, len(truth), accuracy(truth, shown), area, reason)
