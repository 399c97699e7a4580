"""Sweeps: the main effect of every factor over all arms that vary it, the best setting, and the values arms have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from imil_sim.report import controls
from imil_sim.stats import (
    Comparison,
    Components,
    Estimate,
    Inferences,
    benjamini_hochberg,
    compare,
    difference_weights,
    metric_named,
    slope_weights,
    weighted,
)
from imil_sim.study.spec import ArmSpec, canonical
from imil_sim.study.study import Study
from imil_sim.study.sweep import Level
from imil_sim.text import MINUS

DOUBLINGS_FROM = 4.0
"""Levels above 0 whose largest is at least so many times the smallest are taken as doublings: 5, 10, 20, 40."""


POINT = "point"
"""The field of named points that no number tells apart."""

CONSULTATIONS = "consultations"
"""The field of points that differ in how often the clinician is asked: how many consultations an arm has."""

ON_A_LOG_SCALE = {"learning_rate", "weight_decay"}
"""Last parts of fields that are always taken as doublings where they are above 0."""

_OF_A_BUDGET = {"feedback.imil_epoch", "feedback.num_outliers"}


@dataclass(frozen=True, slots=True)
class FactorLevel:
    """One value of a factor."""

    label: str
    number: float | None
    """The value as a place on an axis; None where it is none."""
    arms: tuple[str, ...]
    """The arms with this value that entered the factor's effect."""
    mean: Inferences
    """Of the metric, averaged over these arms and the seeds; nothing is tested."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One contrast of the levels of a factor."""

    label: str
    """``per doubling``, ``per unit``, or the two levels, as in ``mean − black``."""
    estimate: Inferences
    p: float
    """Of the inference that claims rest on: A, or B where no spread across images can be known."""
    p_adjusted: float
    """After Benjamini and Hochberg, for all effects in this metric on this test set."""
    primary: Estimate
    """The inference that claims rest on."""


@dataclass(frozen=True, slots=True)
class FactorEffect:
    """What one factor of a sweep does to a metric, averaged over all arms of one base arm that vary it."""

    field: str
    """Such as ``feedback.fill``; of named points the one number that tells them apart, or `POINT`."""
    per: Literal["unit", "doubling", ""]
    """What a slope is given per; empty where the levels are no numbers."""
    levels: tuple[FactorLevel, ...]
    """Numbers ascending, others in the order of the file."""
    effects: tuple[Effect, ...]
    """The slope over levels that are numbers, else the difference of every two levels, the later minus the earlier."""
    arms: tuple[str, ...]
    """Every arm that entered: those with a partner that differs in this factor alone."""
    left_out: tuple[str, ...]
    """Arms of the sweep that did not, in its order."""
    size: float
    """By how much the factor moves the metric: the slope over its whole range, or the largest difference; above 0."""


@dataclass(frozen=True, slots=True)
class BestSetting:
    """The arm of a sweep with the best mean; having been chosen among many, it flatters itself."""

    arm: str
    settings: Mapping[str, str]
    """Its value of every factor, by field."""
    chosen_among: int
    against: Mapping[Literal["reference", "random", "placebo"], Comparison]
    """The arm minus the study's reference, its arm of random cells, and the placebo; without those there are not."""


@dataclass(frozen=True, slots=True)
class LevelMeans:
    """A metric over the levels of two factors, the mean over arms and seeds."""

    rows: tuple[str, ...]
    """Labels of the levels of the first factor."""
    columns: tuple[str, ...]
    """Of the second."""
    means: NDArray[np.float64]
    """(rows, columns); NaN where no arm has both."""
    arms: NDArray[np.int64]
    """(rows, columns): how many arms have both."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What one sweep around one base arm came to in one metric."""

    sweep: str
    base: str
    metric: str
    arms: tuple[str, ...]
    """All that have a run, the base arm among them."""
    seeds: int
    """Seeds with a run of every one of them."""
    factors: tuple[FactorEffect, ...]
    """The strongest first."""
    strongest: LevelMeans | None
    """Over the two strongest factors; None where there are fewer."""
    best: BestSetting | None
    """None where no seed has a run of every arm."""


_Place = tuple[str, float | None]
"""A value of a factor: its label, and its place on an axis where it is a number."""


@dataclass(frozen=True, slots=True)
class _Design:
    """The arms of a sweep around one base arm, and the value that each has in every factor."""

    sweep: str
    base: str
    values: Mapping[str, Mapping[str, _Place]]
    """By field and arm: label and number; an arm without the field is not there."""

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(arm for own in self.values.values() for arm in own))

    def blocks(self, field: str) -> list[list[str]]:
        """The arms that agree in all other factors, together; only where they differ in this one."""
        found: dict[tuple[object, ...], list[str]] = {}
        for arm in self.values[field]:
            others = tuple(own.get(arm) for other, own in self.values.items() if other != field)
            found.setdefault(others, []).append(arm)
        return [arms for arms in found.values() if len({self.values[field][arm][0] for arm in arms}) > 1]


