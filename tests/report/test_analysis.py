from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from imil_sim.report.analysis import ReportedRun, analyse
from imil_sim.stats import metric_names, metrics

ARMS = {"baseline": 0.0, "placebo": 0.0, "lesions": 0.08, "random-cells": 0.0}


def changed(runs: Sequence[ReportedRun], arm: str, seeds: Sequence[int] = (), **fields: Any) -> list[ReportedRun]:
    """The runs, with other fields in the main predictions of an arm (of these seeds, or of all)."""

    def of(run: ReportedRun) -> ReportedRun:
        if run.arm != arm or (seeds and run.seed not in seeds) or run.predictions is None:
            return run
        other = dataclasses.replace(run.predictions["main"], **fields)
        return dataclasses.replace(run, predictions={**run.predictions, "main": other})

    return [of(run) for run in runs]


def with_data(runs: Sequence[ReportedRun], arm: str, fingerprint: str) -> list[ReportedRun]:
    """The runs, with another fingerprint of the test images of an arm."""
    return [
        dataclasses.replace(run, record=run.record.model_copy(update={"data": {"main": fingerprint}}))
        if run.arm == arm and run.record
        else run
        for run in runs
    ]


def test_every_number_is_that_of_the_runs(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=[3, 1, 8], images=50, failed={("lesions", 1): "diverged"})
    of = analyse(study, runs[::-1])
    assert (of.arms, of.seeds, list(of.runs)) == (
        tuple(ARMS), (3, 1, 8), [(arm, seed) for arm in ARMS for seed in (3, 1, 8)],
    )  # fmt: skip
    main = of.sets["main"]
    shown = {(run.arm, run.seed): run.predictions["main"] for run in runs if run.predictions}
    for metric in metric_names():
        function = getattr(metrics, metric)
        for a, arm in enumerate(of.arms):
            for s, seed in enumerate(of.seeds):
                value = main.components[metric].values[a, s]
                if (arm, seed) == ("lesions", 1):
                    assert math.isnan(value)
                    continue
                one = shown[arm, seed]
                scores = one.probabilities[:, 1] if metric == "ece_positive" else one.probabilities
                assert value == pytest.approx(function(one.labels, scores), abs=1e-12)
        assert [(of.arms[c.arm], of.arms[c.reference]) for c in main.planned[metric]] == list(study.comparisons)
        assert [summary.n_seeds for summary in main.arms[metric]] == [3, 3, 2, 3]
    assert main.probabilities is not None
    assert np.isnan(main.probabilities[of.place("lesions"), 1]).all()
    assert np.array_equal(main.probabilities[of.place("lesions"), 2], shown["lesions", 8].probabilities)
    lesions = main.planned["auroc"][1]
    values = main.components["auroc"].values
    assert lesions.a.value == pytest.approx((values[2] - values[0])[[0, 2]].mean())
    assert lesions.a.n_seeds == 2


def test_every_expected_run_must_be_given_once(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=2, images=20)
    for given in ([*runs, runs[0]], runs[:-1], [*runs[:-1], ReportedRun("lesion", 0)]):
        with pytest.raises(ValueError, match="each once"):
            analyse(study, given)


def test_a_run_that_is_done_needs_predictions_of_every_set_it_was_tested_on(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=1, images=20, test_sets={"other": 12})
    for given in ({}, {"main": runs[0].predictions["main"]}):
        with pytest.raises(ValueError, match="no predictions were given"):
            analyse(study, [dataclasses.replace(runs[0], predictions=given), *runs[1:]])


def test_further_test_sets_stand_after_the_studys_own(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=5, images=40, test_sets={"b": 12, "a": 14})
    of = analyse(study, runs, metrics=metric_names()[:1])
    assert [(name, len(found.ids)) for name, found in of.sets.items()] == [("main", 40), ("b", 12), ("a", 14)]
    assert of.sets["b"].planned["auroc"][0].a.n_images == 12


def test_no_run_done_and_no_prediction_a_number_give_no_set(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=1, images=20, missing=[(arm, 0) for arm in ARMS])
    assert analyse(study, runs).sets == {}
    study, runs = synthetic({"baseline": 0.0}, seeds=1, images=20)
    assert analyse(study, changed(runs, "baseline", probabilities=np.full((20, 2), math.nan))).sets == {}


def test_an_arm_of_which_one_seed_had_other_images_is_left_out_be_it_the_reference(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=3, images=20)
    first = runs[0].predictions["main"]
    for arm in ("lesions", "baseline"):
        for fields in ({"ids": first.ids[::-1]}, {"labels": 1 - first.labels}):
            main = analyse(study, changed(runs, arm, [study.seeds[2]], **fields)).sets["main"]
            assert list(main.incomparable) == [arm]


def test_an_arm_on_other_images_than_the_reference_is_left_out_and_named(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=5, images=20)
    ids = tuple(f"else-{i}" for i in range(20))
    main = analyse(study, changed(runs, "lesions", ids=ids)).sets["main"]
    assert main.incomparable == {"lesions": "it was tested on other images than baseline"}
    assert np.isnan(main.components["accuracy"].values[2]).all()
    assert not np.isnan(main.components["accuracy"].values[[0, 1, 3]]).any()
    # While no run of the reference is done, the first arm that has one takes its place.
    without = [ReportedRun(run.arm, run.seed) if run.arm == "baseline" else run for run in runs]
    main = analyse(study, changed(without, "lesions", ids=ids)).sets["main"]
    assert main.incomparable == {"lesions": "it was tested on other images than placebo"}


