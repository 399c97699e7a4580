"""The forest: what every comparison found in one metric, with its three intervals, the placebo and the margin."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.stats import Comparison, Estimate, metric_named

ROW, HEAD, FOOT = 0.3, 0.66, 0.5
"""Inches: of one comparison, of the legend above, of the axis below."""
NAMES, PLOT, NUMBERS, P = 2.2, 2.75, 1.85, 0.6
"""Inches of the four columns; with the gaps they fill the width."""
GAP = 0.05
ALPHA = 0.05
DASHES: style.Dashes = (0, (2.5, 1.5))

Pair: TypeAlias = tuple[int, int]
"""A comparison by its arm and its reference, both by place."""


def forest(
    comparisons: Sequence[Comparison],
    arms: Sequence[str],
    *,
    name: str,
    placebo: Estimate | None = None,
    margin: float | None = None,
    to_come: Collection[Pair] = (),
) -> Picture:
    """One row a comparison: interval A thick, B and C thin, the estimate a diamond, adjusted p at the right.

    A diamond is filled where the comparison is decided: its adjusted p is below `ALPHA`, and no run of its arms is
    still to come. Where every seed has a split of its own, the thick interval is B, the primary one there.

    Args:
        comparisons: all of one metric.
        arms: names by place.
        name: of the picture, a-z, 0-9 and hyphens.
        placebo: the placebo arm minus the reference; its primary interval is a gray band.
        margin: of equivalence, in units of the metric: a hatched band from minus to plus.
        to_come: the comparisons whose arms have runs to come; whatever their p is now, they decide nothing.

    Raises:
        ValueError: there is no comparison, or they are of several metrics.
    """
    if len({comparison.metric for comparison in comparisons}) != 1:
        raise ValueError("a forest shows one comparison or more, all of one metric")
    kind = metric_named(comparisons[0].metric)
    metric = kind.label
    rows = _names_of_rows(comparisons, arms)
    decided = [c.p_adjusted < ALPHA and (c.arm, c.reference) not in to_come for c in comparisons]
    waiting = [row for row, c in zip(rows, comparisons, strict=True) if (c.arm, c.reference) in to_come]
    against = _against(comparisons, arms)
    with style.own_settings():
        figure = style.blank(HEAD + ROW * len(rows) + FOOT)
        axes = style.panel(figure, NAMES + GAP, HEAD, PLOT, ROW * len(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        _bands(axes, placebo, margin)
        axes.axvline(0, color=style.DARK, linewidth=0.8)
        for place, comparison in enumerate(comparisons):
            _row(axes, place, comparison, decided=decided[place])
        _limits(axes, comparisons, placebo, margin)
        axes.set_yticks(range(len(rows)), style.labels(rows, NAMES - 0.1))
        axes.tick_params(axis="y", length=0)
        side = "right" if kind.higher_is_better else "left"
        axes.set_xlabel(f"difference in {metric} ({side} is better)")
        _numbers(figure, comparisons)
        _legend(figure, comparisons, placebo, margin)
        return style.picture_of(
            figure, name=name, caption=_caption(metric, against, comparisons, placebo, margin, waiting),
            alt=_alt(metric, against, rows, comparisons, decided, waiting),
            table=_table(name, metric, rows, comparisons),
        )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- drawn


def _row(axes: Axes, place: int, of: Comparison, *, decided: bool) -> None:
    """Intervals below one another, so that a narrow one is never hidden behind a wide one."""
    beside: tuple[tuple[Estimate, float, style.Dashes], ...] = ((of.b, 0.2, "-"), (of.c, 0.34, DASHES))
    for estimate, lower, dashes in beside:
        if estimate is not of.primary and not estimate.why_absent:
            at = place + lower
            axes.hlines(at, estimate.low, estimate.high, colors=style.MIDDLE, linewidths=0.9, linestyles=dashes)
    colour = style.ACCENT if decided else style.DARK
    if not of.primary.why_absent:
        axes.hlines(place, of.primary.low, of.primary.high, colors=colour, linewidths=2.6)
    axes.plot(
        [of.primary.value], [place], marker="D", markersize=5.5, linestyle="", color=colour, zorder=4,
        markerfacecolor=colour if decided else "white", markeredgewidth=1.1,
    )  # fmt: skip


def _bands(axes: Axes, placebo: Estimate | None, margin: float | None) -> None:
    if placebo is not None and not placebo.why_absent:
        axes.axvspan(placebo.low, placebo.high, color=style.PALE, linewidth=0, zorder=0)
    if margin is not None:
        axes.axvspan(-margin, margin, facecolor="none", edgecolor=style.LIGHT, hatch="////", linewidth=0.5, zorder=0.5)


def _limits(axes: Axes, of: Sequence[Comparison], placebo: Estimate | None, margin: float | None) -> None:
    seen = [v for c in of for e in (c.a, c.b, c.c) for v in (e.value, e.low, e.high)]
    seen += [0.0] + ([placebo.low, placebo.high] if placebo else []) + ([-margin, margin] if margin else [])
    known = np.array(seen)[np.isfinite(seen)]
    room = 0.06 * float(np.ptp(known)) or 0.01
    axes.set_xlim(known.min() - room, known.max() + room)
    axes.locator_params(axis="x", nbins=5)


def _numbers(figure: Figure, of: Sequence[Comparison]) -> None:
    left = NAMES + GAP + PLOT + 0.12
    top = HEAD - 0.3
    adjusted = "Holm p" if of[0].adjustment == "holm" else "BH p"
    style.words(figure, left, top, f"estimate, interval {_letter(of[0])}", color=style.MIDDLE)
    style.words(figure, style.WIDTH - GAP, top, adjusted, ha="right", color=style.MIDDLE)
    for place, comparison in enumerate(of):
        middle = HEAD + ROW * (place + 0.5)
        told = style.shortened(_told(comparison.primary), NUMBERS)
        style.words(figure, left, middle, told, va="center")
        style.words(figure, style.WIDTH - GAP, middle, style.p_value(comparison.p_adjusted), ha="right", va="center")


def _told(of: Estimate) -> str:
    """The estimate with its interval, or in short why it has none; the table has the whole reason."""
    if math.isnan(of.value):
        return "no runs to compare"
    if not of.why_absent:
        return f"{style.signed(of.value)} {style.interval(of.low, of.high)}"
    if of.se == 0:
        return f"{style.signed(of.value)}, nothing varied"
    few = f"too few seeds ({of.n_seeds})"
    return f"{style.signed(of.value)}, {few if 'at least' in of.why_absent else 'no interval, see table'}"


def _legend(figure: Figure, of: Sequence[Comparison], placebo: Estimate | None, margin: float | None) -> None:
    entries: list[tuple[Line2D | Patch, str]] = []
    if _letter(of[0]) == "A":
        entries.append((Line2D([], [], color=style.DARK, linewidth=2.6), "A: new seeds and patients"))
        entries.append((Line2D([], [], color=style.MIDDLE, linewidth=0.9), "B: new seeds"))
        dashed = Line2D([], [], color=style.MIDDLE, linewidth=0.9, linestyle=DASHES)
        entries.append((dashed, "C: new patients"))
    else:
        entries.append((Line2D([], [], color=style.DARK, linewidth=2.6), "B: new seeds and splits"))
    if placebo is not None and not placebo.why_absent:
        entries.append((Patch(facecolor=style.PALE), "placebo"))
    if margin is not None:
        hatched = Patch(facecolor="none", edgecolor=style.LIGHT, hatch="////", linewidth=0.5)
        entries.append((hatched, f"±{margin:g}"))
    height = float(figure.get_size_inches()[1])
    figure.legend(
        [handle for handle, _ in entries], [text for _, text in entries], loc="upper left",
        bbox_to_anchor=(0.0, 1 - 0.05 / height), ncols=len(entries), frameon=False, handlelength=2.2,
        columnspacing=1.6, borderaxespad=0.3, borderpad=0.2,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- told


def _letter(of: Comparison) -> str:
    return "B" if of.primary is of.b else "A"


def _against(of: Sequence[Comparison], arms: Sequence[str]) -> str | None:
    """The one reference of all comparisons; None where they have several."""
    references = {comparison.reference for comparison in of}
    return arms[references.pop()] if len(references) == 1 else None


def _names_of_rows(of: Sequence[Comparison], arms: Sequence[str]) -> list[str]:
    if _against(of, arms) is not None:
        return [arms[comparison.arm] for comparison in of]
    return [f"{arms[comparison.arm]} − {arms[comparison.reference]}" for comparison in of]


def _caption(
    metric: str,
    against: str | None,
    of: Sequence[Comparison],
    placebo: Estimate | None,
    margin: float | None,
    waiting: Sequence[str],
) -> str:
    from_what = f"from {against}" if against else "between the two arms named"
    told = [f"Paired differences in {metric} {from_what}, mean over seeds, with {of[0].primary.level:.0%} intervals."]
    told.append(f"Filled and blue where the adjusted p is below {ALPHA:g}.")
    if waiting:
        told.append(f"Open whatever the p, for runs are still to come: {style.listed(waiting)}.")
    if placebo is not None and not placebo.why_absent:
        told.append("Gray band: the same interval of the placebo arm, which forks and replaces nothing.")
    if margin is not None:
        told.append(f"Hatched: differences up to ±{margin:g}, declared to be as good as none.")
    return " ".join(told)


def _alt(
    metric: str,
    against: str | None,
    rows: Sequence[str],
    of: Sequence[Comparison],
    decided: Sequence[bool],
    waiting: Sequence[str],
) -> str:
    clear = [
        f"{row} {style.signed(c.primary.value)} {style.interval(c.primary.low, c.primary.high)}"
        for row, c, settled in zip(rows, of, decided, strict=True)
        if settled
    ]
    known = [(c.primary.value, row) for row, c in zip(rows, of, strict=True) if not math.isnan(c.primary.value)]
    from_what = f" from {against}" if against else ""
    told = f"Forest plot of {style.counted(len(of), 'difference')} in {metric}{from_what}."
    if known:
        (least, low), (most, high) = min(known), max(known)
        told += f" The estimates run from {style.signed(least)} ({low}) to {style.signed(most)} ({high})."
    if clear:
        verb = "differs" if len(clear) == 1 else "differ"
        told += f" {len(clear)} of them {verb} from 0 after adjustment: {style.listed(clear)}."
    elif len(waiting) < len(of):
        told += f" None {'of the others ' if waiting else ''}differs from 0 after adjustment."
    return f"{told} Runs are still to come of {style.listed(waiting)}." if waiting else told


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
