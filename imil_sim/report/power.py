"""Sentences on the size of a study: what it could have seen, and what it would take to see more.

All of it is about claims, and these rest on p values after Holm's correction: so effects are those seen at the level
1 - 0.05 / m of Holm's first step, m being the number of planned comparisons (Bonferroni's bound).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtri

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Statement
from imil_sim.report.phrases import (
    ALPHA,
    amount,
    arms_of,
    first_of,
    images_of,
    in_primary_metric,
    primary_metric,
)
from imil_sim.report.tables.text import METRIC_NAMES
from imil_sim.stats import Comparison, Spread, metric_named, minimum_detectable_effect
from imil_sim.stats.contrast import FEWEST_SEEDS
from imil_sim.stats.estimate import LEVEL
from imil_sim.stats.mrmc import POWER

OF_INTEREST = 0.02
"""A difference worth seeing, in accuracy or AUROC; a study that would miss it is called underpowered for it."""

MOST_SEEDS = 1000
"""More seeds than this are not counted out."""


def corrected_level(comparisons: int) -> float:
    """The level at which the first of so many comparisons must leave out 0 to be claimed.

    >>> round(corrected_level(5), 6)
    0.99
    """
    return 1 - ALPHA / max(comparisons, 1)


def seeds_needed(of: Spread, effect: float, level: float = LEVEL) -> float:
    """The number of seeds with which inference A would tell a true ``effect`` from 0 with 80% power.

    NaN where the spread is unknown; infinite where no number of seeds is enough, because images on which the arms
    differ whatever the seed set a floor, or more than `MOST_SEEDS` would be needed.
    """
    if not of.seeds + max(of.shared, 0.0) > 0:
        return math.nan
    if floor(of, level) >= effect or minimum_detectable_effect(of, MOST_SEEDS, level=level) > effect:
        return math.inf
    few, enough = FEWEST_SEEDS - 1, MOST_SEEDS
    while enough - few > 1:
        middle = (few + enough) // 2
        seen = minimum_detectable_effect(of, middle, level=level) <= effect
        few, enough = (few, middle) if seen else (middle, enough)
    return enough


def floor(of: Spread, level: float = LEVEL) -> float:
    """What inference A would detect with 80% power if there were no end of seeds, on so many test images."""
    return float(ndtri((1 + level) / 2) + ndtri(POWER)) * math.sqrt(max(of.shared, 0.0))


def could_have_seen(of: SetAnalysis, comparisons: Sequence[Comparison]) -> str:
    """``a true difference of 0.010 to 0.050``: detectable in these planned comparisons; empty where it is unknown."""
    found = _effects(of, comparisons)
    return f"a true difference of {_from_to(primary_metric(of), found)}" if found else ""


def size(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    """Whether the study was large enough for its planned comparisons in the primary metric."""
    comparisons = in_primary_metric(of.planned)
    if not comparisons:
        return []
    known = [one for one in comparisons if not math.isnan(one.mde)]
    if known:
        return [_seen_by(analysis, of, known)]
    seeds = [one.primary.n_seeds for one in comparisons if one.primary.n_seeds]
    if seeds and max(seeds) < FEWEST_SEEDS:
        # The spread of two or three seeds has one or two degrees of freedom: any number made of it is noise.
        return [Statement("The study is too small to claim or to judge anything.", "caution")]
    if any(one.primary.random_factors == "seeds and splits" for one in comparisons):
        text = "Whether the study was large enough cannot be said: with a split per seed the images are not shared."
        return [Statement(text)]
    return [Statement("Whether the study was large enough cannot be said: no spread over seeds is known.", "caution")]


def _effects(of: SetAnalysis, comparisons: Sequence[Comparison]) -> list[float]:
    """What each comparison would have told from 0 after the correction, those left out for which that is unknown."""
    return [_effect(of, one) for one in comparisons if not math.isnan(one.mde)]


def _effect(of: SetAnalysis, comparison: Comparison) -> float:
    return minimum_detectable_effect(comparison.spread, comparison.a.n_seeds, level=_level(of))


def _level(of: SetAnalysis) -> float:
    return corrected_level(len(in_primary_metric(of.planned)))


def _seen_by(analysis: Analysis, of: SetAnalysis, known: Sequence[Comparison]) -> Statement:
    """What the study could have seen; where that is more than is of interest, what it would take."""
    metric, planned = known[0].metric, len(in_primary_metric(of.planned))
    counts = sorted({one.a.n_seeds for one in known})
    seeds = several(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    corrected = f" after the correction for {planned} comparisons" if planned > 1 else ""
    could = (
        f"with {seeds} and {images_of(of)} {could_have_seen(of, known)} in {METRIC_NAMES[metric]} is told from 0 with "
        f"{POWER:.0%} power{corrected}"
    )
    accuracy = _effects(of, of.planned.get("accuracy", ()))
    also = f" In accuracy it is {_from_to('accuracy', accuracy)}." if accuracy and metric != "accuracy" else ""
    interest = amount(metric, OF_INTEREST, signed=False) + _points(metric)
    short = [one for one in known if _effect(of, one) > OF_INTEREST]
    if not short:
        return Statement(f"Large enough to see a difference of {interest}: {could}.{also}")
    some = "" if len(short) == planned else f" in {len(short)} of {several(planned, 'planned comparison')}"
    return Statement(
        f"Underpowered{some} for a difference of {interest}: {could}; a smaller one may be there and be missed."
        f"{also} {_takes(analysis, of, short, interest)}",
        "caution",
    )


def _takes(analysis: Analysis, of: SetAnalysis, short: Sequence[Comparison], interest: str) -> str:
    level = _level(of)
    needed = [(seeds_needed(one.spread, OF_INTEREST, level), one) for one in short]
    counts = [seeds for seeds, _ in needed if math.isfinite(seeds)]
    told = []
    if counts:
        low, high = int(min(counts)), int(max(counts))
        span = str(low) if low == high else f"{low} to {high}"
        told.append(f"To see {interest} would take about {span} seeds, if the spread stays as it is.")
    if endless := [one for seeds, one in needed if math.isinf(seeds)]:
        worst = max(endless, key=lambda one: floor(one.spread, level))
        which = "" if not counts else f" for {first_of([arms_of(analysis, one, ' against ') for one in endless], 3)}"
        told.append(f"No number of seeds up to {MOST_SEEDS} is enough{which}: {_why_endless(worst, level)}.")
    return " ".join(told)


def _why_endless(worst: Comparison, level: float) -> str:
    lowest, images = floor(worst.spread, level), worst.a.n_images
    if lowest < OF_INTEREST and worst.spread.seeds / MOST_SEEDS > worst.spread.shared:
        return "the runs of one arm differ too much from seed to seed"
    # The shared covariance is inversely proportional to the number of images.
    least = math.ceil(images * (lowest / OF_INTEREST) ** 2 / 100) * 100
    more = f"it would take more than about {least} test images" if lowest >= OF_INTEREST else "it takes more of them"
    height = amount(worst.metric, lowest, signed=False) + _points(worst.metric)
    return (
        f"by the spread seen here, these {images} test images set a floor of {height}, because arms differ on the same "
        f"images in every seed; {more}"
    )


def _from_to(metric: str, effects: Sequence[float]) -> str:
    low, high = amount(metric, min(effects), signed=False), amount(metric, max(effects), signed=False)
    return (low if low == high else f"{low} to {high}") + _points(metric)


def _points(metric: str) -> str:
    unit = metric_named(metric).unit
    return f" {unit}" if unit else ""
