"""Negative log-likelihood."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from imil_sim.stats.metric import Metric, classified, mean

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Floor of a probability inside a logarithm, 2.2e-16 as in scikit-learn: one image adds at most 36.04 nats."""


def nll(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log probability of the true class, nats.

    A probability below `SMALLEST_PROBABILITY` counts as that: a true class given 0 costs 36.04 nats, not infinity.
    """
    truth, shown = classified(labels, probabilities)
    given = shown[np.arange(len(truth)), truth]
    return mean(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1)))


NLL = Metric(
    name="nll", label="negative log-likelihood", higher_is_better=False, value=nll, unit="nats", high=math.inf,
    compared=False, order=60,
)  # fmt: skip
