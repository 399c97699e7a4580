"""Sweeps: the main effect of every factor over all arms that vary it, the best setting, and the values arms have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

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
    primary: Estimate
    """The inference that claims rest on: A, or B where no spread across images can be known."""
    p_adjusted: float = float("nan")
    """After Benjamini and Hochberg, for all effects in this metric on this test set."""

    @property
    def p(self) -> float:
        """Of the inference that claims rest on."""
        return self.primary.p


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

    @property
    def largest(self) -> Effect:
        """Its largest effect."""
        return max(self.effects, key=lambda effect: abs(effect.primary.value))


@dataclass(frozen=True, slots=True)
class BestSetting:
    """The arm of a sweep with the best mean; having been chosen among many, it flatters itself."""

    arm: str
    chosen_among: int
    against: Mapping[str, Comparison]
    """By control: the arm minus the study's reference, its arm of random cells, and the placebo, where there are."""


@dataclass(frozen=True, slots=True)
class LevelMeans:
    """A metric over the levels of two factors, the mean over arms and seeds."""

    rows: tuple[str, ...]
    """Labels of the levels of the first factor."""
    columns: tuple[str, ...]
    """Of the second."""
    means: NDArray[np.float64]
    """(rows, columns); NaN where no arm has both."""


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
    study: Study,
    components: Mapping[str, Components],
    among: Collection[str],
    placebo: str | None = None,
    random_cells: Mapping[str, str] | None = None,
) -> tuple[SweepResult, ...]:
    """Every sweep of the study, base arm by base arm and metric by metric.

    A factor's effect is averaged over all arms of the base that vary it: each is compared with those that differ from
    it in this factor alone, whatever the others are set to. The base arm counts with its own values.

    Args:
        study: the study.
        components: by metric.
        among: the arms with a run that can be compared.
        placebo: the study's placebo, if it has one.
        random_cells: for an arm of feedback its arm of random cells.
    """
    place = {arm: number for number, arm in enumerate(study.arms)}
    designs = [design for sweep in study.sweeps for design in _designs(study, sweep.name, sweep.levels, among)]
    found = []
    for metric, of in components.items():
        results = [[_factor(design, field, of, place) for field in design.values if design.blocks(field)]
                   for design in designs]  # fmt: skip
        p = iter(benjamini_hochberg([e.p for factors in results for one in factors for e in one.effects]).tolist())
        for design, effects in zip(designs, results, strict=True):
            factors = [
                replace(one, effects=tuple(replace(effect, p_adjusted=next(p)) for effect in one.effects))
                for one in effects
            ]
            factors.sort(key=lambda factor: -np.nan_to_num(factor.size, nan=-1.0))
            arms = tuple(arm for arm in study.arms if arm in design.arms)
            values = of.values[[place[arm] for arm in arms]]
            complete = ~np.isnan(values).any(axis=0)
            means = dict(zip(arms, values[:, complete].mean(axis=1).tolist(), strict=True)) if complete.any() else {}
            best = None
            if means:
                arm = (max if metric_named(metric).higher_is_better else min)(means, key=lambda arm: means[arm])
                controls = dict.fromkeys([study.reference, (random_cells or {}).get(arm), placebo])
                against = {
                    other: compare(of, [(place[arm], place[other])])[0] for other in controls if other and other != arm
                }
                best = BestSetting(arm, len(means), against)
            two = (
                _means_of_two(design, factors[0].field, factors[1].field, means) if len(factors) > 1 and means else None
            )
            found.append(
                SweepResult(design.sweep, design.base, metric, arms, int(complete.sum()), tuple(factors), two, best)
            )
    return tuple(found)


def _designs(study: Study, sweep: str, levels: Sequence[Level], among: Collection[str]) -> Iterator[_Design]:
    """One design a base arm; none where nothing varies among the arms that have runs."""
    for base in dict.fromkeys(level.base for level in levels):
        own = [level for level in levels if level.base == base]
        if all("point" in level.values for level in own):
            values = _of_named_points(study, [level for level in own if level.arm in among])
        else:
            arms = [arm for arm in dict.fromkeys([*(level.arm for level in own), base]) if arm in among]
            fields = dict.fromkeys(field for level in own for field in level.values)
            values = {
                field: {arm: (shown_value(field, value), number(field, value)) for arm in arms
                        if (value := _value(study.arms[arm], field)) is not None}
                for field in fields
            }  # fmt: skip
        design = _Design(sweep, base, {field: of for field, of in values.items() if len(set(of.values())) > 1})
        if any(design.blocks(field) for field in design.values):
            yield design


def _of_named_points(study: Study, levels: Sequence[Level]) -> dict[str, dict[str, _Place]]:
    """The one factor of named points: the number that tells all of them apart, or `POINT` where several things differ.

    Points that move nothing but the epochs and the size of consultations differ in how often the clinician is asked:
    the number of consultations stands for both.
    """
    points = {level.arm: level for level in reversed(levels)}  # of two points that are one arm the first
    shown = [level for level in levels if points[level.arm] is level]
    arms = [study.arms[level.arm] for level in shown]
    fields = dict.fromkeys(field for level in shown for field in _fields(level.overrides))
    moved = [field for field in fields if any(_value(arm, field) != _value(arms[0], field) for arm in arms)]
    measures: dict[str, list[float | None]] = {}
    if len(moved) == 1:
        measures[moved[0]] = [number(moved[0], _value(arm, moved[0])) for arm in arms]
    if set(moved) <= _OF_A_BUDGET:
        measures[CONSULTATIONS] = [float(len(arm.feedback.imil_epoch)) if arm.feedback else None for arm in arms]
    distinct = (
        (field, places) for field, places in measures.items() if None not in places and len({*places}) == len(places)
    )
    field, places = next(distinct, (POINT, [None] * len(arms)))
    return {field: {one.arm: (one.values["point"], place) for one, place in zip(shown, places, strict=True)}}


