"""Sentences on feedback that was scarce: images that were asked for and could not be replaced, and why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis
from imil_sim.report.controls import ABSTAIN
from imil_sim.report.document import Statement
from imil_sim.report.phrases import first_of
from imil_sim.report.tables.text import made_by_sweeps
from imil_sim.study.record import Consultation, RunRecord

ENOUGH = 0.5
"""Of the images asked for; where fewer are replaced in a run, on average, a reader is told."""

MOST_SENTENCES = 3
"""Of different numbers asked for, and of different reasons; the rest is one sentence more."""

_SHORTAGE = "mispredictions ran short"

MOST_NAMED = 3
"""Arms in one sentence."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What became of the questions of an arm, a run."""

    arm: str
    requested: int
    replaced: tuple[int, ...]
    """One a run."""
    lost: Counter[str]
    """What kept how many of the others from being replaced."""

    @property
    def why(self) -> str:
        """What kept most of them."""
        return self.lost.most_common(1)[0][0]


def scarce(analysis: Analysis) -> list[Statement]:
    """A sentence for all arms alike in which fewer than half of the images asked for were replaced."""
    grown = made_by_sweeps(analysis)
    arms = sorted(analysis.arms, key=lambda arm: arm in grown)
    groups: dict[tuple[int, str], list[_Given]] = {}
    for arm in arms:
        if (found := _given(analysis, arm)) and sum(found.replaced) < ENOUGH * found.requested * len(found.replaced):
            groups.setdefault((found.requested, found.why), []).append(found)
    told = []
    for (requested, why), alike in list(groups.items())[:MOST_SENTENCES]:
        counts = sorted(count for one in alike for count in one.replaced)
        span = f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else str(counts[0])
        names, images = first_of([one.arm for one in alike], MOST_NAMED), several(requested, "image")
        text = (
            f"Little feedback: {names}: {span} of {images} asked for could be replaced in a run; {_lost(alike, why)}."
        )
        told.append(Statement(text, "caution"))
    if rest := [one.arm for alike in list(groups.values())[MOST_SENTENCES:] for one in alike]:
        text = f"Likewise fewer than half of the images asked for could be replaced in {first_of(rest, MOST_NAMED)}."
        told.append(Statement(text, "caution"))
    return told


def nothing_replaced(analysis: Analysis, *arms: str) -> list[str]:
    """Those of the arms that have feedback, where in none of them any image was replaced; else empty.

    An arm that trains on in another batch order differs even so, and then it is no reason.
    """
    consulting = [(arm, feedback) for arm in arms if (feedback := analysis.study.arms[arm].feedback)]
    counts = [count.n_replaced for arm, _ in consulting for record in _records(analysis, arm)
              for count in record.consultations]  # fmt: skip
    alike = not any(feedback.reorder for _, feedback in consulting)
    others = {analysis.study.arms[arm].model_copy(update={"feedback": None}).text for arm in arms}
    return [arm for arm, _ in consulting] if alike and len(others) == 1 and counts and not any(counts) else []


def _given(analysis: Analysis, arm: str) -> _Given | None:
    """None where the arm asks nobody, is to replace nothing, or no run of it is done."""
    feedback = analysis.study.arms[arm].feedback
    if feedback is None or feedback.oracle == ABSTAIN:
        return None
    each = [record.consultations for record in _records(analysis, arm) if record.consultations]
    if not each:
        return None
    requested = max(sum(one.requested for one in of) for of in each)
    replaced = tuple(sum(one.n_replaced for one in of) for of in each)
    return _Given(arm, requested, replaced, _reasons([one for of in each for one in of]))


def _reasons(consultations: list[Consultation]) -> Counter[str]:
    """What kept images from being replaced, and how many."""
    counts = Counter[str]()
    for one in consultations:
        counts[_SHORTAGE] += one.shortage
        counts["the oracle gave no answer about"] += one.n_abstained
        counts["the oracle chose no cell in"] += one.n_nothing
        counts["the oracle chose every cell in"] += one.n_everything
    return counts


def _lost(alike: Sequence[_Given], why: str) -> str:
    """The reason as it is told of all these arms together, with how many of the images that were not replaced it is of.

    Where no image was replaced there are no others.
    """
    if why == _SHORTAGE:
        return why
    lost = sum((one.lost for one in alike), Counter[str]())
    share = "all" if lost[why] == lost.total() else "most"
    others = " others" if any(any(one.replaced) for one in alike) else " of them"
    return f"{why} {share}{others}"


def _records(analysis: Analysis, arm: str) -> list[RunRecord]:
    runs = (analysis.runs[arm, seed] for seed in analysis.seeds)
    return [run.record for run in runs if run.record and run.status == "done"]
