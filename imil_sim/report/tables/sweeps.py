"""Sweeps: whether the primary metric and the others rise or fall with the field that was moved."""

from __future__ import annotations

import math

from imil_sim.report.analysis import Analysis, SetAnalysis, SweepTrend
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.tables.text import (
    METRIC_NAMES,
    absences,
    anchor,
    grouped,
    inference_columns,
    intervals,
    on_set,
    p_column,
)
from imil_sim.stats import Inferences, benjamini_hochberg

SLOPE_DIGITS = 4
"""A slope per unit of a field that goes up to 90 is small."""


def trends_table(analysis: Analysis, of: SetAnalysis) -> Table | None:
    """The slope of every metric over every sweep of a number; None where the study has no such sweep.

    Its p values are adjusted after Benjamini and Hochberg, metric by metric, for all slopes of the test set.
    """
    adjusted = _adjusted(of)
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, Inferences]] = []
    untested: list[tuple[str, str]] = []
    for number, trend in enumerate(of.trends):
        name = f"{trend.base} by {trend.field}"
        for metric, three in trend.slopes.items():
            p = _p(three)
            row = f"{name}, {METRIC_NAMES[metric]}"
            told.append((row, three))
            if math.isnan(p):
                untested.append((row, "No p: there is no primary interval to take it from"))
            rows.append(
                (
                    name, trend.sweep, _levels(trend), METRIC_NAMES[metric], f"a {trend.per}",
                    three.a.value,
                    *intervals(three, signed=True, digits=SLOPE_DIGITS), p, adjusted[number, metric],
                )
            )  # fmt: skip
    if not rows:
        return None
    columns = (
        Column("Arm and field"),
        Column("Sweep"),
        Column("Levels"),
        Column("Metric"),
        Column("Slope for", explained="one more of the field, or twice as much of it"),
        Column("Slope", SLOPE_DIGITS, signed=True, explained="least squares, the mean over seeds"),
        *inference_columns(of, signed=True),
        p_column("p", "two-sided, of no trend, from the primary inference"),
        p_column("BH p", "adjusted for all slopes of this metric"),
    )
    points = (
        "A slope over named points is per unit of the number in brackets behind each; consultations count as one each, "
        "however many questions they hold.",
    )
    notes = (
        "Exploratory. A slope asks for a straight line; the figure shows whether there is one. Each level against the "
        "reference stands among the exploratory comparisons. The p values are adjusted after Benjamini and Hochberg "
        "(false discovery rate), metric by metric, for all slopes of this table.",
        *(points if any(trend.labels and trend.slopes for trend in of.trends) else ()),
        *absences(told),
        *grouped(untested, len(rows)),
    )
    return Table(anchor("trends", of.name), f"Trends over the sweeps{on_set(of.name)}", columns, tuple(rows), notes)


def _levels(trend: SweepTrend) -> str:
    """``5, 10, 20``; of named points ``one-of-20 (1), two-of-10 (2)``."""
    shown = [f"{level:g}" for level in trend.levels]
    if not trend.labels:
        return ", ".join(shown)
    return ", ".join(f"{label} ({level})" for label, level in zip(trend.labels, shown, strict=True))


def _p(of: Inferences) -> float:
    """That of the primary inference: A, or B where every seed has its own split."""
    return (of.b if of.b.random_factors == "seeds and splits" else of.a).p


def _adjusted(of: SetAnalysis) -> dict[tuple[int, str], float]:
    """The adjusted p of every slope, by the place of its trend and its metric."""
    found: dict[tuple[int, str], float] = {}
    for metric in dict.fromkeys(metric for trend in of.trends for metric in trend.slopes):
        places = [(number, metric) for number, trend in enumerate(of.trends) if metric in trend.slopes]
        p = benjamini_hochberg([_p(of.trends[number].slopes[metric]) for number, _ in places])
        found |= dict(zip(places, p.tolist(), strict=True))
    return found
