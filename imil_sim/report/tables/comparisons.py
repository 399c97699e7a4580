"""Arms against each other: the planned differences, and, exploratory, all others and what the factors of sweeps do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.sweeps import Effect, FactorEffect, SweepResult
from imil_sim.report.tables.text import (
    METRIC,
    anchor,
    attributes,
    inference_columns,
    interval_notes,
    metric_label,
    named,
    on_set,
    p_column,
    table_of,
)
from imil_sim.stats import Comparison, equivalence
from imil_sim.text import DIGITS, MINUS

SLOPE_DIGITS = 4
"""A slope per unit of a field that goes up to 90 is small."""


def planned(data: ReportData) -> Iterator[Table]:
    """The planned comparisons in every metric, a table a test set."""
    for of in data.analysis.sets.values():
        margins = {m: margin for m, margin in data.analysis.study.check.equivalence.items() if m in of.planned}
        yield from _differences(data.analysis, of, "planned", of.planned, margins)


def exploratory(data: ReportData) -> Iterator[Table]:
    """The effect of every factor in every metric, and every arm that no plan compares."""
    if data.main:
        yield from _effects(data.main)
        yield from _differences(data.analysis, data.main, "exploratory", data.main.exploratory)


def comparison_columns(of: SetAnalysis, found: Sequence[Comparison], adjusted: str) -> dict[Column, list[Any]]:
    """Everything that is said of comparisons on a test set, by column."""
    estimates = {
        "primary.n_seeds": Column("Seeds", explained="with a run of both"),
        "primary.value": Column(
            "Difference", DIGITS, signed=True, explained="mean over seeds of the paired difference"
        ),
    }
    tests = {
        "primary.p": p_column("p", "two-sided, of no difference, from the primary interval"),
        "p_adjusted": p_column(adjusted, "adjusted for all comparisons of this table in the metric"),
        "p_superior": Column(
            "P(better)", 2, explained="share of seeds in which the first is the better one, ties half"
        ),
        "mde": Column("MDE", DIGITS, explained="difference that A detects with 80% power, unadjusted"),
    }
    return {**attributes(found, estimates), **inference_columns(of, found, signed=True), **attributes(found, tests)}


def _differences(
    analysis: Analysis,
    of: SetAnalysis,
    family: str,
    by_metric: Mapping[str, tuple[Comparison, ...]],
    margins: Mapping[str, float] | None = None,
) -> Iterator[Table]:
    found = [one for comparisons in by_metric.values() for one in comparisons]
    if not found:
        return
    references = {analysis.arms[one.reference] for one in found}
    only = references.pop() if len(references) == 1 else ""
    names = [analysis.arms[o.arm] + ("" if only else f" {MINUS} {analysis.arms[o.reference]}") for o in found]
    columns: dict[Column, list[Any]] = {
        Column(f"Arm {MINUS} {only}" if only else "Comparison"): names,
        METRIC: [metric_label(one.metric) for one in found],
        **comparison_columns(of, found, "Holm p" if family == "planned" else "BH p"),
    }
    if margins:
        beyond = "; ".join(f"{metric_label(metric)} {margin:g} or more apart" for metric, margin in margins.items())
        columns[p_column("TOST p", f"of equivalence, not adjusted: {beyond}")] = [
            equivalence(one.primary, margins[one.metric]) if one.metric in margins else None for one in found
        ]
    notes = []
    if family == "exploratory":
        notes.append("Not planned: p values are adjusted after Benjamini and Hochberg and suggest what to test next.")
    placebo = analysis.placebo and analysis.place(analysis.placebo)
    if placebo is not None and any(placebo in (one.arm, one.reference) for one in found):
        notes.append(f"{analysis.placebo} replaces nothing: its difference is what a mere fork of training makes.")
    yield table_of(
        anchor("differences" if family == "planned" else family, of.name),
        f"{family.capitalize()} comparisons: paired differences{on_set(of.name)}", columns,
        [*notes, *interval_notes([(name, one.metric, one) for name, one in zip(names, found, strict=True)])],
        "no such interval; no p without the primary one; no MDE without A, or where nothing varied",
    )  # fmt: skip


class _Row(NamedTuple):
    sweep: SweepResult
    factor: FactorEffect
    effect: Effect

    @property
    def name(self) -> str:
        return f"{self.sweep.base} by {self.factor.field}"

    @property
    def levels(self) -> str:
        return ", ".join(level.label for level in self.factor.levels)

    @property
    def entered(self) -> int:
        return len(self.factor.arms)

    @property
    def left_out(self) -> int:
        return len(self.factor.left_out)


def _effects(of: SetAnalysis) -> Iterator[Table]:
    rows = [_Row(result, factor, effect) for result in of.sweeps for factor in result.factors
            for effect in factor.effects]  # fmt: skip
    left_out = {row.name: named(row.factor.left_out, len(row.sweep.arms)) for row in rows if row.factor.left_out}
    about = {
        "sweep.sweep": Column("Sweep"),
        "effect.label": Column(
            "Contrast", explained="slope for one more, or twice as much, of the field; or one level minus another"
        ),
        "levels": Column("Levels"),
        "entered": Column("Arms", explained="that vary the field and so entered, whatever their other fields are"),
        "left_out": Column(
            "Left out", explained="arms of the sweep without a partner that differs in this field alone"
        ),
        "effect.primary.value": Column(
            "Effect", SLOPE_DIGITS, signed=True, explained="mean over these arms and the seeds"
        ),
    }
    tests = {
        "effect.p": p_column("p", "two-sided, of no effect, from the primary interval"),
        "effect.p_adjusted": p_column("BH p", "Benjamini-Hochberg, for all effects in the metric"),
    }
    columns = {
        Column("Arm and field"): [row.name for row in rows],
        METRIC: [metric_label(row.sweep.metric) for row in rows],
        **attributes(rows, about),
        **inference_columns(of, [row.effect.estimate for row in rows], signed=True, digits=SLOPE_DIGITS),
        **attributes(rows, tests),
    }
    notes = (
        "A slope asks for a straight line; the figure shows whether there is one.",
        *(f"Left out of {name}: {arms}." for name, arms in left_out.items()),
        *interval_notes([(row.name, row.sweep.metric, row.effect.estimate) for row in rows]),
    )
    if rows:
        yield table_of(
            "effects", "Main effects of the swept fields", columns, notes,
            "no such interval, and no p without the primary one",
        )  # fmt: skip


PLANNED = TablePart("comparisons", planned, place=10)
EXPLORATORY = TablePart("comparisons", exploratory, place=70)
