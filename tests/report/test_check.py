"""The gate on findings whose truth is known: equal, moved, elsewhere, expected; and what a reader is lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from imil_sim.errors import UsageError
from imil_sim.report.analysis import ReportedRun
from imil_sim.report.baseline import Baseline, baseline_of
from imil_sim.report.check import CheckRow, Verdict, judge, junit_of, lines_of, summary_of
from imil_sim.report.document import legible
from imil_sim.stats import compare, components_of, non_inferiority, over_seeds
from imil_sim.study.record import Predictions
from imil_sim.study.study import Study

HERE = {"torch": "2.13.0", "processor": "A", "imil-sim": "1"}
ELSEWHERE = {**HERE, "torch": "2.14.0"}

Runs = list[ReportedRun]


def altered(runs: Runs, arm: str, change: Callable[[Predictions], Predictions], seeds: tuple[int, ...] = ()) -> Runs:
    """The runs with other predictions of one arm, with all seeds or some, on the study's own test set."""
    return [
        replace(run, predictions={**run.predictions, "main": change(run.predictions["main"])})
        if run.arm == arm and run.predictions and (not seeds or run.seed in seeds)
        else run
        for run in runs
    ]


def mixed(by: float) -> Callable[[Predictions], Predictions]:
    """Predictions with so much of a coin mixed into them, in every second image."""

    def change(of: Predictions) -> Predictions:
        shown = of.probabilities.copy()
        shown[::2] = (1 - by) * shown[::2] + by * shown[::2, ::-1]
        return replace(of, probabilities=shown)

    return change


def only(verdict: Verdict, **wanted: Any) -> CheckRow:
    """The one row with these fields."""
    (row,) = [row for row in verdict.rows if all(getattr(row, name) == value for name, value in wanted.items())]
    return row


CHECK: Mapping[str, Any] = {"non_inferiority": {"auroc": 0.05}, "equivalence": {"in_lung_share": 0.05}}


@pytest.fixture(scope="module")
def two_arms(synthetic: Any) -> tuple[Study, Runs]:
    study, runs = synthetic({"baseline": 0.0, "lesions": 0.05}, seeds=6, images=80, study={"check": CHECK}, groups=True)
    return study, runs


# ---------------------------------------------------------------------------------------------------------- to the bit


