"""Slopes: what every seed says of every arm, as differences from the reference arm of the same seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.figures.strips import ROW, draw_strips, means_of, name_rows, spreads_of
from imil_sim.stats import metric_named

MOST_JOINED = 12
"""With more arms than this the lines of the seeds are a thicket, and only the dots are drawn."""
NAMES, PLOT, HEAD, FOOT = 2.2, 3.35, 0.32, 0.5


def slopes(
    values: NDArray[np.float64], arms: Sequence[str], metric: str, *, name: str, reference: int, seeds: Sequence[int]
) -> Picture:
    """One row an arm, one dot a seed: its difference from the reference arm of that seed.

    Args:
        values: (arms, seeds), the metric of every run; NaN where it is missing.
        arms: their names.
        metric: which.
        name: of the picture, a-z, 0-9 and hyphens.
        reference: place of the reference arm.
        seeds: their numbers, for the table.

    Raises:
        ValueError: the shapes do not go together.
    """
    if values.shape != (len(arms), len(seeds)):
        raise ValueError(f"values of shape {values.shape} are not of {len(arms)} arms and {len(seeds)} seeds")
    order = [reference, *(place for place in range(len(arms)) if place != reference)]
    differences = (values - values[reference])[order]
    names = [arms[place] for place in order]
    joined = len(arms) <= MOST_JOINED
    shown = metric_named(metric).label
    means, spreads = means_of(differences), spreads_of(differences)
    with style.own_settings():
        figure = style.blank(HEAD + ROW * len(arms) + FOOT)
        axes = style.panel(figure, NAMES + 0.05, HEAD, PLOT, ROW * len(arms))
        draw_strips(axes, differences, joined=joined)
        axes.axvline(0, color=style.DARK, linewidth=0.8, zorder=0.5)
        name_rows(axes, names, NAMES - 0.1)
        side = "right" if metric_named(metric).higher_is_better else "left"
        axes.set_xlabel(f"difference in {shown} from the reference ({side} is better)")
        left = NAMES + PLOT + 0.2
        style.words(figure, left, HEAD - 0.2, "mean ± sd of the seeds", color=style.MIDDLE)
        for row, (mean, sd) in enumerate(zip(means, spreads, strict=True)):
            told = f"{style.signed(mean)}" + ("" if math.isnan(sd) else f" ± {sd:.3f}")
            if row == 0:
                told = f"reference, {style.plain(means_of(values[[reference]])[0])}"
            style.words(figure, left, HEAD + ROW * (row + 0.5), told, va="center")
        lines = " Every thin line is one seed." if joined else ""
        return style.picture_of(
            figure, name=name,
            caption=f"Differences in {shown} from {arms[reference]} of the same seed: open circles are seeds, "
            f"diamonds means.{lines}",
            alt=_alt(shown, names, means, differences),
            table=_table(name, shown, names, seeds, values[order]),
        )  # fmt: skip


def _alt(metric: str, names: Sequence[str], means: NDArray[np.float64], differences: NDArray[np.float64]) -> str:
    told = (
        f"Dots of {style.counted(differences.shape[1], 'seed')} for {style.counted(len(names), 'arm')}: difference in "
        f"{metric} from {names[0]}."
    )
    known = [(mean, place) for place, mean in enumerate(means) if place and not math.isnan(mean)]
    if not known:
        return f"{told} No seed has both runs of a comparison."
    ends = []
    for word, (mean, place) in (("lowest", min(known)), ("highest", max(known))):
        of = differences[place][~np.isnan(differences[place])]
        above = f"above 0 in {(of > 0).sum()} of {style.counted(len(of), 'seed')}"
        ends.append(f"the {word} mean is {style.signed(mean)} ({names[place]}, {above})")
    return f"{told} Of the others, {style.listed(ends)}."


def _table(name: str, metric: str, names: Sequence[str], seeds: Sequence[int], values: NDArray[np.float64]) -> Table:
    columns = (Column("arm"), *(Column(f"seed {seed}", 4) for seed in seeds))
    rows: list[tuple[Cell, ...]] = [(arm, *map(float, row)) for arm, row in zip(names, values, strict=True)]
    return Table(
        f"{name}-data", f"{metric} of every run", columns, tuple(rows), notes=("The first row is the reference.",)
    )
