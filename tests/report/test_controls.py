from __future__ import annotations

from typing import Any

from imil_sim.report.analysis import placebo, random_cells, same_number


def like(other: Any) -> dict[str, Any]:
    return {"feedback": {"oracle": "random-cells", "options": {"like": other}}}


def test_the_placebo_is_the_fork_in_another_order_that_replaces_nothing(synthetic: Any) -> None:
    tables = {
        "silent": {"feedback": {"oracle": "abstain"}},
        "shaken": {"feedback": {"oracle": "lesions", "reorder": True}},
        "noise": {"feedback": {"oracle": "abstain", "reorder": True}},
    }
    arms = {"baseline": 0.0, "silent": 0.0, "shaken": 0.0, "noise": 0.0}
    assert placebo(synthetic(arms, 1, 4, tables=tables)[0]) == "noise"
    assert placebo(synthetic({"baseline": 0.0, "silent": 0.0}, 1, 4, tables=tables)[0]) is None


def test_random_cells_go_with_the_arm_whose_number_they_take(synthetic: Any) -> None:
    table = {"oracle": "lesions", "options": {"threshold": 0.5}}
    tables = {
        "of-lungs": like("lung-fields"), "of-lesions": like("lesions"), "of-coarse": like(table),
        "coarse": {"feedback": table},
    }  # fmt: skip
    arms = dict.fromkeys(
        ["baseline", "of-lungs", "of-lesions", "of-coarse", "lesions", "lung-fields", "coarse", "all-cells", "placebo"],
        0.0,
    )
    study, _ = synthetic(arms, 1, 4, tables=tables)
    assert random_cells(study) == {
        "lesions": "of-lesions", "lung-fields": "of-lungs", "coarse": "of-coarse", "all-cells": "of-lungs",
    }  # fmt: skip
    assert same_number(study.arms["lesions"], study.arms["of-lesions"])
    assert not same_number(study.arms["all-cells"], study.arms["of-lungs"])
    # An oracle with other options may choose other cells, in another number.
    assert not same_number(study.arms["coarse"], study.arms["of-lesions"])


def test_an_arm_that_differs_in_anything_but_the_oracle_is_no_control(synthetic: Any) -> None:
    tables = {
        "lesions": {"feedback": {"oracle": "lesions", "num_outliers": 5}},
        "random-cells": {"feedback": {"oracle": "random-cells", "options": {"like": "lesions"}, "num_outliers": 10}},
    }
    study, _ = synthetic({"baseline": 0.0, "lesions": 0.0, "random-cells": 0.0}, 1, 4, tables=tables)
    assert random_cells(study) == {}
