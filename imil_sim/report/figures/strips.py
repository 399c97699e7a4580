"""Strips: one row an arm, one dot a seed, a diamond at the mean; what slopes and attention are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from imil_sim.report.figures import style

ROW = 0.26
"""Inches of one arm."""


def draw_strips(axes: Axes, values: NDArray[np.float64], *, joined: bool = False) -> None:
    """Dots (arms, seeds) on one row an arm, the first at the top, means as diamonds; NaN is left out.

    ``joined``: a thin line runs through the dots of each seed, from arm to arm, broken where a run is missing.
    """
    arms, _ = values.shape
    rows = np.broadcast_to(np.arange(arms)[:, None], values.shape)
    if joined:
        threads = [np.column_stack([values[:, seed], rows[:, seed]]) for seed in range(values.shape[1])]
        axes.add_collection(LineCollection(threads, colors=style.LIGHT, linewidths=0.6, zorder=1))
    known = ~np.isnan(values)
    axes.scatter(values[known], rows[known], s=13, facecolors="none", edgecolors=style.MIDDLE, linewidths=0.7, zorder=2)
    means = means_of(values)
    axes.scatter(means, np.arange(arms), s=34, marker="D", color=style.ACCENT, linewidths=0, zorder=3)
    axes.set_ylim(arms - 0.5, -0.5)
    seen = np.append(values[known], 0.0) if not known.any() else values[known]
    room = 0.06 * float(np.ptp(seen)) or 0.01
    axes.set_xlim(seen.min() - room, seen.max() + room)
    axes.locator_params(axis="x", nbins=5)
    axes.hlines(np.arange(arms), *axes.get_xlim(), colors=style.PALE, linewidths=0.5, zorder=0)
    axes.tick_params(axis="y", length=0)


def means_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean (arms,) over the seeds that are not NaN; NaN where there is none."""
    return np.array([row[~np.isnan(row)].mean() if (~np.isnan(row)).any() else np.nan for row in values])


def spreads_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation (arms,), n - 1, over the seeds that are not NaN; NaN with fewer than two."""
    known = [row[~np.isnan(row)] for row in values]
    return np.array([row.std(ddof=1) if len(row) > 1 else np.nan for row in known])


def name_rows(axes: Axes, names: Sequence[str], inches: float) -> None:
    """The names of the arms beside their rows."""
    axes.set_yticks(range(len(names)), style.labels(names, inches))
