from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.report.sweeps import lines, number, point_names

ARMS = {"baseline": 0.0, "lesions": 0.0, "random-cells": 0.0}


def of(synthetic: Any, sweeps: dict[str, Any], among: list[str] | None = None, **more: Any) -> list[tuple[Any, ...]]:
    study, _ = synthetic(ARMS, seeds=1, images=4, sweeps=sweeps, **more)
    found = lines(study, study.arms if among is None else among)
    return [(line.base, line.field, line.levels, line.arms, line.per) for line in found]


def test_the_base_arm_stands_for_its_own_value_whether_the_sweep_names_it_or_not(synthetic: Any) -> None:
    base = ["lesions", "random-cells"]
    assert of(synthetic, {"s": {"base": base, "vary": {"feedback.num_outliers": [40, 5, 20]}}}) == [
        (b, "feedback.num_outliers", (5.0, 20.0, 40.0), (f"{b}@num_outliers=5", b, f"{b}@num_outliers=40"), "doubling")
        for b in base
    ]
    ((_, _, levels, arms, per),) = of(synthetic, {"s": {"base": "lesions", "vary": {"feedback.num_outliers": [40]}}})
    assert (levels, arms, per) == ((20.0, 40.0), ("lesions", "lesions@num_outliers=40"), "unit")


def test_of_a_crossed_sweep_only_arms_that_are_otherwise_like_the_base_lie_on_a_line(synthetic: Any) -> None:
    vary = {"feedback.grid_size": [2, 4, [8, 3]], "feedback.imil_epoch": [2, 3, [2, 4]]}
    assert of(synthetic, {"s": {"base": "lesions", "vary": vary}}) == [
        ("lesions", "feedback.grid_size", (2.0, 4.0, 8.0),
         ("lesions@grid_size=2,imil_epoch=3", "lesions", "lesions@grid_size=8+3,imil_epoch=3"), "doubling"),
        ("lesions", "feedback.imil_epoch", (2.0, 3.0), ("lesions@grid_size=4,imil_epoch=2", "lesions"), "unit"),
    ]  # fmt: skip


def test_one_at_a_time_every_field_has_its_own_line_and_words_have_none(synthetic: Any) -> None:
    vary = {"feedback.num_outliers": [5], "feedback.mode": ["replace", "append"], "training.learning_rate": [0.01]}
    found = of(synthetic, {"s": {"base": "lesions", "how": "one-at-a-time", "vary": vary}})
    assert [(field, arms) for _, field, _, arms, _ in found] == [
        ("feedback.num_outliers", ("lesions@num_outliers=5", "lesions")),
        ("training.learning_rate", ("lesions", "lesions@learning_rate=0.01")),
    ]


LOOPS = {
    "four": {"feedback": {"imil_epoch": [1, 2, 3, 4], "num_outliers": 5}},
    "one": {"feedback": {"imil_epoch": 3, "num_outliers": 20}},  # the base arm as it is
    "two": {"feedback": {"imil_epoch": [2, 4], "num_outliers": 10}},
}


def of_points(synthetic: Any, points: dict[str, Any], among: list[str] | None = None) -> list[tuple[Any, ...]]:
    study, _ = synthetic(ARMS, seeds=1, images=4, sweeps={"s": {"base": ["lesions", "random-cells"], "points": points}})
    assert point_names(study, "s") == tuple(points)
    found = lines(study, study.arms if among is None else among)
    assert {line.per for line in found} <= {"unit"}
    return [(line.field, line.levels, line.arms, line.labels) for line in found]


def test_named_points_are_a_line_in_the_order_of_the_file(synthetic: Any) -> None:
    assert of_points(synthetic, LOOPS) == [
        ("consultations", (4.0, 1.0, 2.0), (f"{base}@four", base, f"{base}@two"), ("four", "one", "two"))
        for base in ("lesions", "random-cells")
    ]
    assert of_points(synthetic, LOOPS, ["lesions", "lesions@two", "random-cells"]) == [
        ("consultations", (1.0, 2.0), ("lesions", "lesions@two"), ("one", "two"))
    ]


