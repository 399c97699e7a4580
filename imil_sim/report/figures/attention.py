"""Attention: whether the models of an arm look into the lungs, and whether they point at the lesion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.figures.strips import ROW, draw_strips, means_of, name_rows

NAMES, PLOT, BETWEEN, HEAD, FOOT = 2.2, 2.45, 0.25, 0.12, 0.65


def attention(ratios: NDArray[np.float64], pointing: NDArray[np.float64], arms: Sequence[str], *, name: str) -> Picture:
    """Two strips of dots, one a seed: the CAM's share in the lung over the lung's share, and the pointing game.

    Args:
        ratios: (arms, seeds); 1 for a map without aim; NaN where it is not known.
        pointing: (arms, seeds), share of hits in [0, 1]; NaN where no lesion is known.
        arms: their names.
        name: of the picture, a-z, 0-9 and hyphens.

    Raises:
        ValueError: the shapes do not go together.
    """
    if ratios.shape != pointing.shape or len(ratios) != len(arms):
        raise ValueError(f"{ratios.shape} and {pointing.shape} do not go together as values of {len(arms)} arms")
    with style.own_settings():
        figure = style.blank(HEAD + ROW * len(arms) + FOOT)
        left = style.panel(figure, NAMES, HEAD, PLOT, ROW * len(arms))
        right = style.panel(figure, NAMES + PLOT + BETWEEN, HEAD, PLOT, ROW * len(arms))
        _strip(left, ratios, "share of the map in the lung\nover the lung's share of the image", 1.0)
        _strip(right, pointing, "share of lesions hit by\nthe map's maximum", None)
        name_rows(left, arms, NAMES - 0.15)
        right.set_yticks(())
        return style.picture_of(
            figure, name=name,
            caption="Attention by seed: circles are seeds, diamonds means. Left: how much more of the Grad-CAM lies in "
            "the lung than a map without aim would put there (line at 1). Right: the pointing game, how often the "
            "maximum of the true class's map lies in a lesion.",
            alt=_alt(arms, ratios, pointing), table=_table(name, arms, ratios, pointing),
        )  # fmt: skip


def _strip(axes: Axes, values: NDArray[np.float64], label: str, line: float | None) -> None:
    axes.set_xlabel(label)
    if np.isnan(values).all():
        axes.set(xticks=(), ylim=(len(values) - 0.5, -0.5))
        axes.text(0.5, 0.5, "not known: no masks", ha="center", va="center", transform=axes.transAxes)
        return
    draw_strips(axes, values)
    if line is not None:
        low, high = axes.get_xlim()
        room = 0.06 * (high - low)
        axes.set_xlim(min(low, line - room), max(high, line + room))
        axes.axvline(line, color=style.DARK, linewidth=0.8, zorder=0.5)


def _alt(arms: Sequence[str], ratios: NDArray[np.float64], pointing: NDArray[np.float64]) -> str:
    told = [f"Attention of {style.counted(len(arms), 'arm')}."]
    for what, values in (("ratio of the map in the lung", ratios), ("share of lesions hit", pointing)):
        known = [(mean, arm) for mean, arm in zip(means_of(values), arms, strict=True) if not np.isnan(mean)]
        if not known:
            told.append(f"The {what} is not known.")
            continue
        (least, low), (most, high) = min(known), max(known)
        told.append(f"The mean {what} runs from {style.plain(least, 2)} ({low}) to {style.plain(most, 2)} ({high}).")
    return " ".join(told)


def _table(name: str, arms: Sequence[str], ratios: NDArray[np.float64], pointing: NDArray[np.float64]) -> Table:
    columns = (
        Column("arm"), Column("mean ratio in the lung", 3), Column("lowest", 3), Column("highest", 3),
        Column("mean share of lesions hit", 3), Column("lowest", 3), Column("highest", 3), Column("seeds"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (arm, *_ends(ratio), *_ends(hits), int((~np.isnan(ratio) | ~np.isnan(hits)).sum()))
        for arm, ratio, hits in zip(arms, ratios, pointing, strict=True)
    ]
    return Table(f"{name}-data", "Attention by arm", columns, tuple(rows))


def _ends(values: NDArray[np.float64]) -> tuple[float | None, float | None, float | None]:
    known = values[~np.isnan(values)]
    return (float(known.mean()), float(known.min()), float(known.max())) if len(known) else (None, None, None)
