"""Expected calibration error of the probability of the positive class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from imil_sim.stats.calibration import BINS, CAVEAT, calibration_error, calibration_errors
from imil_sim.stats.metric import Floats, Labels, Metric, of_positive


def ece_positive(positive: ArrayLike, scores: ArrayLike, bins: int = BINS) -> float:
    """Calibration error of the probability of the positive class, in [0, 1] (the other convention of the ECE)."""
    return calibration_error(positive, scores, bins)


def _pseudovalues(labels: Labels, probabilities: Floats) -> Floats:
    happened = np.broadcast_to(labels == 1, probabilities.shape[:2])
    return calibration_errors(happened, probabilities[:, :, 1]).pseudovalues


ECE_POSITIVE = Metric(
    name="ece_positive", label="ECE, positive class", higher_is_better=False, value=of_positive(ece_positive),
    pseudovalues=_pseudovalues, caveat=CAVEAT, binary=True, order=50,
)  # fmt: skip
