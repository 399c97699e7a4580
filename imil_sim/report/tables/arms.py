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
    attributes,
    inference_columns,
    interval_notes,
    mean_sd,
    metric_label,
    of_images,
    on_set,
    table_of,
)
from imil_sim.stats import metric_named
from imil_sim.text import DIGITS, capital

SPREAD = {
    "n_seeds": Column("Seeds", explained="with a run that is done"),
    "mean": Column("Mean", DIGITS),
    "sd": Column("sd", DIGITS, explained="over seeds, n - 1"),
    "iqm": Column("IQM", DIGITS, explained="interquartile mean over seeds"),
    "lowest": Column("Lowest", DIGITS),
    "highest": Column("Highest", DIGITS),
}
"""What is shown of the summary of an arm."""


def build(data: ReportData) -> Iterator[Table]:
    """Of every test set all metrics; of the study's own also their intervals, and every run."""
    for of in data.analysis.sets.values():
        yield _overview(data.analysis, of)
        if of is data.main:
            yield _intervals(data.analysis, of)
            yield _seeds(data.analysis, of)


def _overview(analysis: Analysis, of: SetAnalysis) -> Table:
    """Every arm in every metric: mean and standard deviation over seeds."""
    seeds = analysis.seeds
    done = [sum(analysis.runs[arm, seed].status == "done" for seed in seeds) for arm in analysis.arms]
    notes = [
        f"Mean over seeds (standard deviation); {of_images(of)}.",
        *(f"No {metric_named(m).label}: {c.why_no_parts}." for m, c in of.components.items()
          if c.why_no_parts and np.isnan(c.values).all()),
    ]  # fmt: skip
    return table_of(
        anchor("arms", of.name), f"The arms in every metric{on_set(of.name)}",
        {
            Column("Arm"): analysis.arms,
            Column("Runs", explained="done, of those expected"): [f"{count} of {len(seeds)}" for count in done],
            **{Column(metric_label(metric)): [mean_sd(values) for values in components.values]
               for metric, components in of.components.items()},
        },
        notes, "no run of the arm is done, or its runs cannot be used; they are listed with the reasons",
    )  # fmt: skip


def _intervals(analysis: Analysis, of: SetAnalysis) -> Table:
    """Spread over seeds and the three intervals of the mean, metric by metric, the primary one first."""
    every = [summary for summaries in of.arms.values() for summary in summaries]
    return table_of(
        "arm-intervals", "The arms with their intervals",
        {
            Column("Arm"): [analysis.arms[s.arm] for s in every],
            METRIC: [metric_label(s.metric) for s in every],
            **attributes(every, SPREAD),
            **inference_columns(of, every),
        },
        (
            "Arms are paired: whether they differ is said by their differences, not by overlapping intervals.",
            *interval_notes([(analysis.arms[s.arm], s.metric, s) for s in every]),
        ),
        "no run is done, or no such interval; of one seed there is no sd",
    )  # fmt: skip


def _seeds(analysis: Analysis, of: SetAnalysis) -> Table:
    """The primary metric of every run, arms as rows and seeds as columns; the status of a run that is not done."""
    metric, components = next(iter(of.components.items()))
    frame = pd.DataFrame(components.values, analysis.arms, analysis.seeds).astype(object)
    for (arm, seed), run in analysis.runs.items():
        if run.status != "done":
            frame.loc[arm, seed] = run.status
    return table_of(
        "seeds", f"{capital(metric_named(metric).label)} of every run",
        {Column("Arm"): analysis.arms, **{Column(f"seed {seed}", DIGITS): frame[seed] for seed in analysis.seeds}},
        ("Runs of one seed share split, initial weights and batch order: compare within a column.",),
        components.why_no_parts or "the run is done and cannot be used; the reason is listed",
    )  # fmt: skip


PART = TablePart("arms", build)
