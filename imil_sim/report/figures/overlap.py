"""Overlap between clinicians: how alike the cells are that they choose on the same questions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import seaborn

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.report.readers import ReaderAgreement
from imil_sim.report.tables import feedback

MOST_NUMBERED = 10
"""With more oracles than this a field is too small for its number."""


def _draw(data: ReportData) -> Iterator[Picture]:
    found = feedback.overlap(data.analysis)
    if found is not None:
        yield overlap(found)


PART = FigurePart("feedback", _draw, place=40)


@style.own_settings()
def overlap(of: ReaderAgreement) -> Picture:
    """A field for every two oracles: the mean Dice coefficient of their cells, from 0 (none shared) to 1 (the same)."""
    size, labels = len(of.readers), style.arm_labels(of.readers)
    figure = style.blank(min(1.2 + 0.5 * size, 5.8))
    axes = figure.add_subplot()
    seaborn.heatmap(
        of.dice, ax=axes, vmin=0, vmax=1, cmap=style.COLOURS, annot=size <= MOST_NUMBERED, fmt=".2f", square=True,
        linewidths=0.5, linecolor="white", xticklabels=labels, yticklabels=labels, cbar=False,
    )  # fmt: skip
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(axis="y", rotation=0)
    style.scale(figure, axes, 0, 1, "mean Dice")
    one, other = np.triu_indices(size, 1)
    pairs = pd.DataFrame({"oracle": np.array(of.readers)[one], "other oracle": np.array(of.readers)[other],
                          "mean Dice": of.dice[one, other], "questions": of.images[one, other]})  # fmt: skip
    named = [f"{a} and {b}" for a, b in zip(pairs["oracle"], pairs["other oracle"], strict=True)]
    return style.picture_of(
        figure, "overlap",
        caption="Mean Dice coefficient of the cells that two clinicians chose on the same questions: 1 where they "
        "always chose the same, 0 where never one in common.",
        alt=f"Overlap between the cells of {size} oracles: {style.ends(pairs['mean Dice'].tolist(), named, 2)}.",
        data=pairs,
    )  # fmt: skip
