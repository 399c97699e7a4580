"""A metric where higher is better: by how much the true class leads."""

from __future__ import annotations

import numpy as np

from imil_sim.stats.metric import Floats, Labels, Metric


def _leads(labels: Labels, probabilities: Floats) -> Floats:
    lead = probabilities[..., 1] - probabilities[..., 0]
    return np.asarray(np.where(labels == 1, lead, -lead))


MARGIN = Metric(
    name="guest_margin", label="lead of the true class", higher_is_better=True, low=-1.0,
    value=lambda labels, probabilities: float(_leads(labels, probabilities).mean()), per_image=_leads,
)  # fmt: skip
