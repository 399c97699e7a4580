"""Sweeps: arms made from an arm by moving some of its fields, crossed or one at a time.

In a study file::

    [sweeps.outliers]
    base = ["lesions", "random-cells"]
    vary = { "feedback.num_outliers" = [5, 10, 20, 40] }

    [sweeps.loops]
    base = "lesions"
    points.once = { feedback = { imil_epoch = 70, num_outliers = 20 } }
    points.twice = { feedback = { imil_epoch = [70, 80], num_outliers = 10 } }
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from imil_sim.study.spec import Spec


def _one_or_many(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class SweepSpec(Spec):
    """One table ``[sweeps.NAME]`` of a study file."""

    base: Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1)] = Field(
        description="The arm, or the arms, whose fields are moved."
    )
    vary: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(
        default_factory=dict, description="Dotted field to its values, as in training.learning_rate = [0.001, 0.01]."
    )
    how: Literal["crossed", "one-at-a-time"] = Field(
        "crossed", description="Every combination of the values, or each field by itself around the base."
    )
    points: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Instead of vary: named points, each a table of what it overrides."
    )

    @model_validator(mode="after")
    def _vary_or_points(self) -> SweepSpec:
        if bool(self.vary) == bool(self.points):
            raise ValueError("a sweep has either vary or points, not both and not neither")
        return self


@dataclass(frozen=True, slots=True)
class Level:
    """One arm of a sweep."""

    arm: str
    base: str
    values: Mapping[str, Any]
    """Dotted field to the value it has here; for named points ``point`` to the name."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A family of arms along one or more fields."""

    name: str
    how: str
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Expanded:
    """What a sweep makes: its arms' names and what each overrides of its base."""

    sweep: Sweep
    overrides: Mapping[str, Mapping[str, Any]]
    """Arm name to the nested table it lays over the base arm."""


def expand(name: str, spec: SweepSpec) -> Expanded:
    """The arms of a sweep, named ``BASE@FIELD=VALUE,...`` or ``BASE@POINT``, in the order of the file."""
    levels: list[Level] = []
    overrides: dict[str, Mapping[str, Any]] = {}
    for base in spec.base:
        for label, values, table in _points(spec):
            arm = f"{base}@{label}"
            levels.append(Level(arm, base, values))
            overrides[arm] = table
    return Expanded(Sweep(name, spec.how, tuple(levels)), overrides)


def _points(spec: SweepSpec) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    if spec.points:
        for label, overrides in spec.points.items():
            yield label, {"point": label}, overrides
        return
    short = _short_names(list(spec.vary))
    if spec.how == "crossed":
        combinations = [dict(zip(spec.vary, v, strict=True)) for v in itertools.product(*spec.vary.values())]
    else:
        combinations = [{field: value} for field, values in spec.vary.items() for value in values]
    for values in combinations:
        label = ",".join(f"{short[field]}={_told(value)}" for field, value in values.items())
        table: dict[str, Any] = {}
        for field, value in values.items():
            _put(table, field.split("."), value)
        yield label, values, table


def _short_names(fields: list[str]) -> dict[str, str]:
    """The last part of each dotted field, or all of it where two end alike."""
    last = [field.rsplit(".", 1)[-1] for field in fields]
    return {field: end if last.count(end) == 1 else field for field, end in zip(fields, last, strict=True)}


def _told(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(_told(v) for v in value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def _put(table: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        table = table.setdefault(part, {})
    table[path[-1]] = value