def sweep_results(
    study: Study, components: Mapping[str, Components], among: Collection[str]
) -> tuple[SweepResult, ...]:
    """Every sweep of the study, base arm by base arm and metric by metric.

    A factor's effect is averaged over all arms of the base that vary it: each is compared with those that differ from
    it in this factor alone, whatever the others are set to. The base arm counts with its own values.

    Args:
        study: the study.
        components: by metric.
        among: the arms with a run that can be compared.
    """
    designs = [design for sweep in study.sweeps for design in _designs(study, sweep.name, sweep.levels, among)]
    found = []
    for metric, of in components.items():
        results = [_of_design(study, design, metric, of) for design in designs]
        p = iter(benjamini_hochberg([e.p for r in results for f in r.factors for e in f.effects]).tolist())
        for result in results:
            factors = tuple(
                replace(factor, effects=tuple(replace(effect, p_adjusted=next(p)) for effect in factor.effects))
                for factor in result.factors
            )
            found.append(replace(result, factors=factors))
    return tuple(found)


def _designs(study: Study, sweep: str, levels: Sequence[Level], among: Collection[str]) -> Iterator[_Design]:
    """One design a base arm; none where nothing varies among the arms that have runs."""
    for base in dict.fromkeys(level.base for level in levels):
        own = [level for level in levels if level.base == base]
        if all("point" in level.values for level in own):
            values = _of_named_points(study, own, among)
        else:
            arms = [arm for arm in dict.fromkeys([*(level.arm for level in own), base]) if arm in among]
            fields = dict.fromkeys(field for level in own for field in level.values)
            values = {field: _values(study, field, arms) for field in fields}
        design = _Design(sweep, base, {field: of for field, of in values.items() if len(set(of.values())) > 1})
        if any(design.blocks(field) for field in design.values):
            yield design


def _values(study: Study, field: str, arms: Sequence[str]) -> dict[str, _Place]:
    values = {arm: _value(study.arms[arm], field) for arm in arms}
    known = {arm: value for arm, value in values.items() if value is not None}
    return {arm: (shown_value(field, value), number(field, value)) for arm, value in known.items()}


def _of_named_points(study: Study, levels: Sequence[Level], among: Collection[str]) -> dict[str, dict[str, _Place]]:
    points = {level.arm: level for level in reversed(levels) if level.arm in among}
    shown = [level for level in levels if points.get(level.arm) is level]
    if len(shown) < 2:
        return {}
    field, numbers = _measure(study, shown)
    places: Sequence[float | None] = numbers or [None] * len(shown)
    return {field: {one.arm: (one.values["point"], place) for one, place in zip(shown, places, strict=True)}}


def _of_design(study: Study, design: _Design, metric: str, of: Components) -> SweepResult:
    place = {arm: number for number, arm in enumerate(study.arms)}
    effects = [_factor(design, field, of, place) for field in design.values if design.blocks(field)]
    factors = sorted(effects, key=lambda factor: -np.nan_to_num(factor.size, nan=-1.0))
    arms = tuple(arm for arm in study.arms if arm in design.arms)
    values = of.values[[place[arm] for arm in arms]]
    complete = ~np.isnan(values).any(axis=0)
    means = dict(zip(arms, values[:, complete].mean(axis=1).tolist(), strict=True)) if complete.any() else {}
    strongest = _means_of_two(design, factors[0].field, factors[1].field, means) if len(factors) > 1 and means else None
    best = _best(study, design, metric, of, means, place) if means else None
    return SweepResult(design.sweep, design.base, metric, arms, int(complete.sum()), tuple(factors), strongest, best)


def _factor(design: _Design, field: str, of: Components, place: Mapping[str, int]) -> FactorEffect:
    values, blocks = design.values[field], design.blocks(field)
    entered = [arm for arm in design.arms if any(arm in block for block in blocks)]
    levels = list(dict.fromkeys(values[arm] for arm in entered))
    numeric = all(value is not None for _, value in levels)
    if numeric:
        levels.sort(key=lambda level: level[1] or 0.0)
    per = _per(field, [value for _, value in levels if value is not None]) if numeric else ""
    if field in (CONSULTATIONS, POINT) and per:
        per = "unit"
    if per:
        steps = {arm: _step(values[arm][1], per) for arm in entered}
        weights = slope_weights([{place[arm]: steps[arm] for arm in block} for block in blocks])
        effects = [_effect(of, f"per {per}", weights)]
        size = abs(effects[0].primary.value) * (max(steps.values()) - min(steps.values()))
    else:
        labelled = [{place[arm]: values[arm][0] for arm in block} for block in blocks]
        pairs = [
            pair for pair in combinations([label for label, _ in levels], 2)
            if any(set(pair) <= set(block.values()) for block in labelled)
        ]  # fmt: skip
        effects = [_effect(of, f"{b} {MINUS} {a}", difference_weights(labelled, b, a)) for a, b in pairs]
        size = max(abs(effect.primary.value) for effect in effects)
    return FactorEffect(
        field=field,
        per=per,
        levels=tuple(_level(of, level, [a for a in entered if values[a] == level], place) for level in levels),
        effects=tuple(effects),
        arms=tuple(entered),
        left_out=tuple(arm for arm in design.arms if arm not in entered),
        size=size,
    )


