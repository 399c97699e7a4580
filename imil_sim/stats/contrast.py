"""Contrasts of arms and the inferences A, B and C about them: of two arms, of one, and of the factors of a sweep.

A *block* of a factorial design is a set of arms that agree in every other factor: a mapping from the arm (its place in
the components) to its level. Arms are only ever compared within blocks, so a design with holes, or one that moves a
factor at a time, mixes no factor with another; of a complete design the effects are those of the level means.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.stats.claims import benjamini_hochberg, holm
from imil_sim.stats.components import Components, Resplit
from imil_sim.stats.estimate import ANYWHERE, Bounds, Estimate, RandomFactors, estimated
from imil_sim.stats.metric import Metric, metric_named
from imil_sim.stats.mrmc import (
    Spread,
    Uncertainty,
    covariances,
    minimum_detectable_effect,
    new_images,
    new_seeds_and_images,
    spread,
    variance,
)
from imil_sim.stats.paired import iqm, mcnemar, over_seeds, superiority, wilson

FEWEST_SEEDS = 5
"""Fewer seeds than this: no inference about new seeds and new patients together."""

ROUNDING = 1e-12
"""A standard error this small beside the metrics it comes from is rounding."""


class Inferences(NamedTuple):
    """The three labelled estimates of one number."""

    a: Estimate
    """New seeds and new patients: the primary one."""
    b: Estimate
    """New seeds, this test set."""
    c: Estimate
    """New patients, these trained models."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """A number per seed that is linear in the arms' metrics."""

    values: NDArray[np.float64]
    """(seeds,): of the seeds with a run of every arm concerned."""
    spread: Spread
    """Its sources of variance; NaN where they are unknown."""
    n_images: int
    why_no_images: str = ""
    """Why nothing can be said about new patients; empty where something can."""
    resplit: Resplit | None = None
    bounds: Bounds = ANYWHERE
    resolution: float = 0.0
    """What counts as 0 in value and standard error."""
    warnings: tuple[str, ...] = ()


# -------------------------------------------------------------------------------------------------- contrasts of arms


def contrast(of: Components, weights: Mapping[int, float], bounds: Bounds = ANYWHERE) -> Contrast:
    """The sum over arms of weight times metric, seed by seed.

    Args:
        of: the components of all arms.
        weights: by arm (its place in the components), such as 1 for one arm and -1 for another.
        bounds: where the contrast can lie.

    Raises:
        ValueError: there is no such arm.
    """
    arms, factors = list(weights), np.array(list(weights.values()))
    seeds, warnings = complete_seeds(of, arms)
    values = np.tensordot(factors, of.values[arms][:, seeds], axes=1)
    if of.parts is None or of.why_no_parts or not len(values):
        sources = Spread(variance(values), math.nan, math.nan)
    else:
        sources = spread(values, np.tensordot(factors, of.parts[arms][:, seeds], axes=1))
    return Contrast(
        values, sources, of.n_images, of.why_no_parts, of.resplit, bounds, resolution(of, weights), warnings
    )


def resolution(of: Components, weights: Mapping[int, float]) -> float:
    """What is to count as 0 in a contrast of these arms: the rounding of the metrics it is made of."""
    metrics = np.abs(of.values[list(weights)])
    largest = float(metrics[~np.isnan(metrics)].max(initial=0.0))
    return ROUNDING * largest * max(abs(weight) for weight in weights.values())