def _factor(design: _Design, field: str, of: Components, place: Mapping[str, int]) -> FactorEffect:
    values, blocks = design.values[field], design.blocks(field)
    entered = [arm for arm in design.arms if any(arm in block for block in blocks)]
    levels = list(dict.fromkeys(values[arm] for arm in entered))
    numbers = [value for _, value in levels if value is not None]
    per: Literal["unit", "doubling", ""] = _per(field, numbers) if len(numbers) == len(levels) else ""
    if per:
        levels.sort(key=_in_order)
        steps = {arm: _step(values[arm], per) for arm in entered}
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
    with_level = {level: tuple(arm for arm in entered if values[arm] == level) for level in levels}
    return FactorEffect(
        field=field,
        per=per,
        levels=tuple(
            FactorLevel(*level, arms, weighted(of, {place[arm]: 1 / len(arms) for arm in arms}, tested=False))
            for level, arms in with_level.items()
        ),
        effects=tuple(effects),
        arms=tuple(entered),
        left_out=tuple(arm for arm in design.arms if arm not in entered),
        size=size,
    )


def _per(field: str, numbers: Sequence[float]) -> Literal["unit", "doubling"]:
    lowest, highest = min(numbers), max(numbers)
    wide = highest >= DOUBLINGS_FROM * lowest or field.rsplit(".", 1)[-1] in ON_A_LOG_SCALE
    return "doubling" if lowest > 0 and wide and field != CONSULTATIONS else "unit"


def _step(of: _Place, per: str) -> float:
    return float(np.log2(_in_order(of))) if per == "doubling" else _in_order(of)


def _in_order(level: _Place) -> float:
    """Numbers ascending; others stay as they are."""
    return level[1] if level[1] is not None else 0.0


def _effect(of: Components, label: str, weights: Mapping[int, float]) -> Effect:
    three = weighted(of, weights)
    return Effect(label, three, three.b if of.parts is None else three.a)


def _means_of_two(design: _Design, rows: str, columns: str, means: Mapping[str, float]) -> LevelMeans:
    of_two = {
        field: {arm: place for arm, place in design.values[field].items() if arm in means} for field in (rows, columns)
    }
    order = [[label for label, _ in sorted(dict.fromkeys(own.values()), key=_in_order)] for own in of_two.values()]
    frame = pd.DataFrame({field: {arm: label for arm, (label, _) in own.items()} for field, own in of_two.items()})
    table = (
        pd.Series(means)
        .groupby([frame[rows], frame[columns]])
        .mean()
        .unstack()
        .reindex(index=order[0], columns=order[1])
    )
    return LevelMeans(tuple(order[0]), tuple(order[1]), table.to_numpy())


# ------------------------------------------------------------------------------------------------------------- values


def swept_values(study: Study) -> dict[str, dict[str, str | float]]:
    """By swept field, sorted: what every arm that has the field has there; numbers where all of them are."""
    moved = sorted({field for s in study.sweeps for level in s.levels for field in _fields(level.overrides)})
    found: dict[str, dict[str, str | float]] = {}
    for field in moved:
        values = {arm: value for arm, spec in study.arms.items() if (value := _value(spec, field)) is not None}
        known = {arm: place for arm, value in values.items() if (place := number(field, value)) is not None}
        found[field] = {**known} if len(known) == len(values) else {
            arm: shown_value(field, value) for arm, value in values.items()
        }  # fmt: skip
    return found


def shown_value(field: str, value: Any) -> str:
    """A value of a field, short: ``0.001``, ``4``, ``8x3``, ``50+70``, ``black``."""
    if isinstance(value, tuple | list):
        if field.rsplit(".", 1)[-1] == "grid_size":
            return f"{value[0]}" if len(set(value)) == 1 else "x".join(map(str, value))
        return "+".join(shown_value(field, one) for one in value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return canonical(value)
    return value if isinstance(value, str) else f"{value:g}"


def number(field: str, value: Any) -> float | None:
    """A field's value as a place on a line; None where it is none."""
    last = field.rsplit(".", 1)[-1]
    if isinstance(value, tuple) and (last == "grid_size" or (last == "imil_epoch" and len(value) == 1)):
        value = value[0]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and last != "seed" else None


def _fields(table: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """The dotted names of everything in a nested table."""
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            yield from _fields(inner, f"{where}{key}.")
        else:
            yield f"{where}{key}"


def _value(arm: ArmSpec, field: str) -> Any:
    """What an arm has in a dotted field; None where it has no such field."""
    found: Any = arm
    for part in field.split("."):
        if isinstance(found, BaseModel):
            found = getattr(found, part) if part in type(found).model_fields else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found
