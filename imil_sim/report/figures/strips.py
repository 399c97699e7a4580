"""What every seed says of every arm: differences from the reference arm of the same seed, and where models look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.stats import PRIMARY, metric_named

MOST_JOINED = 12
"""With more arms than this the lines of the seeds are a thicket, and only the dots are drawn."""


def _draw_seeds(data: ReportData) -> Iterator[Picture]:
    analysis, main = data.analysis, data.main
    if main is None or len(analysis.arms) < 2:
        return
    values = pd.DataFrame(main.components[PRIMARY].values, analysis.arms, analysis.seeds)
    if values.loc[analysis.study.reference].notna().any():
        yield seeds(values, PRIMARY, analysis.study.reference)


@style.own_settings()
def seeds(values: pd.DataFrame, metric: str, reference: str) -> Picture:
    """One row an arm, one dot a seed: its difference from the reference arm of that seed.

    ``values`` of the metric have a row an arm and a column a seed, NaN where a run is missing.
    """
    of, names = metric_named(metric), [reference, *values.index.drop(reference)]
    differences = (values - values.loc[reference]).loc[names]
    figure = style.blank(0.32 * len(names) + 0.8)
    axes = figure.add_subplot()
    strips(axes, differences.to_numpy(), joined=len(names) <= MOST_JOINED)
    axes.axvline(0, color=style.DARK, linewidth=0.8, zorder=0.5)
    axes.set_yticks(range(len(names)), style.arm_labels(names))
    axes.set_xlabel(f"difference in {of.label}")
    style.sides(axes, of, reference)
    return style.picture_of(
        figure, style.file_name("seeds", metric),
        caption=f"Differences in {of.label} from {reference} of the same seed: circles are seeds, diamonds means.",
        alt=f"A dot for each of {values.shape[1]} seeds. Mean difference in {of.label} from {reference}: "
        f"{style.ends(differences.mean(axis=1).tolist()[1:], names[1:])}.",
        data=values.loc[names].add_prefix("seed ").reset_index(names="arm"),
    )  # fmt: skip


LOOKS = {
    "attention_ratio": "map in the lung / lung in the image",
    "pointing": "share of lesions hit",
}
"""Columns of results.csv about where models look, and what the axis calls them."""


def _draw_attention(data: ReportData) -> Iterator[Picture]:
    if data.main is not None:
        frame = data.frames["main"][["arm", "seed", *LOOKS]]
        if frame[list(LOOKS)].notna().any(axis=None):
            yield attention(frame, data.analysis.arms)


@style.own_settings()
def attention(frame: pd.DataFrame, arms: Sequence[str]) -> Picture:
    """Two strips of dots, one a seed: the CAM's share in the lung over the lung's share, and the pointing game.

    ``frame`` has a row a run, with its arm, its seed and the columns of `LOOKS`, NaN where unknown.
    """
    known = [column for column in LOOKS if frame[column].notna().any()]
    figure, panels = style.panels(len(known), len(known), 0.32 * len(arms) + 0.6, sharey=True)
    found = []
    for axes, column in zip(panels, known, strict=True):
        values = frame.pivot(index="arm", columns="seed", values=column).reindex(list(arms))
        strips(axes, values.to_numpy(np.float64))
        axes.set_xlabel(LOOKS[column])
        found.append(f"{LOOKS[column]} {style.ends(values.mean(axis=1).tolist(), arms, 2)}")
        if column == "attention_ratio":
            axes.axvline(1, color=style.DARK, linewidth=0.8, zorder=0.5)
    panels[0].set_yticks(range(len(arms)), style.arm_labels(arms))
    return style.picture_of(
        figure, "attention",
        caption="Attention by seed (circles; diamonds are means). Share of the Grad-CAM in the lung over the lung's "
        "share of the image, 1 for a map without aim; and how often the map's maximum lies in a lesion.",
        alt=f"Attention of the arms, means: {'; '.join(found)}.",
        data=frame,
    )  # fmt: skip


def strips(axes: Axes, values: NDArray[np.float64], *, joined: bool = False) -> None:
    """Dots (arms, seeds) on one row an arm, the first at the top, means as diamonds; NaN is left out.

    ``joined``: a thin line runs through the dots of each seed, from arm to arm, broken where a run is missing.
    """
    rows = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    if joined:
        axes.plot(values, rows, color=style.LIGHT, linewidth=0.6, zorder=1)
    known = ~np.isnan(values)
    axes.scatter(values[known], rows[known], s=13, facecolors="none", edgecolors=style.MIDDLE, linewidths=0.7, zorder=2)
    means = pd.DataFrame(values).mean(axis=1)
    axes.scatter(means, means.index, s=34, marker="D", color=style.ACCENT, linewidths=0, zorder=3)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="y", color=style.PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


SEEDS = FigurePart("comparisons", _draw_seeds, place=60)
ATTENTION = FigurePart("attention", _draw_attention)
