"""The first screen of a report: what a study says, in plain sentences computed from its numbers.

Only a planned comparison in the primary metric may become a claim, and only where its p is below 5% after Holm's
adjustment: so the chance of any false claim on the screen stays below 5%, whatever the number of arms. Everything else
is told without claiming: secondary metrics, further test sets, and what nobody planned. A large p is no sign of
equality: what is not told from 0 is "compatible with anything from ... to ...".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.controls import ABSTAIN, RANDOM_CELLS
from imil_sim.report.document import Statement, Tone
from imil_sim.report.enough import size
from imil_sim.report.fates import environments, fates, left_out, progress, unusable, warned, whole
from imil_sim.report.stats import Comparison, compare
from imil_sim.report.stats.components import LOWER_IS_BETTER
from imil_sim.report.stats.contrast import FEWEST_SEEDS
from imil_sim.report.tables.wording import METRIC_NAMES, made_by_sweeps
from imil_sim.report.telling import (
    adjusted_p,
    against_random,
    amount,
    arm_of,
    arms_of,
    capital,
    first_of,
    images_of,
    in_primary_metric,
    interval_over,
    is_better,
    primary_metric,
    several,
)
from imil_sim.report.tested import MAIN

ALPHA = 0.05
"""An adjusted p below it makes a claim."""

MOST_SENTENCES = 8
"""So many comparisons of one kind get a sentence each; of more, the rest is summed up."""

_WORTH: Mapping[bool, tuple[str, Tone]] = {True: ("better", "good"), False: ("worse", "bad")}


def statements(analysis: Analysis) -> tuple[Statement, ...]:
    """The sentences of the first screen, the most important first."""
    of = analysis.sets.get(MAIN)
    if of is None:
        return (*progress(analysis), *unusable(analysis), *fates(analysis), *environments(analysis))
    return (
        *progress(analysis),
        *_planned(analysis, of),
        *_random_cells(analysis, of),
        *size(analysis, of),
        *_exploratory(analysis, of),
        *_further_sets(analysis, of),
        *fates(analysis),
        *left_out(analysis),
        *warned(of),
        *environments(analysis),
        *whole(analysis, of),
    )


# ------------------------------------------------------------------------------------------------ planned comparisons


@dataclass(frozen=True, slots=True)
class _Told:
    """A comparison as a sentence, and of what kind it is."""

    statement: Statement
    kind: Literal["claim", "same", "open"]
    """Same: equal predictions throughout. Open: no difference can be told."""
    comparison: Comparison


def _planned(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    comparisons = in_primary_metric(of.planned)
    if not comparisons:
        return [Statement("The study plans no comparison, so it can claim nothing.", "caution")]
    told = [_one(analysis, of, comparison) for comparison in comparisons]
    with_random = [one for one in told if against_random(analysis, one.comparison)]
    others = [one for one in told if not against_random(analysis, one.comparison)]
    return [
        *_too_few_seeds(of, comparisons),
        *_limited(analysis, of, others, "planned comparisons"),
        *_limited(analysis, of, with_random, "planned comparisons with random cells"),
    ]


def _limited(analysis: Analysis, of: SetAnalysis, told: Sequence[_Told], what: str) -> list[Statement]:
    """One sentence each while they are few; else one for each claim, while those are few, and one for all others."""
    if len(told) <= MOST_SENTENCES:
        return [one.statement for one in sorted(told, key=lambda one: one.kind != "claim")]
    claims = sorted((one for one in told if one.kind == "claim"), key=lambda one: one.comparison.p_adjusted)
    same = [one.comparison for one in told if one.kind == "same"]
    rest = [one.comparison for one in told if one.kind == "open"]
    found = [one.statement for one in claims[:MOST_SENTENCES]]
    found += _more(analysis, [one.comparison for one in claims[MOST_SENTENCES:]])
    if same:
        pairs = first_of([arms_of(analysis, one, " and ") for one in same], separator="; ")
        text = f"The very same predictions in all seeds were made by {pairs}: nothing varied, so nothing can be said."
        found.append(Statement(text, "caution"))
    if rest:
        found.append(
            _summed_up(of, rest, f"In {'the other ' if found else ''}{len(rest)} {what} no difference can be told")
        )
    return found


def _more(analysis: Analysis, claims: Sequence[Comparison]) -> list[Statement]:
    """The claims that get no sentence of their own, counted."""
    better = [one for one in claims if is_better(one)]
    worse = [one for one in claims if not is_better(one)]
    told = []
    if better:
        pairs = first_of([arms_of(analysis, one, " against ") for one in better])
        told.append(Statement(f"Likewise {len(better)} more did better: {pairs}.", "good"))
    if worse:
        pairs = first_of([arms_of(analysis, one, " against ") for one in worse])
        told.append(Statement(f"Likewise {len(worse)} more did worse: {pairs}.", "bad"))
    return told


def _summed_up(of: SetAnalysis, comparisons: Sequence[Comparison], where: str) -> Statement:
    """Many comparisons in one sentence that begins with ``where``."""
    metric = primary_metric(of)
    values = [one.primary.value for one in comparisons if not math.isnan(one.primary.value)]
    known = [one.primary for one in comparisons if not one.primary.why_absent]
    text = where
    if values:
        low, high = amount(metric, min(values)), amount(metric, max(values))
        text += f": differences in {METRIC_NAMES[metric]} lie between {low} and {high}"
    if known:
        low, high = amount(metric, min(one.low for one in known)), amount(metric, max(one.high for one in known))
        text += f", and their intervals together are compatible with anything from {low} to {high}"
    if len(known) < len(comparisons):
        text += f"; {len(comparisons) - len(known)} of them have no interval"
    return Statement(text + ".")


def _too_few_seeds(of: SetAnalysis, comparisons: Sequence[Comparison]) -> list[Statement]:
    """What is said once of all comparisons that have no interval A for want of seeds."""
    few = [one for one in comparisons if one.a.n_seeds < FEWEST_SEEDS]
    if not few or of.components[primary_metric(of)].why_no_parts:  # then it is for want of something else
        return []
    which = (
        "any planned comparison"
        if len(few) == len(comparisons)
        else f"{len(few)} of {len(comparisons)} planned comparisons"
    )
    counts = sorted({one.a.n_seeds for one in few})
    found = f"there {'is' if counts[-1] == 1 else 'are'} {'at most ' if len(counts) > 1 else ''}{counts[-1]}"
    text = (
        f"No claim can be made in {which}: an interval over new seeds and new patients (A) needs at least "
        f"{FEWEST_SEEDS} seeds with a run of both arms, and {found}. From fewer the luck of a seed cannot be told from "
        "an effect."
    )
    return [Statement(text, "caution")]


def _one(analysis: Analysis, of: SetAnalysis, comparison: Comparison) -> _Told:
    """A planned comparison in the primary metric, in a sentence."""
    known, metric = comparison.primary, comparison.metric
    pair = arms_of(analysis, comparison, " and ")
    if _same_predictions(analysis, of, comparison):
        text = (
            f"{pair} made the very same predictions in all {several(known.n_seeds, 'seed')} they share: nothing "
            "varied, so nothing can be said about a difference. If one of them was to change something, it did not."
        )
        return _Told(Statement(capital(text), "caution"), "same", comparison)
    if comparison.p_adjusted < ALPHA:
        return _Told(_claimed(analysis, of, comparison), "claim", comparison)
    if math.isnan(known.value):
        why = known.why_absent if known.n_seeds or of.components[metric].why_no_parts else "no seed has a run of both"
        text = f"{pair} cannot be compared in {METRIC_NAMES[metric]}: {why}."
    elif known.why_absent:
        why = f": {known.why_absent}" if known.n_seeds >= FEWEST_SEEDS else ""
        over = "in 1 seed" if known.n_seeds == 1 else f"on average over {known.n_seeds} seeds"
        seen = f"{METRIC_NAMES[metric]} {amount(metric, known.value)} {over}"
        text = f"{pair}: {seen}, without an interval and without a claim{why}."
    else:
        text = f"No difference between {pair} can be told: {_hedged(comparison)}."
    return _Told(Statement(capital(text) + _secondary(of, comparison)), "open", comparison)


def _claimed(analysis: Analysis, of: SetAnalysis, comparison: Comparison) -> Statement:
    """What is said where the adjusted p is below `ALPHA`."""
    secondary = _secondary(of, comparison)
    arms = arm_of(analysis, comparison), analysis.arms[comparison.reference]
    if arms == (analysis.placebo, analysis.study.reference):
        text = (
            f"{arms_of(analysis, comparison, ' differs from ')}, though nothing was replaced: {_measured(comparison)}. "
            "Another batch order alone moves the number by that much; read all other differences against it."
        )
        return Statement(capital(text) + secondary, "caution")
    word, tone = _WORTH[is_better(comparison)]
    text = f"{arms_of(analysis, comparison, f' did {word} than ')}: {_measured(comparison)}."
    return Statement(capital(text) + secondary, tone)


def _measured(of: Comparison) -> str:
    """``AUROC 0.032 higher, 95% interval A (...) of the difference +0.010 to +0.054 (Holm p = 0.004)``."""
    known, metric = of.primary, of.metric
    side = "higher" if known.value > 0 else "lower"
    reminder = " (lower is better)" if metric in LOWER_IS_BETTER else ""
    return (
        f"{METRIC_NAMES[metric]} {amount(metric, abs(known.value), signed=False)} {side}{reminder}, "
        f"{interval_over(known)} of the difference {amount(metric, known.low)} to {amount(metric, known.high)} "
        f"({adjusted_p(of)})"
    )


def _hedged(of: Comparison) -> str:
    """What is said where the adjusted p makes no claim."""
    known, metric = of.primary, of.metric
    low, high = amount(metric, known.low), amount(metric, known.high)
    seen = f"{METRIC_NAMES[metric]} {amount(metric, known.value)}"
    if known.low <= 0 <= known.high:
        return f"{seen} is compatible with anything from {low} to {high} ({interval_over(known)}, {adjusted_p(of)})"
    return (
        f"{seen}, {interval_over(known)} {low} to {high}, leaves out 0 by itself, but not after the correction for all "
        f"planned comparisons ({adjusted_p(of)})"
    )


def _secondary(of: SetAnalysis, comparison: Comparison) -> str:
    """The same comparison in accuracy, without a claim; empty where accuracy is the primary metric or unknown."""
    if comparison.metric == "accuracy":
        return ""
    places = (comparison.arm, comparison.reference)
    for found in (*of.planned.get("accuracy", ()), *of.exploratory.get("accuracy", ())):
        if (found.arm, found.reference) == places and not math.isnan(found.primary.value):
            known = found.primary
            told = f" Secondary, no claim: accuracy {amount('accuracy', known.value)} points"
            if known.why_absent:
                return f"{told}."
            return f"{told} ({amount('accuracy', known.low)} to {amount('accuracy', known.high)})."
    return ""


# ------------------------------------------------------------------------------------------ random cells, exploration


def _random_cells(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    """Every oracle against random cells, where no plan compares them (what is planned has been told)."""
    arms = analysis.study.arms
    asked = [name for name, arm in arms.items() if arm.feedback and arm.feedback.oracle not in (ABSTAIN, RANDOM_CELLS)]
    if asked and not analysis.random_cells:
        text = (
            "No arm of random cells stands beside the feedback: whether it matters which cells were kept, or only that "
            "films were blacked out, this study cannot say."
        )
        return [Statement(text, "caution")]
    planned = {frozenset(pair) for pair in analysis.study.comparisons}
    pairs = [pair for pair in analysis.random_cells.items() if frozenset(pair) not in planned]
    grown = made_by_sweeps(analysis)
    pairs.sort(key=lambda pair: pair[0] in grown)
    places = [(analysis.place(arm), analysis.place(control)) for arm, control in pairs]
    found = compare(of.components[primary_metric(of)], places, adjustment="benjamini-hochberg")
    known = [one for one in found if not one.primary.why_absent]
    told = [
        Statement(f"Exploratory, no finding: {arms_of(analysis, one, ' against ')}: {_seen(one)}.")
        for one in known[:MOST_SENTENCES]
    ]
    if rest := known[MOST_SENTENCES:]:
        told.append(_summed_up(of, rest, f"Exploratory, no finding: {len(rest)} more comparisons with random cells"))
    if absent := [one for one in found if one.primary.why_absent]:
        names = [f"{arms_of(analysis, one, ' against ')}{_value(one)}" for one in absent]
        told.append(Statement(f"Exploratory, without an interval: {first_of(names, separator='; ')}."))
    return told


def _seen(of: Comparison) -> str:
    """An exploratory comparison: told, never claimed."""
    known, metric = of.primary, of.metric
    low, high = amount(metric, known.low), amount(metric, known.high)
    return (
        f"{METRIC_NAMES[metric]} {amount(metric, known.value)} is compatible with anything from {low} to {high} "
        f"({interval_over(known)}, {adjusted_p(of)}; it was not planned)"
    )


def _value(of: Comparison) -> str:
    metric, value = of.metric, of.primary.value
    return "" if math.isnan(value) else f" ({METRIC_NAMES[metric]} {amount(metric, value)})"


def _exploratory(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    comparisons = in_primary_metric(of.exploratory)
    values = [one.primary.value for one in comparisons if not math.isnan(one.primary.value)]
    if not values:
        return []
    metric = primary_metric(of)
    low, high = amount(metric, min(values)), amount(metric, max(values))
    verb = "lies" if len(comparisons) == 1 else "lie"
    span = f"{verb} {low} from it" if low == high else f"{verb} between {low} and {high} of it"
    text = (
        f"Exploratory: the {several(len(comparisons), 'arm')} that no plan compares with {analysis.study.reference} "
        f"{span} in {METRIC_NAMES[metric]}"
    )
    small = sorted((one for one in comparisons if one.p_adjusted < ALPHA), key=lambda one: one.p_adjusted)
    if small:
        names = first_of([f"{arm_of(analysis, one)} ({amount(metric, one.primary.value)})" for one in small])
        text += f"; by Benjamini and Hochberg p is below 0.05 for {names}: leads for another study, no findings"
    elif all(one.primary.why_absent for one in comparisons):
        text += ", without an interval"
    else:
        text += "; by Benjamini and Hochberg p is below 0.05 for none of them, which does not make them equal"
    return [Statement(text + ".")]


def _further_sets(analysis: Analysis, main: SetAnalysis) -> list[Statement]:
    told = []
    for of in analysis.sets.values():
        comparisons = [one for one in in_primary_metric(of.planned) if not math.isnan(one.primary.value)]
        if of is main or not comparisons:
            continue
        metric = primary_metric(of)
        values = [one.primary.value for one in comparisons]
        low, high = amount(metric, min(values)), amount(metric, max(values))
        told.append(
            Statement(
                f"On the further test set {of.name} ({images_of(of)}), secondary and without a claim: the planned "
                f"differences in {METRIC_NAMES[metric]} "
                + (f"are {low}." if len(values) == 1 else f"lie between {low} and {high}.")
            )
        )
    return told


def _same_predictions(analysis: Analysis, of: SetAnalysis, comparison: Comparison) -> bool:
    """Whether the two arms said the same of every image in every seed both were compared in."""
    arms = arm_of(analysis, comparison), analysis.arms[comparison.reference]
    known = ~np.isnan(of.components[comparison.metric].values)
    shared = [
        seed for s, seed in enumerate(analysis.seeds) if known[comparison.arm, s] and known[comparison.reference, s]
    ]
    ours, theirs = ([analysis.runs[arm, seed].predictions for seed in shared] for arm in arms)
    return bool(ours) and all(
        one is not None and other is not None
        and np.array_equal(one[of.name].probabilities, other[of.name].probabilities)
        for one, other in zip(ours, theirs, strict=True)
    )  # fmt: skip
