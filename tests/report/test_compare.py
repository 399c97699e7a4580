from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from imil_sim.errors import UsageError
from imil_sim.report.analysis import ReportedRun, analyse
from imil_sim.report.compare import StudyComparison, compare_studies
from imil_sim.report.document import Table
from imil_sim.study.record import Predictions

ARMS = {"baseline": 0.0, "mixup": 0.0, "lesions": 0.0}
BETTER = {"baseline": 0.0, "lesions": 0.12, "cutout": 0.0}
METRICS = ("auroc", "brier")
"""One of which more is better, one of which less is."""

analysed = partial(analyse, metrics=METRICS)

PER_SEED = {"split": {"method": "per-seed"}}


def parts(comparison: StudyComparison) -> dict[str, Table]:
    sections = comparison.document.sections
    return {part.name: part for section in sections for part in section.parts if isinstance(part, Table)}


def sentences(comparison: StudyComparison) -> str:
    return "\n".join(statement.text for statement in comparison.document.statements)


def altered(runs: list[ReportedRun], change: Callable[[Predictions], Predictions]) -> list[ReportedRun]:
    """The runs with other predictions on the study's own test set."""
    return [
        dataclasses.replace(run, predictions={**run.predictions, "main": change(run.predictions["main"])})
        if run.predictions
        else run
        for run in runs
    ]


def reversed_images(of: Predictions) -> Predictions:
    arrays = {
        name: value[::-1] for name in of.__dataclass_fields__ if (value := getattr(of, name)) is not None
        and name in ("ids", "labels", "probabilities", "lungs_hidden", "lungs_only", "cam_in_lung", "lung_share",
                     "lung_estimated", "pointing")
    }  # fmt: skip
    return dataclasses.replace(of, **arrays)


def test_a_study_beside_itself_shows_no_difference(synthetic: Any) -> None:
    analysis = analysed(*synthetic(ARMS, seeds=5, images=40, test_sets={"other": 20}))
    comparison = compare_studies(analysis, analysis)
    assert (comparison.rows["difference"] == 0).all()
    assert (comparison.rows["n_equal"] == 5).all()
    assert list(comparison.rows["test_set"].unique()) == ["main", "other"]
    assert len(comparison.rows) == 3 * len(METRICS) * 2
    assert "all of these made the same predictions" in sentences(comparison)
    assert "No significant" not in sentences(comparison)
    assert parts(comparison)["specs"].rows == ()


def test_only_what_both_have_is_compared_and_the_rest_is_named(synthetic: Any) -> None:
    first = analysed(*synthetic(ARMS, seeds=6, images=200))
    second = analysed(*synthetic(BETTER, seeds=[1, 2, 3, 4, 5, 9], images=200, missing=[("baseline", 4)]))
    comparison = compare_studies(first, second)
    rows = comparison.rows[comparison.rows["metric"] == "auroc"].set_index("arm")
    assert list(rows.index) == ["baseline", "lesions"]
    assert list(rows["n_seeds"]) == [4, 5]
    ours = first.sets["main"].components["auroc"].values[first.place("lesions"), 1:6]
    theirs = second.sets["main"].components["auroc"].values[second.place("lesions"), 0:5]
    lesions = rows.loc["lesions"]
    assert lesions["first"] == pytest.approx(ours.mean())
    assert lesions["second"] == pytest.approx(theirs.mean())
    assert lesions["difference"] == pytest.approx((theirs - ours).mean())
    assert lesions["low_a"] < 0.12 < lesions["high_a"]
    assert lesions["p_holm"] < 0.05
    assert lesions["p_superior"] == 1.0
    assert np.isnan(rows.loc["baseline", "low_a"])  # four seeds are too few
    good = [statement for statement in comparison.document.statements if statement.tone == "good"]
    assert [statement.text.split(":")[0] for statement in good] == ["lesions"]
    assert "arms mixup in the first, cutout in the second; seeds 0 in the first, 9 in the second" in sentences(
        comparison
    )
    assert "The second study is partial: 17 of its 18 runs are done." in sentences(comparison)


def test_a_change_for_the_worse_is_a_bad_sign_in_either_direction_of_a_metric(synthetic: Any) -> None:
    good = analysed(*synthetic({"baseline": 0.0, "lesions": 0.12}, seeds=6, images=200))
    bad = analysed(*synthetic({"baseline": 0.0, "lesions": 0.0}, seeds=6, images=200))
    comparison = compare_studies(good, bad)
    assert [s.text[:7] for s in comparison.document.statements if s.tone == "bad"] == ["lesions"]
    brier = comparison.rows[(comparison.rows["metric"] == "brier") & (comparison.rows["arm"] == "lesions")].iloc[0]
    assert brier["difference"] > 0
    assert brier["p_superior"] == 0.0  # a higher Brier score is a worse one


def test_the_images_may_come_in_another_order(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0, "lesions": 0.0}, seeds=5, images=40)
    _, others = synthetic({"baseline": 0.0, "lesions": 0.1}, seeds=5, images=40)
    first = analysed(study, runs)
    straight, turned = (
        compare_studies(first, analysed(study, second)).rows.set_index("arm").loc["lesions"].select_dtypes(np.number)
        for second in (others, altered(others, reversed_images))
    )
    np.testing.assert_allclose(turned.to_numpy(), straight.to_numpy(), rtol=1e-9, atol=1e-12)
    itself = compare_studies(first, analysed(study, altered(runs, reversed_images))).rows
    assert (itself["n_equal"] == 5).all()


