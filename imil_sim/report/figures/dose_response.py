"""Dose-response: what every level of a sweep found, as difference from the reference, one line a base arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.figures.multiples import multiples
from imil_sim.stats import Estimate, metric_named

MOST_TOGETHER = 6
"""Base arms in one panel; the intervals of more of them hide one another."""


@dataclass(frozen=True, slots=True)
class DoseLine:
    """The levels of one base arm."""

    base: str
    levels: tuple[float, ...]
    """Ascending; of named points their places on the axis, from 0."""
    differences: tuple[Estimate, ...]
    """The primary inference of every level minus the reference."""
    slope: Estimate | None = None
    """The trend over the levels, if there is one."""

    def __post_init__(self) -> None:
        if len(self.levels) != len(self.differences) or list(self.levels) != sorted(self.levels):
            raise ValueError(f"{self.base}: {len(self.levels)} ascending levels need as many differences")


def dose_response(
    lines: Sequence[DoseLine],
    metric: str,
    *,
    name: str,
    field: str,
    reference: str,
    per: Literal["unit", "doubling"],
    placebo: Estimate | None = None,
    labels: Sequence[str] = (),
    unit: str = "",
) -> Picture:
    """The metric's difference from the reference over the levels of one field, with intervals; trends in the caption.

    Args:
        lines: one a base arm.
        metric: which.
        name: of the picture, a-z, 0-9 and hyphens.
        field: what was varied, such as ``feedback.num_outliers``.
        reference: name of the reference arm.
        per: of what the slopes are; per doubling the levels stand on a logarithmic axis.
        placebo: the placebo arm minus the reference; its interval is a gray band.
        labels: names of the places 0, 1, ... of an axis that has no scale: a level is a place among them.
        unit: of what the slopes over such named points are, such as ``consultation``.

    Raises:
        ValueError: there is no line, a level is not above 0 on a logarithmic axis, or it has no label among these.
    """
    if not lines or (per == "doubling" and min(min(line.levels) for line in lines) <= 0):
        raise ValueError("a dose-response needs at least one line, and levels above 0 where they are doublings")
    if labels and not {level for line in lines for level in line.levels} <= set(range(len(labels))):
        raise ValueError(f"there are {len(labels)} named points: a level is the place of one, from 0")
    shown = metric_named(metric).label
    with style.own_settings():
        together = len(lines) <= MOST_TOGETHER
        draw = _together if together else _apart
        figure = draw(lines, per, shown, style.printable(field), placebo, labels)
        return style.picture_of(
            figure, name=name, caption=_caption(lines, shown, field, reference, per, placebo, labels, unit),
            alt=_alt(lines, shown, field, reference, labels), table=_table(name, lines, shown, field, labels),
        )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- drawn


def _together(
    lines: Sequence[DoseLine], per: str, metric: str, field: str, placebo: Estimate | None, labels: Sequence[str]
) -> Figure:
    left, width, height, legend = 0.75, 4.55, 2.7, 2.0
    figure = style.blank(height + 0.65)
    axes = style.panel(figure, left, 0.12, width, height)
    _frame(axes, lines, per, placebo, width, labels)
    axes.set_xlabel(style.shortened(field, width))
    axes.set_ylabel(f"difference in {metric}")
    step = 0.018 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    for number, line in enumerate(lines):
        look = style.LOOKS[number + 1]  # black is the reference's
        _draw(axes, line, per, look, aside=(number - (len(lines) - 1) / 2) * step)
    handles = [
        Line2D([], [], color=look.colour, linestyle=look.dashes, marker=look.marker, markersize=5, linewidth=1.4)
        for look in style.LOOKS[1 : len(lines) + 1]
    ]
    figure.legend(
        handles, style.labels([line.base for line in lines], legend - 0.6, lines=2), loc="upper left", frameon=False,
        bbox_to_anchor=((left + width + 0.08) / style.WIDTH, 0.98), handlelength=3.2, borderaxespad=0.0,
        labelspacing=0.8,
    )  # fmt: skip
    return figure


def _apart(
    lines: Sequence[DoseLine], per: str, metric: str, field: str, placebo: Estimate | None, labels: Sequence[str]
) -> Figure:
    lattice = multiples([line.base for line in lines], height=1.15, columns=4, left=0.75)
    figure = lattice.figure()
    for number, place in enumerate(lattice.places()):
        axes = style.panel(figure, *place, lattice.width, lattice.height)
        _frame(axes, lines, per, placebo, lattice.width, labels)
        lattice.head_of(figure, number, place)
        lattice.only_outer_numbers(axes, number)
        _draw(axes, lines[number], per, style.LOOKS[1])
    width, height = figure.get_size_inches()
    figure.text(0.5, 0.12 / height, style.shortened(field, 6.0), ha="center", va="bottom")
    figure.text(0.1 / width, 0.5, f"difference in {metric}", ha="left", va="center", rotation=90)
    return figure


def _frame(
    axes: Axes, lines: Sequence[DoseLine], per: str, placebo: Estimate | None, inches: float, labels: Sequence[str]
) -> None:
    """The same axes for every line: levels as they are, their logarithms to base 2, or a place for every label."""
    levels = sorted({level for line in lines for level in line.levels})
    if labels:
        levels = [float(place) for place in range(len(labels))]
    places = [_place(level, per) for level in levels]
    room = 0.5 if labels else 0.07 * (places[-1] - places[0]) or 0.5
    low, high = places[0] - room, places[-1] + room
    if labels:
        texts = style.labels(labels, inches / len(labels) - 0.05, lines=2)
    else:
        texts = style.apart(places, [f"{level:g}" for level in levels], lambda x: (x - low) / (high - low) * inches)
    axes.set_xlim(low, high)
    axes.set_xticks(places, texts)
    seen = [v for line in lines for e in line.differences for v in (e.value, e.low, e.high)]
    seen += [0.0] + ([placebo.low, placebo.high] if placebo else [])
    known = np.array(seen)[np.isfinite(seen)]
    spare = 0.06 * float(np.ptp(known)) or 0.01
    axes.set_ylim(known.min() - spare, known.max() + spare)
    axes.locator_params(axis="y", nbins=5)
    axes.axhline(0, color=style.DARK, linewidth=0.8, zorder=1)
    if placebo is not None and not placebo.why_absent:
        axes.axhspan(placebo.low, placebo.high, color=style.PALE, linewidth=0, zorder=0)


def _draw(axes: Axes, line: DoseLine, per: str, look: style.Look, aside: float = 0.0) -> None:
    places = np.array([_place(level, per) for level in line.levels]) + aside
    values = [e.value for e in line.differences]
    lows, highs = [e.low for e in line.differences], [e.high for e in line.differences]
    axes.plot(
        places, values, color=look.colour, linestyle=look.dashes, linewidth=1.4, marker=look.marker, markersize=5,
        markeredgecolor="white", markeredgewidth=0.5, zorder=3,
    )  # fmt: skip
    axes.vlines(places, lows, highs, colors=look.colour, linewidths=1.0, zorder=2)


def _place(level: float, per: str) -> float:
    return math.log2(level) if per == "doubling" else level


# --------------------------------------------------------------------------------------------------------------- told


def _caption(
    lines: Sequence[DoseLine], metric: str, field: str, reference: str, per: str, placebo: Estimate | None,
    labels: Sequence[str], unit: str,
) -> str:  # fmt: skip
    known = [of for line in lines for of in line.differences if not of.why_absent]
    intervals = f"with {known[0].level:.0%} intervals" if known else "without intervals; the table says why"
    told = [f"Differences in {metric} from {reference} over {field}, {intervals}."]
    if placebo is not None and not placebo.why_absent:
        told.append("Gray band: the interval of the placebo arm.")
    trends = [f"{line.base} {_slope(line.slope)}" for line in lines if line.slope is not None]
    if labels:
        told.append("The points stand in the order of the study file; the distance between two means nothing.")
    if trends:
        step = unit or per
        told.append(f"Slope per {step}: {'; '.join(trends[:4])}{'; the others in the table' if trends[4:] else ''}.")
    return " ".join(told)


def _slope(of: Estimate) -> str:
    if of.why_absent:
        return f"{style.signed(of.value, 4)} (no interval)"
    return f"{style.signed(of.value, 4)} {style.interval(of.low, of.high, 4)}"


def _named(level: float, labels: Sequence[str]) -> str:
    return labels[int(level)] if labels else f"{level:g}"


def _alt(lines: Sequence[DoseLine], metric: str, field: str, reference: str, labels: Sequence[str]) -> str:
    told = f"Difference in {metric} from {reference} over {field}, {style.counted(len(lines), 'base arm')}."
    ends = [
        f"{line.base} goes from {style.signed(line.differences[0].value)} at {_named(line.levels[0], labels)} to "
        f"{style.signed(line.differences[-1].value)} at {_named(line.levels[-1], labels)}"
        for line in lines
    ]
    return f"{told} {style.listed(ends, 4)}."


def _table(name: str, lines: Sequence[DoseLine], metric: str, field: str, labels: Sequence[str]) -> Table:
    columns = (
        Column("base arm"), Column(field), Column("difference", 4, signed=True), Column("low", 4, signed=True),
        Column("high", 4, signed=True), Column("seeds"), Column("why no interval"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (line.base, _named(level, labels), e.value, e.low, e.high, e.n_seeds, e.why_absent)
        for line in lines
        for level, e in zip(line.levels, line.differences, strict=True)
    ]
    rows += [
        (
            line.base,
            "slope",
            line.slope.value,
            line.slope.low,
            line.slope.high,
            line.slope.n_seeds,
            line.slope.why_absent,
        )
        for line in lines
        if line.slope is not None
    ]
    return Table(f"{name}-data", f"Differences in {metric} over {field}", columns, tuple(rows))
