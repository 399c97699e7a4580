"""Expected calibration error of the confidence in the predicted class."""

from __future__ import annotations

from numpy.typing import ArrayLike

from imil_sim.stats.calibration import BINS, CAVEAT, calibration_error, calibration_errors
from imil_sim.stats.metric import Floats, Labels, Metric, classified


def ece_top_label(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> float:
    """Calibration error of the confidence in the predicted class, in [0, 1] (Guo et al. 2017)."""
    truth, shown = classified(labels, probabilities)
    return calibration_error(shown.argmax(axis=1) == truth, shown.max(axis=1), bins)


def _pseudovalues(labels: Labels, probabilities: Floats) -> Floats:
    return calibration_errors(probabilities.argmax(axis=2) == labels, probabilities.max(axis=2)).pseudovalues


ECE_TOP_LABEL = Metric(
    name="ece_top_label", label="ECE, top label", higher_is_better=False, value=ece_top_label,
    pseudovalues=_pseudovalues, caveat=CAVEAT, order=40,
)  # fmt: skip
