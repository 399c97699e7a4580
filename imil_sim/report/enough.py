"""Sentences on the size of a study: what it could have seen, and what it would take to see more."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtri

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Statement
from imil_sim.report.stats import Comparison, Metric, Spread, minimum_detectable_effect
from imil_sim.report.stats.contrast import FEWEST_SEEDS
from imil_sim.report.stats.mrmc import POWER
from imil_sim.report.tables.wording import METRIC_NAMES
from imil_sim.report.telling import amount, arms_of, first_of, images_of, in_primary_metric, primary_metric, several

OF_INTEREST = 0.02
"""A difference worth seeing, in accuracy or AUROC; a study that would miss it is called underpowered for it."""

MOST_SEEDS = 1000
"""More seeds than this are not counted out."""


def seeds_needed(of: Spread, effect: float) -> float:
    """The number of seeds with which inference A would tell a true ``effect`` from 0 with 80% power.

    NaN where the spread is unknown; infinite where no number of seeds is enough, because images on which the arms
    differ whatever the seed set a floor, or more than `MOST_SEEDS` would be needed.
    """
    if not of.seeds + max(of.shared, 0.0) > 0:
        return math.nan
    if floor(of) >= effect or minimum_detectable_effect(of, MOST_SEEDS) > effect:
        return math.inf
    few, enough = FEWEST_SEEDS - 1, MOST_SEEDS
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if minimum_detectable_effect(of, middle) <= effect else (middle, enough)
    return enough


def floor(of: Spread) -> float:
    """What inference A would detect with 80% power if there were no end of seeds, on so many test images."""
    return float(ndtri(0.975) + ndtri(POWER)) * math.sqrt(max(of.shared, 0.0))


def size(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    """Whether the study was large enough for its planned comparisons in the primary metric."""
    comparisons = in_primary_metric(of.planned)
    if not comparisons:
        return []
    known = [one for one in comparisons if not math.isnan(one.mde)]
    if known:
        return [_seen_by(analysis, of, known)]
    if any(one.primary.random_factors == "seeds and splits" for one in comparisons):
        text = "Whether the study was large enough cannot be said: with a split per seed the images are not shared."
        return [Statement(text)]
    spreads = [one.spread for one in comparisons if one.spread.seeds > 0 and not math.isnan(one.spread.shared)]
    if not spreads:
        return [
            Statement("Whether the study was large enough cannot be said: no spread over seeds is known.", "caution")
        ]
    metric = primary_metric(of)
    span = _from_to(metric, [minimum_detectable_effect(one, 10) for one in spreads])
    return [
        Statement(
            f"The study is too small to claim anything. Judged roughly by the spread of its few seeds, 10 seeds would "
            f"tell a true difference of {span} in {METRIC_NAMES[metric]} from 0 with {POWER:.0%} power.",
            "caution",
        )
    ]


def _seen_by(analysis: Analysis, of: SetAnalysis, known: Sequence[Comparison]) -> Statement:
    """What the study could have seen; where that is more than is of interest, what it would take."""
    metric = known[0].metric
    seeds = max(one.a.n_seeds for one in known)
    could = (
        f"with {several(seeds, 'seed')} and {images_of(of)} a true difference of {_span(known)} in "
        f"{METRIC_NAMES[metric]} is told from 0 with {POWER:.0%} power"
    )
    accuracy = [one for one in of.planned.get("accuracy", ()) if not math.isnan(one.mde)]
    also = f" In accuracy it is {_span(accuracy)} points." if accuracy and metric != "accuracy" else ""
    interest = amount(metric, OF_INTEREST, signed=False)
    short = [one for one in known if one.mde > OF_INTEREST]
    if not short:
        return Statement(f"Large enough to see a difference of {interest}: {could}.{also}")
    some = "" if len(short) == len(known) else f" in {len(short)} of {len(known)} planned comparisons"
    return Statement(
        f"Underpowered{some} for a difference of {interest}: {could}; a smaller one may be there and be missed."
        f"{also} {_takes(analysis, short, interest)}",
        "caution",
    )


def _takes(analysis: Analysis, short: Sequence[Comparison], interest: str) -> str:
    needed = [(seeds_needed(one.spread, OF_INTEREST), one) for one in short]
    counts = [seeds for seeds, _ in needed if math.isfinite(seeds)]
    told = []
    if counts:
        low, high = int(min(counts)), int(max(counts))
        span = str(low) if low == high else f"{low} to {high}"
        told.append(f"To see {interest} would take about {span} seeds, if the spread stays as it is.")
    if endless := [one for seeds, one in needed if math.isinf(seeds)]:
        worst = max(endless, key=lambda one: floor(one.spread))
        which = "" if not counts else f" for {first_of([arms_of(analysis, one, ' against ') for one in endless], 3)}"
        told.append(f"No number of seeds up to {MOST_SEEDS} is enough{which}{_floor(worst)}.")
    return " ".join(told)


def _floor(worst: Comparison) -> str:
    lowest, images = floor(worst.spread), worst.a.n_images
    if lowest < OF_INTEREST:
        return ""
    # The shared covariance is inversely proportional to the number of images.
    least = math.ceil(images * (lowest / OF_INTEREST) ** 2 / 100) * 100
    return (
        f": by the spread seen here, these {images} test images set a floor of "
        f"{amount(worst.metric, lowest, signed=False)}, because arms differ on the same images in every seed; it would "
        f"take more than about {least} test images"
    )


def _span(of: Sequence[Comparison]) -> str:
    return _from_to(of[0].metric, [one.mde for one in of])


def _from_to(metric: Metric, effects: Sequence[float]) -> str:
    low, high = amount(metric, min(effects), signed=False), amount(metric, max(effects), signed=False)
    return low if low == high else f"{low} to {high}"