def test_other_test_images_are_refused_with_what_differs(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=2, images=40)
    first = analysed(study, runs)
    with pytest.raises(UsageError, match=r"main: it was tested on other images .* \(baseline, mixup, lesions\)"):
        compare_studies(first, analysed(*synthetic(ARMS, seeds=2, images=30)))

    def relabelled(of: Predictions) -> Predictions:
        labels = of.labels.copy()
        labels[:2] = labels[:2][::-1]
        return dataclasses.replace(of, labels=labels)

    with pytest.raises(UsageError, match="main: it was tested on other images"):
        compare_studies(first, analysed(study, altered(runs, relabelled)))


def printed(runs: list[ReportedRun], **data: str) -> list[ReportedRun]:
    """The runs with other fingerprints on record."""
    return [
        dataclasses.replace(run, record=run.record.model_copy(update={"data": {**run.record.data, **data}}))
        if run.record
        else run
        for run in runs
    ]


def of_size(size: int) -> dict[str, Any]:
    return {"images": {"source": "phantom", "size": size, "train": 300, "test": 40}}


@pytest.mark.parametrize("split", [{}, PER_SEED])
@pytest.mark.parametrize("conspicuity", [1.0, 0.5])
def test_other_images_under_the_same_names_are_refused(
    synthetic: Any, split: dict[str, Any], conspicuity: float
) -> None:
    study, runs = synthetic(ARMS, seeds=2, images=40, study=split)
    images = {**of_size(64)["images"], "conspicuity": conspicuity}
    other, unlike = synthetic(ARMS, seeds=2, images=40, study={"images": images, **split})
    with pytest.raises(UsageError, match=r"test set main: .* other images .* \(baseline, mixup"):
        compare_studies(analysed(study, runs), analysed(other, printed(unlike, main="other")))


def test_images_of_another_size_have_other_fingerprints_and_are_the_same_images(synthetic: Any) -> None:
    first = analysed(*synthetic(ARMS, seeds=2, images=40))
    study, runs = synthetic(ARMS, seeds=2, images=40, study=of_size(96))
    comparison = compare_studies(first, analysed(study, printed(runs, main="larger", train="larger")))
    assert ("images.size", "64", "96", "baseline, mixup, lesions") in parts(comparison)["specs"].rows


def test_other_training_images_are_told(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=2, images=40)
    first = analysed(study, runs)
    changed = [run if run.arm == "mixup" else printed([run], train="noisy")[0] for run in runs]
    comparison = compare_studies(first, analysed(study, changed))
    cautions = [statement.text for statement in comparison.document.statements if statement.tone == "caution"]
    (caution,) = cautions
    assert "4 matched runs have another fingerprint in the second (baseline and lesions)" in caution
    (note,) = parts(comparison)["specs"].notes
    assert "may be the images" in note
    assert parts(compare_studies(first, first))["specs"].notes == (
        "The specs of all matched arms are the same: what differs is code, versions or hardware.",
    )


def test_nothing_in_common_is_refused_with_every_reason(synthetic: Any) -> None:
    first = analysed(*synthetic({"baseline": 0.0}, seeds=[0, 1], images=20))
    second = analysed(*synthetic({"plain": 0.0}, seeds=[2], images=20, study={"name": "second"}))
    with pytest.raises(UsageError) as refused:
        compare_studies(first, second)
    assert "no arm in common: synthetic has baseline; second has plain" in str(refused.value)
    assert "no seed in common: synthetic has 0, 1; second has 2" in str(refused.value)
    empty = analysed(*synthetic({"baseline": 0.0}, seeds=1, images=20, missing=[("baseline", 0)]))
    with pytest.raises(UsageError, match="has no run that is done"):
        compare_studies(first, empty)


def test_in_what_specs_and_environments_differ(synthetic: Any) -> None:
    first = analysed(*synthetic(ARMS, seeds=2, images=20))
    of = synthetic(
        ARMS, seeds=2, images=20, tables={"lesions": {"feedback": {"oracle": "lesions", "num_outliers": 5}}},
        environments={arm: {"torch": "2.14.0"} for arm in ARMS},
    )  # fmt: skip
    comparison = compare_studies(first, analysed(*of))
    assert parts(comparison)["specs"].rows == (("feedback.num_outliers", "20", "5", "lesions"),)
    assert "torch 2.13.0 (6 runs), 2.14.0 (6 runs)" in sentences(comparison)


def test_studies_with_a_split_per_seed_are_compared_seed_by_seed(synthetic: Any) -> None:
    first = analysed(*synthetic(ARMS, seeds=5, images=60, study=PER_SEED))
    second = analysed(*synthetic({**ARMS, "lesions": 0.12}, seeds=5, images=60, study=PER_SEED))
    row = compare_studies(first, second).rows.set_index(["arm", "metric"]).loc[("lesions", "auroc")]
    assert np.isnan(row["low_a"])
    assert row["low_b"] < row["difference"] < row["high_b"]
    for other in (synthetic(ARMS, seeds=5, images=60), synthetic(ARMS, seeds=5, images=40, study=PER_SEED)):
        with pytest.raises(UsageError, match="other images"):
            compare_studies(first, analysed(*other))


def test_runs_that_are_done_count_even_where_the_metric_is_undefined(synthetic: Any) -> None:
    def of_one_class(of: Predictions) -> Predictions:
        return dataclasses.replace(of, labels=np.ones_like(of.labels))

    study, runs = synthetic(ARMS, seeds=2, images=20)
    analysis = analysed(study, altered(runs, of_one_class))
    comparison = compare_studies(analysis, analysis)
    assert "6 runs are done in both, and all of these" in sentences(comparison)
    assert comparison.rows["first"].isna().sum() == 3
