"""The forest plot: what every planned comparison found in one metric, with intervals, placebo and margin."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.stats import PRIMARY, Comparison, Estimate, metric_named

ALPHA = 0.05
Dashes = Literal["-"] | tuple[float, tuple[float, ...]]
DASHES: Dashes = (0, (2.5, 1.5))


def _draw(data: ReportData) -> Iterator[Picture]:
    """A forest for the primary metric and one for accuracy; the others stand in the tables."""
    analysis, main = data.analysis, data.main
    for metric in (PRIMARY, "accuracy"):
        if main is None or not main.planned.get(metric):
            continue
        unfinished = {
            arm
            for place, arm in enumerate(analysis.arms)
            if any(analysis.runs[arm, seed].status in ("missing", "waiting") for seed in analysis.seeds)
        }
        yield forest(
            main.planned[metric], analysis.arms, name=f"forest-{metric}", unfinished=unfinished,
            placebo=style.placebo_of(analysis, main, metric), margin=analysis.study.check.equivalence.get(metric),
        )  # fmt: skip


PART = FigurePart("comparisons", _draw, place=10)


def forest(
    comparisons: Sequence[Comparison],
    arms: Sequence[str],
    *,
    name: str,
    placebo: Estimate | None = None,
    margin: float | None = None,
    unfinished: Collection[str] = (),
) -> Picture:
    """One row a comparison: interval A thick, B and C thin, the estimate a diamond, the numbers at the right.

    A diamond is filled where the comparison is decided: its adjusted p is below `ALPHA`, and no run of its arms is
    still to come. Where every seed has a split of its own, the thick interval is B, the primary one there.

    Args:
        comparisons: all of one metric.
        arms: names by place.
        name: of the picture, a-z, 0-9 and hyphens.
        placebo: the placebo arm minus the reference; its primary interval is a gray band.
        margin: of equivalence, in units of the metric: a hatched band from minus to plus.
        unfinished: arms with runs to come; whatever p is now, their comparisons decide nothing.

    Raises:
        ValueError: there is no comparison, or they are of several metrics.
    """
    if len({comparison.metric for comparison in comparisons}) != 1:
        raise ValueError("a forest shows one comparison or more, all of one metric")
    metric = metric_named(comparisons[0].metric)
    pairs = [(arms[c.arm], arms[c.reference]) for c in comparisons]
    one = len({reference for _, reference in pairs}) == 1
    against = pairs[0][1] if one else "the reference"
    rows = [arm if one else f"{arm} − {reference}" for arm, reference in pairs]
    waiting = [row for row, pair in zip(rows, pairs, strict=True) if not set(pair).isdisjoint(unfinished)]
    decided = [c.p_adjusted < ALPHA and row not in waiting for row, c in zip(rows, comparisons, strict=True)]
    with style.own_settings():
        figure = style.blank(0.36 * len(rows) + 1.15)
        axes = figure.add_subplot()
        _bands(axes, placebo, margin)
        axes.axvline(0, color=style.DARK, linewidth=0.8)
        for place, comparison in enumerate(comparisons):
            _row(axes, place, comparison, decided=decided[place])
        seen = [v for c in comparisons for e in (c.a, c.b, c.c) for v in (e.value, e.low, e.high)]
        seen += [0.0, *((placebo.low, placebo.high) if placebo else ()), *((-margin, margin) if margin else ())]
        style.room(axes, seen)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), style.arm_labels(rows))
        axes.set_xlabel(f"difference in {metric.label}")
        style.sides(axes, metric, against)
        _numbers(axes, comparisons)
        _legend(figure, comparisons[0], placebo, margin)
        return style.picture_of(
            figure, name=name, caption=_caption(metric.label, against, comparisons, placebo, margin, waiting),
            alt=_alt(metric.label, against, rows, comparisons, decided, waiting),
            table=_table(name, metric.label, rows, comparisons),
        )  # fmt: skip


def _row(axes: Axes, place: int, of: Comparison, *, decided: bool) -> None:
    """Intervals below one another, so that a narrow one is never hidden behind a wide one."""
    beside: tuple[tuple[Estimate, float, Dashes], ...] = ((of.b, 0.2, "-"), (of.c, 0.32, DASHES))
    for estimate, lower, dashes in beside:
        if estimate is not of.primary and not math.isnan(estimate.low):
            at = place + lower
            axes.hlines(at, estimate.low, estimate.high, colors=style.MIDDLE, linewidths=0.9, linestyles=dashes)
    colour = style.ACCENT if decided else style.DARK
    if not math.isnan(of.primary.low):
        axes.hlines(place, of.primary.low, of.primary.high, colors=colour, linewidths=2.6)
    axes.plot(
        [of.primary.value], [place], marker="D", markersize=5.5, linestyle="", color=colour, zorder=4,
        markerfacecolor=colour if decided else "white", markeredgewidth=1.1,
    )  # fmt: skip


def _bands(axes: Axes, placebo: Estimate | None, margin: float | None) -> None:
    if placebo is not None:
        axes.axvspan(placebo.low, placebo.high, color=style.PALE, linewidth=0, zorder=0)
    if margin is not None:
        axes.axvspan(-margin, margin, facecolor="none", edgecolor=style.LIGHT, hatch="////", linewidth=0.5, zorder=0.5)


def _numbers(axes: Axes, of: Sequence[Comparison]) -> None:
    """Estimate, interval and adjusted p at the right of every row."""
    beside = axes.twinx()
    beside.set_ylim(axes.get_ylim())
    texts = [f"{style.with_interval(c.primary)}\n{_p(c)} {style.p_value(c.p_adjusted)}" for c in of]
    beside.set_yticks(range(len(of)), texts, linespacing=1.05)
    for each in (axes, beside):
        each.tick_params(axis="y", length=0)


def _p(of: Comparison) -> str:
    return "Holm p" if of.adjustment == "holm" else "BH p"


def _legend(figure: Figure, of: Comparison, placebo: Estimate | None, margin: float | None) -> None:
    thick = Line2D([], [], color=style.DARK, linewidth=2.6)
    entries: list[tuple[Line2D | Patch, str]] = [(thick, "new seeds and splits (B)")]
    if of.primary is of.a:
        entries = [(thick, "new seeds and patients (A)")]
        entries.append((Line2D([], [], color=style.MIDDLE, linewidth=0.9), "new seeds (B)"))
        dashed = Line2D([], [], color=style.MIDDLE, linewidth=0.9, linestyle=DASHES)
        entries.append((dashed, "new patients (C)"))
    if placebo is not None:
        entries.append((Patch(facecolor=style.PALE), "placebo"))
    if margin is not None:
        hatched = Patch(facecolor="none", edgecolor=style.LIGHT, hatch="////", linewidth=0.5)
        entries.append((hatched, f"equivalent: ±{margin:g}"))
    handles, texts = zip(*entries, strict=True)
    figure.legend(handles, texts, loc="outside lower center", ncols=3, handlelength=1.8, columnspacing=1.4)


def _caption(
    metric: str, against: str, of: Sequence[Comparison], placebo: Estimate | None, margin: float | None,
    waiting: Sequence[str],
) -> str:  # fmt: skip
    parts = [
        f"Paired differences in {metric} from {against}, mean over seeds, with {of[0].primary.level:.0%} intervals."
    ]
    parts.append(f"Blue and filled: adjusted p below {ALPHA:g}.")
    if waiting:
        parts.append(f"Open whatever the p, for runs are still to come: {style.listed(waiting)}.")
    if placebo is not None:
        parts.append("Gray band: the placebo arm, which forks and replaces nothing.")
    if margin is not None:
        parts.append(f"Hatched: equivalent within ±{margin:g}.")
    return " ".join(parts)


def _alt(
    metric: str, against: str, rows: Sequence[str], of: Sequence[Comparison], decided: Sequence[bool],
    waiting: Sequence[str],
) -> str:  # fmt: skip
    clear = [f"{row} {style.with_interval(c.primary)}" for row, c, is_ in zip(rows, of, decided, strict=True) if is_]
    known = style.ends([c.primary.value for c in of], rows)
    to_come = f" Runs are still to come of {style.listed(waiting)}." if waiting else ""
    return (
        f"Forest plot of {style.counted(len(of), 'difference')} in {metric} from {against}: {known}. "
        f"Significant after adjustment: {style.listed(clear)}.{to_come}"
    )


def _table(name: str, metric: str, rows: Sequence[str], of: Sequence[Comparison]) -> Table:
    bounds = [Column(f"{letter} {end}", 4, signed=True) for letter in "ABC" for end in ("low", "high")]
    columns = (
        Column("comparison"), Column("difference", 4, signed=True), *bounds, Column("adjusted p", 4),
        Column("seeds"), Column("why no interval"),
    )  # fmt: skip
    cells: list[tuple[Cell, ...]] = [
        (
            row, c.primary.value, c.a.low, c.a.high, c.b.low, c.b.high, c.c.low, c.c.high, c.p_adjusted,
            c.primary.n_seeds, c.primary.why_absent,
        )
        for row, c in zip(rows, of, strict=True)
    ]  # fmt: skip
    return Table(f"{name}-data", f"Differences in {metric}, as drawn", columns, tuple(cells))
