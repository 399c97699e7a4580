"""Findings: what a study says, as data; the words come from templates (`assemble`).

Only a planned comparison in the primary metric may become a claim, and only where its p is below `ALPHA` after Holm's
adjustment: so the chance of any false claim stays below 5%, whatever the number of arms. A claim also takes
`FEWEST_SEEDS` seeds and two arms of which no run is still to come, since whoever looks early and stops where it suits
finds differences too easily: looking after every seed from 5 to 30 gives 23% false positives at a nominal 5%.

What could have been detected is meant at the level 1 - 0.05 / m of Holm's first step, m being the number of planned
comparisons (Bonferroni's bound).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from imil_sim.report.analysis import ABSTAIN, MAIN, RANDOM_CELLS, Analysis, SetAnalysis, same_number
from imil_sim.report.sweeps import SweepResult
from imil_sim.stats import (
    PRIMARY,
    Comparison,
    Estimate,
    Spread,
    compare,
    metric_named,
    minimum_detectable_effect,
)
from imil_sim.stats.contrast import FEWEST_SEEDS, flat_runs
from imil_sim.stats.estimate import LEVEL
from imil_sim.study.record import Consultation

ALPHA = 0.05
"""An adjusted p below it may make a claim."""

OF_INTEREST = 0.02
"""A difference worth seeing, in accuracy or AUROC; a study that would miss it is called underpowered for it."""

MOST_SEEDS = 1000
"""More seeds than this are not counted out."""

ENOUGH = 0.5
"""Of the images asked for: where fewer are replaced in a run, on average, that is a caution."""

ONE_SIDED = 0.1
"""Of the questions: where the rarer class has a smaller share of them, that is a caution."""

Outcome = Literal[
    "claimed", "not significant", "runs to come", "few seeds", "no interval", "same predictions", "not compared",
    "exploratory",
]  # fmt: skip
"""What became of a comparison; but for the last all of planned ones."""

Kind = Literal[
    "claims", "no difference", "runs to come", "few seeds", "same predictions", "not compared", "no interval",
    "no plan", "no runs",
]  # fmt: skip
"""What a study comes to as a whole."""

CAUTIONS = (
    "no numbers", "placebo differs", "runs", "not comparable", "same predictions", "no spread", "environments",
    "few replaced", "one class", "own training", "underpowered", "no random cells",
)  # fmt: skip
"""What may change how a report is read, the gravest first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison of two arms in one metric."""

    arm: str
    reference: str
    metric: str
    outcome: Outcome
    estimate: Estimate
    """The arm minus its reference, with the interval that claims rest on."""
    p_adjusted: float
    """Holm's over the planned comparisons, Benjamini and Hochberg's over the exploratory ones; NaN without one."""
    detectable: float
    """The true difference that it detects with 80% power, after the correction for all planned ones; NaN: unknown."""
    control: Literal["", "placebo", "random cells", "other random cells"] = ""
    """What is special of the pair: the placebo against the reference; an arm against random cells in the same number,
    image by image, or in a number that may be another."""
    reason: str = ""
    """Why nothing can be compared, or why there is no interval; empty otherwise."""
    blamed: str = ""
    """The arm without usable runs because of which nothing can be compared; empty where it is not one."""

    @property
    def planned(self) -> bool:
        """Whether the study file plans it."""
        return self.outcome != "exploratory"

    @property
    def better(self) -> bool:
        """Whether the arm is better than its reference, as the metric has it."""
        return metric_named(self.metric).is_better(self.estimate.value)


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that changes how the findings are read."""

    kind: str
    """One of `CAUTIONS`."""
    arms: tuple[str, ...] = ()
    """Those it is about; empty where it is about all."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Numbers and names, by the words that the templates have for them."""


