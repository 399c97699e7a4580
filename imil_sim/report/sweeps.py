"""The numeric fields of sweeps: which arms lie on one line, and in what steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


@dataclass(frozen=True, slots=True)
class Line:
    """Arms of one sweep that differ from their base arm in one numeric field alone."""

    sweep: str
    base: str
    field: str
    levels: tuple[float, ...]
    """Ascending, at least two different ones."""
    arms: tuple[str, ...]
    """The arm of each level."""

    @property
    def per(self) -> Literal["unit", "doubling"]:
        """What a slope over the levels is given per."""
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
    other fields. A grid counts as its rows; a list of epochs, a seed and a named point are no numbers.
    """
    found = []
    for sweep in study.sweeps:
        for base in dict.fromkeys(level.base for level in sweep.levels):
            levels = [level for level in sweep.levels if level.base == base]
            for field in dict.fromkeys(field for level in levels for field in level.values):
                places = _places(study, base, field, levels, among)
                if len({place for place, _ in places}) > 1:
                    values, arms = zip(*places, strict=True)
                    found.append(Line(sweep.name, base, field, values, arms))
    return tuple(found)


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
