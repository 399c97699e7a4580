"""Exploratory: what every factor of the sweeps does, the best settings, and the comparisons that were not planned."""

from __future__ import annotations

from collections.abc import Iterator

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.differences import exploratory
from imil_sim.report.tables.text import (
    METRIC,
    frame_of,
    inference_columns,
    interval,
    interval_notes,
    intervals,
    metric_label,
    named,
    p_column,
    table_of,
)
from imil_sim.stats import PRIMARY
from imil_sim.text import DIGITS

SLOPE_DIGITS = 4
"""A slope per unit of a field that goes up to 90 is small."""


def build(data: ReportData) -> Iterator[Table]:
    """The effect of every factor in every metric, the best settings, and every arm that no plan compares."""
    if data.main:
        yield from _effects(data.main)
        yield from _best(data.analysis, data.main)
        yield from exploratory(data.analysis, data.main)


def _effects(of: SetAnalysis) -> Iterator[Table]:
    columns = (
        Column("Arm and field"),
        METRIC,
        Column("Sweep"),
        Column("Contrast", explained="slope for one more, or twice as much, of the field; or one level minus another"),
        Column("Levels"),
        Column("Arms", explained="that vary the field and so entered, whatever their other fields are"),
        Column("Left out", explained="arms of the sweep without a partner that differs in this field alone"),
        Column("Effect", SLOPE_DIGITS, signed=True, explained="mean over these arms and the seeds"),
        *inference_columns(of, signed=True),
        p_column("p", "two-sided, of no effect, from the primary interval"),
        p_column("BH p", "Benjamini-Hochberg, for all effects in the metric"),
    )
    effects = [
        (f"{result.base} by {factor.field}", result, factor, effect)
        for result in of.sweeps
        for factor in result.factors
        for effect in factor.effects
    ]
    rows = [
        (
            name, metric_label(result.metric), result.sweep, effect.label,
            ", ".join(level.label for level in factor.levels), len(factor.arms), len(factor.left_out),
            effect.primary.value,
            *intervals(effect.estimate, signed=True, digits=SLOPE_DIGITS), effect.p, effect.p_adjusted,
        )
        for name, result, factor, effect in effects
    ]  # fmt: skip
    if rows:
        left_out = {
            name: named(factor.left_out, len(result.arms)) for name, result, factor, _ in effects if factor.left_out
        }
        notes = (
            "A slope asks for a straight line; the figure shows whether there is one.",
            *(f"Left out of {name}: {arms}." for name, arms in left_out.items()),
            *interval_notes([(name, result.metric, effect.estimate) for name, result, _, effect in effects]),
        )
        yield table_of(
            "effects", "Main effects of the swept fields", columns, frame_of(rows, columns), notes,
            dash="no such interval, and no p without the primary one",
        )  # fmt: skip


def _best(analysis: Analysis, of: SetAnalysis) -> Iterator[Table]:
    """The best setting of every sweep in the primary metric, against each control there is."""
    columns = (
        Column("Sweep"),
        Column("Varied arm"),
        Column("Best setting"),
        Column("Chosen among", explained="arms of the sweep"),
        Column("Minus"),
        Column("Difference", DIGITS, signed=True),
        Column("95% CI", explained="the primary one"),
    )
    rows = [
        (
            result.sweep, result.base, result.best.arm, result.best.chosen_among, analysis.arms[one.reference],
            one.primary.value, interval(one.primary, signed=True),
        )
        for result in of.sweeps
        if result.best and result.metric == PRIMARY
        for one in result.best.against.values()
    ]  # fmt: skip
    if rows:
        yield table_of(
            "best-settings", f"The best settings in {metric_label(PRIMARY)}", columns, frame_of(rows, columns),
            ("The best of many flatters itself: expect less of it on new images.",), dash="no such interval",
        )  # fmt: skip


PART = TablePart("comparisons", build, place=70)