def test_equal_findings_pass_to_the_bit(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms
    found = baseline_of(study, runs, HERE)
    verdict = judge(study, found, baseline_of(study, runs, {**HERE, "imil-sim": "2"}))
    assert verdict.passed
    assert verdict.compared == "to the bit"
    assert [(row.subject, row.quantity) for row in verdict.rows] == [
        ("baseline", "everything"),
        ("lesions", "everything"),
    ]


def test_one_bit_of_one_probability_is_a_regression_of_that_arm_and_seed(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms

    def next_float(of: Predictions) -> Predictions:
        shown = of.probabilities.copy()
        shown[7, 0] = np.nextafter(shown[7, 0], 1)
        return replace(of, probabilities=shown)

    now = baseline_of(study, altered(runs, "lesions", next_float, (4,)), HERE)
    verdict = judge(study, baseline_of(study, runs, HERE), now)
    assert not verdict.passed
    assert {row.subject for row in verdict.failures} == {"lesions"}
    row = only(verdict, quantity="predictions")
    assert row.reason.startswith("1 of 80 images, by up to ")
    assert row.reason.endswith("other than the baseline with seed 4")
    assert only(verdict, subject="baseline").passed


def test_the_table_says_what_moved_by_how_much(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms
    before, now = baseline_of(study, runs, HERE), baseline_of(study, altered(runs, "lesions", mixed(0.8), (1, 2)), HERE)
    row = only(judge(study, before, now), quantity="brier")
    was, is_now = (
        np.array([found.by_run["lesions", seed].sets["main"].values["brier"] for seed in range(6)])
        for found in (before, now)
    )  # fmt: skip
    assert (row.before, row.now) == (was.mean(), is_now.mean())
    assert row.difference == pytest.approx((is_now - was)[[1, 2]].max())
    assert row.reason == "not to the bit what it was with seeds 1, 2"


def test_where_a_run_first_went_another_way_is_told(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms

    def changed(**fields: Any) -> Baseline:
        new = [
            replace(run, record=run.record.model_copy(update={k: f(run.record) for k, f in fields.items()}))
            if run.arm == "lesions" and run.seed > 3 and run.record
            else run
            for run in runs
        ]
        return baseline_of(study, new, HERE)

    def answers(record: Any) -> Any:
        (first, *rest), (consultation,) = record.consultations[0].answers, record.consultations
        other = first.model_copy(update={"cells": (16,)})
        return (consultation.model_copy(update={"answers": (other, *rest)}),)

    def questions(record: Any) -> Any:
        (consultation,) = record.consultations
        return (consultation.model_copy(update={"answers": consultation.answers[::-1]}),)

    def losses(record: Any) -> Any:
        return tuple(row.model_copy(update={"loss": row.loss + (row.epoch > 4)}) for row in record.history)

    lines = {"other than the baseline with seeds 4, 5"}
    for fields, quantity, reason in (
        ({"consultations": answers}, "consultations", "the same questions were answered otherwise after epoch 3"),
        ({"consultations": questions}, "consultations", "other questions were asked after epoch 3"),
        ({"history": losses}, "training loss", "the loss first differs in epoch 5 of 6"),
        ({"data": lambda record: {**record.data, "train": "x"}}, "images", "the pixels, masks or labels of train"),
    ):
        verdict = judge(study, baseline_of(study, runs, HERE), changed(**fields))
        (row,) = verdict.failures
        assert (row.subject, row.quantity) == ("lesions", quantity)
        assert row.reason.startswith(reason)
        assert row.reason.endswith(*lines)


def test_a_number_that_only_a_later_version_knows_is_no_change_and_one_it_lost_is(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms
    full = baseline_of(study, runs, HERE)
    less = full.model_dump(mode="json")
    for run in less["runs"]:
        del run["sets"]["main"]["values"]["nll"]
    fewer = Baseline.model_validate(less)
    assert judge(study, fewer, full).passed
    assert {row.quantity for row in judge(study, full, fewer).failures} == {"nll"}


def test_a_run_that_is_not_done_fails(synthetic: Any) -> None:
    arms = {"baseline": 0.0, "lesions": 0.0}
    study, runs = synthetic(
        arms, seeds=3, images=20, study={"check": {"expectations": ["lesions >= baseline on auroc"]}}
    )
    _, broken = synthetic(
        arms, seeds=3, images=20, failed={("lesions", 2): "the loss is nan"}, missing=[("lesions", 0)]
    )
    verdict = judge(study, baseline_of(study, runs, HERE), baseline_of(study, broken, HERE))
    assert only(verdict, kind="run").reason == "missing with seeds 0, 2"
    assert only(verdict, kind="expectation").reason == "a run is not done with seeds 0, 2"
    assert only(verdict, kind="exact", subject="lesions").reason == "equal to the bit with seed 1"


# -------------------------------------------------------------------------------------------------------- with margins


def test_elsewhere_small_changes_pass_and_the_row_says_what_the_statistics_say(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms
    before, now = baseline_of(study, runs, HERE), baseline_of(study, altered(runs, "lesions", mixed(0.02)), ELSEWHERE)
    verdict = judge(study, before, now)
    assert verdict.passed
    assert verdict.compared == "with margins"
    assert verdict.environment == ("torch 2.13.0, now 2.14.0",)
    assert only(verdict, subject="baseline", quantity="auroc").reason == "identical"
    shown = np.stack([
        np.stack([found.by_run["lesions", seed].sets["main"].shown for seed in range(6)]) for found in (before, now)
    ])  # fmt: skip
    (expected,) = compare(components_of("auroc", np.arange(80) % 2, shown), [(1, 0)])
    row = only(verdict, subject="lesions", quantity="auroc")
    assert row.difference == pytest.approx(expected.a.value)
    p = non_inferiority(expected.a, 0.05, higher_is_better=True)
    assert row.reason == f"no worse (p {p:.2g}, 6 seeds, Obuchowski-Rockette, Hillis degrees of freedom)"


def test_elsewhere_a_loss_beyond_the_margin_fails_and_a_gain_does_not(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms
    good, bad = baseline_of(study, runs, HERE), baseline_of(study, altered(runs, "lesions", mixed(0.9)), ELSEWHERE)
    (row,) = judge(study, good, bad).failures
    assert (row.kind, row.subject, row.quantity, row.margin) == ("non-inferiority", "lesions", "auroc", 0.05)
    assert row.reason.startswith("beyond the margin (p ")
    assert judge(study, bad.model_copy(update={"environment": ELSEWHERE}), good).passed


def test_worse_is_more_where_less_is_better(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms
    check = study.check.model_copy(update={"non_inferiority": {"brier": 0.05}, "equivalence": {}})
    brier = study.model_copy(update={"check": check})
    good, bad = baseline_of(study, runs, HERE), baseline_of(study, altered(runs, "lesions", mixed(0.9)), ELSEWHERE)
    (row,) = judge(brier, good, bad).failures
    assert (row.subject, row.quantity) == ("lesions", "brier")
    assert (row.difference or 0) > 0.05
    assert judge(brier, bad.model_copy(update={"environment": ELSEWHERE}), good).passed


def test_equivalence_minds_both_sides_and_metrics_without_images_are_paired_by_seed(
    two_arms: tuple[Study, Runs],
) -> None:
    study, runs = two_arms
    steps = np.array([0.2, 0.19, 0.21, 0.2, 0.2, 0.2])
    shifted = [
        replace(run, predictions={"main": replace(of, cam_in_lung=of.cam_in_lung + steps[run.seed])})
        if run.arm == "lesions" and (of := (run.predictions or {}).get("main"))
        else run
        for run in runs
    ]
    before, now = baseline_of(study, runs, HERE), baseline_of(study, shifted, ELSEWHERE)
    for pair in (
        (before, now),
        (now.model_copy(update={"environment": HERE}), before.model_copy(update={"environment": ELSEWHERE})),
    ):
        (row,) = judge(study, *pair).failures
        assert (row.kind, row.quantity) == ("equivalence", "cam_in_lung")
        assert abs(row.difference or 0) == pytest.approx(over_seeds(steps).value)
    wide = study.model_copy(update={"check": study.check.model_copy(update={"equivalence": {"cam_in_lung": 0.25}})})
    assert judge(wide, before, now).passed


def test_what_cannot_be_shown_fails_and_says_so(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0}, seeds=6, images=30, study={"check": {"equivalence": {"accuracy": 0.05}}})
    _, others = synthetic({"baseline": 0.0}, seeds=6, images=30, rng_seed=0, seed_sd=0.6)
    verdict = judge(study, baseline_of(study, runs, HERE), baseline_of(study, others, ELSEWHERE))
    (row,) = verdict.failures
    assert abs(row.difference or 1) < 0.05 or "beyond" in row.reason
    assert ("cannot show it" in row.reason) == (abs(row.difference or 1) < 0.05)


def test_where_nothing_varied_the_value_alone_is_judged(synthetic: Any) -> None:
    """One seed, or the same step with every seed: a standard error of 0 is no certainty, and the row says so."""
    study, runs = synthetic(
        {"baseline": 0.0}, seeds=2, images=40, study={"check": {"equivalence": {"in_lung_share": 0.1}}}
    )
    for step, passes in ((0.05, True), (0.15, False)):
        moved = altered(runs, "baseline", lambda of, by=step: replace(of, cam_in_lung=np.full(40, 0.5) + by))
        level = altered(runs, "baseline", lambda of: replace(of, cam_in_lung=np.full(40, 0.5)))
        verdict = judge(study, baseline_of(study, level, HERE), baseline_of(study, moved, ELSEWHERE))
        assert verdict.passed is passes
        (row,) = verdict.rows
        assert row.reason == "nothing varied over the seeds, so the value alone is held against the margin"


def test_other_test_images_cannot_be_paired(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0}, seeds=2, images=40, study={"check": CHECK})
    other = altered(runs, "baseline", lambda of: replace(of, ids=of.ids[::-1]), (1,))
    (row,) = judge(study, baseline_of(study, runs, HERE), baseline_of(study, other, ELSEWHERE)).failures
    assert row.reason == "the test images are not those of the baseline with seed 1: nothing can be paired"


def test_elsewhere_images_drawn_otherwise_are_told_and_compared_all_the_same(two_arms: tuple[Study, Runs]) -> None:
    study, runs = two_arms
    data = {"data": {"train": "train-300", "main": "other"}}
    redrawn = [replace(run, record=run.record.model_copy(update=data)) for run in runs]
    verdict = judge(study, baseline_of(study, runs, HERE), baseline_of(study, redrawn, ELSEWHERE))
    assert verdict.passed
    assert verdict.notes == ("The pixels, masks or labels of main are not those of the baseline.",)


def test_a_split_for_each_seed_is_compared_seed_by_seed(synthetic: Any) -> None:
    study, runs = synthetic(
        {"baseline": 0.0}, seeds=6, images=60, study={"check": CHECK, "split": {"method": "per-seed"}}
    )
    now = baseline_of(study, altered(runs, "baseline", mixed(0.02)), ELSEWHERE)
    row = only(judge(study, baseline_of(study, runs, HERE), now), quantity="auroc")
    assert "Nadeau-Bengio" in row.reason
    assert row.passed


def test_another_environment_without_margins_cannot_be_compared(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0}, seeds=2, images=20)
    with pytest.raises(UsageError, match=r"\(torch 2.13.0, now 2.14.0\), where bits may move, and study"):
        judge(study, baseline_of(study, runs, HERE), baseline_of(study, runs, ELSEWHERE))


def test_a_margin_of_a_column_that_is_not_there_fails_with_a_hint(synthetic: Any) -> None:
    check = {"equivalence": {"accuracy_marker_agree": 0.1}}
    study, runs = synthetic({"baseline": 0.0}, seeds=2, images=40, study={"check": check}, groups=True)
    (row,) = judge(study, baseline_of(study, runs, HERE), baseline_of(study, runs, ELSEWHERE)).failures
    assert "no value with seeds 0, 1" in row.reason
    assert 'Did you mean "accuracy_marker_agrees"?' in row.reason


# -------------------------------------------------------------------------------------------------------- expectations


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("better >= baseline on auroc", True),
        ("baseline > better on auroc", False),
        ("baseline < better on auroc by 0.05", True),
        ("baseline < better on auroc by 0.2", False),
        ("baseline >= better on brier", True),
        ("twin == baseline on predictions", True),
        ("twin != baseline on predictions", False),
        ("better == baseline on predictions", False),
        ("better != baseline on predictions", True),
        ("twin > baseline on auroc", False),
        ("twin >= baseline on auroc", True),
        ("twin == baseline on accuracy_marker_agrees", True),
        ("better != baseline on auroc", True),
        ("better >= baseline on n_outliers_replaced by 3", True),
        ("better > baseline on n_outliers_replaced by 3", False),
        ("better > baseline on accuracy_marker_angry", False),
    ],
)
def test_expectations(synthetic: Any, line: str, holds: bool) -> None:
    tables = {"better": {"feedback": {"oracle": "lesions"}}, "twin": {"feedback": {"oracle": "lung-fields"}}}
    study, runs = synthetic(
        {"baseline": 0.0, "better": 0.1, "twin": 0.0}, seeds=4, images=60, tables=tables, copies={"twin": "baseline"},
        groups=True, study={"check": {"expectations": [line]}},
    )  # fmt: skip
    found = baseline_of(study, runs, HERE)
    for verdict in (judge(study, None, found), judge(study, found, found)):
        row = only(verdict, kind="expectation")
        assert (row.passed, row.subject) == (holds, line)
        assert row.reason
        assert verdict.passed is holds


def test_an_expectation_tells_both_means_and_with_how_many_seeds_the_sign_is_right(synthetic: Any) -> None:
    study, runs = synthetic(
        {"baseline": 0.0, "lesions": 0.0}, seeds=4, images=60,
        study={"check": {"expectations": ["lesions >= baseline on auroc"]}},
    )  # fmt: skip
    found = baseline_of(study, runs, HERE)
    ours, theirs = (
        np.array([found.by_run[arm, s].sets["main"].values["auroc"] for s in range(4)])
        for arm in ("lesions", "baseline")
    )
    row = only(judge(study, None, found), kind="expectation")
    right = int((ours >= theirs).sum())
    assert row.reason == f"{ours.mean():.4g} against {theirs.mean():.4g}; the sign is right with {right} of 4 seeds"
    assert row.difference == pytest.approx((ours - theirs).mean())


# ------------------------------------------------------------------------------------------------------------- is lines


NASTY = 'a|b <script> `x` & "q" \x00\x1b @someone\n# no heading'


@pytest.fixture
def nasty() -> Verdict:
    rows = (
        CheckRow("exact", "lesions", NASTY, False, NASTY, "external", 0.5, 0.25, -0.25, 0.0),
        CheckRow("exact", "baseline", "everything", True, "equal"),
        CheckRow("expectation", "a > b on c by 0.1", "c", False, "0.1 against 0.2", "main", 0.2, 0.1, -0.1, 0.1),
    )
    return Verdict("x", 4, "to the bit", (), rows, (NASTY,))


def test_junit_is_xml_with_a_case_a_row_and_no_time(nasty: Verdict) -> None:
    content = junit_of(nasty)
    tree = ElementTree.fromstring(content)
    (suite,) = tree
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    cases = suite.findall("testcase")
    assert [(case.get("classname"), case.find("failure") is None) for case in cases] == [
        ("x.lesions", False), ("x.baseline", True), ("x.expectation", False),
    ]  # fmt: skip
    failure = cases[0].find("failure")
    assert failure is not None
    assert failure.get("message") == legible(NASTY)
    assert b"time" not in content.replace(b"sometime", b"")
    assert junit_of(nasty) == content


def test_the_summary_is_markdown_that_shows_untrusted_text_and_does_nothing(nasty: Verdict) -> None:
    text = summary_of(nasty)
    assert "# imil-sim check x: failed" in text
    assert "<script>" not in text
    assert "\n# no heading" not in text
    assert "@someone" not in text
    row = next(line for line in text.splitlines() if line.startswith("| lesions"))
    assert row.count("|") == 9
    assert "0.5 | 0.25 | -0.25 | none | FAILS |" in row  # before, now
    assert "| a &gt; b on c by 0.1 | 0.1 | 0.2 | -0.1 | 0.1 | FAILS |" in text  # left, right


def test_the_lines_name_every_failure(nasty: Verdict) -> None:
    lines = "\n".join(lines_of(nasty))
    assert lines.startswith("x: FAILED\n4 runs, compared with the baseline to the bit: 1 of 2 rows failed.")
    assert "FAILED expectation: a > b on c by 0.1: 0.1 against 0.2" in lines
