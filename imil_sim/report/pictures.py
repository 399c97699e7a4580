"""The figures of a report that are drawn from numbers alone, by the section of the report they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imil_sim.report import figures
from imil_sim.report.analysis import Analysis, SetAnalysis, SweepTrend
from imil_sim.report.document import Picture
from imil_sim.report.figures import DoseLine
from imil_sim.report.findings import has_runs_to_come
from imil_sim.report.sweeps import CONSULTATIONS, POINT, point_names
from imil_sim.report.tables.feedback import overlap
from imil_sim.stats import PRIMARY, Estimate, compare

DRAWN: tuple[str, ...] = ("auroc", "accuracy")
"""Metrics with a forest of their own; the others stand in the tables."""

MOST_ARMS = 12
"""Of a figure with a panel or a curve an arm: where a study has more, those of its sweeps are left out of it."""


def pictures_of(analysis: Analysis, frame_by_set: Mapping[str, pd.DataFrame]) -> dict[str, list[Picture]]:
    """Every figure that the numbers of a study allow, by the anchor of its section.

    Args:
        analysis: the study.
        frame_by_set: the `results_table` of every test set of the analysis.
    """
    main = analysis.sets.get("main")
    if main is None:
        return {}
    drawn = {
        "differences": list(_forests(analysis, main)),
        "seeds": list(_slopes(analysis, main)),
        "sweeps": list(_doses(analysis, main)),
        "calibration": list(_reliability(analysis, main)),
        "discrimination": list(_discrimination(analysis, main)),
        "attention": list(_attention(analysis, frame_by_set["main"])),
        "feedback": list(_cells(analysis)),
    }
    return {section: found for section, found in drawn.items() if found}


def arms_shown(analysis: Analysis) -> tuple[str, ...]:
    """The arms of a figure with a panel an arm: all, or where they are many those that no sweep made, at most so many.

    The reference is always among them.
    """
    if len(analysis.arms) <= MOST_ARMS:
        return analysis.arms
    made = {level.arm for sweep in analysis.study.sweeps for level in sweep.levels if level.arm != level.base}
    own = [arm for arm in analysis.arms if arm not in made and arm != analysis.study.reference]
    kept = {analysis.study.reference, *own[: MOST_ARMS - 1]}
    return tuple(arm for arm in analysis.arms if arm in kept)


def placebo_of(analysis: Analysis, of: SetAnalysis, metric: str) -> Estimate | None:
    """The placebo arm minus the reference: how far a fork alone moves a metric; None without such an arm."""
    if analysis.placebo is None or analysis.placebo == analysis.study.reference:
        return None
    pair = analysis.place(analysis.placebo), analysis.place(analysis.study.reference)
    (found,) = compare(of.components[metric], [pair])
    return found.primary


def _forests(analysis: Analysis, main: SetAnalysis) -> Iterator[Picture]:
    margins = analysis.study.check.equivalence
    for metric in DRAWN:
        planned = main.planned.get(metric, ())
        if planned:
            yield figures.forest(
                planned, analysis.arms, name=f"forest-{metric}", placebo=placebo_of(analysis, main, metric),
                margin=margins.get(metric),
                to_come={(one.arm, one.reference) for one in planned if has_runs_to_come(analysis, one)},
            )  # fmt: skip


def _slopes(analysis: Analysis, main: SetAnalysis) -> Iterator[Picture]:
    reference = analysis.place(analysis.study.reference)
    values = main.components[PRIMARY].values
    if len(analysis.arms) > 1 and not np.isnan(values[reference]).all():
        yield figures.slopes(
            values, analysis.arms, PRIMARY, name=f"seeds-{PRIMARY}", reference=reference, seeds=analysis.seeds
        )


def _doses(analysis: Analysis, main: SetAnalysis) -> Iterator[Picture]:
    """One figure for every field of every sweep, or for its named points, its base arms together."""
    by_field = sorted(main.trends, key=lambda trend: (trend.sweep, trend.field, trend.per))
    for (sweep, field, per), trends in groupby(by_field, key=lambda t: (t.sweep, t.field, t.per)):
        of_field = list(trends)
        points = point_names(analysis.study, sweep) if of_field[0].labels else ()
        lines = [line for trend in of_field if (line := _dose_line(analysis, main, trend, points)) is not None]
        if lines:
            yield figures.dose_response(
                lines, PRIMARY, name=f"dose-{sweep}-{field.replace('.', '-').replace('_', '-')}",
                field=f"the points of {sweep}" if points else field, reference=analysis.study.reference, per=per,
                placebo=placebo_of(analysis, main, PRIMARY), labels=points,
                unit=_unit_of_points(field) if points else "",
            )  # fmt: skip


def _unit_of_points(field: str) -> str:
    """Of what a slope over named points is, where it is one."""
    return {POINT: "", CONSULTATIONS: "consultation"}.get(field, f"unit of {field}")


def _dose_line(analysis: Analysis, main: SetAnalysis, trend: SweepTrend, points: Sequence[str]) -> DoseLine | None:
    """The levels of a base arm beside the reference; None where the reference itself is a level.

    Those of named points are their places among all points of the sweep.
    """
    reference = analysis.place(analysis.study.reference)
    places = [analysis.place(arm) for arm in trend.arms]
    if reference in places or len(set(places)) < len(places):
        return None
    found = compare(main.components[PRIMARY], [(place, reference) for place in places])
    levels = tuple(float(points.index(label)) for label in trend.labels) if points else trend.levels
    slope = trend.slopes[PRIMARY].a if trend.slopes else None
    return DoseLine(trend.base, levels, tuple(one.primary for one in found), slope)


def _reliability(analysis: Analysis, main: SetAnalysis) -> Iterator[Picture]:
    if main.labels is None or main.probabilities is None:
        return
    arms, probabilities = _shown(analysis, main.probabilities)
    yield figures.reliability(main.labels, probabilities, arms, name="reliability-top-label")
    if probabilities.shape[3] == 2:
        yield figures.reliability(main.labels, probabilities, arms, name="reliability-positive", convention="positive")


def _discrimination(analysis: Analysis, main: SetAnalysis) -> Iterator[Picture]:
    if main.labels is None or main.probabilities is None:
        return
    arms, probabilities = _shown(analysis, main.probabilities)
    reference = arms.index(analysis.study.reference)
    if probabilities.shape[3] == 2 and np.unique(main.labels).size == 2:
        yield figures.roc(main.labels, probabilities[..., 1], arms, name="roc", reference=reference)
    others = [place for place in range(len(arms)) if place != reference]
    if others:
        hits = figures.hits_of(main.labels, probabilities)
        yield figures.disagreement(
            hits[others], hits[reference], [arms[place] for place in others], name="disagreement",
            reference_name=analysis.study.reference, ids=main.ids, seeds=analysis.seeds,
        )  # fmt: skip


def _attention(analysis: Analysis, frame: pd.DataFrame) -> Iterator[Picture]:
    ratios, pointing = (_by_seed(analysis, frame, column) for column in ("attention_ratio", "pointing"))
    if not (np.isnan(ratios).all() and np.isnan(pointing).all()):
        yield figures.attention(ratios, pointing, analysis.arms, name="attention")


def _cells(analysis: Analysis) -> Iterator[Picture]:
    found = overlap(analysis)
    if found is not None:
        yield figures.cells(found.dice, found.readers, name="overlap", questions=found.images)


def _shown(analysis: Analysis, of: NDArray[np.float64]) -> tuple[Sequence[str], NDArray[np.float64]]:
    """The arms of a figure with a panel an arm, and their part of an array (arms, ...)."""
    arms = arms_shown(analysis)
    return arms, of[[analysis.place(arm) for arm in arms]]


def _by_seed(analysis: Analysis, frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column of the results as (arms, seeds), NaN where a run has none."""
    table = frame.pivot(index="arm", columns="seed", values=column)
    return table.reindex(index=list(analysis.arms), columns=list(analysis.seeds)).to_numpy(np.float64)
