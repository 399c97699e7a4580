"""Arms against each other: the paired differences with their three intervals, planned and exploratory apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.tables.text import (
    DIGITS,
    METRIC_NAMES,
    MINUS,
    absences,
    anchor,
    caveats,
    grouped,
    inference_columns,
    intervals,
    on_set,
    p_column,
)
from imil_sim.stats import Comparison, Inferences, equivalence, metric_named


def planned_differences(analysis: Analysis, of: SetAnalysis) -> tuple[Table, ...]:
    """The planned comparisons, a table a metric, the primary one first."""
    return tuple(_table(analysis, of, metric, found, planned=True) for metric, found in of.planned.items() if found)


def exploratory_differences(analysis: Analysis, of: SetAnalysis) -> tuple[Table, ...]:
    """Every other arm against the reference, a table a metric; none where the study compares nothing else."""
    return tuple(
        _table(analysis, of, metric, found, planned=False) for metric, found in of.exploratory.items() if found
    )


def comparison_columns(of: SetAnalysis, adjusted: str) -> tuple[Column, ...]:
    """The columns of `comparison_cells`."""
    return (
        Column("Seeds", explained="with a run of both"),
        Column("Difference", DIGITS, signed=True, explained="mean over seeds of the paired difference"),
        *inference_columns(of, signed=True),
        p_column("p", "two-sided, of no difference, from the primary inference"),
        p_column(adjusted, "adjusted for all rows of this table"),
        Column("P(better)", 2, explained="P(A > B): share of seeds in which the first is the better, ties half"),
        Column(
            "MDE",
            DIGITS,
            explained="minimum detectable effect: seen by inference A with 80% power, before the correction for "
            "several comparisons",
        ),
    )


def comparison_cells(of: Comparison) -> tuple[Cell, ...]:
    """Everything a row says of a comparison after its name."""
    return (
        of.primary.n_seeds, of.primary.value, *intervals(Inferences(of.a, of.b, of.c), signed=True),
        of.primary.p, of.p_adjusted, of.p_superior, of.mde,
    )  # fmt: skip


def comparison_notes(rows: Sequence[tuple[str, Comparison]], metric: str) -> tuple[str, ...]:
    """What is absent from these rows and why, and what to know of the metric."""
    absent = [(name, "No MDE: there is no inference A") for name, of in rows if math.isnan(of.mde) and of.a.why_absent]
    # With inference A there, only a spread of 0 leaves no detectable effect.
    absent += [(name, "No MDE: nothing varied") for name, of in rows if math.isnan(of.mde) and not of.a.why_absent]
    untested = [(name, "No p: there is no primary interval to take it from") for name, of in rows
                if math.isnan(of.primary.p)]  # fmt: skip
    inferences = [(name, Inferences(of.a, of.b, of.c)) for name, of in rows]
    return (
        *caveats(metric, [of for _, of in inferences]),
        *absences(inferences),
        *grouped(untested, len(rows)),
        *grouped(absent, len(rows)),
    )


def _table(analysis: Analysis, of: SetAnalysis, metric: str, found: Sequence[Comparison], *, planned: bool) -> Table:
    heading, rows = _named(analysis, found)
    better = "above" if metric_named(metric).higher_is_better else "below"
    notes = [f"The first arm minus the second; {better} 0 the first is the better one."]
    if not planned:
        notes.append(
            "Exploratory: these comparisons were not planned. Their p values are adjusted after Benjamini and Hochberg "
            "(false discovery rate); they suggest what to test next and show nothing."
        )
    placebo = analysis.placebo and analysis.place(analysis.placebo)
    if placebo is not None and any(placebo in (one.arm, one.reference) for one in found):
        notes.append(f"{analysis.placebo} replaces nothing: its difference is what a mere fork of training makes.")
    margin = analysis.study.check.equivalence.get(metric) if planned else None
    if margin is not None:
        notes.append(
            f"TOST p: of two one-sided tests that the arms differ by {margin:g} or more, the margin of equivalence of "
            "the study file; not adjusted. Small: the true difference lies within ±"
            f"{margin:g}."
        )
    kind = "Planned comparisons" if planned else "Exploratory comparisons"
    return Table(
        anchor(f"{'differences' if planned else 'exploratory'}-{metric.replace('_', '-')}", of.name),
        f"{kind}: paired differences in {METRIC_NAMES[metric]}{on_set(of.name)}",
        (Column(heading), *comparison_columns(of, "Holm p" if planned else "BH p"), *_equivalence_column(margin)),
        tuple((name, *comparison_cells(one), *_equivalence_cell(one, margin)) for name, one in rows),
        (*notes, *comparison_notes(rows, metric)),
    )


def _equivalence_column(margin: float | None) -> tuple[Column, ...]:
    """One column where there is a margin to test against."""
    if margin is None:
        return ()
    return (p_column("TOST p", f"of a difference of {margin:g} or more, from the primary inference"),)


def _equivalence_cell(of: Comparison, margin: float | None) -> tuple[Cell, ...]:
    return () if margin is None else (equivalence(of.primary, margin),)


def _named(analysis: Analysis, found: Sequence[Comparison]) -> tuple[str, list[tuple[str, Comparison]]]:
    """The heading over the names of the comparisons, and these; an arm that all are compared with is named once."""
    references = {one.reference for one in found}
    if len(references) == 1:
        reference = analysis.arms[references.pop()]
        return f"Arm {MINUS} {reference}", [(analysis.arms[one.arm], one) for one in found]
    return "Comparison", [(f"{analysis.arms[o.arm]} {MINUS} {analysis.arms[o.reference]}", o) for o in found]
