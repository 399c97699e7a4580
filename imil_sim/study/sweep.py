"""Sweeps: arms made from an arm by moving some of its fields, crossed or one at a time.

In a study file::

    [sweeps.outliers]
    base = ["lesions", "random-cells"]
    vary.feedback.num_outliers = [5, 10, 20, 40]

    [sweeps.loops]
    base = "lesions"
    points.once = { feedback = { imil_epoch = 70, num_outliers = 20 } }
    points.twice = { feedback = { imil_epoch = [70, 80], num_outliers = 10 } }
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from imil_sim.study.spec import Name, Spec


def _one_or_many(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _dotted(value: Any) -> Any:
    """``{feedback: {num_outliers: [5, 10]}}`` as ``{feedback.num_outliers: [5, 10]}``: TOML writes both."""
    if not isinstance(value, Mapping):
        return tuple(value) if isinstance(value, list) else value
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        nested = _dotted(inner)
        found = {f"{key}.{k}": v for k, v in nested.items()} if isinstance(nested, dict) and nested else {key: nested}
        if twice := sorted(found.keys() & flat.keys()):
            raise ValueError(f"{twice[0]} is there twice")
        flat |= found
    return flat


_Several = Annotated[tuple[str, ...], Field(min_length=1)]


class SweepSpec(Spec):
    """One table ``[sweeps.NAME]`` of a study file."""

    base: Annotated[_Several, BeforeValidator(_one_or_many, json_schema_input_type=str | _Several)] = Field(
        description="The arm, or the arms, whose fields are moved."
    )
    vary: Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], BeforeValidator(_dotted)] = Field(
        default_factory=dict, description="Fields and the values they take, as in feedback.num_outliers = [5, 10]."
    )
    how: Literal["crossed", "one-at-a-time"] = Field(
        "crossed", description="Every combination of the values, or each field by itself around the base."
    )
    points: dict[Name, dict[str, Any]] = Field(
        default_factory=dict, description="Instead of vary: named points, each a table of what it overrides."
    )

    @field_validator("vary")
    @classmethod
    def _fields_stand_side_by_side(cls, vary: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for field in vary:
            if not all(field.split(".")):
                raise ValueError(f'"{field}" is no field; write it as feedback.num_outliers')
            if inside := [other for other in vary if other.startswith(f"{field}.")]:
                raise ValueError(f"{inside[0]} lies within {field}; vary one of the two")
        return vary

    @model_validator(mode="after")
    def _vary_or_points(self) -> SweepSpec:
        if bool(self.vary) == bool(self.points):
            raise ValueError("a sweep has either vary or points, not both and not neither")
        return self


@dataclass(frozen=True, slots=True)
class Level:
    """One arm of a sweep."""

    arm: str
    """Its name in the study: the base arm's own where the values are those it has anyway."""
    base: str
    values: Mapping[str, Any]
    """Dotted field to the value it has here; for named points ``point`` to the name."""
    overrides: Mapping[str, Any]
    """Nested table of what it lays over the base arm."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A family of arms along one or more fields."""

    name: str
    how: str
    levels: tuple[Level, ...]


def count(spec: SweepSpec) -> int:
    """How many arms `expand` makes of a sweep; nothing is made to count them."""
    values = [len(each) for each in spec.vary.values()]
    points = len(spec.points) or (math.prod(values) if spec.how == "crossed" else sum(values))
    return len(spec.base) * points


def expand(name: str, spec: SweepSpec) -> Sweep:
    """The arms of a sweep, named ``BASE@FIELD=VALUE,...`` or ``BASE@POINT``, in the order of the file."""
    points = list(_points(spec))
    levels = (Level(f"{base}@{label}", base, values, table) for base in spec.base for label, values, table in points)
    return Sweep(name, spec.how, tuple(levels))


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
        label = ",".join(f"{short[field]}={_shown(value)}" for field, value in values.items())
        table: dict[str, Any] = {}
        for field, value in values.items():
            _put(table, field.split("."), value)
        yield label, values, table


def _short_names(fields: list[str]) -> dict[str, str]:
    """The last part of each dotted field, or all of it where two end alike; ``model`` for model.name."""
    last = [field.removesuffix(".name").rsplit(".", 1)[-1] for field in fields]
    return {field: end if last.count(end) == 1 else field for field, end in zip(fields, last, strict=True)}


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(_shown(v) for v in value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def _put(table: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        table = table.setdefault(part, {})
    table[path[-1]] = value