def test_equal_ids_are_not_equal_images_unless_source_or_fingerprint_say_so(synthetic: Any) -> None:
    other_phantom = {"feedback": {"oracle": "lesions"}, "images": {"seed": 7}}
    study, runs = synthetic(ARMS, seeds=5, images=20, tables={"lesions": other_phantom})
    assert "lesions" in analyse(study, with_data(runs, "lesions", "7f")).sets["main"].incomparable
    # The very same images, by their fingerprint.
    assert analyse(study, runs).sets["main"].incomparable == {}
    # Another size of the same images has another fingerprint.
    smaller = {"feedback": {"oracle": "lesions"}, "images": {"size": 32}}
    study, runs = synthetic(ARMS, seeds=5, images=20, tables={"lesions": smaller})
    assert analyse(study, with_data(runs, "lesions", "7f")).sets["main"].incomparable == {}


def test_predictions_that_are_no_numbers_cost_their_own_run_only(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=6, images=20)
    broken = np.full((20, 2), 0.5)
    broken[3] = math.nan
    main = analyse(study, changed(runs, "lesions", [2], probabilities=broken)).sets["main"]
    assert main.incomparable == {"lesions": "its predictions are not numbers in seed 2"}
    assert np.isnan(main.components["auroc"].values[2]).tolist() == [False, False, True, False, False, False]
    assert main.planned["auroc"][1].a.n_seeds == 5


def test_a_split_per_seed_is_compared_by_seeds_only(synthetic: Any) -> None:
    split = {"split": {"method": "per-seed"}}
    study, runs = synthetic(ARMS, seeds=6, images=40, study=split, test_sets={"other": 30})
    of = analyse(study, runs)
    main, other = of.sets["main"], of.sets["other"]
    assert (main.ids, main.labels, main.probabilities, main.incomparable) == ((), None, None, {})
    for metric in metric_names():
        assert main.components[metric].resplit == (300, 40)
        lesions = main.planned[metric][1]
        assert lesions.a.why_absent
        assert lesions.primary.method.endswith("(Nadeau-Bengio)")
    first = runs[0].predictions["main"]
    assert main.components["ece_positive"].values[0, 0] == pytest.approx(
        metrics.ece_positive(first.labels, first.probabilities[:, 1])
    )
    assert other.probabilities is not None
    assert not other.planned["auroc"][1].a.why_absent
    # An arm with other images in one seed is out; which the others cannot notice.
    ids = tuple(f"else-{i}" for i in range(40))
    left = analyse(study, changed(runs, "placebo", [4], ids=ids)).sets["main"]
    assert left.incomparable == {"placebo": "it was tested on other images than baseline"}


def test_what_no_plan_compares_with_the_reference_is_exploratory(synthetic: Any) -> None:
    sweep = {"base": "lesions", "vary": {"feedback": {"num_outliers": [5, 10, 20]}}}
    plan = {"comparisons": [["lesions", "random-cells"], ["lesions", "baseline"], ["baseline", "random-cells"]]}
    study, runs = synthetic(ARMS, seeds=5, images=40, sweeps={"outliers": sweep}, study=plan)
    of = analyse(study, runs)
    found = of.sets["main"].exploratory["auroc"]
    pairs = [(of.arms[one.arm], of.arms[one.reference]) for one in found]
    assert pairs == [(arm, "baseline") for arm in ("placebo", "lesions@num_outliers=5", "lesions@num_outliers=10")]
    assert {one.adjustment for one in found} == {"benjamini-hochberg"}
    assert {one.adjustment for one in of.sets["main"].planned["auroc"]} == {"holm"}
    assert (of.placebo, of.random_cells) == ("placebo", {"lesions": "random-cells"})
    # The sweep's one factor: the slope is that of the means over the logarithms of the levels.
    assert [result.metric for result in of.sets["main"].sweeps] == list(metric_names())
    (factor,) = of.sets["main"].sweeps[0].factors
    assert ([level.number for level in factor.levels], factor.per) == ([5.0, 10.0, 20.0], "doubling")
    assert factor.arms == ("lesions@num_outliers=5", "lesions@num_outliers=10", "lesions")
    means = [of.sets["main"].components["auroc"].values[of.place(arm)].mean() for arm in factor.arms]
    assert factor.effects[0].estimate.a.value == pytest.approx((means[2] - means[0]) / 2)


def test_three_classes_have_no_positive_one(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0, "lesions": 0.05}, seeds=5, images=20)
    for arm in study.arms:
        for run in runs:
            if run.arm == arm:
                three = np.pad(run.predictions["main"].probabilities, ((0, 0), (0, 1)))
                runs = changed(runs, arm, [run.seed], probabilities=three)
    runs = [
        dataclasses.replace(run, record=run.record.model_copy(update={"class_names": ("a", "b", "c")})) for run in runs
    ]
    main = analyse(study, runs).sets["main"]
    assert list(main.planned) == ["auroc", "accuracy", "brier", "ece_top_label"]
    assert main.class_names == ("a", "b", "c")
    assert "a class has no test image" in main.planned["auroc"][0].a.why_absent


def test_environments_are_compared(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=1, images=20, environments={"lesions": {"torch": "2.12"}})
    assert analyse(study, runs).environments == "torch 2.12 (1 run), 2.13.0 (3 runs)"


def test_only_the_metrics_asked_for_are_worked_out(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=2, images=20)
    main = analyse(study, runs, metrics=("brier", "auroc")).sets["main"]
    assert list(main.components) == list(main.planned) == list(main.arms) == ["brier", "auroc"]
