"""Sentences on the planned comparisons of a study in its primary metric: the verdict, and then each of them.

A claim rests on an adjusted p below `ALPHA`, on at least `FEWEST_SEEDS` seeds, and on a pair of arms of which no run is
still to come: whoever looks early and stops where it suits finds differences too easily.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Statement, Tone
from imil_sim.report.phrases import (
    ALPHA,
    adjusted_p,
    against_random,
    amount,
    arm_of,
    arms_of,
    capital,
    first_of,
    in_primary_metric,
    interval_over,
    is_better,
    least_p,
    primary_metric,
    spanned,
)
from imil_sim.report.power import could_have_seen
from imil_sim.report.shortage import nothing_replaced
from imil_sim.report.tables.text import METRIC_NAMES, joined, told_random
from imil_sim.stats import Comparison, metric_named
from imil_sim.stats.contrast import FEWEST_SEEDS

MOST_SENTENCES = 8
"""So many comparisons of one kind are told one by one; of more, the rest is summed up."""

MOST_ALIKE = 3
"""So many comparisons with one reference get a sentence each; more of them share one."""

_WORTH: dict[bool, tuple[str, Tone]] = {True: ("better", "good"), False: ("worse", "bad")}

Kind = Literal["claim", "hedged", "early", "bare", "same", "none"]
"""Hedged: no difference can be told. Early: runs are still to come. Bare: too few seeds, or no interval. Same: equal
predictions throughout. None: no seed has a run of both arms."""


@dataclass(frozen=True, slots=True)
class _Sorted:
    """A comparison and what can be said of it."""

    kind: Kind
    comparison: Comparison


def planned(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    """The verdict on all planned comparisons in a sentence, then what each of them says."""
    found = [_Sorted(_kind(analysis, of, one), one) for one in in_primary_metric(of.planned)]
    if not found:
        return [Statement("The study plans no comparison, so it can claim nothing.", "caution")]
    cannot = _cannot(analysis, of, found)
    verdict = _verdict(analysis, of, found, cannot)
    few = [] if _is_about_seeds(found) else _too_few_seeds(found)
    with_random = [one for one in found if against_random(analysis, one.comparison)]
    others = [one for one in found if not against_random(analysis, one.comparison)]
    return [
        verdict,
        *few,
        *_each(analysis, of, others, "planned comparisons"),
        *_each(analysis, of, with_random, "planned comparisons with random cells"),
        *([] if _is_about(found, cannot) else cannot),
    ]


def culprits(analysis: Analysis, of: SetAnalysis) -> frozenset[str]:
    """The arms that are named in `planned` as the reason why a comparison cannot be made."""
    found = [one for one in in_primary_metric(of.planned) if math.isnan(one.primary.value)]
    return frozenset(culprit for one in found if (culprit := _culprit(analysis, of, one)))


def _kind(analysis: Analysis, of: SetAnalysis, comparison: Comparison) -> Kind:
    known = comparison.primary
    if math.isnan(known.value):
        return "none"
    if _same_predictions(analysis, of, comparison):
        return "same"
    if known.n_seeds < FEWEST_SEEDS or known.why_absent:
        return "bare"
    if has_runs_to_come(analysis, comparison):
        return "early"
    return "claim" if comparison.p_adjusted < ALPHA else "hedged"


# ------------------------------------------------------------------------------------------------------- the verdict


def _verdict(analysis: Analysis, of: SetAnalysis, found: Sequence[_Sorted], cannot: Sequence[Statement]) -> Statement:
    """All planned comparisons in one sentence."""
    claims = [one.comparison for one in found if one.kind == "claim"]
    settled = [one.comparison for one in found if one.kind in ("claim", "hedged")]
    if not settled:
        return _no_claim(analysis, found, cannot)
    metric, total = METRIC_NAMES[primary_metric(of)], len(found)
    if claims:
        which = f"{len(claims)} of {total} planned comparisons" if total > 1 else "The planned comparison"
        text = f"{which} show{'s' * (len(claims) == 1)}"
        text += f" a difference in {metric}"
        if any(_is_placebo(analysis, one) for one in claims):
            text += ", the placebo's among them" if len(claims) > 1 else ", and it is the placebo's"
    else:
        of_all = f"None of the {total} planned comparisons" if total > 1 else "The planned comparison"
        text = f"{of_all} shows {'a' if total > 1 else 'no'} difference in {metric}"
    if left := total - len(settled):
        yet = " yet" if any(has_runs_to_come(analysis, one.comparison) for one in found) else ""
        text += f", and {left} of them allow{'s' * (left == 1)} no claim{yet}"
    if not claims and (could := could_have_seen(of, settled)):
        text += f"; {could} could have been seen"
    return Statement(f"{text}.")


def _no_claim(analysis: Analysis, found: Sequence[_Sorted], cannot: Sequence[Statement]) -> Statement:
    to_come = [one.comparison for one in found if has_runs_to_come(analysis, one.comparison)]
    lead = f"No claim can be made{' yet' if to_come else ''}"
    if _is_about(found, cannot):
        text = cannot[0].text
        return Statement(
            f"{lead}: {text[0].lower() + text[1:] if text.startswith(('No', 'The ')) else text}", "caution"
        )
    if _is_about_seeds(found):
        return Statement(f"{lead}: {_need_of_seeds(found)}", "caution")
    if all(one.kind == "same" for one in found):
        return Statement(f"{lead}: the arms that are compared made the very same predictions.", "caution")
    if any(one.kind == "early" for one in found):
        arms = dict.fromkeys(arm for one in to_come for arm in _pair(analysis, one))
        waiting = sum(_is_to_come(analysis, arm, seed) for arm in arms for seed in analysis.seeds)
        verb = "is" if waiting == 1 else "are"
        of_arms = f"{several(waiting, 'run')} of the compared arms"
        return Statement(f"{lead}: {of_arms} {verb} missing or waiting for answers.", "caution")
    whys = {one.comparison.primary.why_absent if one.kind == "bare" else "" for one in found}
    why = whys.pop() if len(whys) == 1 else "the reasons stand below"
    return Statement(f"{lead}: {why}.", "caution")


def _is_about(found: Sequence[_Sorted], cannot: Sequence[Statement]) -> bool:
    """Whether the verdict is the only reason why nothing at all can be compared."""
    return len(cannot) == 1 and all(one.kind == "none" for one in found)


def _is_about_seeds(found: Sequence[_Sorted]) -> bool:
    """Whether the verdict is that there are too few seeds."""
    known = [one for one in found if one.kind != "none"]
    return any(one.kind == "bare" for one in known) and all(
        one.comparison.primary.n_seeds < FEWEST_SEEDS for one in known
    )


def _too_few_seeds(found: Sequence[_Sorted]) -> list[Statement]:
    """What is said once of all comparisons that make no claim for want of seeds."""
    few = [one for one in found if one.kind == "bare" and one.comparison.primary.n_seeds < FEWEST_SEEDS]
    if not few:
        return []
    which = f"in {len(few)} of {len(found)} planned comparisons"
    return [Statement(f"No claim can be made {which}: {_need_of_seeds(few)}", "caution")]


def _need_of_seeds(found: Sequence[_Sorted]) -> str:
    counts = sorted({one.comparison.primary.n_seeds for one in found if one.kind != "none"})
    most = f"{'at most ' if len(counts) > 1 else ''}{counts[-1]}"
    return (
        f"a claim needs at least {FEWEST_SEEDS} seeds with a run of both arms, and there "
        f"{'is' if counts[-1] == 1 else 'are'} {most}. From fewer the luck of a seed cannot be told from an effect."
    )


# ------------------------------------------------------------------------------------------- what cannot be compared


def _cannot(analysis: Analysis, of: SetAnalysis, found: Sequence[_Sorted]) -> list[Statement]:
    """Why comparisons cannot be made, each reason once, whatever the number of comparisons it concerns."""
    lost = [one.comparison for one in found if one.kind == "none"]
    blamed = [(_culprit(analysis, of, one), one) for one in lost]
    told = []
    references = dict.fromkeys(
        culprit for culprit, one in blamed if culprit and culprit == analysis.arms[one.reference]
    )
    for reference in references:
        count = sum(culprit == reference for culprit, _ in blamed)
        which = "the planned comparison" if count == 1 else f"none of the {count} planned comparisons"
        can = "cannot be made" if count == 1 else "can be made"
        if why := of.incomparable.get(reference):
            told.append(f"{which[0].upper()}{which[1:]} with {reference} {can}: {reference}: {why}.")
        else:
            told.append(f"No run of {reference} is done, so {which} with it {can}.")
    arms = [culprit for culprit, one in blamed if culprit and culprit not in references]
    if undone := [arm for arm in arms if arm not in of.incomparable]:
        names = first_of(list(dict.fromkeys(undone)))
        told.append(f"No run of {names} is done, so {_of_all(len(undone), found)} cannot be made.")
    if unlike := [arm for arm in arms if arm in of.incomparable]:
        reasons = [f"{arm}: {of.incomparable[arm]}" for arm in dict.fromkeys(unlike)]
        told.append(f"{capital(_of_all(len(unlike), found))} cannot be made: {first_of(reasons, separator='; ')}.")
    whys: dict[str, list[Comparison]] = {}
    for culprit, one in blamed:
        if not culprit:
            undefined = _is_undefined(of, one)
            whys.setdefault(one.primary.why_absent if undefined else "no seed has a run of both", []).append(one)
    for why, alike in whys.items():
        pairs = first_of([arms_of(analysis, one, " and ") for one in alike], separator="; ")
        told.append(f"{capital(pairs)} cannot be compared in {METRIC_NAMES[primary_metric(of)]}: {why}.")
    return [Statement(text, "caution") for text in told]


def _of_all(count: int, found: Sequence[_Sorted]) -> str:
    return "the planned comparison" if len(found) == 1 else f"{count} of {len(found)} planned comparisons"


def _culprit(analysis: Analysis, of: SetAnalysis, comparison: Comparison) -> str | None:
    """The arm that alone keeps a comparison from being made; None where neither does."""
    if _is_undefined(of, comparison):
        return None
    values = of.components[comparison.metric].values
    for place in (comparison.reference, comparison.arm):
        if np.isnan(values[place]).all():
            return analysis.arms[place]
    return None


def _is_undefined(of: SetAnalysis, comparison: Comparison) -> bool:
    """Whether no run has a value, as with an AUROC of images that are all of one class."""
    components = of.components[comparison.metric]
    return bool(components.why_no_parts) and components.resplit is None


# ------------------------------------------------------------------------------------------------- one after another


def _each(analysis: Analysis, of: SetAnalysis, found: Sequence[_Sorted], what: str) -> list[Statement]:
    """One sentence each while they are few; else claims first, those alike in one sentence, many summed up."""
    by: dict[Kind, list[Comparison]] = {}
    for one in found:
        by.setdefault(one.kind, []).append(one.comparison)
    claims = by.get("claim", [])
    if len(claims) > MOST_SENTENCES:
        claims = sorted(claims, key=lambda one: one.p_adjusted)
    told = [_claimed(analysis, of, one) for one in claims[:MOST_SENTENCES]]
    told += _more(analysis, claims[MOST_SENTENCES:])
    same = by.get("same", [])
    if len(same) <= MOST_ALIKE:
        told += [_same(analysis, one) for one in same]
    else:
        pairs = first_of([arms_of(analysis, one, " and ") for one in same], separator="; ")
        unchanged = all(nothing_replaced(analysis, *_pair(analysis, one)) for one in same)
        made = f"{pairs}, because no image was replaced" if unchanged else pairs
        seeds = "all seeds" if max(one.primary.n_seeds for one in same) > 1 else "the one seed they share"
        text = f"The very same predictions in {seeds} were made by {made}: nothing varied, so nothing can be said."
        told.append(Statement(text, "caution"))
    ends = {"hedged": "no difference can be told", "early": "no claim can be made yet", "bare": "no claim can be made"}
    for kind, alike in ((kind, by[kind]) for kind in ("hedged", "early", "bare") if kind in by):
        if len(alike) > MOST_SENTENCES:
            other = "the other " if told else ""
            told.append(summed_up(of, alike, f"In {other}{len(alike)} {what} {ends[kind]}"))
        else:
            told += _by_reference(analysis, of, kind, alike)
    return told


def _by_reference(analysis: Analysis, of: SetAnalysis, kind: Kind, alike: Sequence[Comparison]) -> list[Statement]:
    told = []
    for reference in dict.fromkeys(one.reference for one in alike):
        group = [one for one in alike if one.reference == reference]
        if len(group) > MOST_ALIKE:
            told.append(_listed(analysis, kind, group))
        else:
            told += [_alone(analysis, of, kind, one) for one in group]
    return told


def _alone(analysis: Analysis, of: SetAnalysis, kind: Kind, comparison: Comparison) -> Statement:
    """A comparison without a claim in a sentence of its own."""
    known, metric = comparison.primary, comparison.metric
    pair = arms_of(analysis, comparison, " and ")
    seen = f"{METRIC_NAMES[metric]} {amount(metric, known.value)}"
    if kind == "hedged":
        text = f"No difference between {pair} can be told: {_hedged(analysis, comparison)}."
    elif kind == "early":
        span = f"{interval_over(known)} {spanned(comparison)}"
        text = f"{pair}: {seen}, {span}; no claim yet: {known.n_seeds} of {len(analysis.seeds)} seeds."
    else:
        text = f"{pair}: {seen} {_over(known.n_seeds)}, {_without(comparison)}."
    return Statement(capital(text) + _secondary(of, comparison))


def _over(seeds: int) -> str:
    return "in 1 seed" if seeds == 1 else f"on average over {seeds} seeds"


def _without(of: Comparison) -> str:
    known = of.primary
    if not known.why_absent:
        return f"{interval_over(known)} {spanned(of)}, without a claim"
    why = f": {known.why_absent}" if known.n_seeds >= FEWEST_SEEDS else ""
    return f"without an interval and without a claim{why}"


def _listed(analysis: Analysis, kind: Kind, group: Sequence[Comparison]) -> Statement:
    """Comparisons with one reference in one sentence; their other metrics stand in the tables."""
    metric = METRIC_NAMES[group[0].metric]
    reference = _reference(analysis, group)
    seeds = {one.primary.n_seeds for one in group}
    alike = len(seeds) == 1 and (kind == "bare" or seeds == {len(analysis.seeds)})
    items = joined([f"{_short(analysis, one)}{_with_interval(analysis, one, seeds=not alike)}" for one in group])
    intervals = {interval_over(one.primary) for one in group if not one.primary.why_absent}
    over = f", with {intervals.pop()}" if len(intervals) == 1 else ""
    if kind == "early":
        return Statement(f"No claim yet against {reference} in {metric}{over}: {items}.")
    if kind == "bare":
        on = f" {_over(seeds.pop())}," if alike else ""
        without = "" if over else " without an interval and"
        return Statement(f"Against {reference},{on}{without} without a claim, {metric}{over}: {items}.")
    text = (
        f"No difference between {reference} and any of these {len(group)} can be told in {metric}: {items}; each is "
        f"compatible with anything in its {interval_over(group[0].primary)}, in brackets ({least_p(group)})."
    )
    if clear := [_short(analysis, one, value=False) for one in group if not one.primary.low <= 0 <= one.primary.high]:
        verb, own = ("leaves", "itself") if len(clear) == 1 else ("leave", "themselves")
        text += f" {joined(clear)} {verb} out 0 by {own}, but not after the correction for all planned comparisons."
    return Statement(text)


def _reference(analysis: Analysis, group: Sequence[Comparison]) -> str:
    """What the one reference of all these comparisons is called: the same number of cells is a matter of each arm."""
    called = {arms_of(analysis, one, "\n").split("\n")[1] for one in group}
    name = analysis.arms[group[0].reference]
    return called.pop() if len(called) == 1 else f"{told_random(analysis, name)} ({name})"


def _short(analysis: Analysis, of: Comparison, *, value: bool = True) -> str:
    name = arms_of(analysis, of, "\n").split("\n")[0]
    return f"{name} {amount(of.metric, of.primary.value)}" if value else name


def _with_interval(analysis: Analysis, of: Comparison, *, seeds: bool) -> str:
    told = [] if of.primary.why_absent else [spanned(of)]
    told += [f"{of.primary.n_seeds} of {len(analysis.seeds)} seeds"] if seeds else []
    return f" ({'; '.join(told)})" if told else ""


def _same(analysis: Analysis, comparison: Comparison) -> Statement:
    arms = _pair(analysis, comparison)
    seeds = comparison.primary.n_seeds
    shared = f"all {seeds} seeds" if seeds > 1 else "the one seed"
    made = f"{arms_of(analysis, comparison, ' and ')} made the very same predictions in {shared} they share"
    if changed := nothing_replaced(analysis, *arms):
        why = f", because no image was replaced in {joined(changed)}: nothing varied, so nothing can be said."
        return Statement(capital(f"{made}{why}"), "caution")
    text = f"{made}: nothing varied, so nothing can be said about a difference. "
    return Statement(capital(f"{text}If one of them was to change something, it did not."), "caution")


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


def summed_up(of: SetAnalysis, comparisons: Sequence[Comparison], where: str) -> Statement:
    """Many comparisons in one sentence that begins with ``where``."""
    metric = primary_metric(of)
    values = [one.primary.value for one in comparisons if not math.isnan(one.primary.value)]
    known = [one.primary for one in comparisons if not one.primary.why_absent]
    text = where
    if values:
        low, high = amount(metric, min(values)), amount(metric, max(values))
        lie = f"are all {low}" if low == high else f"lie between {low} and {high}"
        text += f": differences in {METRIC_NAMES[metric]} {lie}"
    if known:
        low, high = amount(metric, min(one.low for one in known)), amount(metric, max(one.high for one in known))
        text += f", and their intervals together are compatible with anything from {low} to {high}"
    if without := len(comparisons) - len(known):
        they = "none of them has an" if not known else f"{without} of them {'has' if without == 1 else 'have'} no"
        text += f"; {they} interval"
    return Statement(text + ".")


# ------------------------------------------------------------------------------------------------------- its numbers


def _claimed(analysis: Analysis, of: SetAnalysis, comparison: Comparison) -> Statement:
    """What is said where there is a claim."""
    secondary = _secondary(of, comparison)
    if _is_placebo(analysis, comparison):
        text = (
            f"{arms_of(analysis, comparison, ' differs from ')}, though nothing was replaced: "
            f"{_measured(analysis, comparison)}. Another batch order alone moves the number by that much; read all "
            "other differences against it."
        )
        return Statement(capital(text) + secondary, "caution")
    word, tone = _WORTH[is_better(comparison)]
    text = f"{arms_of(analysis, comparison, f' did {word} than ')}: {_measured(analysis, comparison)}."
    return Statement(capital(text) + secondary, tone)


def _measured(analysis: Analysis, of: Comparison) -> str:
    """``AUROC 0.032 higher, 95% interval A (...) of the difference +0.010 to +0.054 (Holm p = 0.004)``."""
    known, metric = of.primary, of.metric
    side = "higher" if known.value > 0 else "lower"
    reminder = "" if metric_named(metric).higher_is_better else " (lower is better)"
    return (
        f"{METRIC_NAMES[metric]} {amount(metric, abs(known.value), signed=False)} {side}{reminder}"
        f"{_over_fewer(analysis, of)}, {interval_over(known)} of the difference {spanned(of)} ({adjusted_p(of)})"
    )


def _hedged(analysis: Analysis, of: Comparison) -> str:
    """What is said where the adjusted p makes no claim."""
    known, metric = of.primary, of.metric
    seen = f"{METRIC_NAMES[metric]} {amount(metric, known.value)}{_over_fewer(analysis, of)}"
    if known.low <= 0 <= known.high:
        return f"{seen} is compatible with anything from {spanned(of)} ({interval_over(known)}, {adjusted_p(of)})"
    return (
        f"{seen}, {interval_over(known)} {spanned(of)}, leaves out 0 by itself, but not after the correction for all "
        f"planned comparisons ({adjusted_p(of)})"
    )


def _over_fewer(analysis: Analysis, of: Comparison) -> str:
    """On how many seeds a sentence rests, where these are not all of the study's."""
    seeds, total = of.primary.n_seeds, len(analysis.seeds)
    return "" if seeds == total else f" over {seeds} of {total} seeds"


