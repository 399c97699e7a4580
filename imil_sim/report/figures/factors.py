"""Sweeps: what every factor does to the primary metric, a panel a factor, and a heat map of the two strongest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.report.sweeps import POINT, FactorEffect, LevelMeans, SweepResult
from imil_sim.stats import PRIMARY, Estimate, metric_named


def _draw(data: ReportData) -> Iterator[Picture]:
    for result in data.main.sweeps if data.main else ():
        if result.metric == PRIMARY:
            yield factors(result)
            if result.strongest is not None:
                yield strongest(result, result.strongest)


PART = FigurePart("comparisons", _draw, place=20, lead=True)


@style.own_settings()
def factors(result: SweepResult) -> Picture:
    """One panel a factor, the strongest first, with the main effect over all arms that vary it.

    A factor of numbers shows the mean at every level, on a logarithmic axis where its slope is per doubling; any other
    the differences between every two levels. Intervals are those that claims rest on.
    """
    metric, fields = metric_named(result.metric), [_field(factor) for factor in result.factors]
    drawn = [
        (field, label, one)
        for field, factor in zip(fields, result.factors, strict=True)
        for label, one in (
            *((f"mean at {level.label}", level.mean.a) for level in factor.levels),
            *((effect.label, effect.primary) for effect in factor.effects),
        )
    ]
    effects = [(field, e) for field, factor in zip(fields, result.factors, strict=True) for e in factor.effects]
    most = max(len(factor.levels) if factor.per else len(factor.effects) for factor in result.factors)
    figure, panels = style.panels(len(fields), min(len(fields), 2), max(2.2, 0.3 * most + 1.1))
    for axes, factor, field in zip(panels, result.factors, fields, strict=True):
        axes.set_title(style.wrapped(field, 36))
        if factor.per:
            _slope(axes, factor)
            axes.set_ylabel(f"mean {metric.label}")
        else:
            _differences(axes, factor)
            axes.set_xlabel(f"difference in {metric.label}")
    arms = [f"{field} {len(factor.arms)}" for field, factor in zip(fields, result.factors, strict=True)]
    shown = "; ".join(f"{field}, {e.label}: {style.with_interval(e.primary, 4)}" for field, e in effects[:6])
    return style.picture_of(
        figure, style.file_name("factors", result.sweep, result.base),
        caption=f"Main effects on {metric.label} ({metric.better_side} is better) of what {result.sweep} varies "
        f"around {result.base}, with {effects[0][1].primary.level:.0%} intervals; arms that entered: "
        f"{style.listed(arms, 9)}.",
        alt=f"Main effects: {shown}.",
        data=pd.DataFrame(
            [(field, label, one.value, one.low, one.high, one.n_seeds) for field, label, one in drawn],
            columns=["factor", "contrast", "value", "low", "high", "seeds"],
        ),
    )  # fmt: skip


@style.own_settings()
def strongest(result: SweepResult, of: LevelMeans) -> Picture:
    """The mean of the metric at every two levels of the two strongest factors, as a heat map."""
    metric = metric_named(result.metric)
    rows, columns = (_field(factor) for factor in result.factors[:2])
    low, high = float(np.nanmin(of.means)), float(np.nanmax(of.means))
    means = pd.DataFrame(of.means, pd.Index(of.rows, name=rows), pd.Index(of.columns, name=columns))
    figure = style.blank(0.45 * len(of.rows) + 1.2)
    axes = figure.add_subplot()
    seaborn.heatmap(
        means, ax=axes, cmap=style.COLOURS, vmin=low, vmax=high, annot=True, fmt=".3f", cbar=False, linewidths=0.5
    )
    axes.tick_params(length=0, labelrotation=0)
    style.scale(figure, axes, low, high, f"mean {metric.label}", shrink=1.0)
    names = [f"{row}, {column}" for row in of.rows for column in of.columns]
    return style.picture_of(
        figure, style.file_name("strongest", result.sweep, result.base),
        caption=f"Mean {metric.label} ({metric.better_side} is better) over the two strongest factors of "
        f"{result.sweep}.",
        alt=f"Heat map of {rows} by {columns}: {style.ends(of.means.ravel().tolist(), names)}.",
        data=means.reset_index(),
    )  # fmt: skip


def _field(of: FactorEffect) -> str:
    return "named points" if of.field == POINT else of.field


def _slope(axes: Axes, of: FactorEffect) -> None:
    """The mean at every level, and the slope with its interval in words."""
    (effect,) = of.effects
    over_seeds = effect.primary is effect.estimate.b
    means = [level.mean.b if over_seeds else level.mean.a for level in of.levels]
    places = [math.nan if level.number is None else level.number for level in of.levels]
    if of.per == "doubling":
        axes.set_xscale("log", base=2)
    axes.errorbar(places, [m.value for m in means], _reach(means), **_LOOK)
    axes.set_xticks(places, [style.wrapped(level.label, 10) for level in of.levels])
    axes.set_xticks((), minor=True)
    axes.margins(x=0.1)
    axes.set_xlabel(f"{effect.label}\n{style.with_interval(effect.primary, 4)}")


def _differences(axes: Axes, of: FactorEffect) -> None:
    """The difference of every two levels, a row each."""
    found = [effect.primary for effect in of.effects]
    axes.errorbar([e.value for e in found], range(len(found)), None, _reach(found), linestyle="", **_LOOK)
    axes.axvline(0, color=style.DARK, linewidth=0.8, zorder=0.5)
    axes.set_yticks(range(len(found)), [style.wrapped(effect.label, 20) for effect in of.effects])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="y", length=0)


_LOOK: dict[str, Any] = {"color": style.ACCENT, "marker": "o", "markersize": 5, "linewidth": 1.4, "elinewidth": 1.2}


def _reach(of: list[Estimate]) -> np.ndarray[Any, Any]:
    """(2, estimates): below and above every value; 0 where there is no interval."""
    return np.nan_to_num([[e.value - e.low for e in of], [e.high - e.value for e in of]])
