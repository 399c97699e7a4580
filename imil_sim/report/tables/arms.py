"""The arms, each by itself: every metric over the seeds, and the primary one run by run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import (
    METRIC,
    anchor,
    frame_of,
    inference_columns,
    interval_notes,
    intervals,
    mean_sd,
    metric_label,
    of_images,
    on_set,
    table_of,
)
from imil_sim.stats import metric_named
from imil_sim.text import DIGITS, capital


def build(data: ReportData) -> Iterator[Table]:
    """Of every test set all metrics; of the study's own also their intervals, and every run."""
    for of in data.analysis.sets.values():
        yield overview(data.analysis, of)
        if of is data.main:
            yield _intervals(data.analysis, of)
            yield _seeds(data.analysis, of)


def overview(analysis: Analysis, of: SetAnalysis) -> Table:
    """Every arm in every metric: mean and standard deviation over seeds."""
    done = [sum(analysis.runs[arm, seed].status == "done" for seed in analysis.seeds) for arm in analysis.arms]
    frame = pd.DataFrame({"Arm": analysis.arms, "Runs": [f"{count} of {len(analysis.seeds)}" for count in done]})
    for metric, components in of.components.items():
        frame[metric_label(metric)] = pd.Series([mean_sd(values) for values in components.values], dtype=object)
    columns = (Column("Arm"), Column("Runs", explained="done, of those expected"), *map(Column, frame.columns[2:]))
    notes = [
        f"Mean over seeds (standard deviation); {of_images(of)}.",
        *(f"No {metric_named(m).label}: {c.why_no_parts}." for m, c in of.components.items()
          if c.why_no_parts and np.isnan(c.values).all()),
    ]  # fmt: skip
    dash = "no run of the arm is done, or its runs cannot be used; they are listed with the reasons"
    return table_of(anchor("arms", of.name), f"The arms in every metric{on_set(of.name)}", columns, frame, notes, dash)


def _intervals(analysis: Analysis, of: SetAnalysis) -> Table:
    """Spread over seeds and the three intervals of the mean, metric by metric, the primary one first."""
    every = [summary for summaries in of.arms.values() for summary in summaries]
    columns = (
        Column("Arm"),
        METRIC,
        Column("Seeds", explained="with a run that is done"),
        Column("Mean", DIGITS),
        Column("sd", DIGITS, explained="over seeds, n - 1"),
        Column("IQM", DIGITS, explained="interquartile mean over seeds"),
        Column("Lowest", DIGITS),
        Column("Highest", DIGITS),
        *inference_columns(of, signed=False),
    )
    rows = [
        (
            analysis.arms[s.arm], metric_label(s.metric), s.n_seeds, s.mean, s.sd, s.iqm, s.lowest, s.highest,
            *intervals(s),
        )
        for s in every
    ]  # fmt: skip
    notes = (
        "Arms are paired: whether they differ is said by their differences, not by overlapping intervals.",
        *interval_notes([(analysis.arms[s.arm], s.metric, s) for s in every]),
    )
    return table_of(
        "arm-intervals", "The arms with their intervals", columns, frame_of(rows, columns), notes,
        dash="no run is done, or no such interval; of one seed there is no sd",
    )  # fmt: skip


def _seeds(analysis: Analysis, of: SetAnalysis) -> Table:
    """The primary metric of every run, arms as rows and seeds as columns; the status of a run that is not done."""
    metric, components = next(iter(of.components.items()))
    frame = pd.DataFrame(components.values, analysis.arms, analysis.seeds).astype(object)
    for (arm, seed), run in analysis.runs.items():
        if run.status != "done":
            frame.loc[arm, seed] = run.status
    columns = (Column("Arm"), *(Column(f"seed {seed}", DIGITS) for seed in analysis.seeds))
    return table_of(
        "seeds", f"{capital(metric_named(metric).label)} of every run", columns, frame.reset_index(),
        ("Runs of one seed share split, initial weights and batch order: compare within a column.",),
        dash=components.why_no_parts or "the run is done and cannot be used; the reason is listed",
    )  # fmt: skip


PART = TablePart("arms", build)
