"""Findings over a hundred studies: they name the arm that differs, cover the truth, and claim little else.

Six arms, ten seeds, 150 images that suit one arm rather than another; every claim counts, whatever it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from imil_sim.report.analysis import Analysis, analyse
from imil_sim.report.findings import Finding, findings

REPETITIONS = 100
EFFECT = 0.09
ARMS = ("baseline", "mixup", "placebo", "lesions", "lung-fields", "random-cells")
NULL = dict.fromkeys(ARMS, 0.0)
PLANTED = {**NULL, "lesions": EFFECT}


def analyses(synthetic: Any, arms: Mapping[str, float]) -> Iterator[Analysis]:
    for repetition in range(REPETITIONS):
        study, runs = synthetic(arms, 10, 150, repetition, image_interaction_sd=0.2, answers=0)
        yield analyse(study, runs, metrics=("auroc", "accuracy"))


def claims(analysis: Analysis) -> list[Finding]:
    return list(findings(analysis).conclusion.claimed)


def is_planted(one: Finding) -> bool:
    return (one.arm, one.reference) == ("lesions", "baseline") and one.better


@pytest.mark.slow
def test_a_planted_effect_is_named_and_its_interval_covers_the_truth(synthetic: Any) -> None:
    covered = named = others = 0
    for analysis in analyses(synthetic, PLANTED):
        (planted,) = [c for c in analysis.sets["main"].planned["auroc"] if analysis.arms[c.arm] == "lesions"]
        covered += planted.a.low <= EFFECT <= planted.a.high
        found = claims(analysis)
        named += any(map(is_planted, found))
        others += not all(map(is_planted, found))
    assert covered >= 90
    assert named >= 90
    assert others <= 8


@pytest.mark.slow
def test_a_study_without_any_effect_seldom_claims_one(synthetic: Any) -> None:
    false = unadjusted = 0
    for analysis in analyses(synthetic, NULL):
        false += bool(claims(analysis))
        unadjusted += any(one.a.p < 0.05 for found in analysis.sets["main"].planned.values() for one in found)
    assert false <= 8
    # The broken twin, a claim wherever an interval leaves out 0, in whatever metric, fails the same check.
    assert unadjusted > 8
