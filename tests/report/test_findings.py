"""Findings are data: what may be claimed, what is open and why, and what to doubt first."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from imil_sim.report import assemble as words
from imil_sim.report.analysis import Analysis, ReportedRun, analyse
from imil_sim.report.findings import CAUTIONS, Caution, Finding, Findings, findings
from imil_sim.study.record import Answer
from imil_sim.study.study import Study

ARMS = {"baseline": 0.0, "mixup": 0.0, "placebo": 0.0, "lesions": 0.0, "random-cells": 0.0}


def found(study: Study, runs: list[ReportedRun], **options: Any) -> Findings:
    return findings(analyse(study, runs, **options))


def of(summary: Findings, arm: str, reference: str = "baseline") -> Finding:
    (one,) = [one for one in summary.conclusion.planned if (one.arm, one.reference) == (arm, reference)]
    return one


def caution(summary: Findings, kind: str) -> Caution:
    (one,) = [one for one in summary.cautions if one.kind == kind]
    return one


def kinds(summary: Findings) -> list[str]:
    return [one.kind for one in summary.cautions]


# ------------------------------------------------------------------------------------------------------------- claims


def test_a_clear_effect_is_claimed_and_nothing_else_is(synthetic: Any) -> None:
    summary = found(*synthetic({**ARMS, "lesions": 0.12}, 10, 200))
    (claim,) = summary.conclusion.claimed
    assert (claim.arm, claim.reference, claim.better, claim.planned) == ("lesions", "baseline", True, True)
    assert summary.conclusion.kind == "claims"
    assert {one.outcome for one in summary.conclusion.planned} == {"claimed", "not significant"}
    assert words.conclusion(summary).tone == "good"
    worse = found(*synthetic({**ARMS, "lesions": -0.12}, 10, 200))
    assert [one.better for one in worse.conclusion.claimed] == [False]
    assert words.conclusion(worse).tone == "bad"


def test_where_lower_is_better_a_lower_number_is_the_better_one(synthetic: Any) -> None:
    summary = found(*synthetic({**ARMS, "lesions": 0.12}, 10, 200), metrics=("brier", "auroc"))
    (claim,) = summary.conclusion.claimed
    assert claim.metric == "brier"
    assert claim.estimate.value < 0
    assert claim.better


def test_an_interval_without_0_is_no_claim_when_holm_says_no(synthetic: Any) -> None:
    for rng_seed in range(40):
        summary = found(*synthetic({**ARMS, "cutmix": 0.0, "cutout": 0.0}, 10, 200, rng_seed))
        clear = [one for one in summary.conclusion.planned if one.estimate.p < 0.05 <= one.p_adjusted]
        assert all(one.outcome == "not significant" for one in clear)
        if clear:
            return
    raise AssertionError("no study of 40 had such an interval")


def test_random_cells_in_the_same_number_are_planned_or_exploratory(synthetic: Any) -> None:
    arms = {**ARMS, "lesions": 0.12, "lung-fields": 0.0}
    summary = found(*synthetic(arms, 10, 200))
    controls = {(one.arm, one.reference): one.control for one in summary.exploratory}
    assert controls["lesions", "random-cells"] == "random cells"
    # As many as the lesions chose, not as many as the lungs have cells.
    assert controls["lung-fields", "random-cells"] == "other random cells"
    assert not any(one.planned for one in summary.exploratory)
    summary = found(*synthetic(arms, 10, 200, study={"comparisons": [["lesions", "random-cells"]]}))
    (claim,) = summary.conclusion.claimed
    assert claim.control == "random cells"
    assert {(one.arm, one.reference) for one in summary.exploratory} >= {("lung-fields", "baseline")}
    assert ("lesions", "random-cells") not in {(one.arm, one.reference) for one in summary.exploratory}


def test_a_split_per_seed_rests_on_inference_b(synthetic: Any) -> None:
    summary = found(*synthetic({**ARMS, "lesions": 0.15}, 10, 200, study={"split": {"method": "per-seed"}}))
    assert of(summary, "lesions").estimate.random_factors == "seeds and splits"
    assert summary.conclusion.detectable is None


# ------------------------------------------------------------------------------------------------- what is not claimed


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_few_seeds_allow_no_claim(synthetic: Any, seeds: int) -> None:
    summary = found(*synthetic({**ARMS, "lesions": 0.19}, seeds, 200))
    assert summary.conclusion.kind == "few seeds"
    assert not summary.conclusion.claimed
    assert summary.n_seeds == seeds


def test_while_runs_of_a_pair_are_to_come_it_claims_nothing(synthetic: Any) -> None:
    arms = {**ARMS, "lesions": 0.15}
    summary = found(*synthetic(arms, 10, 200, missing=[("lesions", 9)]))
    assert of(summary, "lesions").outcome == "runs to come"
    assert of(summary, "mixup").outcome == "not significant"
    # A run that failed will not come.
    summary = found(*synthetic(arms, 10, 200, failed={("lesions", 9): "no memory"}))
    assert of(summary, "lesions").outcome == "claimed"
    assert of(summary, "lesions").estimate.n_seeds == 9
    summary = found(*synthetic(arms, 10, 200, waiting={("baseline", 0): "answers"}))
    assert summary.conclusion.kind == "runs to come"


def test_an_arm_or_a_reference_without_runs_is_to_blame(synthetic: Any) -> None:
    summary = found(*synthetic(ARMS, 5, 40, failed={("mixup", seed): "no memory" for seed in range(5)}))
    assert (of(summary, "mixup").outcome, of(summary, "mixup").blamed) == ("not compared", "mixup")
    assert of(summary, "lesions").blamed == ""
    summary = found(*synthetic(ARMS, 5, 40, failed={("baseline", seed): "no memory" for seed in range(5)}))
    assert summary.conclusion.kind == "not compared"
    assert {one.blamed for one in summary.conclusion.planned} == {"baseline"}


def test_a_study_without_any_run_or_any_plan(synthetic: Any) -> None:
    missing = [(arm, seed) for arm in ARMS for seed in range(2)]
    summary = found(*synthetic(ARMS, 2, 40, missing=missing))
    assert summary.conclusion.kind == "no runs"
    assert dict(summary.runs) == {"missing": 10}
    assert found(*synthetic({"baseline": 0.0}, 5, 40)).conclusion.kind == "no plan"


def test_a_further_test_set_claims_nothing(synthetic: Any) -> None:
    summary = found(*synthetic({**ARMS, "lesions": 0.15}, 6, 100, test_sets={"other": 100}))
    assert {one.outcome for one in summary.further["other"]} == {"exploratory"}
    assert len(summary.further["other"]) == len(summary.conclusion.planned)


def test_a_sweep_says_its_strongest_factor_and_its_best_setting(synthetic: Any) -> None:
    sweeps = {"n": {"base": "lesions", "vary": {"feedback": {"num_outliers": [10, 20], "fill": ["mean", "black"]}}}}
    analysis = analyse(*synthetic({**ARMS, "lesions@num_outliers=10,fill=black": 0.1}, 5, 60, sweeps=sweeps))
    summary = findings(analysis)
    (one,) = summary.sweeps
    (result,) = [result for result in analysis.sets["main"].sweeps if result.metric == "auroc"]
    assert one is result
    assert (one.base, len(one.arms), one.seeds) == ("lesions", 4, 5)
    assert one.best is not None
    means = {arm: analysis.sets["main"].arms["auroc"][analysis.place(arm)].mean for arm in result.arms}
    assert one.best.arm == max(means, key=lambda arm: means[arm])
    assert "baseline" in one.best.against
    (sentence,) = words.sweeps(summary)
    assert one.best.arm in sentence.text


# ------------------------------------------------------------------------------------------------------------ cautions


def test_the_gravest_caution_comes_first(synthetic: Any) -> None:
    summary = found(*synthetic(
        {**ARMS, "placebo": 0.15}, 10, 200, failed={("mixup", 0): "no memory"}, environments={"mixup": {"torch": "2.0"}}
    ))  # fmt: skip
    assert kinds(summary)[:3] == ["placebo differs", "runs", "environments"]
    places = [CAUTIONS.index(kind) for kind in kinds(summary)]
    assert places == sorted(places)


def test_failed_waiting_and_missing_runs_are_counted(synthetic: Any) -> None:
    summary = found(*synthetic(
        ARMS, 5, 40, failed={("mixup", 0): "no memory"}, waiting={("lesions", 1): "answers"}, missing=[("placebo", 2)]
    ))  # fmt: skip
    one = caution(summary, "runs")
    assert one.arms == ("mixup", "placebo", "lesions")
    assert one.details["counts"] == {"failed": 1, "waiting": 1, "missing": 1}
    assert one.details["done"] == 22
    assert one.details["reasons"] == ("no memory", "answers")


def test_an_underpowered_study_says_how_many_seeds_it_would_take(synthetic: Any) -> None:
    small = found(*synthetic(ARMS, 5, 60))
    low, high = small.conclusion.detectable or (0, 0)
    assert 0.02 < low <= high
    one = caution(small, "underpowered")
    assert one.details["comparisons"] == len(one.arms) == 4
    large = found(*synthetic(ARMS, 30, 2000, seed_sd=0.005))
    assert "underpowered" not in kinds(large)


def test_images_asked_for_and_not_replaced_are_a_caution_with_the_reason(synthetic: Any) -> None:
    summary = found(*synthetic(ARMS, 5, 40))  # 4 of 20 questions asked
    one = next(one for one in summary.cautions if one.kind == "few replaced" and "lesions" in one.arms)
    assert (one.details["requested"], one.details["why"]) == ([20], "short")
    assert one.details["most"] <= 3

    study, runs = synthetic(ARMS, 5, 40)
    everything = tuple(range(1, 17))
    summary = found(study, [_answering(run, everything) if run.arm == "lesions" else run for run in runs])
    one = next(one for one in summary.cautions if one.kind == "few replaced" and one.arms == ("lesions",))
    assert (one.details["most"], one.details["why"]) == (0, "everything")
    assert [s.text for s in words.cautions(summary) if "every cell" in s.text] == [
        "lesions changed no image: it selected every cell."
    ]


def _answering(run: ReportedRun, cells: tuple[int, ...]) -> ReportedRun:
    """The run, its oracle asked about twenty images of class 0 and choosing these cells in each."""
    assert run.record
    (consultation,) = run.record.consultations
    answers = tuple(
        Answer(image_id=f"i{n}", label=0, predicted=1, confidence=0.9, mispredicted=True, cells=cells, effect="none")
        for n in range(20)
    )
    record = run.record.model_copy(update={"consultations": (consultation.model_copy(update={"answers": answers}),)})
    return replace(run, record=record)


def test_what_was_asked_about_is_counted_by_class(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, 5, 40)
    (both,) = found(study, runs).asked
    assert both.arms == ("lesions", "random-cells")
    assert both.by_class == {"normal": 2.0, "TB": 2.0}
    summary = found(study, [_answering(run, (1,)) if run.arm == "lesions" else run for run in runs])
    assert caution(summary, "one class").arms == ("lesions",)
    assert caution(summary, "one class").details["by_class"] == {"normal": 20.0, "TB": 0.0}
    assert "Asked a run: 20 normal, 0 TB (lesions)" in [badge.text for badge in words.badges(summary)]


def test_arms_that_predict_the_same_say_so_and_why(synthetic: Any) -> None:
    summary = found(*synthetic(ARMS, 5, 40, copies={"lesions": "baseline"}))
    assert of(summary, "lesions").outcome == "same predictions"
    assert caution(summary, "same predictions").arms == ("lesions", "baseline")
    assert caution(summary, "same predictions").details["unchanged"] == ()
    study, runs = synthetic(ARMS, 5, 40, copies={"lesions": "baseline"})
    summary = found(study, [_answering(run, ()) if run.arm == "lesions" else run for run in runs])
    assert caution(summary, "same predictions").details["unchanged"] == ("lesions",)


def test_runs_without_a_spread_are_counted_with_their_arms(synthetic: Any) -> None:
    summary = found(*synthetic({"baseline": 0.0, "mixup": 0.0}, 5, 40, auroc=0.9999, seed_sd=0.0))
    one = caution(summary, "no spread")
    assert 0 < one.details["flat"] <= one.details["known"] == 10


def test_predictions_that_are_no_numbers_are_the_first_caution(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0, "mixup": 0.0}, 2, 20)
    broken = []
    for run in runs:
        shown = run.predictions["main"]
        broken.append(replace(run, predictions={"main": replace(
            shown, probabilities=np.full_like(shown.probabilities, math.nan)
        )}))  # fmt: skip
    assert kinds(found(study, broken))[0] == "no numbers"


def test_feedback_without_random_cells_beside_it_is_a_caution(synthetic: Any) -> None:
    assert "no random cells" in kinds(found(*synthetic({"baseline": 0.0, "lesions": 0.0}, 5, 40)))
    assert "no random cells" not in kinds(found(*synthetic({"baseline": 0.0, "placebo": 0.0}, 5, 40)))
    assert "no random cells" not in kinds(found(*synthetic(ARMS, 5, 40)))


# --------------------------------------------------------------------------------------------------------------- words


def test_every_finding_and_caution_has_words(synthetic: Any) -> None:
    """Whatever becomes of a study, no template lacks a case: every sentence ends, and none has a hole."""
    given: list[dict[str, Any]] = [
        {"seeds": 1}, {"seeds": 3}, {"seeds": 5, "copies": {"lesions": "baseline"}},
        {"seeds": 5, "missing": [("mixup", 0), ("baseline", 1)], "failed": {("lesions", 0): "No room.\nAt /a/b/c.py"}},
        {"seeds": 5, "study": {"split": {"method": "per-seed"}}, "environments": {"mixup": {"torch": "2.0"}}},
        {"seeds": 6, "test_sets": {"other": 30}, "failed": {("mixup", seed): "no" for seed in range(6)}},
        {"seeds": 2, "missing": [(arm, seed) for arm in ARMS for seed in (0, 1)]},
        {"seeds": 10, "study": {"comparisons": [["lesions", "random-cells"], ["placebo", "baseline"]]}},
    ]  # fmt: skip
    for options in given:
        for effect in (0.0, 0.15, -0.15):
            summary = found(*synthetic({**ARMS, "lesions": effect, "placebo": abs(effect)}, images=40, **options))
            said = [words.conclusion(summary), *words.cautions(summary), *words.comparisons(summary)]
            for sentence in said:
                assert sentence.text.endswith("."), sentence.text
                assert not {"nan", "None", " .", " ,", ".."} & {*sentence.text.split()}
                assert " ." not in sentence.text
                assert " ," not in sentence.text


def test_the_words_of_a_study_without_a_difference(synthetic: Any) -> None:
    comparisons = [["mixup", "baseline"], ["lesions", "baseline"], ["lesions", "random-cells"]]
    analysis: Analysis = analyse(*synthetic(ARMS, 5, 200, study={"comparisons": comparisons}))
    summary = findings(analysis)
    low, high = summary.conclusion.detectable or (0, 0)
    assert words.conclusion(summary).text == (
        "No arm differed significantly from baseline or random-cells in AUROC (3 planned comparisons, 5 seeds). "
        f"The study could detect differences of {low:.3f} to {high:.3f} with 80% power."
    )
    one = of(summary, "lesions", "random-cells")
    value, ends = one.estimate.value, (one.estimate.low, one.estimate.high)
    assert words.comparisons(summary)[2].text == (
        f"The cells of lesions were no better than the same number of random cells (random-cells): AUROC {value:+.3f} "
        f"(95% CI {ends[0]:.3f} to {ends[1]:.3f}, Holm {words.p_value(one.p_adjusted)})."
    ).replace("-0.", "−0.")


@pytest.mark.parametrize(
    ("p", "written"),
    [(0.25, "p = 0.25"), (0.0123, "p = 0.012"), (0.0004, "p < 0.001"), (0.04996, "p = 0.04996"), (0.05, "p = 0.0500")],
)
def test_a_p_near_the_bound_is_written_on_its_side(p: float, written: str) -> None:
    assert words.p_value(p) == written


FIRST_SCREEN = """\
lesions was better than baseline: AUROC +0.110 (95% CI 0.079 to 0.142, Holm p < 0.001); lesions was better than the \
same number of random cells (random-cells): AUROC +0.086 (95% CI 0.050 to 0.121, Holm p < 0.001). 4 other planned \
comparisons showed no significant difference.
* 10 seeds
* 200 test images
* 89 of 90 runs done, 1 failed
* detectable: AUROC 0.040 to 0.089
* Asked a run: 2 normal, 2 TB
! 89 of 90 runs are done: 1 failed (mixup). First reason: no memory at c.py.
! lesions, lung-fields, random-cells and 1 more changed 3 of 20 images asked for in a run: mispredictions ran short.
! Underpowered for a difference of 0.020 in 6 of 6 planned comparisons: detecting it would take about 30 to 133 seeds, \
and more test images in 2 of them."""


def test_a_golden_first_screen(synthetic: Any) -> None:
    names = ["baseline", "mixup", "cutmix", "cutout", "lesions", "lung-fields", "random-cells", "inverted", "placebo"]
    planned = [[arm, "baseline"] for arm in names[1:6]] + [["lesions", "random-cells"]]
    summary = found(*synthetic(
        {**dict.fromkeys(names, 0.0), "lesions": 0.12}, 10, 200, study={"comparisons": planned}, groups=True,
        failed={("mixup", 0): "no memory at /a/b/c.py"},
    ))  # fmt: skip
    said = [words.conclusion(summary).text]
    said += [f"* {badge.text}" for badge in words.badges(summary)] + [
        f"! {one.text}" for one in words.cautions(summary)
    ]
    assert "\n".join(said) == FIRST_SCREEN
