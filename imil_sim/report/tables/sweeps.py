"""Exploratory: trends over the swept fields, and the comparisons that were not planned."""

from __future__ import annotations

from collections.abc import Iterator

from imil_sim.report.analysis import SetAnalysis, SweepTrend
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.differences import exploratory
from imil_sim.report.tables.text import (
    METRIC,
    frame_of,
    inference_columns,
    interval_notes,
    intervals,
    metric_label,
    p_column,
    table_of,
)
from imil_sim.stats import Inferences, benjamini_hochberg

SLOPE_DIGITS = 4
"""A slope per unit of a field that goes up to 90 is small."""


def build(data: ReportData) -> Iterator[Table]:
    """The slope of every metric over every sweep of a number, and every arm that no plan compares."""
    if data.main:
        yield from _trends(data.main)
        yield from exploratory(data.analysis, data.main)


def _trends(of: SetAnalysis) -> Iterator[Table]:
    columns = (
        Column("Arm and field"),
        METRIC,
        Column("Sweep"),
        Column("Levels"),
        Column("Slope for", explained="one more of the field, or twice as much of it"),
        Column("Slope", SLOPE_DIGITS, signed=True, explained="least squares, the mean over seeds"),
        *inference_columns(of, signed=True),
        p_column("p", "two-sided, of no trend, from the primary interval"),
        p_column("BH p", "Benjamini-Hochberg, for all slopes of the metric"),
    )
    rows, known = [], []
    for metric in dict.fromkeys(metric for trend in of.trends for metric in trend.slopes):
        trends = [trend for trend in of.trends if metric in trend.slopes]
        p = [_p(trend.slopes[metric]) for trend in trends]
        for trend, own, adjusted in zip(trends, p, benjamini_hochberg(p).tolist(), strict=True):
            three, name = trend.slopes[metric], f"{trend.base} by {trend.field}"
            rows.append(
                (
                    name, metric_label(metric), trend.sweep, _levels(trend), f"a {trend.per}", three.a.value,
                    *intervals(three, signed=True, digits=SLOPE_DIGITS), own, adjusted,
                )
            )  # fmt: skip
            known.append((name, metric, three))
    if rows:
        notes = [
            "A slope asks for a straight line; the figure shows whether there is one.",
            *(["Over named points it is per unit of the number in brackets."]
              if any(trend.labels and trend.slopes for trend in of.trends) else []),
            *interval_notes(known),
        ]  # fmt: skip
        yield table_of(
            "trends", "Trends over the sweeps", columns, frame_of(rows, columns), notes,
            dash="no such interval, and no p without the primary one",
        )  # fmt: skip


def _levels(trend: SweepTrend) -> str:
    """``5, 10, 20``; of named points ``one-of-20 (1), two-of-10 (2)``."""
    shown = [f"{level:g}" for level in trend.levels]
    if not trend.labels:
        return ", ".join(shown)
    return ", ".join(f"{label} ({level})" for label, level in zip(trend.labels, shown, strict=True))


def _p(of: Inferences) -> float:
    """That of the primary inference: A, or B where every seed has its own split."""
    return (of.b if of.b.random_factors == "seeds and splits" else of.a).p


PART = TablePart("comparisons", build, place=70)
