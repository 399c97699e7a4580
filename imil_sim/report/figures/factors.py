"""What every factor of a sweep does: a panel a factor with intervals, and a heat map of the two strongest factors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import seaborn
from matplotlib.axes import Axes
from numpy.typing import NDArray

from imil_sim.report.analysis import Analysis, SetAnalysis, SweepTrend
from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.report.sweeps import POINT, point_names
from imil_sim.stats import PRIMARY, Estimate, compare, metric_named
from imil_sim.study.sweep import Sweep


@dataclass(frozen=True, slots=True)
class Line:
    """The levels of a factor under one base arm."""

    base: str
    places: tuple[float, ...]
    """Of the levels on the axis: the levels themselves, or places among the names of the factor."""
    differences: tuple[Estimate, ...]
    """The primary inference of every level minus the reference."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One panel."""

    field: str
    lines: tuple[Line, ...]
    names: tuple[str, ...] = ()
    """Of the places 0, 1, ... of an axis that has no scale."""
    log: bool = False
    """Whether the levels stand on a logarithmic axis, to base 2."""


def _draw(data: ReportData) -> Iterator[Picture | None]:
    analysis, main = data.analysis, data.main
    if main is None:
        return
    placebo = style.placebo_of(analysis, main, PRIMARY)
    for sweep in analysis.study.sweeps:
        trends = [trend for trend in main.trends if trend.sweep == sweep.name]
        found = []
        for _, of_field in groupby(sorted(trends, key=lambda t: (t.field, t.per)), key=lambda t: (t.field, t.per)):
            found += _factor(analysis, main, sweep, list(of_field))
        if found:
            yield factors(
                found, PRIMARY, name=f"factors-{sweep.name}", reference=analysis.study.reference, placebo=placebo
            )
        yield _interaction(analysis, main, sweep)


PART = FigurePart("comparisons", _draw, place=20)


def factors(
    found: Sequence[Factor], metric: str, *, name: str, reference: str, placebo: Estimate | None = None
) -> Picture:
    """The metric's difference from the reference over the levels of each factor, one line a base arm, with intervals.

    Args:
        found: one a panel.
        metric: which.
        name: of the picture, a-z, 0-9 and hyphens.
        reference: name of the reference arm.
        placebo: the placebo arm minus the reference; its interval is a gray band.

    Raises:
        ValueError: there is no factor, one has no line, or a level is not above 0 on a logarithmic axis.
    """
    lines = [line for factor in found for line in factor.lines]
    if not found or not all(factor.lines for factor in found):
        raise ValueError("a figure of factors needs a factor, and a line for each")
    if any(min(line.places) <= 0 for factor in found if factor.log for line in factor.lines):
        raise ValueError("a level is not above 0, and its axis is logarithmic")
    of, bases = metric_named(metric), list(dict.fromkeys(line.base for line in lines))
    with style.own_settings():
        columns = min(len(found), 2)
        figure, panels = style.panels(len(found), columns, 2.6, sharey=True)
        for axes, factor in zip(panels, found, strict=True):
            _panel(axes, factor, bases, placebo)
        estimates = [e for line in lines for e in line.differences]
        seen = [value for e in estimates for value in (e.value, e.low, e.high)]
        style.room(panels[0], [0.0, *seen, *((placebo.low, placebo.high) if placebo else ())], "y")
        side = "higher is better" if of.higher_is_better else "lower is better"
        figure.supylabel(f"difference in {of.label}\n({side})", size=style.SIZE, ha="center", multialignment="center")
        handles = panels[0].get_legend_handles_labels()[0]
        if len(bases) > 1:
            figure.legend(handles, style.arm_labels(bases), loc="outside lower center", ncols=3)
        fields = style.listed([factor.field for factor in found], 6)
        band = " Gray band: the placebo arm." if placebo else ""
        return style.picture_of(
            figure, name=name,
            caption=f"Differences in {of.label} from {reference} over {fields}, with 95% intervals.{band}",
            alt=f"Difference in {of.label} from {reference} over {fields}, {style.counted(len(bases), 'base arm')}: "
            f"{style.ends([e.value for e in estimates], _levels(found))}.",
            table=_table(name, of.label, found),
        )  # fmt: skip


def interaction(
    values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], *, name: str, fields: tuple[str, str],
    metric: str, reference: str,
) -> Picture:  # fmt: skip
    """The mean difference from the reference at every two levels of two factors.

    Args:
        values: (rows, columns); NaN where no run is done.
        rows: levels of the first factor.
        columns: levels of the second.
        name: of the picture, a-z, 0-9 and hyphens.
        fields: names of the two factors.
        metric: which.
        reference: name of the reference arm.
    """
    label = metric_named(metric).label
    with style.own_settings():
        figure = style.blank(0.45 * len(rows) + 1.3)
        axes = figure.add_subplot()
        low, high = (float(f(values)) for f in (np.nanmin, np.nanmax))
        seaborn.heatmap(
            values, ax=axes, cmap=style.COLOURS, vmin=low, vmax=high, annot=True, fmt="+.3f", cbar=False,
            linewidths=0.5, xticklabels=list(columns), yticklabels=list(rows),
        )  # fmt: skip
        axes.tick_params(length=0, labelrotation=0)
        axes.set(xlabel=fields[1], ylabel=fields[0])
        style.scale(figure, axes, low, high, f"difference in {label}", shrink=1.0)
        names = [f"{row}, {column}" for row in rows for column in columns]
        return style.picture_of(
            figure, name=name,
            caption=f"Mean difference in {label} from {reference} at every two levels of the two strongest factors.",
            alt=f"Heat map of {fields[0]} by {fields[1]}: {style.ends(values.ravel().tolist(), names)}.",
            table=Table(
                f"{name}-data", f"Mean difference in {label}",
                (Column(fields[0]), *(Column(column, 4, signed=True) for column in columns)),
                tuple((row, *map(float, of)) for row, of in zip(rows, values, strict=True)),
            ),
        )  # fmt: skip