@pytest.mark.parametrize(
    ("points", "field", "levels"),
    [
        ({"few": {"feedback": {"num_outliers": 5}}, "some": {"feedback": {"num_outliers": 10}}},
         "feedback.num_outliers", (5.0, 10.0)),
        # two things of different kinds, and as often consulted
        ({"few": {"feedback": {"num_outliers": 5, "grid_size": 2}}, "some": {"feedback": {"num_outliers": 10}}},
         "point", ()),
        ({"early": {"feedback": {"imil_epoch": [1, 2]}}, "late": {"feedback": {"imil_epoch": [4, 5]}}}, "point", ()),
        # the clinician differs too, so the number of consultations is not what the points differ in
        ({"own": {"feedback": {"imil_epoch": [1, 2]}}, "other": {"feedback": {"oracle": "lung-fields"}}}, "point", ()),
    ],
)  # fmt: skip
def test_named_points_have_a_number_only_where_one_thing_differs(
    synthetic: Any, points: dict[str, Any], field: str, levels: tuple[float, ...]
) -> None:
    (first, *_) = of_points(synthetic, points)
    assert first == (field, levels, tuple(f"lesions@{point}" for point in points), tuple(points))


def test_seeds_and_options_the_base_lacks_are_no_line(synthetic: Any) -> None:
    assert of(synthetic, {"s": {"base": "lesions", "vary": {"split.seed": [1, 2]}}}) == []
    ((_, _, levels, arms, _),) = of(
        synthetic, {"s": {"base": "lesions", "vary": {"feedback.options.threshold": [0.1, 0.5]}}}
    )
    assert levels == (0.1, 0.5)
    assert "lesions" not in arms


def test_arms_without_any_run_are_left_out_and_one_arm_is_no_line(synthetic: Any) -> None:
    sweeps = {"s": {"base": "lesions", "vary": {"feedback.num_outliers": [5, 10]}}}
    ((_, _, levels, _, _),) = of(synthetic, sweeps, ["lesions", "lesions@num_outliers=10"])
    assert levels == (10.0, 20.0)
    assert of(synthetic, sweeps, ["lesions@num_outliers=10"]) == []


def test_doublings_are_for_levels_above_0_that_span_two_of_them(synthetic: Any) -> None:
    def steps(values: list[float], base: float) -> list[float]:
        study, _ = synthetic(
            {"baseline": 0.0}, seeds=1, images=4, study={"training": {"epochs": 4, "learning_rate": base}},
            sweeps={"s": {"base": "baseline", "vary": {"training.learning_rate": values}}},
        )  # fmt: skip
        (line,) = lines(study, study.arms)
        return list(line.steps)

    assert steps([1.0, 2.0, 4.0], 1.0) == [0.0, 1.0, 2.0]
    assert steps([2.0, 3.9], 1.0) == [1.0, 2.0, 3.9]
    study, _ = synthetic(
        {"baseline": 0.0}, seeds=1, images=4,
        sweeps={"s": {"base": "baseline", "vary": {"training.weight_decay": [0.0, 0.1, 0.4]}}},
    )  # fmt: skip
    (line,) = lines(study, study.arms)
    assert np.array_equal(line.steps, [0.0, 0.1, 0.4])
    assert line.per == "unit"


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("feedback.num_outliers", 20, 20.0),
        ("feedback.grid_size", (3, 5), 3.0),
        ("feedback.imil_epoch", (70,), 70.0),
        ("feedback.imil_epoch", (70, 80), None),
        ("feedback.revisit", True, None),
        ("images.seed", 3, None),
        ("model.name", "resnet18", None),
        ("augmentation.alpha", None, None),
    ],
)
def test_what_is_a_place_on_a_line(field: str, value: Any, place: float | None) -> None:
    assert number(field, value) == place
