"""The arms, each by itself: what a metric comes to over its seeds."""

from __future__ import annotations

import numpy as np

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.tables.text import (
    DIGITS,
    METRIC_NAMES,
    absences,
    anchor,
    capital,
    caveats,
    grouped,
    inference_columns,
    intervals,
    mean_sd,
    on_set,
)
from imil_sim.stats import ArmSummary, Inferences, metric_named


def arms_overview(analysis: Analysis, of: SetAnalysis) -> Table:
    """Every arm in every metric: mean and standard deviation over seeds."""
    expected = len(analysis.seeds)
    rows, told = [], []
    for place, arm in enumerate(analysis.arms):
        values = [components.values[place] for components in of.components.values()]
        done = sum(analysis.runs[arm, seed].status == "done" for seed in analysis.seeds)
        rows.append((arm, f"{done} of {expected}", *(mean_sd(of_metric) for of_metric in values)))
        told += [(arm, why) for why in _why_no_mean(of, arm, place, done)]
    headings = [Column(METRIC_NAMES[metric], explained=_direction(metric)) for metric in of.components]
    notes = (
        f"Mean over seeds, in brackets the standard deviation over seeds; {of_images(of)}.",
        *([] if expected > 1 else ["One seed says nothing about chance: there is no standard deviation."]),
        *grouped(told, len(rows)),
    )
    return Table(
        anchor("arms", of.name), f"The arms in every metric{on_set(of.name)}",
        (Column("Arm"), Column("Runs", explained="done, of those expected"), *headings), tuple(rows), notes,
    )  # fmt: skip


def arms_by_metric(analysis: Analysis, of: SetAnalysis) -> tuple[Table, ...]:
    """A table a metric, the primary one first: mean, spread and the three intervals of the mean of every arm."""
    return tuple(_of_metric(analysis, of, metric, summaries) for metric, summaries in of.arms.items())


def of_images(of: SetAnalysis) -> str:
    """``tested on 200 images``, or that every seed has its own."""
    if of.ids:
        return f"tested on {len(of.ids)} images, the same for every run"
    sizes = sorted({components.n_images for components in of.components.values()} - {0})
    return f"every seed has test images of its own, {' or '.join(map(str, sizes)) or 'an unknown number'} of them"


def _of_metric(analysis: Analysis, of: SetAnalysis, metric: str, summaries: tuple[ArmSummary, ...]) -> Table:
    inferences = [Inferences(summary.a, summary.b, summary.c) for summary in summaries]
    names = [analysis.arms[summary.arm] for summary in summaries]
    rows = tuple(
        (
            name, summary.n_seeds, summary.mean, summary.sd, summary.iqm, summary.lowest, summary.highest,
            *intervals(three),
        )
        for name, summary, three in zip(names, summaries, inferences, strict=True)
    )  # fmt: skip
    columns = (
        Column("Arm"),
        Column("Seeds", explained="with a run that is done"),
        Column("Mean", DIGITS),
        Column("sd", DIGITS, explained="over seeds, n - 1"),
        Column("IQM", DIGITS, explained="interquartile mean over seeds"),
        Column("Lowest", DIGITS),
        Column("Highest", DIGITS),
        *inference_columns(of, signed=False),
    )
    lone = [(n, "No standard deviation: of one seed there is none") for n, s in zip(names, summaries, strict=True)
            if s.n_seeds == 1]  # fmt: skip
    notes = (
        f"{capital(_direction(metric))}; {of_images(of)}.",
        *caveats(metric, inferences),
        *grouped(lone, len(rows)),
        *absences(list(zip(names, inferences, strict=True))),
    )
    base = f"arms-{metric.replace('_', '-')}"
    caption = f"{capital(METRIC_NAMES[metric])} of the arms{on_set(of.name)}"
    return Table(anchor(base, of.name), caption, columns, rows, notes)


def _direction(metric: str) -> str:
    return f"{metric_named(metric).better_side} is better"


def _why_no_mean(of: SetAnalysis, arm: str, place: int, done: int) -> list[str]:
    """Why metrics of an arm are missing altogether."""
    if not done:
        return ["No metrics: no run is done"]
    if arm in of.incomparable and all(np.isnan(c.values[place]).all() for c in of.components.values()):
        return [f"No metrics: {of.incomparable[arm]}"]
    return [
        f"No {METRIC_NAMES[metric]}: {components.why_no_parts or 'the predictions of its runs are not numbers'}"
        for metric, components in of.components.items()
        if np.isnan(components.values[place]).all()
    ]
