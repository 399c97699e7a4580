"""Arms against each other: the paired differences with their three intervals, planned and exploratory apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import (
    METRIC,
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
from imil_sim.stats import Comparison, equivalence
from imil_sim.text import DIGITS, MINUS


def planned(data: ReportData) -> Iterator[Table]:
    """The planned comparisons in every metric, a table a test set."""
    for of in data.analysis.sets.values():
        equivalence_of = data.analysis.study.check.equivalence
        margins = {metric: equivalence_of[metric] for metric in of.planned if metric in equivalence_of}
        caption = f"Planned comparisons: paired differences{on_set(of.name)}"
        yield from _table(data.analysis, of, of.planned, anchor("differences", of.name), caption, [], margins)


def exploratory(analysis: Analysis, of: SetAnalysis) -> Iterator[Table]:
    """Every other arm against the reference in every metric; nothing where the study compares nothing else."""
    caption = f"Exploratory comparisons: paired differences{on_set(of.name)}"
    notes = ["Not planned: p values are adjusted after Benjamini and Hochberg and suggest what to test next."]
    yield from _table(analysis, of, of.exploratory, anchor("exploratory", of.name), caption, notes)


def comparison_columns(of: SetAnalysis, adjusted: str) -> tuple[Column, ...]:
    """The columns of `comparison_cells`."""
    return (
        Column("Seeds", explained="with a run of both"),
        Column("Difference", DIGITS, signed=True, explained="mean over seeds of the paired difference"),
        *inference_columns(of, signed=True),
        p_column("p", "two-sided, of no difference, from the primary interval"),
        p_column(adjusted, "adjusted for all comparisons of this table in the metric"),
        Column("P(better)", 2, explained="share of seeds in which the first is the better one, ties half"),
        Column("MDE", DIGITS, explained="difference that A detects with 80% power, unadjusted"),
    )


def comparison_cells(of: Comparison) -> tuple[Cell, ...]:
    """Everything a row says of a comparison after its name."""
    return (
        of.primary.n_seeds, of.primary.value, *intervals(of, signed=True),
        of.primary.p, of.p_adjusted, of.p_superior, of.mde,
    )  # fmt: skip


def _table(
    analysis: Analysis,
    of: SetAnalysis,
    found: Mapping[str, tuple[Comparison, ...]],
    name: str,
    caption: str,
    notes: list[str],
    margins: Mapping[str, float] | None = None,
) -> Iterator[Table]:
    every = [one for of_metric in found.values() for one in of_metric]
    if not every:
        return
    references = {analysis.arms[one.reference] for one in every}
    only = references.pop() if len(references) == 1 else ""
    names = [analysis.arms[o.arm] + ("" if only else f" {MINUS} {analysis.arms[o.reference]}") for o in every]
    beyond = "; ".join(f"{metric_label(metric)} {margin:g} or more apart" for metric, margin in (margins or {}).items())
    columns = [
        Column(f"Arm {MINUS} {only}" if only else "Comparison"),
        METRIC,
        *comparison_columns(of, "BH p" if margins is None else "Holm p"),
        *([p_column("TOST p", f"of equivalence, not adjusted: {beyond}")] if margins else []),
    ]
    rows = [
        (
            name, metric_label(one.metric), *comparison_cells(one),
            *([equivalence(one.primary, margins[one.metric]) if one.metric in margins else None] if margins else []),
        )
        for name, one in zip(names, every, strict=True)
    ]  # fmt: skip
    placebo = analysis.placebo and analysis.place(analysis.placebo)
    if placebo is not None and any(placebo in (one.arm, one.reference) for one in every):
        notes.append(f"{analysis.placebo} replaces nothing: its difference is what a mere fork of training makes.")
    notes += interval_notes([(name, one.metric, one) for name, one in zip(names, every, strict=True)])
    yield table_of(
        name, caption, columns, frame_of(rows, columns), notes,
        dash="no such interval; no p without the primary one; no MDE without A, or where nothing varied",
    )  # fmt: skip


PART = TablePart("comparisons", planned, place=10)
