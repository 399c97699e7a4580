"""Brier score."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from imil_sim.stats.metric import Floats, Labels, Metric, classified, mean


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over images of half the squared distance between probabilities and truth, in [0, 1].

    The half makes it mean (p - y)^2 for two classes, as everybody computes it, by one formula for any number of
    classes; with three or more it is half of what Brier (1950) sums.
    """
    return mean(_distances(*classified(labels, probabilities)))


def _distances(labels: Labels, probabilities: Floats) -> Floats:
    """(..., images) of probabilities (..., images, classes)."""
    halves: Floats = ((probabilities - np.eye(probabilities.shape[-1])[labels]) ** 2).sum(axis=-1) / 2
    return halves


BRIER = Metric(
    name="brier", label="Brier score", higher_is_better=False, value=brier, per_image=_distances, order=30
)  # fmt: skip
