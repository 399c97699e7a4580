"""Seed by seed: what the means are made of."""

from __future__ import annotations

import math

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.tables.text import DIGITS, METRIC_NAMES, anchor, capital, grouped, on_set


def seeds_table(analysis: Analysis, of: SetAnalysis) -> Table:
    """The primary metric of every run, arms as rows and seeds as columns; how a run fared that is not done."""
    metric, components = next(iter(of.components.items()))
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, str]] = []
    for place, arm in enumerate(analysis.arms):
        cells: list[Cell] = []
        for column, seed in enumerate(analysis.seeds):
            status, value = analysis.runs[arm, seed].status, float(components.values[place, column])
            cells.append(value if status == "done" else status)
            if status == "done" and math.isnan(value):
                why = of.incomparable.get(arm) or components.why_no_parts or "it is not known why"
                told.append((arm, f"A dash: {why}"))
        rows.append((arm, *cells))
    unfinished = any(run.status != "done" for run in analysis.runs.values())
    notes = (
        "The runs of one seed share split, initial weights and batch order: compare within a column."
        + (" Runs that are not done are listed with their reasons further down." if unfinished else ""),
        *grouped(told, len(rows)),
    )
    return Table(
        anchor("seeds", of.name),
        f"{capital(METRIC_NAMES[metric])} of every run{on_set(of.name)}",
        (Column("Arm"), *(Column(f"seed {seed}", DIGITS) for seed in analysis.seeds)),
        tuple(rows),
        notes,
    )
