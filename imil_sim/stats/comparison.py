"""The questions a report asks of one metric: do two arms differ, what is an arm worth, does a sweep have a trend."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.stats.claims import benjamini_hochberg, holm
from imil_sim.stats.components import Components
from imil_sim.stats.contrast import Contrast, check_arms, complete_seeds, contrast, inferences, resolution
from imil_sim.stats.estimate import LEVEL, Bounds, Estimate
from imil_sim.stats.metric import Metric, metric_named
from imil_sim.stats.mrmc import POWER, Covariances, Spread, covariances, minimum_detectable_effect, variance
from imil_sim.stats.paired import iqm, mcnemar, superiority, wilson

Adjustment = Literal["holm", "benjamini-hochberg"]
"""Holm for planned comparisons; Benjamini-Hochberg for exploring, and the report then says "exploratory"."""


class Pair(NamedTuple):
    """One comparison: places of two arms in the components."""

    arm: int
    reference: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm minus its reference in one metric, the mean over seeds of paired differences."""

    metric: str
    arm: int
    reference: int
    a: Estimate
    """New seeds and new patients: the primary inference."""
    b: Estimate
    """New seeds, this test set; where every seed has its own split, Nadeau and Bengio's, and then the primary one."""
    c: Estimate
    """New patients, these trained models."""
    p_adjusted: float
    """The primary p, adjusted for all comparisons of the call; NaN where there is none."""
    adjustment: Adjustment
    p_superior: float
    """Share of seeds in which the arm is the *better* one, ties counting half: P(A > B) where higher is better."""
    mde: float
    """Minimum detectable effect: what inference A would tell from 0 with 80% power; NaN where A is absent."""
    spread: Spread
    """Sources of variance of the difference: for the effect detectable with another number of seeds."""
    covariances: Covariances
    """Obuchowski and Rockette's, of the two arms; NaN where unknown."""
    over_seeds_alone: bool = False
    """Whether no spread across images can be known, so that claims rest on inference B."""

    @property
    def primary(self) -> Estimate:
        """The inference that claims rest on: A; B where no spread across images can be known."""
        return self.b if self.over_seeds_alone else self.a


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """One arm in one metric, over its seeds."""

    metric: str
    arm: int
    n_seeds: int
    mean: float
    sd: float
    """Standard deviation over seeds (n - 1); NaN with one seed."""
    lowest: float
    highest: float
    iqm: float
    """Interquartile mean."""
    a: Estimate
    b: Estimate
    c: Estimate


# ------------------------------------------------------------------------------------------------------------ two arms


def compare(
    of: Components,
    pairs: Sequence[tuple[int, int]],
    *,
    adjustment: Adjustment = "holm",
    level: float = LEVEL,
    power: float = POWER,
) -> tuple[Comparison, ...]:
    """Every planned comparison of one metric, in the order of ``pairs``.

    Each pair is an analysis of its own two arms: its variance components are not pooled with those of other arms, which
    may vary more or less over seeds and images. Seeds without a run of either arm are left out and counted.

    Args:
        of: the components of all arms.
        pairs: (arm, reference), their places in the components; each pair once.
        adjustment: how p values are adjusted for the number of pairs.
        level: coverage of the intervals, in (0, 1).
        power: of the minimum detectable effect, in (0, 1).

    Raises:
        ValueError: a pair names an arm that does not exist, twice the same arm, or comes twice.
    """
    planned = _planned(of, pairs)
    found = [_compared(of, pair, adjustment, level, power) for pair in planned]
    adjust = holm if adjustment == "holm" else benjamini_hochberg
    adjusted = adjust([comparison.primary.p for comparison in found])
    return tuple(replace(one, p_adjusted=float(p)) for one, p in zip(found, adjusted, strict=True))


def _compared(of: Components, pair: Pair, adjustment: Adjustment, level: float, power: float) -> Comparison:
    metric, complete = metric_named(of.metric), complete_seeds(of, pair)
    ours, theirs = of.values[pair.arm, complete.seeds], of.values[pair.reference, complete.seeds]
    summary, differences = _covariances(of, pair, complete.seeds), ours - theirs
    sources = summary.of_difference(variance(differences))
    known = Contrast(
        differences, sources, of.n_images, of.why_no_parts, of.resplit,
        Bounds(metric.low - metric.high, metric.high - metric.low),
        resolution(of, {pair.arm: 1.0, pair.reference: -1.0}), complete.warnings,
    )  # fmt: skip
    a, b, c = inferences(known, level=level)
    if len(differences) == 1 and not c.why_absent:
        c = _of_one_seed(of, metric, pair, complete.seeds, c)
    return Comparison(
        of.metric, pair.arm, pair.reference, a, b, c, p_adjusted=math.nan, adjustment=adjustment,
        p_superior=superiority(ours, theirs) if metric.higher_is_better else superiority(theirs, ours),
        mde=math.nan if a.why_absent else minimum_detectable_effect(sources, len(ours), level=level, power=power),
        spread=sources, covariances=summary, over_seeds_alone=of.parts is None,
    )  # fmt: skip


def _covariances(of: Components, pair: Pair, seeds: NDArray[np.bool_]) -> Covariances:
    if of.parts is None or of.why_no_parts or not seeds.any():
        return Covariances(math.nan, math.nan, math.nan, math.nan)
    return covariances(of.parts[pair.arm, seeds], of.parts[pair.reference, seeds])


def _of_one_seed(of: Components, metric: Metric, pair: Pair, seeds: NDArray[np.bool_], c: Estimate) -> Estimate:
    """Inference C as two single models are compared: what Obuchowski and Rockette's comes to, or better."""
    if not metric.hits or of.parts is None:
        return replace(c, method=metric.spread)
    (ours,), (theirs,) = of.parts[pair.arm, seeds], of.parts[pair.reference, seeds]
    return replace(mcnemar(ours, theirs, level=c.level), warnings=c.warnings)


# ------------------------------------------------------------------------------------------------- one arm, many arms


def summarise(of: Components, arm: int, *, level: float = LEVEL) -> ArmSummary:
    """One arm over its seeds, with the three intervals of its mean; nothing is tested, so there is no p.

    Raises:
        ValueError: there is no such arm.
    """
    metric = metric_named(of.metric)
    known = contrast(of, {arm: 1.0}, Bounds(metric.low, metric.high))
    a, b, c = inferences(known, level=level, tested=False)
    if len(known.values) == 1 and metric.hits and of.parts is not None and not of.why_no_parts:
        (hits,) = of.parts[arm, ~np.isnan(of.values[arm])]
        c = replace(wilson(hits, level=level), warnings=c.warnings)
    seen = known.values if len(known.values) else np.array([math.nan])
    return ArmSummary(
        of.metric, arm, len(known.values), float(seen.mean()), math.sqrt(variance(known.values)), float(seen.min()),
        float(seen.max()), iqm(known.values), a, b, c,
    )  # fmt: skip


def _planned(of: Components, pairs: Sequence[tuple[int, int]]) -> list[Pair]:
    planned = [Pair(*pair) for pair in pairs]
    check_arms(of, [arm for pair in planned for arm in pair])
    if same := [tuple(pair) for pair in planned if pair.arm == pair.reference]:
        raise ValueError(f"an arm cannot be its own reference: {same}")
    if twice := sorted(tuple(pair) for pair, times in Counter(planned).items() if times > 1):
        raise ValueError(f"a comparison counts once among the planned ones; twice are: {twice}")
    return planned
