"""The table [check]: what it says, and that everything wrong in it is named at once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from imil_sim.errors import StudyError
from imil_sim.report.results import COLUMNS, TEXT
from imil_sim.study import check
from imil_sim.study.check import CheckSpec, Expectation, Margin, parse_expectation
from imil_sim.study.study import Study, parse_study

TOP = """
name = "x"
images.source = "phantom"
[arms.baseline]
[arms.lesions]
feedback = { oracle = "lesions", imil_epoch = 70 }
"""


def study(table: str) -> Study:
    return parse_study(tomllib.loads(TOP + table), beside=Path("."))


def test_a_table_is_read_in_full() -> None:
    spec = study("""
        [check]
        non_inferiority = { auroc = 0.05, brier = 1 }
        equivalence.in_lung_share = 0.1
        expectations = ["lesions >= baseline on in_lung_share", " lesions  <  baseline on brier by 2e-2 ",
                        "lesions != baseline on predictions"]
        [sweeps.s]
        base = "lesions"
        vary.feedback.num_outliers = [5]
    """).check
    assert [*spec.margins] == [
        Margin("non-inferiority", "auroc", 0.05), Margin("non-inferiority", "brier", 1.0),
        Margin("equivalence", "cam_in_lung", 0.1),
    ]  # fmt: skip
    assert spec.expectations == (
        Expectation("lesions", ">=", "baseline", "cam_in_lung"), Expectation("lesions", "<", "baseline", "brier", 0.02),
        Expectation("lesions", "!=", "baseline", "predictions"),
    )  # fmt: skip
    assert [parse_expectation(str(that)) for that in spec.expectations] == [*spec.expectations]


def test_without_a_table_nothing_is_asked_for() -> None:
    assert study("").check == CheckSpec()
    assert not [*study("").check.margins]


def test_an_arm_of_a_sweep_can_be_named() -> None:
    that = '[check]\nexpectations = ["lesions@num_outliers=5 >= lesions on auroc"]\n'
    assert study(that + '[sweeps.s]\nbase = "lesions"\nvary.feedback.num_outliers = [5]').check.expectations
    with pytest.raises(StudyError, match=r'check.expectations.0: there is no arm "lesions@num_outliers=5"'):
        study(that)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(StudyError) as message:
        study("""
            [check]
            non_inferiority = { auroc = 0, acuracy = 0.1, n_lungs = 1, auroc_lungs_hidden = 0.1 }
            equivalence = { brier = "wide" }
            epxectations = []
            expectations = [
                "lesion >= baseline on auroc",
                "lesions => baseline on acuracy by -1",
                "lesions > lesions on predictions",
                "baseline == basline on predictions by 0.1",
                "lesions beats baseline",
                7,
            ]
            [training]
            epochs = "many"
        """)
    lines = str(message.value).splitlines()
    assert len(lines) == 1 + 12, message.value
    for part in (
        "check.non_inferiority.auroc: must be greater than 0",
        'check.non_inferiority.acuracy: there is no metric "acuracy". Of 28 known names near ones are: accuracy',
        "check.non_inferiority.n_lungs: of n_lungs neither more nor less is worse; give it a margin of equivalence",
        "check.non_inferiority.auroc_lungs_hidden: of auroc_lungs_hidden neither",
        "check.equivalence.brier: must be a number",
        "check.epxectations: there is no such field. Known: equivalence, expectations, non_inferiority. Did you mean "
        '"expectations"?',
        'check.expectations.1: there is no operator "=>"; known: >= > <= < == !=; there is no metric "acuracy"',
        '"by" is a number above 0, not "-1"',
        'check.expectations.2: "lesions" is compared with itself; predictions are equal or not',
        'check.expectations.3: "by" goes with >=, >, <= and <, not with ==',
        'check.expectations.4: an expectation is written as "ARM >= OTHER on METRIC" or',
        'check.expectations.5: an expectation is written as "ARM >= OTHER on METRIC" or',
        "training.epochs: must be a whole number",
    ):
        assert part in str(message.value), part


@pytest.mark.parametrize("by", ["nan", "inf", "0", "-0.1", "much"])
def test_a_least_difference_is_a_finite_number_above_zero(by: str) -> None:
    with pytest.raises(ValueError, match='"by" is a number above 0'):
        parse_expectation(f"a > b on auroc by {by}")


def test_a_metric_under_both_its_names_is_told() -> None:
    with pytest.raises(StudyError, match="in_lung_share and cam_in_lung are the same metric"):
        study("[check]\nequivalence = { in_lung_share = 0.1, cam_in_lung = 0.2 }")


def test_the_metrics_are_the_columns_of_the_results_and_know_their_better_side() -> None:
    assert sorted(check.numbers()) == sorted(set(COLUMNS) - {*TEXT, "seed"})
    lower = {metric for metric in check.numbers() if not check.higher_is_better(metric)}
    assert lower == {"brier", "ece_top_label", "ece_positive", "nll"}
    assert parse_expectation("a > b on accuracy_marker_agrees").metric == "accuracy_marker_agrees"
