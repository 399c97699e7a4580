"""Overlap between clinicians: how alike the cells are that they choose on the same questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import seaborn
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.report.tables import feedback

MOST_NUMBERED = 10
"""With more oracles than this a field is too small for its number."""


def _draw(data: ReportData) -> Iterator[Picture]:
    found = feedback.overlap(data.analysis)
    if found is not None:
        yield overlap(found.dice, found.readers, name="overlap", questions=found.images)


PART = FigurePart("feedback", _draw, place=40)


def overlap(
    dice: NDArray[np.float64], oracles: Sequence[str], *, name: str, questions: NDArray[np.int64] | None = None
) -> Picture:
    """A field for every two oracles: the mean Dice coefficient of their cells, from 0 (none shared) to 1 (the same).

    Args:
        dice: (oracles, oracles), symmetric, in [0, 1]; NaN where the two answered no question in common.
        oracles: their names.
        name: of the picture, a-z, 0-9 and hyphens.
        questions: (oracles, oracles), on how many questions each number rests; for the table.

    Raises:
        ValueError: the matrix is not one of these oracles, or leaves [0, 1].
    """
    size = len(oracles)
    if dice.shape != (size, size) or size < 1 or (dice < 0).any() or (dice > 1).any():
        raise ValueError(f"a matrix of shape {dice.shape} in [0, 1] does not hold the overlap of {size} oracles")
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size) if not np.isnan(dice[a, b])]
    with style.own_settings():
        figure = style.blank(min(1.2 + 0.5 * size, 5.8))
        axes = figure.add_subplot()
        labels = style.arm_labels(oracles)
        seaborn.heatmap(
            dice, ax=axes, vmin=0, vmax=1, cmap=style.COLOURS, annot=size <= MOST_NUMBERED, fmt=".2f", square=True,
            linewidths=0.5, linecolor="white", xticklabels=labels, yticklabels=labels, cbar=False,
        )  # fmt: skip
        axes.tick_params(length=0)
        axes.tick_params(axis="x", rotation=90)
        axes.tick_params(axis="y", rotation=0)
        style.scale(figure, axes, 0, 1, "mean Dice")
        named = [f"{oracles[a]} and {oracles[b]}" for a, b in pairs]
        return style.picture_of(
            figure, name=name,
            caption="Mean Dice coefficient of the cells that two clinicians chose on the same questions: 1 where they "
            "always chose the same, 0 where never one in common.",
            alt=f"Overlap between the cells of {style.counted(size, 'oracle')}: "
            f"{style.ends([float(dice[pair]) for pair in pairs], named, 2)}.",
            table=_table(name, dice, oracles, questions, pairs),
        )  # fmt: skip


def _table(
    name: str,
    dice: NDArray[np.float64],
    oracles: Sequence[str],
    questions: NDArray[np.int64] | None,
    pairs: Sequence[tuple[int, int]],
) -> Table:
    columns = (Column("oracle"), Column("other oracle"), Column("mean Dice", 3), Column("questions"))
    rows: list[tuple[Cell, ...]] = [
        (oracles[a], oracles[b], float(dice[a, b]), None if questions is None else int(questions[a, b]))
        for a, b in pairs
    ]
    return Table(f"{name}-data", "Overlap of every two oracles", columns, tuple(rows))
