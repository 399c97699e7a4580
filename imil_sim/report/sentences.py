"""The first screen of a report: what a study says, in plain sentences computed from its numbers, the verdict first.

Only a planned comparison in the primary metric may become a claim, and only where its p is below 5% after Holm's
adjustment: so the chance of any false claim on the screen stays below 5%, whatever the number of arms. Everything else
is told without claiming: secondary metrics, further test sets, and what nobody planned. A large p is no sign of
equality: what is not told from 0 is "compatible with anything from ... to ...".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.controls import ABSTAIN, RANDOM_CELLS
from imil_sim.report.document import Statement
from imil_sim.report.enough import size
from imil_sim.report.fates import environments, fates, left_out, progress, unusable, warned, whole
from imil_sim.report.planned import MOST_SENTENCES, culprits, planned, summed_up
from imil_sim.report.scarce import scarce
from imil_sim.report.stats import Comparison, compare
from imil_sim.report.stats.contrast import FEWEST_SEEDS
from imil_sim.report.tables.wording import METRIC_NAMES, made_by_sweeps
from imil_sim.report.telling import (
    ALPHA,
    amount,
    arm_of,
    arms_of,
    first_of,
    images_of,
    in_primary_metric,
    interval_over,
    joined,
    least_p,
    primary_metric,
    several,
    spanned,
)
from imil_sim.report.tested import MAIN


def statements(analysis: Analysis) -> tuple[Statement, ...]:
    """The sentences of the first screen, the most important first."""
    of = analysis.sets.get(MAIN)
    if of is None:
        return (*progress(analysis), *unusable(analysis), *fates(analysis), *environments(analysis))
    verdict, *told = planned(analysis, of)
    return (
        verdict,
        *progress(analysis),
        *told,
        *size(analysis, of),
        *scarce(analysis),
        *_random_cells(analysis, of),
        *_exploratory(analysis, of),
        *_further_sets(analysis, of),
        *fates(analysis),
        *left_out(analysis, culprits(analysis, of)),
        *warned(of),
        *environments(analysis),
        *whole(analysis, of),
    )


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
    told = [_against_random(analysis, known[:MOST_SENTENCES])] if known else []
    if rest := known[MOST_SENTENCES:]:
        told.append(summed_up(of, rest, f"Exploratory, no finding: {len(rest)} more comparisons with random cells"))
    if absent := [one for one in found if one.primary.why_absent and not math.isnan(one.primary.value)]:
        names = [f"{arms_of(analysis, one, ' against ')}{_value(one)}" for one in absent]
        told.append(Statement(f"Exploratory, without an interval: {first_of(names, separator='; ')}."))
    return told


def _against_random(analysis: Analysis, known: Sequence[Comparison]) -> Statement:
    """Comparisons with random cells that were not planned, in one sentence: told, never claimed."""
    metric = METRIC_NAMES[known[0].metric]
    items = [
        f"{arms_of(analysis, one, ' against ')} {amount(one.metric, one.primary.value)} ({spanned(one)})"
        for one in known
    ]
    return Statement(
        f"Exploratory, no finding: {metric} of {joined(items)}; {'each' if len(items) > 1 else 'it'} is compatible "
        f"with anything in its {interval_over(known[0].primary)}, in brackets ({least_p(known)}; not planned)."
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
    verb = "lies" if len(values) == 1 else "lie"
    span = f"{verb} {low} from it" if low == high else f"differ from it by {low} to {high}"
    text = (
        f"Exploratory: the {several(len(values), 'arm')} that no plan compares with {analysis.study.reference} "
        f"{span} in {METRIC_NAMES[metric]}"
    )
    clear = [one for one in comparisons if one.p_adjusted < ALPHA and one.primary.n_seeds >= FEWEST_SEEDS]
    small = sorted(clear, key=lambda one: one.p_adjusted)
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
