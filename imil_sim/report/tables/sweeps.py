"""Exploratory: the main effects of the swept factors, the best settings, and the comparisons that were not planned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.differences import comparison_cells, comparison_columns, exploratory
from imil_sim.report.tables.text import (
    METRIC,
    MINUS,
    anchor,
    frame_of,
    inference_columns,
    interval_notes,
    intervals,
    metric_label,
    on_set,
    p_column,
    table_of,
)

_T = TypeVar("_T")

EFFECT_DIGITS = 4
"""A slope per unit of a field that goes up to 90 is small."""


def build(data: ReportData) -> Iterator[Table]:
    """The effect of every factor in every metric, the best settings, and every arm that no plan compares."""
    if data.main:
        yield from _effects(data.main)
        yield from _best(data.analysis, data.main)
        yield from exploratory(data.analysis, data.main)


def _effects(of: SetAnalysis) -> Iterator[Table]:
    columns = (
        Column("Arm and factor"),
        METRIC,
        Column("Sweep"),
        Column("Levels"),
        Column("Arms", explained="that entered: each has a partner which differs in this factor alone"),
        Column("Contrast", explained="one more, twice as much, or one level minus another"),
        Column("Effect", EFFECT_DIGITS, signed=True, explained="averaged over all these arms and the seeds"),
        *inference_columns(of, signed=True),
        p_column("p", "two-sided, of no effect, from the primary interval"),
        p_column("BH p", "Benjamini-Hochberg, for all effects in the metric"),
    )
    rows, known = [], []
    for result in of.sweeps:
        for factor in result.factors:
            levels = ", ".join(
                level.label if level.number is None or level.label == f"{level.number:g}" else
                f"{level.label} ({level.number:g})"
                for level in factor.levels
            )  # fmt: skip
            for effect in factor.effects:
                name = f"{result.base} by {factor.field}"
                rows.append(
                    (
                        name, metric_label(result.metric), result.sweep, levels,
                        f"{len(factor.arms)} of {len(factor.arms) + len(factor.left_out)}", effect.label,
                        effect.primary.value, *intervals(effect.estimate, signed=True, digits=EFFECT_DIGITS),
                        effect.p, effect.p_adjusted,
                    )
                )  # fmt: skip
                known.append((name, result.metric, effect.estimate))
    if rows:
        notes = ["A slope asks for a straight line; the figure shows whether there is one.", *interval_notes(known)]
        yield table_of(
            anchor("effects", of.name), f"Main effects of the swept factors{on_set(of.name)}", columns,
            frame_of(rows, columns), notes, dash="no such interval, and no p without the primary one",
        )  # fmt: skip


def _best(analysis: Analysis, of: SetAnalysis) -> Iterator[Table]:
    """The best setting of every sweep in the primary metric, against reference, random cells and placebo."""
    primary = next(iter(of.components))
    columns = (
        Column("Sweep"),
        Column("Best setting"),
        Column("Compared with"),
        *_unadjusted(comparison_columns(of, "")),
    )
    rows, known = [], []
    for result in of.sweeps:
        if result.metric == primary and result.best:
            for comparison in result.best.against.values():
                other = analysis.arms[comparison.reference]
                cells = _unadjusted(comparison_cells(comparison))
                rows.append((f"{result.sweep}, {result.base}", result.best.arm, other, *cells))
                known.append((f"{result.best.arm} {MINUS} {other}", primary, comparison))
    if rows:
        notes = [
            "The best of many arms is chosen for its luck too: its differences flatter it, and no p is adjusted for "
            "the choice. A study of its own, with new seeds, shows what it is worth.",
            *interval_notes(known),
        ]  # fmt: skip
        yield table_of(
            anchor("best-settings", of.name), f"Best settings of the sweeps, {metric_label(primary)}{on_set(of.name)}",
            columns, frame_of(rows, columns), notes,
            dash="no such interval; no p without the primary one; no MDE without A, or where nothing varied",
        )  # fmt: skip


def _unadjusted(of: tuple[_T, ...]) -> tuple[_T, ...]:
    """Columns or cells of a comparison without the adjusted p."""
    return (*of[:6], *of[7:])


PART = TablePart("comparisons", build, place=70)
