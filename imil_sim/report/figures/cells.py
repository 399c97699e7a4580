"""Overlap between clinicians: how alike the cells are that they choose on the same questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import seaborn
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style

NAMES, LARGEST = 2.4, 0.5
"""Inches of the names and of the largest field."""
FIELD = 0.3
"""Inches of a field that holds its number."""


def cells(
    overlap: NDArray[np.float64], oracles: Sequence[str], *, name: str, questions: NDArray[np.int64] | None = None
) -> Picture:
    """A field for every two oracles: the mean Dice coefficient of their cells, from 0 (none shared) to 1 (the same).

    Args:
        overlap: (oracles, oracles), symmetric, in [0, 1]; NaN where the two answered no question in common.
        oracles: their names.
        name: of the picture, a-z, 0-9 and hyphens.
        questions: (oracles, oracles), on how many questions each number rests; for the table.

    Raises:
        ValueError: the matrix is not one of these oracles, or leaves [0, 1].
    """
    size = len(oracles)
    if overlap.shape != (size, size) or size < 1 or (overlap < 0).any() or (overlap > 1).any():
        raise ValueError(f"a matrix of shape {overlap.shape} in [0, 1] does not hold the overlap of {size} oracles")
    with style.own_settings():
        field = min(LARGEST, (style.WIDTH - NAMES - 0.9) / size)
        side = field * size
        figure = style.blank(0.3 + side + 0.15)
        axes = style.panel(figure, NAMES, 0.3, side, side)
        bar = style.panel(figure, NAMES + side + 0.15, 0.3, 0.12, min(side, 2.0))
        seaborn.heatmap(
            overlap, ax=axes, cbar_ax=bar, vmin=0, vmax=1, cmap="cividis", annot=field >= FIELD, fmt=".2f",
            annot_kws={"size": style.SIZE}, linewidths=0.5, linecolor="white", xticklabels=False, yticklabels=False,
        )  # fmt: skip
        numbers = [str(place) for place in range(1, size + 1)]
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        middles = [place + 0.5 for place in range(size)]
        axes.set_xticks(middles, style.apart(middles, numbers, lambda place: place * field))
        named = style.labels([f"{n} {oracle}" for n, oracle in zip(numbers, oracles, strict=True)], NAMES - 0.15)
        axes.set_yticks(middles, named)
        bar.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))
        return style.picture_of(
            figure, name=name,
            caption="Mean Dice coefficient of the cells that two clinicians chose on the same questions: 1 where they "
            "always chose the same, 0 where never one in common. Columns are numbered as the rows.",
            alt=_alt(overlap, oracles), table=_table(name, overlap, oracles, questions),
        )  # fmt: skip


def _pairs(overlap: NDArray[np.float64]) -> list[tuple[int, int]]:
    return [(a, b) for a in range(len(overlap)) for b in range(a + 1, len(overlap)) if not np.isnan(overlap[a, b])]


def _alt(overlap: NDArray[np.float64], oracles: Sequence[str]) -> str:
    told = f"Overlap between the cells of {style.counted(len(oracles), 'oracle')}."
    pairs = _pairs(overlap)
    if not pairs:
        return f"{told} No two of them answered a question in common."
    least, most = min(pairs, key=overlap.__getitem__), max(pairs, key=overlap.__getitem__)
    ends = [f"{oracles[a]} and {oracles[b]} ({overlap[a, b]:.2f})" for a, b in (most, least)]
    return f"{told} Most alike are {ends[0]}, least alike {ends[1]}."


def _table(
    name: str, overlap: NDArray[np.float64], oracles: Sequence[str], questions: NDArray[np.int64] | None
) -> Table:
    columns = (Column("oracle"), Column("other oracle"), Column("mean Dice", 3), Column("questions"))
    rows: list[tuple[Cell, ...]] = [
        (oracles[a], oracles[b], float(overlap[a, b]), None if questions is None else int(questions[a, b]))
        for a, b in _pairs(overlap)
    ]
    return Table(f"{name}-data", "Overlap of every two oracles", columns, tuple(rows))
