"""Every oracle's answer to the same questions, as one picture: what each of them does, at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, Question
from imil_sim.report.figures import style
from imil_sim.report.figures.images import heated
from imil_sim.report.figures.interactions import answered

TILE, GAP = 104, 8
"""Side of an image and space between two, pixels."""
MOST_ROWS = 400
"""Of one picture; matplotlib draws none higher than 65,536 pixels."""


@dataclass(frozen=True, slots=True)
class GalleryRow:
    """One oracle with its answers."""

    name: str
    options: str
    """As a study writes them; empty where all are defaults."""
    answers: tuple[Feedback, ...]
    """One a question, in their order; none where it could not be asked."""
    problem: str = ""
    """Why it could not be asked."""


def gallery(questions: Sequence[Question], rows: Sequence[GalleryRow], *, about: str) -> Figure:
    """A picture with the images in the first line, the heat maps in the second, and one line an oracle below.

    Chosen cells are in full light with a border, the others dimmed; where an oracle abstains the image is crossed out.

    Args:
        questions: what was asked, a column each.
        rows: who answered.
        about: one line about the images, written below.

    Raises:
        ValueError: there is no question, no row or too many, or a row has another number of answers than questions.
    """
    if not questions or not 1 <= len(rows) <= MOST_ROWS:
        raise ValueError(f"a gallery shows 1 to {MOST_ROWS} oracles on one question or more, not {len(rows)}")
    for row in rows:
        if not row.problem and len(row.answers) != len(questions):
            raise ValueError(f"{row.name} gave {len(row.answers)} answers to {len(questions)} questions")
    drawn = [row for row in rows if not row.problem]
    side = (TILE, TILE)
    lines = [
        [answered(q.image, q.grid, np.ones(q.grid.shape, np.bool_), side, border=False) for q in questions],
        [_heated(question) for question in questions],
        *([answered(q.image, q.grid, a.cells, side) for q, a in zip(questions, row.answers, strict=True)]
          for row in drawn),
    ]  # fmt: skip
    labels = ["image", "heat map", *(style.wrapped(f"{row.name} {row.options}", 24, 3) for row in drawn)]
    below = [about, *(f"{row.name}: not drawn, {row.problem}" for row in rows if row.problem)]
    step = TILE + GAP
    mosaic = np.full((len(lines) * step, len(questions) * step, 3), 255, np.uint8)
    for line, tiles in enumerate(lines):
        for column, tile in enumerate(tiles):
            mosaic[line * step : line * step + TILE, column * step : column * step + TILE] = tile
    with style.own_settings():
        width = mosaic.shape[1] / 100 + 2.2
        figure = style.blank(mosaic.shape[0] / 100 + 0.7 + 0.3 * len(below), width)
        axes = figure.add_subplot()
        axes.imshow(mosaic, interpolation="none")
        axes.spines[:].set_visible(False)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        heads = [f"{style.wrapped(q.class_names[q.label], 12, 1)}\ncalled "
                 f"{style.wrapped(q.class_names[q.predicted], 8, 1)}" for q in questions]  # fmt: skip
        axes.set_xticks([column * step + TILE / 2 for column in range(len(questions))], heads)
        axes.set_yticks([line * step + TILE / 2 for line in range(len(lines))], labels)
        axes.set_xlabel("\n".join(style.wrapped(line, int(14 * width), 2) for line in below), loc="left")
    return figure


def _heated(question: Question) -> NDArray[np.uint8]:
    """The image under its heat map."""
    cam = np.asarray(cv2.resize(question.cam, (TILE, TILE), interpolation=cv2.INTER_LINEAR), np.float64).clip(0, 1)
    colours = heated(cam)
    image = np.asarray(cv2.resize(question.image, (TILE, TILE), interpolation=cv2.INTER_AREA), np.float64)
    cover = colours[..., 3:]
    return np.rint((1 - cover) * image[:, :, None] + cover * 255 * colours[..., :3]).astype(np.uint8)
