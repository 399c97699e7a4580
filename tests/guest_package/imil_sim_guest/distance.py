"""A metric where lower is better: how far the true class is from certain."""

from __future__ import annotations

import numpy as np

from imil_sim.stats.metric import Floats, Labels, Metric


def _distances(labels: Labels, probabilities: Floats) -> Floats:
    return np.asarray(1 - np.where(labels == 1, probabilities[..., 1], probabilities[..., 0]))


DISTANCE = Metric(
    name="guest_distance", label="distance from certainty", higher_is_better=False,
    value=lambda labels, probabilities: float(_distances(labels, probabilities).mean()), per_image=_distances,
)  # fmt: skip
