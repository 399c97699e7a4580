"""The first screen on studies whose truth is known: what it says of each, and what it never says."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from imil_sim.report.analysis import ReportedRun, analyse
from imil_sim.report.document import Statement
from imil_sim.report.phrases import adjusted_p
from imil_sim.report.sentences import statements

ARMS = {"baseline": 0.0, "placebo": 0.0, "lesions": 0.0, "random-cells": 0.0}
QUICK: tuple[str, ...] = ("auroc", "accuracy")


def screen(study: Any, runs: Sequence[ReportedRun], metrics: Sequence[str] = QUICK) -> tuple[Statement, ...]:
    return statements(analyse(study, runs, metrics=metrics))


def claims(told: Sequence[Statement]) -> list[Statement]:
    """What a reader takes for a finding, by its colour or by its words."""
    words = (" did better", " did worse", " differs from ")
    return [one for one in told if one.tone in ("good", "bad") or any(word in one.text for word in words)]


def of(told: Sequence[Statement], *words: str) -> Statement:
    """The one sentence with all of these words."""
    (found,) = [one for one in told if all(word in one.text for word in words)]
    return found


def test_a_clear_effect_is_named_with_its_interval_and_nothing_else_is(synthetic: Any) -> None:
    study, runs = synthetic({**ARMS, "lesions": 0.1}, seeds=10, images=300, rng_seed=1)
    analysis = analyse(study, runs, metrics=QUICK)
    told = statements(analysis)
    (claim,) = claims(told)
    assert told[0].text == "1 of 3 planned comparisons shows a difference in AUROC."
    assert told[0].tone == "plain"
    assert claim == told[1]
    assert claim.tone == "good"
    one = analysis.sets["main"].planned["auroc"][1]
    assert claim.text.startswith(f"lesions did better than baseline: AUROC {one.a.value:.3f} higher, 95% interval A ")
    assert f"{one.a.low:+.3f} to {one.a.high:+.3f} (Holm p < 0.001)" in claim.text
    share = analysis.sets["main"].planned["accuracy"][1].a
    assert f"Secondary, no claim: accuracy {100 * share.value:+.1f} points" in claim.text
    hedged = of(told, "No difference between the placebo and baseline can be told", "compatible with anything from")
    assert hedged.tone == "plain"
    assert told[-1].text == "All 40 runs are done: 4 arms, 10 seeds, 300 test images."


def test_harm_is_called_worse(synthetic: Any) -> None:
    (claim,) = claims(screen(*synthetic({**ARMS, "lesions": -0.1}, seeds=10, images=300, rng_seed=1)))
    assert claim.tone == "bad"
    assert claim.text.startswith("lesions did worse than baseline: AUROC 0.")
    assert " lower, 95% interval A " in claim.text


def test_no_effect_is_never_called_equality(synthetic: Any) -> None:
    told = screen(*synthetic(ARMS, seeds=10, images=100, rng_seed=1))
    assert claims(told) == []
    verdict = "None of the 3 planned comparisons shows a difference in AUROC; a true difference of 0."
    assert told[0].text.startswith(verdict)
    assert told[0].text.endswith(" could have been seen.")
    text = " ".join(one.text for one in told)
    assert text.count("compatible with anything") == 4
    assert not any(word in text for word in (" equal ", " same as ", "no effect", "significant", "did not differ"))


def test_where_lower_is_better_a_lower_number_is_the_better_one(synthetic: Any) -> None:
    (claim,) = claims(screen(*synthetic({"baseline": 0.0, "lesions": 0.12}, 10, 300), metrics=("brier",)))
    assert claim.tone == "good"
    assert "lesions did better than baseline: Brier score 0." in claim.text
    assert " lower (lower is better), " in claim.text
    assert "accuracy" not in claim.text
    (claim,) = claims(screen(*synthetic({"baseline": 0.0, "lesions": 0.12}, 10, 300), metrics=("accuracy",)))
    assert "accuracy" in claim.text
    assert "Secondary" not in claim.text


def test_random_cells_in_the_same_number_are_planned_or_exploratory(synthetic: Any) -> None:
    arms = {**ARMS, "lesions": 0.12, "lung-fields": 0.0}
    told = screen(*synthetic(arms, 10, 200))
    explored = of(told, "lesions against random cells in the same number (random-cells)")
    assert explored.text.startswith("Exploratory, no finding: ")
    assert explored not in claims(told)
    assert "not planned" in explored.text
    # As many as the lesions chose, not as many as the lungs have cells.
    of(
        told,
        "against random cells in the number of lesions (random-cells), a number that may not be its own: lung-fields ",
        "it is ",
    )
    assert "lung-fields" not in explored.text
    told = screen(*synthetic(arms, 10, 200, study={"comparisons": [["lesions", "random-cells"]]}))
    (claim,) = claims(told)
    assert claim.text.startswith("lesions did better than random cells in the same number (random-cells): AUROC ")
    assert "Holm p" in claim.text
    of(
        told,
        "Exploratory: the 4 arms that no plan compares with baseline differ from it by ",
        "a lead for another study, no finding.",
    )
    told = screen(*synthetic(arms, 10, 200, study={"comparisons": [["lung-fields", "random-cells"]]}))
    of(told, "No difference between lung-fields and random cells in the number of lesions (random-cells) can be told")


def test_many_arms_beside_one_control_say_once_whose_number_it_has(synthetic: Any) -> None:
    arms = {**ARMS, **{f"oracle-{i}": 0.0 for i in range(12)}}
    told = screen(*synthetic(arms, 6, 40))
    one = of(
        told,
        "against random cells in the number of lesions (random-cells), a number that may not be their own: oracle-0 ",
    )
    assert one.text.count("random cells") == 1
    of(
        told,
        "Exploratory, no finding: 5 more comparisons with random cells, whose number may not be the oracle's own: ",
    )
    told = screen(*synthetic(arms, 1, 40))
    of(told, "Exploratory, without an interval: lesions against random cells in the same number (random-cells) (AUROC ")
    one = of(
        told,
        "without an interval: AUROC against random cells in the number of lesions (random-cells), a number that may ",
    )
    assert one.text.endswith(" and 4 more.")


def test_feedback_without_random_cells_beside_it_is_told(synthetic: Any) -> None:
    missing = "No arm of random cells stands beside the feedback"
    assert of(screen(*synthetic({"baseline": 0.0, "lesions": 0.0}, 5, 40)), missing).tone == "caution"
    told = screen(*synthetic({"baseline": 0.0, "mixup": 0.0, "placebo": 0.0}, 5, 40))
    assert not [one for one in told if missing in one.text]


def test_a_placebo_that_differs_is_a_warning(synthetic: Any) -> None:
    told = screen(*synthetic({**ARMS, "placebo": 0.12}, 10, 300, rng_seed=1))
    (claim,) = claims(told)
    assert claim.tone == "caution"
    assert claim.text.startswith("The placebo differs from baseline, though nothing was replaced: AUROC ")


def test_an_interval_without_0_is_no_claim_when_holm_says_no(synthetic: Any) -> None:
    arms = {"baseline": 0.0, "placebo": 0.0, "lesions": 0.025, "random-cells": 0.0}
    analysis = analyse(*synthetic(arms, 10, 150, rng_seed=19), metrics=QUICK)
    one = analysis.sets["main"].planned["auroc"][1]
    assert one.a.p < 0.05 < one.p_adjusted
    told = statements(analysis)
    hedged = of(told, "No difference between lesions and baseline can be told")
    assert "leaves out 0 by itself, but not after the correction for all planned comparisons" in hedged.text
    assert hedged not in claims(told)


# ------------------------------------------------------------------------------------------------- was it large enough


def test_an_underpowered_study_says_so_and_how_many_seeds_it_would_take(synthetic: Any) -> None:
    told = screen(*synthetic(ARMS, seeds=5, images=200))
    size = of(told, "Underpowered for a difference of 0.020: with 5 seeds and 200 test images a true difference of 0.")
    assert size.tone == "caution"
    assert "with 80% power after the correction for 3 comparisons; " in size.text
    assert "To see 0.020 would take about " in size.text
    assert "In accuracy it is " in size.text


def test_where_images_are_the_floor_more_images_are_asked_for(synthetic: Any) -> None:
    told = screen(*synthetic({"baseline": 0.0, "lesions": 0.0}, 10, 60, image_interaction_sd=0.5))
    size = of(told, "Underpowered")
    assert (
        "No number of seeds up to 1000 is enough: by the spread seen here, these 60 test images set a floor"
        in size.text
    )
    assert "it would take more than about " in size.text


def test_where_seeds_are_the_reason_that_is_told(synthetic: Any) -> None:
    size = of(screen(*synthetic({"baseline": 0.0, "mixup": 0.0}, 6, 100, seed_sd=3)), "Underpowered")
    why = "the runs of one arm differ too much from seed to seed."
    assert size.text.endswith(f"No number of seeds up to 1000 is enough: {why}")


def test_a_large_study_says_what_it_could_have_seen(synthetic: Any) -> None:
    told = screen(*synthetic({"baseline": 0.0, "mixup": 0.0}, seeds=20, images=1000, seed_sd=0.02))
    assert of(told, "Large enough to see a difference of 0.020: with 20 seeds").tone == "plain"


@pytest.mark.parametrize("seeds", [1, 3])
def test_few_seeds_give_no_interval_and_no_claim_and_say_why(synthetic: Any, seeds: int) -> None:
    told = screen(*synthetic({**ARMS, "lesions": 0.15}, seeds, 200))
    assert claims(told) == []
    why = of(told, "No claim can be made: a claim needs at least 5 seeds")
    assert why == told[0]
    assert why.tone == "caution"
    assert f"there {'is 1' if seeds == 1 else 'are 3'}." in why.text
    of(told, "lesions and baseline: AUROC +0.", "without an interval and without a claim.")
    # Of so few seeds nothing is worked out, such as what more of them would tell.
    assert of(told, "The study is too small").text == "The study is too small to claim or to judge anything."
    assert not [one for one in told if "power" in one.text]


def test_a_split_per_seed_rests_on_inference_b(synthetic: Any) -> None:
    told = screen(*synthetic({**ARMS, "lesions": 0.15}, 10, 200, study={"split": {"method": "per-seed"}}))
    (claim,) = claims(told)
    assert "95% interval B (new seeds and splits)" in claim.text
    of(told, "Whether the study was large enough cannot be said: with a split per seed")


def test_a_split_per_seed_claims_nothing_from_few_seeds_either(synthetic: Any) -> None:
    study, runs = synthetic({**ARMS, "lesions": 0.19}, 4, 1000, seed_sd=0.001, study={"split": {"method": "per-seed"}})
    analysis = analyse(study, runs, metrics=QUICK)
    assert analysis.sets["main"].planned["auroc"][1].p_adjusted < 0.05
    told = statements(analysis)
    assert claims(told) == []
    assert told[0].text.startswith("No claim can be made: a claim needs at least 5 seeds with a run of both arms, and ")
    of(
        told,
        "lesions and baseline: AUROC +0.",
        "over 4 seeds, 95% interval B (new seeds and splits) +0.",
        "without a claim",
    )


# ------------------------------------------------------------------------------------------------------ runs and sets


def test_failed_waiting_and_missing_runs_are_told_with_their_reasons(synthetic: Any) -> None:
    study, runs = synthetic(
        ARMS, 6, 40, failed={("lesions", 2): "loss is\nnot a number  "},
        waiting={("random-cells", seed): "no answers yet" for seed in range(4)}, missing=[("placebo", 5)],
    )  # fmt: skip
    told = screen(study, runs)
    assert told[0].text.startswith(
        "None of the 3 planned comparisons shows a difference in AUROC, and 2 of them allow "
    )
    assert "no claim yet" in told[0].text
    assert told[1].text.startswith(
        "This report is partial: 18 of 24 runs are done (1 failed, 4 waiting for answers, 1 missing); "
    )
    assert told[1].tone == "caution"
    # A run that failed will not come; the sentence says on how many seeds it rests.
    of(told, "No difference between lesions and baseline can be told: AUROC ", " over 5 of 6 seeds is compatible with ")
    of(told, "Failed: 1 run, of lesions (seed 2). Reasons: loss is not a number.")
    of(told, "Waiting for answers: 4 runs, of random-cells (seeds 0-3).")
    of(told, "Missing: 1 run, of placebo (seed 5).")
    of(told, "No claim can be made in 1 of 3 planned comparisons")
    assert not [one for one in told if one.text.startswith("All ")]


def test_a_study_without_any_run_says_only_that(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, 2, 40, missing=[(arm, seed) for arm in ARMS for seed in (0, 1)])
    first, second = screen(study, runs)
    assert first.text == "No run of this study is done, so there is nothing to compare. Of 8 runs: 8 missing."
    assert second.text.startswith("Missing: 8 runs, of baseline (seeds 0, 1), ")


def test_runs_whose_predictions_are_no_numbers_are_told(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0, "lesions": 0.0}, 5, 40, test_sets={"other": 20})

    def broken(run: ReportedRun) -> ReportedRun:
        assert run.predictions is not None
        main = dataclasses.replace(run.predictions["main"], probabilities=np.full((40, 2), math.nan))
        return dataclasses.replace(run, predictions={**run.predictions, "main": main})

    told = screen(study, [broken(run) if run.arm == "lesions" else run for run in runs])
    assert told[0].text == (
        "No claim can be made: the planned comparison cannot be made: lesions: its predictions are not numbers in "
        "seeds 0, 1, 2, 3, 4."
    )
    assert sum("not numbers" in one.text for one in told) == 1
    # With none left on the main set, a further set does not take its place.
    told = screen(study, [broken(run) for run in runs])
    assert told[0].text.startswith("10 runs done, and no predictions that are numbers")


def test_arms_that_predict_the_very_same_are_told_so(synthetic: Any) -> None:
    told = screen(*synthetic(ARMS, 6, 40, copies={"lesions": "baseline"}))
    same = of(told, "lesions and baseline made the very same predictions in all 6 seeds they share: nothing varied")
    assert same.tone == "caution"
    assert claims(told) == []


def test_runs_without_a_spread_are_told_once_with_their_arms(synthetic: Any) -> None:
    analysis = analyse(
        *synthetic({"baseline": -0.3, "lesions": 0.0, "placebo": -0.3}, 6, 10, auroc=0.9999), metrics=QUICK
    )
    values = analysis.sets["main"].components["auroc"].values
    flat = int((values == 1).sum())
    assert (values[1] == 1).all()
    arms = ", ".join(arm for arm, row in zip(analysis.arms, values == 1, strict=True) if row.any())
    told = of(statements(analysis), "Read with care: ")
    assert told.text == (
        f"Read with care: {flat} of 18 runs have no spread across images, as with AUROC of exactly 0 or 1: their "
        f"variance counts as 0, so intervals over patients are too narrow ({arms})."
    )
    whole = screen(*synthetic({"baseline": 0.0, "lesions": 0.05}, 6, 40))
    assert not [one for one in whole if "Read with care" in one.text]


def test_one_is_no_plural(synthetic: Any) -> None:
    told = screen(*synthetic({"baseline": 0.0, "lesions": 0.12}, 10, 300))
    assert told[0].text == "The planned comparison shows a difference in AUROC."
    told = " ".join(one.text for one in screen(*synthetic({"baseline": 0.0}, 1, 40)))
    assert "The one run is done: 1 arm, 1 seed, 40 test images." in told
    arms = {**ARMS, "lung-fields": 0.0}
    pair = {"comparisons": [[arm, "baseline"] for arm in ("placebo", "lesions", "random-cells")]}
    told = " ".join(one.text for one in screen(*synthetic(arms, 6, 40, study=pair, test_sets={"other": 20})))
    assert "Exploratory: the arm that no plan compares with baseline lies " in told
    missing = [(arm, seed) for arm in ARMS for seed in (0, 1)][1:]
    told = " ".join(one.text for one in screen(*synthetic(ARMS, 2, 40, missing=missing)))
    assert "1 of 8 runs is done (7 missing); all below rests on that one." in told
    single = {"comparisons": [["lesions", "baseline"]]}
    told = screen(*synthetic(ARMS, 6, 40, study=single, test_sets={"other": 20}))
    of(
        told,
        "On the further test set other (20 test images), secondary and without a claim: the planned difference in ",
    )
    eleven = {"baseline": 0.0, **{f"arm-{i}": 0.0 for i in range(9)}}
    of(
        screen(*synthetic(eleven, 1, 40)),
        "9 planned comparisons no claim can be made",
        "; none of them has an interval.",
    )


def test_different_environments_and_further_sets_are_told(synthetic: Any) -> None:
    told = screen(*synthetic(ARMS, 5, 40, environments={"lesions": {"torch": "2.12"}}, test_sets={"other": 20}))
    mixed = of(told, "different environments", "torch 2.12 (5 runs), 2.13.0 (15 runs)")
    further = of(told, "On the further test set other (20 test images), secondary and without a claim")
    assert (mixed.tone, further.tone) == ("caution", "plain")


def test_fifty_arms_fit_on_a_screen(synthetic: Any) -> None:
    effects = [0.12] * 12 + [-0.12] * 2 + [0.0] * 35
    arms = {"baseline": 0.0, **{f"arm-{i}": effect for i, effect in enumerate(effects)}}
    copies = {f"arm-{i}": "baseline" for i in range(20, 24)}
    told = screen(*synthetic(arms, 10, 300, copies=copies))
    assert len(told) < 20
    found = claims(told)
    assert len(found) <= 10
    named = sum(one.text.startswith("arm-") for one in found)
    more = [one for one in found if one.text.startswith("Likewise ")]
    assert named == 8
    assert named + sum(int(one.text.split()[1]) for one in more) == 14
    assert {one.tone for one in found} == {"good", "bad"}
    of(told, "The very same predictions in all seeds were made by arm-20 and baseline; arm-21 and baseline")
    of(told, "In the other 31 planned comparisons no difference can be told", "compatible with anything from")


# ------------------------------------------------------------------------------------------------- what is said once


def test_planned_comparisons_that_share_random_cells_do_not_share_their_number(synthetic: Any) -> None:
    oracles = ("lesions", "lung-fields", "all-cells", "budget")
    arms = {**ARMS, **dict.fromkeys(oracles, 0.0)}
    told = screen(*synthetic(arms, 10, 100, 1, study={"comparisons": [[one, "random-cells"] for one in oracles]}))
    shared = of(told, "No difference between random cells in the number of lesions (random-cells) and any of these 4 ")
    assert "same number" not in shared.text


def test_more_than_three_comparisons_with_one_arm_share_a_sentence(synthetic: Any) -> None:
    arms = {**dict.fromkeys(("baseline", "mixup", "cutmix", "cutout", "lesions", "random-cells"), 0.0)}
    pairs = [[arm, "baseline"] for arm in ("mixup", "cutmix", "cutout", "lesions")] + [["lesions", "random-cells"]]
    analysis = analyse(*synthetic(arms, 10, 100, 1, study={"comparisons": pairs}), metrics=QUICK)
    told = statements(analysis)
    one = analysis.sets["main"].planned["auroc"][0].a
    shared = of(told, "No difference between baseline and any of these 4 can be told in AUROC: mixup ", "; each is ")
    interval = f"mixup {one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f}), cutmix ".replace("-", "\u2212")
    assert interval in shared.text
    of(told, "No difference between lesions and random cells in the same number (random-cells) can be told: AUROC ")
    assert told[0].text.startswith("None of the 5 planned comparisons ")


def test_while_runs_of_a_pair_are_to_come_it_claims_nothing(synthetic: Any) -> None:
    arms = {**ARMS, "lesions": 0.15}
    told = screen(*synthetic(arms, 10, 300, 1, missing=[("lesions", 8), ("lesions", 9)]))
    assert claims(told) == []
    early = of(told, "lesions and baseline: AUROC +0.", "95% interval A", "no claim yet: 8 of 10 seeds.")
    assert early.tone == "plain"
    # The same runs failed: they will not come, so the others may claim, and say how many they are.
    told = screen(*synthetic(arms, 10, 300, 1, failed={("lesions", 8): "x", ("lesions", 9): "x"}))
    (claim,) = claims(told)
    assert " higher over 8 of 10 seeds, 95% interval A " in claim.text
    told = screen(*synthetic(arms, 10, 300, 1, missing=[("baseline", 9)]))
    assert told[0].text == "No claim can be made yet: 1 run of the compared arms is missing or waiting for answers."


def test_an_arm_without_runs_is_told_once_with_what_follows_and_once_with_its_reason(synthetic: Any) -> None:
    failed = {("lesions", seed): "loss is not a number" for seed in range(6)}
    comparisons = {"comparisons": [["lesions", "baseline"], ["placebo", "baseline"], ["lesions", "random-cells"]]}
    told = screen(*synthetic(ARMS, 6, 40, failed=failed, study=comparisons))
    of(told, "No run of lesions is done, so 2 of 3 planned comparisons cannot be made.")
    of(told, "Failed: 6 runs, of lesions (seeds 0-5). Reasons: loss is not a number.")
    assert sum("lesions" in one.text for one in told) == 2
    assert not [one for one in told if "needs at least 5 seeds" in one.text]


def test_a_reference_without_runs_is_the_verdict(synthetic: Any) -> None:
    told = screen(*synthetic(ARMS, 6, 40, failed={("baseline", seed): "no memory" for seed in range(6)}))
    why = "no run of baseline is done, so none of the 3 planned comparisons with it can be made."
    assert told[0].text == f"No claim can be made: {why}"
    assert sum("baseline" in one.text for one in told) == 2


# ------------------------------------------------------------------------------------------------------ scarce feedback


def _replacing(run: ReportedRun, count: int, *, abstained: bool = False) -> ReportedRun:
    """The run, its oracle asked about four images of which so many were replaced."""
    if run.record is None or not run.record.consultations:
        return run
    (asked,) = run.record.consultations
    chosen = [{"cells": (1,), "effect": "replaced"}] * count
    rest = [{"cells": None if abstained else (), "effect": "none"}] * (4 - count)
    answers = tuple(
        answer.model_copy(update=told) for answer, told in zip(asked.answers, [*chosen, *rest], strict=True)
    )
    consultation = asked.model_copy(update={"answers": answers, "requested": 4})
    return dataclasses.replace(run, record=run.record.model_copy(update={"consultations": (consultation,)}))


def test_images_asked_for_and_not_replaced_are_told_with_the_reason(synthetic: Any) -> None:
    study, runs = synthetic({**ARMS, "lung-fields": 0.0}, 6, 40)
    # As made: 4 of 20 asked about, of which one is abstained from.
    short = of(screen(study, runs), "Little feedback: ")
    assert short.tone == "caution"
    assert short.text == (
        "Little feedback: lesions, random-cells, lung-fields: 3 of 20 images asked for could be replaced in a run; "
        "mispredictions ran short."
    )
    counts = {"lesions": 1, "lung-fields": 2, "random-cells": 4, "placebo": 0}
    told = screen(study, [_replacing(run, counts.get(run.arm, 0), abstained=run.seed > 0) for run in runs])
    only = of(told, "Little feedback: ")
    why = "the oracle gave no answer about most others."
    assert only.text == f"Little feedback: lesions: 1 of 4 images asked for could be replaced in a run; {why}"
    every = [_replacing(run, counts.get(run.arm, 0), abstained=True) for run in runs]
    of(screen(study, every), "lesions: 1 of 4 images", "; the oracle gave no answer about all others.")
    none = [_replacing(run, 0 if run.arm == "lesions" else 4) for run in runs]
    of(screen(study, none), "lesions: 0 of 4 images", "; the oracle chose no cell in all of them.")


def test_where_no_image_was_replaced_that_is_why_predictions_are_the_same(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, 6, 40, copies={"lesions": "baseline"})
    told = screen(study, [_replacing(run, 0) for run in runs])
    same = of(told, "lesions and baseline made the very same predictions in all 6 seeds they share")
    assert same.text.endswith(", because no image was replaced in lesions: nothing varied, so nothing can be said.")
    of(screen(*synthetic(ARMS, 1, 40, copies={"lesions": "baseline"})), "same predictions in the one seed they share: ")
    many = {"baseline": 0.0, **{f"arm-{i}": 0.0 for i in range(4)}}
    copies = dict.fromkeys(many, "baseline")
    of(
        screen(*synthetic(many, 1, 40, copies=copies)),
        "The very same predictions in the one seed they share were made by",
    )
    of(screen(study, runs), "made the very same predictions", "If one of them was to change something, it did not.")


# ----------------------------------------------------------------------------------------------------- words and digits


@pytest.mark.parametrize(
    ("p", "written"),
    [
        (0.04996, "0.04996"),
        (0.04999, "0.04999"),
        (0.0502, "0.0502"),
        (0.0496, "0.0496"),
        (0.012, "0.012"),
        (0.25, "0.25"),
    ],
)
def test_a_p_near_the_bound_is_written_on_its_side(synthetic: Any, p: float, written: str) -> None:
    one = analyse(*synthetic(ARMS, 5, 40), metrics=("auroc",)).sets["main"].planned["auroc"][0]
    assert adjusted_p(dataclasses.replace(one, p_adjusted=p)) == f"Holm p = {written}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "cannot read /home/x/data/image-1.png: it is cut off. Fetch it again.",
            "cannot read image-1.png: it is cut off",
        ),
        ("no such file: '/home/x y/a b.png'", "no such file: 'a b.png'"),
        (r"no such file: C:\Users\x\image.png.", "no such file: image.png"),
        ("file:///srv/images/a.png is no image", "a.png is no image"),
        ("see https://example.org/a/b and images/a.png", "see https://example.org/a/b and images/a.png"),
        ("word " * 40, "word " * 32 + "..."),
    ],
)
def test_a_reason_is_its_first_sentence_without_places_of_the_machine(synthetic: Any, reason: str, told: str) -> None:
    found = screen(*synthetic(ARMS, 6, 40, failed={("lesions", 2): reason}))
    assert of(found, "Failed: 1 run").text == f"Failed: 1 run, of lesions (seed 2). Reasons: {told}."