def _secondary(of: SetAnalysis, comparison: Comparison) -> str:
    """The same comparison in accuracy, without a claim; empty where accuracy is the primary metric or unknown."""
    if comparison.metric == "accuracy":
        return ""
    places = (comparison.arm, comparison.reference)
    for found in (*of.planned.get("accuracy", ()), *of.exploratory.get("accuracy", ())):
        if (found.arm, found.reference) == places and not math.isnan(found.primary.value):
            known = found.primary
            told = f" Secondary, no claim: accuracy {amount('accuracy', known.value)} points"
            return f"{told}." if known.why_absent else f"{told} ({spanned(found)})."
    return ""


# ------------------------------------------------------------------------------------------------------ what is there


def _pair(analysis: Analysis, of: Comparison) -> tuple[str, str]:
    return arm_of(analysis, of), analysis.arms[of.reference]


def _is_placebo(analysis: Analysis, of: Comparison) -> bool:
    return _pair(analysis, of) == (analysis.placebo, analysis.study.reference)


def has_runs_to_come(analysis: Analysis, of: Comparison) -> bool:
    """Whether a run of either arm is missing or waits for answers; one that failed will not come."""
    return any(_is_to_come(analysis, arm, seed) for arm in _pair(analysis, of) for seed in analysis.seeds)


def _is_to_come(analysis: Analysis, arm: str, seed: int) -> bool:
    return analysis.runs[arm, seed].status in ("missing", "waiting")


def _same_predictions(analysis: Analysis, of: SetAnalysis, comparison: Comparison) -> bool:
    """Whether the two arms said the same of every image in every seed both were compared in."""
    known = ~np.isnan(of.components[comparison.metric].values)
    shared = [
        seed for s, seed in enumerate(analysis.seeds) if known[comparison.arm, s] and known[comparison.reference, s]
    ]
    ours, theirs = ([analysis.runs[arm, seed].predictions for seed in shared] for arm in _pair(analysis, comparison))
    return bool(ours) and all(
        one is not None and other is not None
        and np.array_equal(one[of.name].probabilities, other[of.name].probabilities)
        for one, other in zip(ours, theirs, strict=True)
    )  # fmt: skip
