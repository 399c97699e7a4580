"""The metrics that imil-sim brings, one a file: arrays in, a number out.

Throughout, ``labels`` is (n,), class numbers from 0, and ``probabilities`` is (n, classes), rows that sum to 1. With
two classes, class 1 is the positive one; ``positive`` is then (n,) bool and ``scores`` (n,) the probability of class 1.
What is undefined (no images, one class only) is NaN, never 0. Arrays that cannot be what they claim to be (other
lengths, a label without a column, a probability that is NaN or outside [0, 1]) raise ``ValueError``.
"""

from imil_sim.stats.metrics.accuracy import accuracy
from imil_sim.stats.metrics.auroc import auroc
from imil_sim.stats.metrics.brier import brier
from imil_sim.stats.metrics.ece_positive import ece_positive
from imil_sim.stats.metrics.ece_top_label import ece_top_label
from imil_sim.stats.metrics.nll import nll
from imil_sim.stats.metrics.sensitivity import sensitivity
from imil_sim.stats.metrics.specificity import specificity

__all__ = [
    "accuracy",
    "auroc",
    "brier",
    "ece_positive",
    "ece_top_label",
    "nll",
    "sensitivity",
    "specificity",
]
