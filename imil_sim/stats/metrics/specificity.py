"""Specificity at a fixed threshold."""

from __future__ import annotations

from numpy.typing import ArrayLike

from imil_sim.stats.metric import Metric, mean, of_positive, scored


def specificity(positive: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> float:
    """Share of the negative images with a score at or below the threshold, in [0, 1]; see `sensitivity`."""
    truth, shown = scored(positive, scores)
    return mean(shown[~truth] <= threshold)


SPECIFICITY = Metric(
    name="specificity", label="specificity", higher_is_better=True, value=of_positive(specificity), unit="points",
    binary=True, compared=False, order=80,
)  # fmt: skip
