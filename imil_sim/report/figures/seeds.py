"""What every seed says of every arm: differences from the reference arm of the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.stats import PRIMARY, metric_named

MOST_JOINED = 12
"""With more arms than this the lines of the seeds are a thicket, and only the dots are drawn."""


def _draw(data: ReportData) -> Iterator[Picture]:
    analysis, main = data.analysis, data.main
    if main is None or len(analysis.arms) < 2:
        return
    reference, values = analysis.place(analysis.study.reference), main.components[PRIMARY].values
    if not np.isnan(values[reference]).all():
        yield seeds(
            values, analysis.arms, PRIMARY, name=f"seeds-{PRIMARY}", reference=reference, numbers=analysis.seeds
        )


PART = FigurePart("comparisons", _draw, place=60)


def seeds(
    values: NDArray[np.float64], arms: Sequence[str], metric: str, *, name: str, reference: int, numbers: Sequence[int]
) -> Picture:
    """One row an arm, one dot a seed: its difference from the reference arm of that seed.

    Args:
        values: (arms, seeds), the metric of every run; NaN where it is missing.
        arms: their names.
        metric: which.
        name: of the picture, a-z, 0-9 and hyphens.
        reference: place of the reference arm.
        numbers: of the seeds, for the table.

    Raises:
        ValueError: the shapes do not go together.
    """
    if values.shape != (len(arms), len(numbers)):
        raise ValueError(f"values of shape {values.shape} are not of {len(arms)} arms and {len(numbers)} seeds")
    order = [reference, *(place for place in range(len(arms)) if place != reference)]
    differences, names = (values - values[reference])[order], [arms[place] for place in order]
    means, of = style.means_of(differences), metric_named(metric)
    with style.own_settings():
        figure = style.blank(0.32 * len(arms) + 0.8)
        axes = figure.add_subplot()
        strips(axes, differences, joined=len(arms) <= MOST_JOINED)
        axes.axvline(0, color=style.DARK, linewidth=0.8, zorder=0.5)
        axes.set_yticks(range(len(names)), style.arm_labels(names))
        axes.set_xlabel(f"difference in {of.label}")
        style.sides(axes, of, names[0])
        return style.picture_of(
            figure, name=name,
            caption=f"Differences in {of.label} from {names[0]} of the same seed: circles are seeds, diamonds means.",
            alt=f"Dots of {style.counted(len(numbers), 'seed')} for {style.counted(len(names), 'arm')}. Mean "
            f"difference in {of.label} from {names[0]}: {style.ends(means[1:].tolist(), names[1:])}.",
            table=_table(name, of.label, names, numbers, values[order]),
        )  # fmt: skip


def strips(axes: Axes, values: NDArray[np.float64], *, joined: bool = False) -> None:
    """Dots (arms, seeds) on one row an arm, the first at the top, means as diamonds; NaN is left out.

    ``joined``: a thin line runs through the dots of each seed, from arm to arm, broken where a run is missing.
    """
    arms = len(values)
    rows = np.broadcast_to(np.arange(arms)[:, None], values.shape)
    if joined:
        axes.plot(values, rows, color=style.LIGHT, linewidth=0.6, zorder=1)
    known = ~np.isnan(values)
    axes.scatter(values[known], rows[known], s=13, facecolors="none", edgecolors=style.MIDDLE, linewidths=0.7, zorder=2)
    axes.scatter(style.means_of(values), range(arms), s=34, marker="D", color=style.ACCENT, linewidths=0, zorder=3)
    style.room(axes, values[known])
    axes.set_ylim(arms - 0.5, -0.5)
    axes.grid(axis="y", color=style.PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _table(name: str, metric: str, names: Sequence[str], numbers: Sequence[int], values: NDArray[np.float64]) -> Table:
    columns = (Column("arm"), *(Column(f"seed {seed}", 4) for seed in numbers))
    rows: list[tuple[Cell, ...]] = [(arm, *map(float, row)) for arm, row in zip(names, values, strict=True)]
    return Table(f"{name}-data", f"{metric} of every run", columns, tuple(rows), ("The first row is the reference.",))