def complete_seeds(of: Components, arms: Sequence[int]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which seeds (all seeds,) have a run of every one of the arms, and what the reader must know of these runs."""
    check_arms(of, arms)
    known = np.asarray(~np.isnan(of.values[list(arms)]).any(axis=0))
    warnings = []
    missing = int((~known).sum())
    undefined = bool(of.why_no_parts) and of.resplit is None and not known.any()  # in all runs alike: none is missing
    if missing and not undefined:
        warnings.append(f"{missing} of {known.size} seeds {'is' if missing == 1 else 'are'} left out: a run is missing")
    flat = int(flat_runs(of, arms)[0][:, known].sum())
    if flat:
        total = len(arms) * int(known.sum())
        runs, have, their = "runs" if total > 1 else "run", *(("has", "its") if flat == 1 else ("have", "their"))
        warnings.append(
            f"{flat} of {total} {runs} {have} no spread across images, as with {of.metric} of exactly 0 or 1: {their} "
            "variance counts as 0, so intervals over patients are too narrow"
        )
    return known, tuple(warnings)


def check_arms(of: Components, arms: Sequence[int]) -> None:
    """Check that all of the arms are among those of the components.

    Raises:
        ValueError: one is not.
    """
    known = len(of.values)
    if wrong := sorted({arm for arm in arms if not 0 <= arm < known}):
        raise ValueError(f"there are {known} arms, 0 to {known - 1}; asked for: {wrong}")


def flat_runs(of: Components, arms: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(arms, seeds) and (arms, seeds): which runs have no spread across images, and which runs are there at all."""
    known = ~np.isnan(of.values[list(arms)])
    if of.parts is None or of.why_no_parts:
        return np.zeros_like(known), known
    return known & (np.ptp(of.parts[list(arms)], axis=2) == 0), known


# --------------------------------------------------------------------------------------------------------- inferences


def inferences(of: Contrast, *, tested: bool = True) -> Inferences:
    """The three estimates of the mean of the contrast over seeds; unless ``tested``, without p."""
    found = Inferences(_new_seeds_and_patients(of), _new_seeds(of), _new_patients(of))
    return found if tested else Inferences(*(replace(estimate, p=math.nan) for estimate in found))


def _new_seeds_and_patients(of: Contrast) -> Estimate:
    n, why = len(of.values), of.why_no_images
    if not why and n < FEWEST_SEEDS:
        why = f"new seeds and patients need at least {FEWEST_SEEDS} seeds with a run of every arm concerned, not {n}"
    known = None if why else new_seeds_and_images(of.spread, n)
    return _estimate(of, known, why, "seeds and patients", "Obuchowski-Rockette, Hillis degrees of freedom")


def _new_seeds(of: Contrast) -> Estimate:
    found = over_seeds(
        of.values, resplit=of.resplit, n_images=of.n_images, bounds=of.bounds, resolution=of.resolution,
        warnings=of.warnings,
    )  # fmt: skip
    undefined = of.why_no_images and of.resplit is None and not len(of.values)
    return replace(found, why_absent=of.why_no_images) if undefined else found


def _new_patients(of: Contrast) -> Estimate:
    n, why = len(of.values), of.why_no_images
    if not why and not n:
        why = "no seed has a run of every arm concerned"
    known = None if why else new_images(of.spread, n)
    method = "variance across images of one seed, normal" if n == 1 else "Obuchowski-Rockette, fixed seeds"
    return _estimate(of, known, why, "patients", method)


def _estimate(of: Contrast, known: Uncertainty | None, why: str, factors: RandomFactors, method: str) -> Estimate:
    value = float(of.values.mean()) if len(of.values) else math.nan
    if known is None:
        return Estimate(
            value=value, random_factors=factors, method=method, n_seeds=len(of.values), n_images=of.n_images,
            why_absent=why, warnings=of.warnings,
        )  # fmt: skip
    return estimated(
        value, known.se, known.df, random_factors=factors, method=method, n_seeds=len(of.values),
        n_images=of.n_images, bounds=of.bounds, resolution=of.resolution, warnings=of.warnings,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ two arms


def compare(
    of: Components,
    pairs: Sequence[tuple[int, int]],
    *,
    adjustment: Adjustment = "holm",
) -> tuple[Comparison, ...]:
    """Every planned comparison of one metric, in the order of ``pairs``.

    Each pair is an analysis of its own two arms: its variance components are not pooled with those of other arms, which
    may vary more or less over seeds and images. Seeds without a run of either arm are left out and counted.

    Args:
        of: the components of all arms.
        pairs: (arm, reference), their places in the components; each pair once.
        adjustment: how p values are adjusted for the number of pairs.

    Raises:
        ValueError: a pair names an arm that does not exist, twice the same arm, or comes twice.
    """
    planned = _planned(of, pairs)
    found = [_compared(of, pair, adjustment) for pair in planned]
    adjust = holm if adjustment == "holm" else benjamini_hochberg
    adjusted = adjust([comparison.primary.p for comparison in found])
    return tuple(replace(one, p_adjusted=float(p)) for one, p in zip(found, adjusted, strict=True))


def _planned(of: Components, pairs: Sequence[tuple[int, int]]) -> list[Pair]:
    planned = [Pair(*pair) for pair in pairs]
    check_arms(of, [arm for pair in planned for arm in pair])
    if same := [tuple(pair) for pair in planned if pair.arm == pair.reference]:
        raise ValueError(f"an arm cannot be its own reference: {same}")
    if twice := sorted(tuple(pair) for pair, times in Counter(planned).items() if times > 1):
        raise ValueError(f"a comparison counts once among the planned ones; twice are: {twice}")
    return planned


def _compared(of: Components, pair: Pair, adjustment: Adjustment) -> Comparison:
    metric, (seeds, warnings) = metric_named(of.metric), complete_seeds(of, pair)
    ours, theirs = of.values[pair.arm, seeds], of.values[pair.reference, seeds]
    differences = ours - theirs
    if of.parts is None or of.why_no_parts or not seeds.any():
        sources = Spread(variance(differences), math.nan, math.nan)
    else:
        known = covariances(of.parts[pair.arm, seeds], of.parts[pair.reference, seeds])
        sources = known.of_difference(variance(differences))
    difference = Contrast(
        differences, sources, of.n_images, of.why_no_parts, of.resplit,
        Bounds(metric.low - metric.high, metric.high - metric.low),
        resolution(of, {pair.arm: 1.0, pair.reference: -1.0}), warnings,
    )  # fmt: skip
    a, b, c = inferences(difference)
    if len(differences) == 1 and not c.why_absent:
        c = _of_one_seed(of, metric, pair, seeds, c)
    return Comparison(
        of.metric, pair.arm, pair.reference, a, b, c, p_adjusted=math.nan, adjustment=adjustment,
        p_superior=superiority(ours, theirs) if metric.higher_is_better else superiority(theirs, ours),
        mde=math.nan if a.why_absent else minimum_detectable_effect(sources, len(ours)),
        spread=sources, over_seeds_alone=of.parts is None,
    )  # fmt: skip


def _of_one_seed(of: Components, metric: Metric, pair: Pair, seeds: NDArray[np.bool_], c: Estimate) -> Estimate:
    """Inference C as two single models are compared: what Obuchowski and Rockette's comes to, or better."""
    if not metric.hits or of.parts is None:
        return replace(c, method=metric.spread)
    (ours,), (theirs,) = of.parts[pair.arm, seeds], of.parts[pair.reference, seeds]
    return replace(mcnemar(ours, theirs), warnings=c.warnings)


# ------------------------------------------------------------------------------------------------------------ one arm


def summarise(of: Components, arm: int) -> ArmSummary:
    """One arm over its seeds, with the three intervals of its mean; nothing is tested, so there is no p.

    Raises:
        ValueError: there is no such arm.
    """
    metric = metric_named(of.metric)
    known = contrast(of, {arm: 1.0}, Bounds(metric.low, metric.high))
    a, b, c = inferences(known, tested=False)
    if len(known.values) == 1 and metric.hits and of.parts is not None and not of.why_no_parts:
        (hits,) = of.parts[arm, ~np.isnan(of.values[arm])]
        c = replace(wilson(hits), warnings=c.warnings)
    seen = known.values if len(known.values) else np.array([math.nan])
    return ArmSummary(
        of.metric, arm, len(known.values), float(seen.mean()), math.sqrt(variance(known.values)), float(seen.min()),
        float(seen.max()), iqm(known.values), a, b, c,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- factors of a sweep


def slope_weights(blocks: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The least-squares slope over numeric levels, common to all blocks, each with a height of its own.

    Raises:
        ValueError: no block has two different levels, or one is not finite.
    """
    weights: dict[int, float] = defaultdict(float)
    squares = 0.0
    for block in blocks:
        places = np.array(list(block.values()), np.float64)
        if not np.isfinite(places).all():
            raise ValueError(f"the levels of a slope are finite, not {places.tolist()}")
        centred = places - places.mean() if len(places) else places
        squares += float(centred @ centred)
        for arm, step in zip(block, centred.tolist(), strict=True):
            weights[arm] += step
    if not squares > 0:
        raise ValueError("a slope needs at least two different levels in some block")
    return {arm: weight / squares for arm, weight in weights.items()}


def difference_weights(blocks: Sequence[Mapping[int, str]], level: str, other: str) -> dict[int, float]:
    """``level`` minus ``other``, the mean over the blocks that have both; of several arms with a level their mean.

    Raises:
        ValueError: no block has both.
    """
    both = [block for block in blocks if {level, other} <= set(block.values())]
    if not both:
        raise ValueError(f"no two arms differ in {level} and {other} alone")
    weights: dict[int, float] = defaultdict(float)
    for block in both:
        for name, sign in ((level, 1.0), (other, -1.0)):
            arms = [arm for arm, own in block.items() if own == name]
            for arm in arms:
                weights[arm] += sign / (len(arms) * len(both))
    return dict(weights)


def weighted(of: Components, weights: Mapping[int, float], *, tested: bool = True) -> Inferences:
    """The three inferences about a weighted sum of arms, paired by seed and by image; unless ``tested``, without p."""
    return inferences(contrast(of, weights), tested=tested)