@dataclass(frozen=True, slots=True)
class QuestionCounts:
    """About which images the clinicians of some arms were asked."""

    arms: tuple[str, ...]
    by_class: Mapping[str, float]
    """Questions a run, the mean over runs, by the true class of the image."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The planned comparisons as a whole: the answer to the study's question."""

    kind: Kind
    metric: str
    planned: tuple[Finding, ...]

    @property
    def detectable(self) -> tuple[float, float] | None:
        """The smallest and the largest true difference that one of those with an answer would detect; None: unknown."""
        settled = [one.detectable for one in self.planned if one.outcome in ("claimed", "not significant")]
        known = [effect for effect in settled if not math.isnan(effect)]
        return (min(known), max(known)) if known else None

    @property
    def claimed(self) -> tuple[Finding, ...]:
        """Those with a claim, the smallest p first."""
        return tuple(sorted((one for one in self.planned if one.outcome == "claimed"), key=lambda one: one.p_adjusted))


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a study says."""

    conclusion: Conclusion
    exploratory: tuple[Finding, ...]
    """Arms against the reference or random cells that nobody planned to compare: leads, no findings."""
    sweeps: tuple[SweepResult, ...]
    """In the primary metric; exploratory."""
    further: Mapping[str, tuple[Finding, ...]]
    """By further test set, the planned comparisons there: secondary, without a claim."""
    cautions: tuple[Caution, ...]
    """The gravest first."""
    asked: tuple[QuestionCounts, ...]
    """Arms whose clinicians were asked about the same number of images of each class together."""
    runs: Mapping[str, int]
    """How many are done, failed, waiting and missing, those that there are none of left out."""
    n_seeds: int
    n_images: int
    """Of the test set; 0 where no run is done."""


def findings(analysis: Analysis) -> Findings:
    """What a study says, whatever of it has been run."""
    of = analysis.sets.get(MAIN)
    planned = tuple(_finding(analysis, of, one) for one in of.planned[of.primary]) if of else ()
    conclusion = _conclusion(analysis, of, planned)
    cautions = [*_about_runs(analysis, of, planned), *_about_feedback(analysis)]
    if of:
        cautions += _about_numbers(analysis, of, conclusion)
    return Findings(
        conclusion=conclusion,
        exploratory=tuple(_exploratory(analysis, of)) if of else (),
        sweeps=tuple(one for one in of.sweeps if one.metric == of.primary) if of else (),
        further={
            name: _unclaimed(analysis, other, other.planned[other.primary])
            for name, other in analysis.sets.items() if name != MAIN
        },
        cautions=tuple(sorted(cautions, key=lambda one: CAUTIONS.index(one.kind))),
        asked=tuple(_asked(analysis)),
        runs=Counter(run.status for run in analysis.runs.values()),
        n_seeds=len(analysis.seeds),
        n_images=of.components[of.primary].n_images if of else 0,
    )  # fmt: skip


def _to_come(analysis: Analysis, of: Comparison) -> bool:
    """Whether a run of either arm is missing or waits for answers; one that failed will not come."""
    pair = (analysis.arms[of.arm], analysis.arms[of.reference])
    return any(analysis.runs[arm, seed].status in ("missing", "waiting") for arm in pair for seed in analysis.seeds)


# --------------------------------------------------------------------------------------------------------------- power


def level_of(comparisons: int) -> float:
    """The level at which the first of so many comparisons must leave out 0 to be claimed.

    >>> round(level_of(5), 6)
    0.99
    """
    return 1 - (1 - LEVEL) / max(comparisons, 1)


def detectable(of: Comparison, comparisons: int = 1) -> float:
    """The true difference that a comparison, one of so many planned ones, detects with 80% power; NaN where unknown."""
    if math.isnan(of.mde):
        return math.nan
    return minimum_detectable_effect(of.spread, of.a.n_seeds, level=level_of(comparisons))


def seeds_needed(of: Spread, effect: float, level: float = LEVEL) -> float:
    """The number of seeds with which inference A would tell a true ``effect`` from 0 with 80% power.

    NaN where the spread is unknown; infinite where no number of seeds is enough, because images on which the arms
    differ whatever the seed set a floor, or more than `MOST_SEEDS` would be needed.
    """
    if not of.seeds + max(of.shared, 0.0) > 0:
        return math.nan
    numbers = range(FEWEST_SEEDS, MOST_SEEDS + 1)
    found = bisect_left(numbers, True, key=lambda n: minimum_detectable_effect(of, n, level=level) <= effect)
    return numbers[found] if found < len(numbers) else math.inf


# ------------------------------------------------------------------------------------------------------- comparisons


def _unclaimed(analysis: Analysis, of: SetAnalysis, found: Sequence[Comparison]) -> tuple[Finding, ...]:
    known = (one for one in found if not math.isnan(one.primary.value))
    return tuple(_finding(analysis, of, one, "exploratory") for one in known)


def _exploratory(analysis: Analysis, of: SetAnalysis) -> tuple[Finding, ...]:
    """Every arm that no plan compares with the reference, and every oracle with random cells where no plan does."""
    planned = {frozenset(pair) for pair in analysis.study.comparisons}
    pairs = [
        (analysis.place(arm), analysis.place(control))
        for arm, control in analysis.random_cells.items()
        if frozenset((arm, control)) not in planned
    ]
    more = compare(of.components[of.primary], pairs, adjustment="benjamini-hochberg")
    return _unclaimed(analysis, of, (*of.exploratory[of.primary], *more))


def _finding(analysis: Analysis, of: SetAnalysis, one: Comparison, outcome: Outcome | None = None) -> Finding:
    outcome = outcome or _outcome(analysis, of, one)
    arm, reference = analysis.arms[one.arm], analysis.arms[one.reference]
    control: Literal["", "placebo", "random cells", "other random cells"] = ""
    if (arm, reference) == (analysis.placebo, analysis.study.reference):
        control = "placebo"
    elif analysis.random_cells.get(arm) == reference:
        same = same_number(analysis.study.arms[arm], analysis.study.arms[reference])
        control = "random cells" if same else "other random cells"
    blamed = _blamed(analysis, of, one) if outcome == "not compared" else ""
    return Finding(
        arm, reference, one.metric, outcome, one.primary, one.p_adjusted,
        detectable(one, len(analysis.study.comparisons)), control,
        of.incomparable.get(blamed, "") or one.primary.why_absent, blamed,
    )  # fmt: skip


def _outcome(analysis: Analysis, of: SetAnalysis, one: Comparison) -> Outcome:
    known = one.primary
    if math.isnan(known.value):
        return "not compared"
    if _same_predictions(analysis, of, one):
        return "same predictions"
    if known.n_seeds < FEWEST_SEEDS:
        return "few seeds"
    if known.why_absent:
        return "no interval"
    if _to_come(analysis, one):
        return "runs to come"
    return "claimed" if one.p_adjusted < ALPHA else "not significant"


def _blamed(analysis: Analysis, of: SetAnalysis, one: Comparison) -> str:
    """The arm that alone keeps a comparison from being made; empty where neither does, or no run has a value."""
    components = of.components[one.metric]
    if components.why_no_parts and components.resplit is None:
        return ""
    none = [place for place in (one.reference, one.arm) if np.isnan(components.values[place]).all()]
    return analysis.arms[none[0]] if none else ""


def _same_predictions(analysis: Analysis, of: SetAnalysis, one: Comparison) -> bool:
    """Whether the two arms said the same of every image in every seed both were compared in."""
    known = ~np.isnan(of.components[one.metric].values)
    shared = [seed for s, seed in enumerate(analysis.seeds) if known[one.arm, s] and known[one.reference, s]]
    pairs = [
        [analysis.runs[analysis.arms[place], seed].predictions for place in (one.arm, one.reference)] for seed in shared
    ]
    return bool(pairs) and all(
        np.array_equal(ours[of.name].probabilities, theirs[of.name].probabilities) for ours, theirs in pairs
    )


def _conclusion(analysis: Analysis, of: SetAnalysis | None, planned: tuple[Finding, ...]) -> Conclusion:
    if of is None:
        return Conclusion("no runs", PRIMARY, ())
    outcomes = {one.outcome for one in planned}
    to_come = any(_to_come(analysis, one) for one in of.planned[of.primary])
    kinds: dict[Kind, bool] = {
        "no plan": not planned,
        "claims": "claimed" in outcomes,
        "no difference": "not significant" in outcomes,
        "runs to come": to_come and "same predictions" not in outcomes,
    }
    doubts: tuple[Kind, ...] = ("few seeds", "runs to come", "no interval", "same predictions", "not compared")
    found = [*(kind for kind, holds in kinds.items() if holds), *(kind for kind in doubts if kind in outcomes)]
    return Conclusion(found[0], of.primary, planned)


# ---------------------------------------------------------------------------------------------------------- cautions


def _about_runs(analysis: Analysis, of: SetAnalysis | None, planned: Sequence[Finding]) -> Iterator[Caution]:
    """Runs that are not there, that cannot be compared, or that were made otherwise."""
    done = sum(run.status == "done" for run in analysis.runs.values())
    if of is None and done:
        yield Caution("no numbers", details={"done": done})
    if undone := [run for run in analysis.runs.values() if run.status != "done"]:
        reasons = dict.fromkeys(run.record.reason for run in undone if run.record and run.record.reason)
        counts = {"done": done, "total": len(analysis.runs), "counts": Counter(run.status for run in undone)}
        yield Caution("runs", tuple(dict.fromkeys(run.arm for run in undone)), {**counts, "reasons": tuple(reasons)})
    for name, one in analysis.sets.items():
        if one.incomparable:
            details = {"set": name, "reasons": tuple(dict.fromkeys(one.incomparable.values()))}
            yield Caution("not comparable", tuple(one.incomparable), details)
    if same := [one for one in planned if one.outcome == "same predictions"]:
        arms = tuple(dict.fromkeys(arm for one in same for arm in (one.arm, one.reference)))
        yield Caution("same predictions", arms, {"unchanged": tuple(a for a in arms if _replaced_nothing(analysis, a))})
    if analysis.study.own:
        yield Caution("own training")
    if analysis.environments:
        yield Caution("environments", details={"differ": analysis.environments})


def _about_numbers(analysis: Analysis, of: SetAnalysis, conclusion: Conclusion) -> Iterator[Caution]:
    """What to know before believing estimates and intervals."""
    metric, found = conclusion.metric, of.planned[conclusion.metric]
    if placebo := [one for one in conclusion.claimed if one.control == "placebo"]:
        yield Caution("placebo differs", (placebo[0].arm,), {"finding": placebo[0]})
    places = sorted({place for one in found if one.primary.warnings for place in (one.arm, one.reference)})
    flat, known = flat_runs(of.components[metric], places)
    if flat.any():
        arms = tuple(analysis.arms[place] for place, row in zip(places, flat, strict=True) if row.any())
        yield Caution("no spread", arms, {"flat": int(flat.sum()), "known": int(known.sum()), "metric": metric})
    if short := [one for one in found if detectable(one, len(found)) > OF_INTEREST]:
        needed = [seeds_needed(one.spread, OF_INTEREST, level_of(len(found))) for one in short]
        finite = [int(seeds) for seeds in needed if math.isfinite(seeds)]
        details = {
            "metric": metric, "of_interest": OF_INTEREST, "comparisons": len(found),
            "seeds": (min(finite), max(finite)) if finite else None, "endless": len(needed) - len(finite),
        }  # fmt: skip
        yield Caution("underpowered", tuple(analysis.arms[one.arm] for one in short), details)


def _about_feedback(analysis: Analysis) -> Iterator[Caution]:
    """Feedback that changed little, that was all about one class, or that no random cells stand beside."""
    consulting = _consulting(analysis)
    groups: dict[str, list[tuple[str, int, list[int]]]] = {}
    for arm, runs in consulting.items():
        requested = max(sum(one.requested for one in run) for run in runs)
        replaced = [sum(one.n_replaced for one in run) for run in runs]
        if sum(replaced) < ENOUGH * requested * len(runs):
            groups.setdefault(_why_not_replaced(runs), []).append((arm, requested, replaced))
    for why, alike in groups.items():
        counts = [count for _, _, replaced in alike for count in replaced]
        requests = sorted({requested for _, requested, _ in alike})
        details = {"requested": requests, "least": min(counts), "most": max(counts), "why": why}
        yield Caution("few replaced", tuple(arm for arm, _, _ in alike), details)
    for asked in _asked(analysis):
        total = sum(asked.by_class.values())
        if total and min(asked.by_class.values()) < ONE_SIDED * total:
            yield Caution("one class", asked.arms, {"by_class": asked.by_class})
    oracles = [arm.feedback.oracle for arm in analysis.study.arms.values() if arm.feedback]
    if not analysis.random_cells and set(oracles) - {ABSTAIN, RANDOM_CELLS}:
        yield Caution("no random cells")


def _asked(analysis: Analysis) -> Iterator[QuestionCounts]:
    """Arms together whose numbers of questions are the same to a tenth."""
    groups: dict[tuple[tuple[str, float], ...], list[str]] = {}
    for arm, runs in _consulting(analysis).items():
        names = next(record.class_names for record in analysis.records(arm))
        answers = Counter(answer.label for run in runs for one in run for answer in one.answers)
        by_class = tuple((name, round(answers[label] / len(runs), 1)) for label, name in enumerate(names))
        groups.setdefault(by_class, []).append(arm)
    return (QuestionCounts(tuple(arms), dict(by_class)) for by_class, arms in groups.items())


def _why_not_replaced(runs: Sequence[Sequence[Consultation]]) -> str:
    """What kept most of the images asked for from being replaced: short, abstained, nothing or everything."""
    whys = {"short": "shortage", "abstained": "n_abstained", "nothing": "n_nothing", "everything": "n_everything"}
    return max(whys, key=lambda why: sum(getattr(one, whys[why]) for run in runs for one in run))


def _replaced_nothing(analysis: Analysis, arm: str) -> bool:
    """Whether an arm has feedback, and none of its runs replaced any image."""
    runs = _consulting(analysis).get(arm, [])
    return bool(runs) and not any(one.n_replaced for run in runs for one in run)


def _consulting(analysis: Analysis) -> dict[str, list[tuple[Consultation, ...]]]:
    """By arm that asks somebody, the consultations of its runs that are done."""
    asking = [arm for arm, spec in analysis.study.arms.items() if spec.feedback and spec.feedback.oracle != ABSTAIN]
    found = {arm: [record.consultations for record in analysis.records(arm) if record.consultations] for arm in asking}
    return {arm: runs for arm, runs in found.items() if runs}
