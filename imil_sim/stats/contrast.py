"""From the components of several arms to a contrast of them, and from a contrast to the inferences A, B and C."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.stats.components import Components, Resplit
from imil_sim.stats.estimate import ANYWHERE, LEVEL, Bounds, Estimate, RandomFactors, estimated
from imil_sim.stats.mrmc import Spread, Uncertainty, new_images, new_seeds_and_images, spread, variance
from imil_sim.stats.paired import over_seeds

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


class Complete(NamedTuple):
    """The seeds with a run of every arm concerned."""

    seeds: NDArray[np.bool_]
    """(all seeds,)."""
    warnings: tuple[str, ...]
    """What is missing, and runs whose variance across images is too small."""


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
    complete = complete_seeds(of, arms)
    values = np.tensordot(factors, of.values[arms][:, complete.seeds], axes=1)
    if of.parts is None or of.why_no_parts or not len(values):
        sources = Spread(variance(values), math.nan, math.nan)
    else:
        sources = spread(values, np.tensordot(factors, of.parts[arms][:, complete.seeds], axes=1))
    return Contrast(
        values, sources, of.n_images, of.why_no_parts, of.resplit, bounds, resolution(of, weights), complete.warnings
    )


def resolution(of: Components, weights: Mapping[int, float]) -> float:
    """What is to count as 0 in a contrast of these arms: the rounding of the metrics it is made of."""
    metrics = np.abs(of.values[list(weights)])
    largest = float(metrics[~np.isnan(metrics)].max(initial=0.0))
    return ROUNDING * largest * max(abs(weight) for weight in weights.values())


def complete_seeds(of: Components, arms: Sequence[int]) -> Complete:
    """Which seeds have a run of every one of the arms, and what the reader must know of these runs."""
    check_arms(of, arms)
    known = np.asarray(~np.isnan(of.values[list(arms)]).any(axis=0))
    warnings = []
    missing = int((~known).sum())
    undefined = bool(of.why_no_parts) and of.resplit is None and not known.any()  # in all runs alike: none is missing
    if missing and not undefined:
        warnings.append(f"{missing} of {known.size} seeds {'is' if missing == 1 else 'are'} left out: a run is missing")
    flat = int(flat_runs(of, arms)[0][:, known].sum())
    if flat:
        warnings.append(no_spread(flat, len(arms) * int(known.sum()), of.metric))
    return Complete(known, tuple(warnings))


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


def no_spread(flat: int, total: int, metric: str) -> str:
    """What a reader must know of so many runs that have no spread across images."""
    runs = "run" if total == 1 else "runs"
    have, their = ("has", "its") if flat == 1 else ("have", "their")
    return (
        f"{flat} of {total} {runs} {have} no spread across images, as with {metric} of exactly 0 or 1: {their} "
        "variance counts as 0, so intervals over patients are too narrow"
    )


# --------------------------------------------------------------------------------------------------------- inferences


def inferences(of: Contrast, *, level: float = LEVEL, tested: bool = True) -> Inferences:
    """The three estimates of the mean of the contrast over seeds.

    Args:
        of: the contrast.
        level: coverage of the intervals, in (0, 1).
        tested: whether 0 is a hypothesis; without, the estimates have no p.
    """
    found = Inferences(_new_seeds_and_patients(of, level), _new_seeds(of, level), _new_patients(of, level))
    return found if tested else Inferences(*(replace(estimate, p=math.nan) for estimate in found))


def _new_seeds_and_patients(of: Contrast, level: float) -> Estimate:
    n, why = len(of.values), of.why_no_images
    if not why and n < FEWEST_SEEDS:
        why = f"new seeds and patients need at least {FEWEST_SEEDS} seeds with a run of every arm concerned, not {n}"
    known = None if why else new_seeds_and_images(of.spread, n)
    return _estimate(of, known, why, "seeds and patients", "Obuchowski-Rockette, Hillis degrees of freedom", level)


def _new_seeds(of: Contrast, level: float) -> Estimate:
    found = over_seeds(
        of.values, resplit=of.resplit, n_images=of.n_images, level=level, bounds=of.bounds, resolution=of.resolution,
        warnings=of.warnings,
    )  # fmt: skip
    undefined = of.why_no_images and of.resplit is None and not len(of.values)
    return replace(found, why_absent=of.why_no_images) if undefined else found


def _new_patients(of: Contrast, level: float) -> Estimate:
    n, why = len(of.values), of.why_no_images
    if not why and not n:
        why = "no seed has a run of every arm concerned"
    known = None if why else new_images(of.spread, n)
    method = "variance across images of one seed, normal" if n == 1 else "Obuchowski-Rockette, fixed seeds"
    return _estimate(of, known, why, "patients", method, level)


def _estimate(
    of: Contrast, known: Uncertainty | None, why: str, factors: RandomFactors, method: str, level: float
) -> Estimate:
    value = float(of.values.mean()) if len(of.values) else math.nan
    if known is None:
        return Estimate(
            value=value, random_factors=factors, method=method, n_seeds=len(of.values), n_images=of.n_images,
            level=level, why_absent=why, warnings=of.warnings,
        )  # fmt: skip
    return estimated(
        value, known.se, known.df, random_factors=factors, method=method, n_seeds=len(of.values),
        n_images=of.n_images, level=level, bounds=of.bounds, resolution=of.resolution, warnings=of.warnings,
    )  # fmt: skip
