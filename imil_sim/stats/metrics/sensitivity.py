"""Sensitivity at a fixed threshold."""

from __future__ import annotations

from numpy.typing import ArrayLike

from imil_sim.stats.metric import Metric, mean, of_positive, scored


def sensitivity(positive: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> float:
    """Share of the positive images with a score above the threshold, in [0, 1].

    Strictly above, so that at 0.5 it counts what the accuracy counts, which gives a tie to class 0.
    """
    truth, shown = scored(positive, scores)
    return mean(shown[truth] > threshold)


SENSITIVITY = Metric(
    name="sensitivity", label="sensitivity", higher_is_better=True, value=of_positive(sensitivity), unit="points",
    binary=True, compared=False, order=70,
)  # fmt: skip
