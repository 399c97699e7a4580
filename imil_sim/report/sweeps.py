"""The numeric fields and the named points of sweeps: which arms lie on one line, and in what steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from imil_sim.study.spec import ArmSpec
from imil_sim.study.study import Study
from imil_sim.study.sweep import Level

DOUBLINGS_FROM = 4.0
"""Levels above 0 whose largest is at least so many times the smallest are taken as doublings: 5, 10, 20, 40."""


POINT = "point"
"""What a line of named points is over where no number tells these apart."""

CONSULTATIONS = "consultations"
"""What it is over where the points differ in how often the clinician is asked: how many consultations an arm has."""

_OF_A_BUDGET = {"feedback.imil_epoch", "feedback.num_outliers"}


@dataclass(frozen=True, slots=True)
class Line:
    """Arms of one sweep that differ from their base arm in one numeric field alone, or are its named points."""

    sweep: str
    base: str
    field: str
    """Of named points the one number that tells them apart: a field, `CONSULTATIONS`, or `POINT` for none."""
    levels: tuple[float, ...]
    """Ascending, at least two different ones; of named points in their order, and empty where no number differs."""
    arms: tuple[str, ...]
    """The arm of each level."""
    labels: tuple[str, ...] = ()
    """The names of the points, in the order of the file; empty where a field was moved."""

    @property
    def per(self) -> Literal["unit", "doubling"]:
        """What a slope over the levels is given per."""
        if self.labels:
            return "unit"
        lowest, highest = self.levels[0], self.levels[-1]
        return "doubling" if lowest > 0 and highest >= DOUBLINGS_FROM * lowest else "unit"

    @property
    def steps(self) -> NDArray[np.float64]:
        """The levels as a trend takes them: themselves, or their logarithms to base 2."""
        levels = np.array(self.levels, np.float64)
        return np.log2(levels) if self.per == "doubling" else levels


def lines(study: Study, among: Collection[str]) -> tuple[Line, ...]:
    """Every line of the study's sweeps, of those arms only; sweep by sweep, base by base, field by field.

    The base arm stands for its own value. Of a crossed sweep only the arms count that are as the base arm is in the
    other fields. A grid counts as its rows; a list of epochs and a seed are no numbers. Named points are a line in the
    order of the file.
    """
    found: list[Line] = []
    for sweep in study.sweeps:
        for base in dict.fromkeys(level.base for level in sweep.levels):
            levels = [level for level in sweep.levels if level.base == base]
            if all("point" in level.values for level in levels):
                found += _of_points(study, sweep.name, base, levels, among)
                continue
            for field in dict.fromkeys(field for level in levels for field in level.values):
                places = _places(study, base, field, levels, among)
                if len({place for place, _ in places}) > 1:
                    values, arms = zip(*places, strict=True)
                    found.append(Line(sweep.name, base, field, values, arms))
    return tuple(found)


def point_names(study: Study, sweep: str) -> tuple[str, ...]:
    """The names of all points of a sweep, in the order of the file."""
    (own,) = (one for one in study.sweeps if one.name == sweep)
    return tuple(dict.fromkeys(level.values["point"] for level in own.levels))


def _of_points(study: Study, sweep: str, base: str, levels: Sequence[Level], among: Collection[str]) -> Iterator[Line]:
    """The named points of one base arm as a line; none where fewer than two have arms of their own."""
    # Points that are the base arm as it is come under its name; of several such the first stands for all.
    points = {level.arm: level for level in reversed(levels) if level.arm in among}
    shown = [level for level in levels if points.get(level.arm) is level]
    if len(shown) > 1:
        field, numbers = _measure(study, shown)
        labels = tuple(level.values["point"] for level in shown)
        yield Line(sweep, base, field, numbers, tuple(level.arm for level in shown), labels)


def _measure(study: Study, points: Sequence[Level]) -> tuple[str, tuple[float, ...]]:
    """The one number that tells all points apart, and what it is of each; none where several things differ.

    Points that move nothing but the epochs and the size of consultations differ in how often the clinician is asked:
    the number of consultations stands for both.
    """
    arms = [study.arms[level.arm] for level in points]
    fields = dict.fromkeys(field for level in points for field in _fields(level.overrides))
    moved = [field for field in fields if any(_value(arm, field) != _value(arms[0], field) for arm in arms)]
    if len(moved) == 1:
        numbers = [number(moved[0], _value(arm, moved[0])) for arm in arms]
        if known := _all_different(numbers):
            return moved[0], known
    if set(moved) <= _OF_A_BUDGET:
        counts = [len(arm.feedback.imil_epoch) if arm.feedback else None for arm in arms]
        if known := _all_different(counts):
            return CONSULTATIONS, known
    return POINT, ()


def _all_different(numbers: Sequence[float | None]) -> tuple[float, ...]:
    """The numbers, if all are there and no two are the same."""
    known = tuple(float(one) for one in numbers if one is not None)
    return known if len(set(known)) == len(numbers) else ()


def _fields(table: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """The dotted names of everything in a nested table."""
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            yield from _fields(inner, f"{where}{key}.")
        else:
            yield f"{where}{key}"


def _places(
    study: Study, base: str, field: str, levels: Sequence[Level], among: Collection[str]
) -> list[tuple[float, str]]:
    """Value and arm of every level of the field, ascending."""
    own = study.arms[base]
    arms = [base, *(level.arm for level in levels if field in level.values and _alike(study, own, level, field))]
    values = {arm: number(field, _value(study.arms[arm], field)) for arm in arms if arm in among}
    return sorted((value, arm) for arm, value in values.items() if value is not None)


def _alike(study: Study, base: ArmSpec, level: Level, field: str) -> bool:
    """Whether the arm of the level has the base arm's values in all other fields that the sweep moves."""
    arm = study.arms[level.arm]
    return all(_value(arm, other) == _value(base, other) for other in level.values if other != field)


def number(field: str, value: Any) -> float | None:
    """A field's value as a place on a line; None where it is none."""
    last = field.rsplit(".", 1)[-1]
    if last == "seed":
        return None
    if last == "grid_size" and isinstance(value, tuple):
        value = value[0]
    if last == "imil_epoch" and isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _value(arm: ArmSpec, field: str) -> Any:
    """What an arm has in a dotted field; None where it has no such field."""
    found: Any = arm
    for part in field.split("."):
        if isinstance(found, BaseModel):
            found = getattr(found, part) if part in type(found).model_fields else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found
