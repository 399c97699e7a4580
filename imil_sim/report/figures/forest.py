"""The forest plot: what every planned comparison found in one metric, with intervals, placebo and margin."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.stats import PRIMARY, Comparison, Estimate, compare, metric_named

ALPHA = 0.05
DASHES = (0, (2.5, 1.5))


def _draw(data: ReportData) -> Iterator[Picture]:
    """A forest for the primary metric and one for accuracy; the others stand in the tables."""
    analysis, main = data.analysis, data.main
    to_come = {arm for (arm, _), run in analysis.runs.items() if run.status in ("missing", "waiting")}
    for metric in (PRIMARY, "accuracy"):
        if main is not None and main.planned.get(metric):
            yield forest(
                main.planned[metric], analysis.arms, unfinished=to_come, placebo=_placebo(analysis, main, metric),
                margin=analysis.study.check.equivalence.get(metric),
            )  # fmt: skip


PART = FigurePart("comparisons", _draw, place=10)


def _placebo(analysis: Analysis, of: SetAnalysis, metric: str) -> Estimate | None:
    """The placebo arm minus the reference: how far a fork alone moves a metric; None without its interval."""
    if analysis.placebo is None or analysis.placebo == analysis.study.reference:
        return None
    pair = analysis.place(analysis.placebo), analysis.place(analysis.study.reference)
    (found,) = compare(of.components[metric], [pair])
    return None if found.primary.why_absent else found.primary


@style.own_settings()
def forest(
    comparisons: Sequence[Comparison],
    arms: Sequence[str],
    *,
    placebo: Estimate | None = None,
    margin: float | None = None,
    unfinished: Collection[str] = (),
) -> Picture:
    """One row a comparison: interval A thick, B and C thin, the estimate a diamond, the numbers at the right.

    A diamond is filled where the comparison is decided: its adjusted p is below `ALPHA`, and no run of its arms is
    still to come. Where every seed has a split of its own, the thick interval is B, the primary one there.

    Args:
        comparisons: one or more, all of one metric.
        arms: names by place.
        placebo: the placebo arm minus the reference; its primary interval is a gray band.
        margin: of equivalence, in units of the metric: a hatched band from minus to plus.
        unfinished: arms with runs to come.
    """
    metric = metric_named(comparisons[0].metric)
    pairs = [(arms[c.arm], arms[c.reference]) for c in comparisons]
    one = len({reference for _, reference in pairs}) == 1
    against = pairs[0][1] if one else "the reference"
    rows = [arm if one else f"{arm} − {reference}" for arm, reference in pairs]
    waiting = [row for row, pair in zip(rows, pairs, strict=True) if not set(pair).isdisjoint(unfinished)]
    decided = [c.p_adjusted < ALPHA and row not in waiting for row, c in zip(rows, comparisons, strict=True)]
    figure = style.blank(0.36 * len(rows) + 1.15)
    axes = figure.add_subplot()
    axes.axvline(0, color=style.DARK, linewidth=0.8)
    for place, comparison in enumerate(comparisons):
        _row(axes, place, comparison, decided=decided[place])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), style.arm_labels(rows))
    axes.set_xlabel(f"difference in {metric.label}")
    axes.locator_params(axis="x", nbins=5)
    style.sides(axes, metric, against)
    marks = _legend(comparisons[0])
    level = f"{comparisons[0].primary.level:.0%}"
    caption = [
        f"Paired differences in {metric.label} from {against}, mean over seeds, with {level} intervals.",
        f"Blue and filled: adjusted p below {ALPHA:g}.",
    ]
    to_come = ""
    if waiting:
        caption.append(f"Open whatever the p, for runs are still to come: {style.listed(waiting)}.")
        to_come = f" Runs are still to come of {style.listed(waiting)}."
    if placebo is not None:
        axes.axvspan(placebo.low, placebo.high, color=style.PALE, linewidth=0, zorder=0)
        marks["placebo"] = Patch(facecolor=style.PALE)
        caption.append("Gray band: the placebo arm, which forks and replaces nothing.")
    if margin is not None:
        hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": style.LIGHT, "hatch": "////", "linewidth": 0.5}
        axes.axvspan(-margin, margin, zorder=0.5, **hatched)
        marks[f"equivalent: ±{margin:g}"] = Patch(**hatched)
        caption.append(f"Hatched: equivalent within ±{margin:g}.")
    _numbers(axes, comparisons)
    figure.legend(
        list(marks.values()), list(marks), loc="outside lower center", ncols=3, handlelength=1.8, columnspacing=1.4
    )
    clear = [f"{row} {style.with_interval(c.primary)}" for row, c, is_ in zip(rows, comparisons, decided, strict=True)
             if is_]  # fmt: skip
    return style.picture_of(
        figure, style.file_name("forest", metric.name), caption=" ".join(caption),
        alt=f"Forest plot of {several(len(rows), 'difference')} in {metric.label} from {against}: "
        f"{style.ends([c.primary.value for c in comparisons], rows)}. "
        f"Significant after adjustment: {style.listed(clear)}.{to_come}",
        data=pd.DataFrame({
            "comparison": rows,
            "difference": [c.primary.value for c in comparisons],
            **{f"{letter} {end}": [getattr(getattr(c, letter.lower()), end) for c in comparisons]
               for letter in "ABC" for end in ("low", "high")},
            "adjusted p": [c.p_adjusted for c in comparisons],
            "seeds": [c.primary.n_seeds for c in comparisons],
            "why no interval": [c.primary.why_absent for c in comparisons],
        }),
    )  # fmt: skip


def _row(axes: Axes, place: int, of: Comparison, *, decided: bool) -> None:
    """Intervals below one another, so that a narrow one is never hidden behind a wide one."""
    for estimate, lower, dashes in ((of.b, 0.2, "-"), (of.c, 0.32, DASHES)):
        if estimate is not of.primary and not math.isnan(estimate.low):
            at = place + lower
            axes.hlines(at, estimate.low, estimate.high, colors=style.MIDDLE, linewidths=0.9, linestyles=dashes)  # type: ignore[arg-type]
    colour = style.ACCENT if decided else style.DARK
    if not math.isnan(of.primary.low):
        axes.hlines(place, of.primary.low, of.primary.high, colors=colour, linewidths=2.6)
    axes.plot(
        [of.primary.value], [place], marker="D", markersize=5.5, linestyle="", color=colour, zorder=4,
        markerfacecolor=colour if decided else "white", markeredgewidth=1.1,
    )  # fmt: skip


def _numbers(axes: Axes, of: Sequence[Comparison]) -> None:
    """Estimate, interval and adjusted p at the right of every row."""
    beside = axes.twinx()
    beside.set_ylim(axes.get_ylim())
    texts = [f"{style.with_interval(c.primary)}\nHolm p "
             f"{'< 0.001' if c.p_adjusted < 0.0005 else style.plain(c.p_adjusted)}" for c in of]  # fmt: skip
    beside.set_yticks(range(len(of)), texts, linespacing=1.05)
    for each in (axes, beside):
        each.tick_params(axis="y", length=0)


def _legend(of: Comparison) -> dict[str, Line2D | Patch]:
    thick = Line2D([], [], color=style.DARK, linewidth=2.6)
    if of.primary is of.b:
        return {"new seeds and splits (B)": thick}
    return {
        "new seeds and patients (A)": thick,
        "new seeds (B)": Line2D([], [], color=style.MIDDLE, linewidth=0.9),
        "new patients (C)": Line2D([], [], color=style.MIDDLE, linewidth=0.9, linestyle=DASHES),
    }