def _per(field: str, levels: Sequence[float]) -> Literal["unit", "doubling"]:
    lowest, highest = min(levels), max(levels)
    wide = highest >= DOUBLINGS_FROM * lowest or field.rsplit(".", 1)[-1] in ON_A_LOG_SCALE
    return "doubling" if lowest > 0 and wide else "unit"


def _step(value: float | None, per: str) -> float:
    assert value is not None
    return float(np.log2(value)) if per == "doubling" else value


def _level(of: Components, level: _Place, arms: Sequence[str], place: Mapping[str, int]) -> FactorLevel:
    mean = weighted(of, {place[arm]: 1 / len(arms) for arm in arms}, tested=False)
    return FactorLevel(level[0], level[1], tuple(arms), mean)


def _effect(of: Components, label: str, weights: Mapping[int, float]) -> Effect:
    three = weighted(of, weights)
    primary = three.b if of.parts is None else three.a
    return Effect(label, three, primary.p, float("nan"), primary)


def _means_of_two(design: _Design, rows: str, columns: str, means: Mapping[str, float]) -> LevelMeans:
    labels = [
        [label for label, _ in sorted(dict.fromkeys(design.values[field].values()), key=_in_order)]
        for field in (rows, columns)
    ]
    shape = len(labels[0]), len(labels[1])
    found, counts = np.full(shape, np.nan), np.zeros(shape, np.int64)
    for i, j in np.ndindex(shape):
        own = [
            mean for arm, mean in means.items()
            if design.values[rows].get(arm, ("",))[0] == labels[0][i]
            and design.values[columns].get(arm, ("",))[0] == labels[1][j]
        ]  # fmt: skip
        counts[i, j] = len(own)
        if own:
            found[i, j] = sum(own) / len(own)
    return LevelMeans(tuple(labels[0]), tuple(labels[1]), found, counts)


def _in_order(level: _Place) -> float:
    """Numbers ascending; others stay as they are."""
    return level[1] if level[1] is not None else 0.0


def _best(
    study: Study, design: _Design, metric: str, of: Components, means: Mapping[str, float], place: Mapping[str, int]
) -> BestSetting:
    sign = 1 if metric_named(metric).higher_is_better else -1
    arm = max(means, key=lambda arm: sign * means[arm])
    others: dict[Literal["reference", "random", "placebo"], str | None] = {
        "reference": study.reference,
        "random": controls.random_cells(study).get(arm),
        "placebo": controls.placebo(study),
    }
    against = {}
    for role, other in others.items():
        if other is not None and other != arm:
            (against[role],) = compare(of, [(place[arm], place[other])])
    settings = {field: values[arm][0] for field, values in design.values.items() if arm in values}
    return BestSetting(arm, settings, len(means), against)


def shown_value(field: str, value: Any) -> str:
    """A value of a field, short: ``0.001``, ``4``, ``8x3``, ``50+70``, ``black``."""
    if isinstance(value, tuple | list):
        if field.rsplit(".", 1)[-1] == "grid_size":
            return f"{value[0]}" if len(set(value)) == 1 else "x".join(map(str, value))
        return "+".join(shown_value(field, one) for one in value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return canonical(value)
    return value if isinstance(value, str) else f"{value:g}"


def swept_values(study: Study) -> dict[str, dict[str, str | float]]:
    """By swept field, sorted: what every arm that has the field has there; numbers where all of them are."""
    moved = sorted({field for s in study.sweeps for level in s.levels for field in _fields(level.overrides)})
    found: dict[str, dict[str, str | float]] = {}
    for field in moved:
        values = {arm: value for arm, spec in study.arms.items() if (value := _value(spec, field)) is not None}
        numbers = {arm: number(field, value) for arm, value in values.items()}
        known = {arm: value for arm, value in numbers.items() if value is not None}
        found[field] = dict(known) if len(known) == len(values) else {
            arm: shown_value(field, value) for arm, value in values.items()
        }  # fmt: skip
    return found


# ------------------------------------------------------------------------------------------------------------- values


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
