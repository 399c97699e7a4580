"""Statistics of a study: arrays in, estimates out; no file, no record, no figure, no torch.

The data are arms x seeds x test images. Every arm of one seed shares split, initial weights and batch order, and every
run is tested on the same images, so differences are paired by seed and by image: the multi-reader multi-case design of
radiology with seeds as readers. The estimand is the mean over seeds of the paired difference from a reference arm.
Every estimate carries what is random in its interval:

A  new seeds and new patients      Obuchowski-Rockette, Hillis degrees of freedom     the primary one
B  new seeds, this test set        paired t over seeds
C  new patients, these models      Obuchowski-Rockette with fixed seeds; of one seed DeLong or McNemar

`components_of` turns the predictions of all runs into what the rest works on; `compare`, `summarise` and `weighted`
give the three inferences for pairs of arms, one arm, and the factors of a sweep.
"""

from imil_sim.stats.calibration import null_ece
from imil_sim.stats.claims import benjamini_hochberg, equivalence, holm, non_inferiority
from imil_sim.stats.components import Components, Resplit, components_of
from imil_sim.stats.contrast import (
    ArmSummary,
    Comparison,
    Inferences,
    Pair,
    compare,
    difference_weights,
    slope_weights,
    summarise,
    weighted,
)
from imil_sim.stats.estimate import Estimate
from imil_sim.stats.metric import PRIMARY, Metric, jackknifed, metric_named, metric_names
from imil_sim.stats.mrmc import Covariances, Spread, minimum_detectable_effect
from imil_sim.stats.paired import iqm, mcnemar, over_seeds, superiority, wilson

__all__ = [
    "PRIMARY",
    "ArmSummary",
    "Comparison",
    "Components",
    "Covariances",
    "Estimate",
    "Inferences",
    "Metric",
    "Pair",
    "Resplit",
    "Spread",
    "benjamini_hochberg",
    "compare",
    "components_of",
    "difference_weights",
    "equivalence",
    "holm",
    "iqm",
    "jackknifed",
    "mcnemar",
    "metric_named",
    "metric_names",
    "minimum_detectable_effect",
    "non_inferiority",
    "null_ece",
    "over_seeds",
    "slope_weights",
    "summarise",
    "superiority",
    "weighted",
    "wilson",
]