def _panel(axes: Axes, factor: Factor, bases: Sequence[str], placebo: Estimate | None) -> None:
    if placebo is not None:
        axes.axhspan(placebo.low, placebo.high, color=style.PALE, linewidth=0, zorder=0)
    axes.axhline(0, color=style.DARK, linewidth=0.8, zorder=1)
    levels = sorted({place for line in factor.lines for place in line.places})
    levels = [float(place) for place in range(len(factor.names))] if factor.names else levels
    if factor.log:
        axes.set_xscale("log", base=2)
    for line in factor.lines:
        number = bases.index(line.base)
        values = [e.value for e in line.differences]
        reach = [[e.value - e.low for e in line.differences], [e.high - e.value for e in line.differences]]
        axes.errorbar(
            line.places, values, np.nan_to_num(np.array(reach)), label=line.base, linewidth=1.4, elinewidth=1.0,
            color=style.PALETTE[number % len(style.PALETTE)], marker=style.MARKERS[number % len(style.MARKERS)],
            markersize=5, linestyle="" if factor.names else "-",
        )  # fmt: skip
    shown = [style.wrapped(name, 12, 2) for name in factor.names] or [f"{level:g}" for level in levels]
    axes.set_xticks(levels, shown, minor=False)
    axes.set_xticks((), minor=True)
    if factor.names:
        axes.set_xlim(-0.5, len(factor.names) - 0.5)
    axes.set_xlabel(style.wrapped(factor.field, 40))


def _factor(analysis: Analysis, main: SetAnalysis, sweep: Sweep, trends: Sequence[SweepTrend]) -> Iterator[Factor]:
    """The panel of a field, or of the named points; none where the reference itself is a level of every base arm."""
    reference = analysis.place(analysis.study.reference)
    names = point_names(analysis.study, sweep.name) if trends[0].labels else ()
    lines = []
    for trend in trends:
        places = [analysis.place(arm) for arm in trend.arms]
        if reference in places or len(set(places)) < len(places):
            continue
        found = compare(main.components[PRIMARY], [(place, reference) for place in places])
        levels = tuple(float(names.index(label)) for label in trend.labels) if names else trend.levels
        lines.append(Line(trend.base, levels, tuple(one.primary for one in found)))
    if lines:
        field = trends[0].field if trends[0].field != POINT else f"points of {sweep.name}"
        yield Factor(field, tuple(lines), names, log=trends[0].per == "doubling")


def _interaction(analysis: Analysis, main: SetAnalysis, sweep: Sweep) -> Picture | None:
    """Of a crossed sweep the two factors whose levels differ most on average over all of its arms."""
    fields = list(dict.fromkeys(field for level in sweep.levels for field in level.values))
    if sweep.how != "crossed" or len(fields) < 2:
        return None
    values = main.components[PRIMARY].values
    means = style.means_of(values - values[analysis.place(analysis.study.reference)])
    of_level = [(level.values, means[analysis.place(level.arm)]) for level in sweep.levels]
    levels = {field: list(dict.fromkeys(str(v[field]) for v, _ in of_level)) for field in fields}

    def mean(**at: str) -> float:
        found = [m for v, m in of_level if all(str(v[f]) == x for f, x in at.items()) and not math.isnan(m)]
        return float(np.mean(found)) if found else math.nan

    spread = {field: np.ptp([mean(**{field: one}) for one in levels[field]]) for field in fields}
    first, second = sorted(fields, key=lambda field: -np.nan_to_num(spread[field]))[:2]
    table = np.array([[mean(**{first: a, second: b}) for b in levels[second]] for a in levels[first]])
    if np.isnan(table).all():
        return None
    return interaction(
        table, levels[first], levels[second], name=f"interaction-{re.sub('[^a-z0-9]+', '-', sweep.name)}",
        fields=(first, second), metric=PRIMARY, reference=analysis.study.reference,
    )  # fmt: skip


def _levels(found: Sequence[Factor]) -> list[str]:
    """What every difference of the figure is of, in the order of its panels."""
    return [
        f"{line.base}, {factor.names[int(place)] if factor.names else f'{factor.field} {place:g}'}"
        for factor in found
        for line in factor.lines
        for place in line.places
    ]


def _table(name: str, metric: str, found: Sequence[Factor]) -> Table:
    columns = (
        Column("level"), Column("difference", 4, signed=True), Column("low", 4, signed=True),
        Column("high", 4, signed=True), Column("seeds"), Column("why no interval"),
    )  # fmt: skip
    of = [e for factor in found for line in factor.lines for e in line.differences]
    rows: list[tuple[Cell, ...]] = [
        (level, e.value, e.low, e.high, e.n_seeds, e.why_absent) for level, e in zip(_levels(found), of, strict=True)
    ]
    return Table(f"{name}-data", f"Differences in {metric} over the levels", columns, tuple(rows))
