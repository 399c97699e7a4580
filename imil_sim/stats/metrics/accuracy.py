"""Accuracy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from imil_sim.stats.metric import Floats, Labels, Metric, classified, mean


def accuracy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Share of images whose most probable class is the true one, in [0, 1]; of equal classes the first counts."""
    truth, shown = classified(labels, probabilities)
    return mean(shown.argmax(axis=1) == truth)


def _hits(labels: Labels, probabilities: Floats) -> Floats:
    hits: Floats = (probabilities.argmax(axis=2) == labels).astype(np.float64)
    return hits


ACCURACY = Metric(
    name="accuracy", label="accuracy", higher_is_better=True, value=accuracy, per_image=_hits, unit="points", hits=True,
    order=20,
)  # fmt: skip
