"""The first screen of a report: what a study says, in plain sentences computed from its numbers, the verdict first.

Only a planned comparison in the primary metric may become a claim, and only where its p is below 5% after Holm's
adjustment: so the chance of any false claim on the screen stays below 5%, whatever the number of arms. Everything else
is told without claiming: secondary metrics, further test sets, and what nobody planned. A large p is no sign of
equality: what is not told from 0 is "compatible with anything from ... to ...".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from imil_sim.errors import several
from imil_sim.report.analysis import MAIN, Analysis, SetAnalysis
from imil_sim.report.controls import ABSTAIN, RANDOM_CELLS
from imil_sim.report.document import Statement
from imil_sim.report.phrases import (
    ALPHA,
    amount,
    arm_of,
    arms_of,
    first_of,
    images_of,
    in_primary_metric,
    interval_over,
    least_p,
    primary_metric,
    spanned,
)
from imil_sim.report.planned import MOST_SENTENCES, culprits, planned, summed_up
from imil_sim.report.power import size
from imil_sim.report.run_status import environments, fates, left_out, progress, unusable, warned, whole
from imil_sim.report.shortage import scarce
from imil_sim.report.tables.text import METRIC_NAMES, in_same_number, joined, made_by_sweeps, told_random
from imil_sim.stats import Comparison, compare
from imil_sim.stats.contrast import FEWEST_SEEDS


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
        *warned(analysis, of),
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
            "images were blacked out, this study cannot say."
        )
        return [Statement(text, "caution")]
    planned = {frozenset(pair) for pair in analysis.study.comparisons}
    pairs = [pair for pair in analysis.random_cells.items() if frozenset(pair) not in planned]
    grown = made_by_sweeps(analysis)
    pairs.sort(key=lambda pair: (not in_same_number(analysis, *pair), pair[0] in grown))
    places = [(analysis.place(arm), analysis.place(control)) for arm, control in pairs]
    found = compare(of.components[primary_metric(of)], places, adjustment="benjamini-hochberg")
    known = [one for one in found if not one.primary.why_absent]
    told = [_against_random(analysis, alike) for alike in _by_control(analysis, known[:MOST_SENTENCES])]
    if rest := known[MOST_SENTENCES:]:
        told.append(summed_up(of, rest, f"Exploratory, no finding: {_more_random(analysis, rest)}"))
    absent = [one for one in found if one.primary.why_absent and not math.isnan(one.primary.value)]
    told += [_without_interval(analysis, alike) for alike in _by_control(analysis, absent)]
    return told


def _has_own(analysis: Analysis, of: Comparison) -> bool:
    """Whether the random cells it is compared with take their number from its oracle.

    Where they do not, the number may be the same even so: some oracles choose as many cells as the one they ask.
    """
    return in_same_number(analysis, arm_of(analysis, of), analysis.arms[of.reference])


def _by_control(analysis: Analysis, found: Sequence[Comparison]) -> list[list[Comparison]]:
    """Those that have random cells in their own number together, the others by the arm of random cells."""
    groups: dict[int | None, list[Comparison]] = {}
    for one in found:
        groups.setdefault(None if _has_own(analysis, one) else one.reference, []).append(one)
    return list(groups.values())


def _named(analysis: Analysis, alike: Sequence[Comparison]) -> tuple[str, list[str]]:
    """With what all of a group are compared, empty where each has random cells of its own, and each one's name."""
    if _has_own(analysis, alike[0]):
        return "", [arms_of(analysis, one, " against ") for one in alike]
    control = analysis.arms[alike[0].reference]
    own = "its own" if len(alike) == 1 else "their own"
    against = f" against {told_random(analysis, control)} ({control}), a number that may not be {own}"
    return against, [arm_of(analysis, one) for one in alike]


def _against_random(analysis: Analysis, known: Sequence[Comparison]) -> Statement:
    """Comparisons with random cells that were not planned, in one sentence: told, never claimed."""
    metric = METRIC_NAMES[known[0].metric]
    against, names = _named(analysis, known)
    items = [
        f"{name} {amount(one.metric, one.primary.value)} ({spanned(one)})"
        for name, one in zip(names, known, strict=True)
    ]
    return Statement(
        f"Exploratory, no finding: {metric}{f'{against}:' if against else ' of'} {joined(items)}; "
        f"{'each' if len(items) > 1 else 'it'} is compatible with anything in its {interval_over(known[0].primary)}, "
        f"in brackets ({least_p(known)}; not planned)."
    )


def _without_interval(analysis: Analysis, absent: Sequence[Comparison]) -> Statement:
    metric = absent[0].metric
    against, names = _named(analysis, absent)
    values = [amount(metric, one.primary.value) for one in absent]
    if against:
        items = [f"{name} {value}" for name, value in zip(names, values, strict=True)]
        return Statement(f"Exploratory, without an interval: {METRIC_NAMES[metric]}{against}: {first_of(items)}.")
    items = [f"{name} ({METRIC_NAMES[metric]} {value})" for name, value in zip(names, values, strict=True)]
    return Statement(f"Exploratory, without an interval: {first_of(items, separator='; ')}.")


def _more_random(analysis: Analysis, rest: Sequence[Comparison]) -> str:
    """``12 more comparisons with random cells, whose number may not be the oracle's own``."""
    other = sum(not _has_own(analysis, one) for one in rest)
    more = f"{several(len(rest), 'more comparison')} with random cells"
    if not other:
        return more
    which = "" if other == len(rest) else f"in {other} of them of cells "
    return f"{more}, {which}whose number may not be the oracle's own"


def _exploratory(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    comparisons = in_primary_metric(of.exploratory)
    values = [one.primary.value for one in comparisons if not math.isnan(one.primary.value)]
    if not values:
        return []
    metric = primary_metric(of)
    low, high = amount(metric, min(values)), amount(metric, max(values))
    one = len(values) == 1
    span = f"{'lies' if one else 'lie'} {low} from it" if low == high else f"differ from it by {low} to {high}"
    text = (
        f"Exploratory: the {'arm' if one else f'{len(values)} arms'} that no plan compares with "
        f"{analysis.study.reference} {span} in {METRIC_NAMES[metric]}"
    )
    clear = [one for one in comparisons if one.p_adjusted < ALPHA and one.primary.n_seeds >= FEWEST_SEEDS]
    small = sorted(clear, key=lambda one: one.p_adjusted)
    if small:
        names = first_of([f"{arm_of(analysis, one)} ({amount(metric, one.primary.value)})" for one in small])
        leads = "a lead for another study, no finding" if len(small) == 1 else "leads for another study, no findings"
        text += f"; by Benjamini and Hochberg p is below 0.05 for {names}: {leads}"
    elif all(one.primary.why_absent for one in comparisons):
        text += ", without an interval"
    else:
        none, them = ("not below 0.05", "it") if one else ("below 0.05 for none of them", "them")
        text += f"; by Benjamini and Hochberg p is {none}, which does not make {them} equal"
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
        lie = f"are all {low}" if low == high else f"lie between {low} and {high}"
        told.append(
            Statement(
                f"On the further test set {of.name} ({images_of(of)}), secondary and without a claim: the planned "
                + (
                    f"difference in {METRIC_NAMES[metric]} is {low}."
                    if len(values) == 1
                    else f"differences in {METRIC_NAMES[metric]} {lie}."
                )
            )
        )
    return told
