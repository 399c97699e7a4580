"""Sweeps: whether the primary metric and the others rise or fall with the field that was moved."""

from __future__ import annotations

import math

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.stats import Inferences
from imil_sim.report.tables.wording import (
    METRIC_NAMES,
    absences,
    anchor,
    grouped,
    inference_columns,
    intervals,
    on_set,
    p_column,
)

SLOPE_DIGITS = 4
"""A slope per unit of a field that goes up to 90 is small."""


def trends_table(analysis: Analysis, of: SetAnalysis) -> Table | None:
    """The slope of every metric over every numeric sweep; None where the study has no such sweep."""
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, Inferences]] = []
    untested: list[tuple[str, str]] = []
    for trend in of.trends:
        name = f"{trend.base} by {trend.field}"
        levels = ", ".join(f"{level:g}" for level in trend.levels)
        for metric, three in trend.slopes.items():
            split = three.b.random_factors == "seeds and splits"
            p = (three.b if split else three.a).p
            row = f"{name}, {METRIC_NAMES[metric]}"
            told.append((row, three))
            if math.isnan(p):
                untested.append((row, "No p: there is no primary interval to take it from"))
            rows.append(
                (
                    name, trend.sweep, levels, METRIC_NAMES[metric], f"a {trend.per}",
                    three.a.value,
                    *intervals(three, signed=True, digits=SLOPE_DIGITS), p,
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
        p_column("p", "two-sided, of no trend, from the primary inference; not adjusted"),
    )
    notes = (
        "Exploratory. A slope asks for a straight line; the figure shows whether there is one. Each level against the "
        "reference stands among the exploratory comparisons.",
        *absences(told),
        *grouped(untested, len(rows)),
    )
    return Table(anchor("trends", of.name), f"Trends over the sweeps{on_set(of.name)}", columns, tuple(rows), notes)
