"""Every oracle's answer to the same questions, as one picture: what each of them does, at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, Grid, Question
from imil_sim.report.figures import style

TILE, GAP = 104, 8
"""Side of an image and space between two, pixels."""
NAMES, HEAD, FOOT = 2.2, 0.5, 0.35
"""Inches of the names on the left, of the classes above and of the words below."""
CHOSEN = (255, 176, 0)
"""Amber: stands out from gray images, and keeps its lightness for colour-blind readers."""
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
    """A picture with the images in the first line, the heat-maps in the second, and one line an oracle below.

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
    lines = [
        [_image(question) for question in questions],
        [_heated(question) for question in questions],
        *([_answered(*pair) for pair in zip(questions, row.answers, strict=True)] for row in rows if not row.problem),
    ]
    drawn = [("image", ""), ("heat-map", ""), *((row.name, row.options) for row in rows if not row.problem)]
    absent = [f"{row.name}: not drawn, {row.problem}" for row in rows if row.problem]
    step = (TILE + GAP) / style.DPI
    width = NAMES + len(questions) * step
    with style.own_settings():
        told = [style.shortened(line, width - 0.2) for line in [about, *absent]]
        figure = style.blank(HEAD + len(lines) * step + FOOT + style.LINE * len(told), width)
        for column, question in enumerate(questions):
            left, room = NAMES + column * step, TILE / style.DPI
            style.words(figure, left, 0.08, style.shortened(question.class_names[question.label], room))
            called = f"called {question.class_names[question.predicted]}"
            style.words(figure, left, 0.08 + style.LINE, style.shortened(called, room), color=style.MIDDLE)
        mosaic = _mosaic(lines)
        axes = style.panel(figure, NAMES, HEAD, mosaic.shape[1] / style.DPI, mosaic.shape[0] / style.DPI)
        axes.set_axis_off()
        axes.imshow(mosaic, interpolation="none")
        for line, (name, options) in enumerate(drawn):
            top = HEAD + line * step + 0.02
            style.words(figure, 0.1, top, style.shortened(name, NAMES - 0.2), weight="bold")
            wrapped = style.labels([options], NAMES - 0.2, lines=3)[0] if options else ""
            style.words(figure, 0.1, top + style.LINE, wrapped, color=style.MIDDLE)
        for line, text in enumerate(told):
            style.words(figure, 0.1, HEAD + len(lines) * step + 0.12 + line * style.LINE, text)
    return figure


_Tile = NDArray[np.uint8]
"""(TILE, TILE, 3)."""


def _image(question: Question) -> _Tile:
    image = cv2.resize(question.image, (TILE, TILE), interpolation=cv2.INTER_AREA)
    return np.repeat(np.asarray(image, np.uint8)[:, :, None], 3, axis=2)


def _heated(question: Question) -> _Tile:
    """The image under its heat-map."""
    cam = np.asarray(cv2.resize(question.cam, (TILE, TILE), interpolation=cv2.INTER_LINEAR), np.float64)
    cover = (0.75 * np.sqrt(np.clip(cam, 0, 1)))[:, :, None]
    colours = 255 * np.asarray(matplotlib.colormaps["inferno"](0.25 + 0.75 * cam))[:, :, :3]
    heated: _Tile = np.rint((1 - cover) * _image(question) + cover * colours).astype(np.uint8)
    return heated


def _answered(question: Question, answer: Feedback) -> _Tile:
    tile = _image(question)
    if answer.cells is None:
        tile //= 3
        for start, end in (((0, 0), (TILE - 1, TILE - 1)), ((0, TILE - 1), (TILE - 1, 0))):
            cv2.line(tile, start, end, (160, 160, 160), 1, cv2.LINE_AA)
        return tile
    grid = question.grid
    tile[~grid.cells_to_mask(answer.cells, (TILE, TILE))] //= 3
    for top, bottom, left, right in _borders(grid, answer.cells):
        tile[top:bottom, left:right] = CHOSEN
    return tile


def _borders(grid: Grid, cells: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Strips of two pixels (top, bottom, left, right) wherever a chosen cell meets one that is not, or the edge."""
    rows, cols = grid.row_edges(TILE), grid.col_edges(TILE)
    framed = np.pad(cells, 1)
    strips = []
    for row, col in np.argwhere(framed[1:, 1:-1] != framed[:-1, 1:-1]):
        middle = int(np.clip(rows[row], 1, TILE - 1))
        strips.append((middle - 1, middle + 1, int(cols[col]), int(cols[col + 1])))
    for row, col in np.argwhere(framed[1:-1, 1:] != framed[1:-1, :-1]):
        middle = int(np.clip(cols[col], 1, TILE - 1))
        strips.append((int(rows[row]), int(rows[row + 1]), middle - 1, middle + 1))
    return strips


def _mosaic(lines: Sequence[Sequence[_Tile]]) -> NDArray[np.uint8]:
    """The tiles side by side and below one another, white between them."""
    step = TILE + GAP
    whole = np.full((len(lines) * step, len(lines[0]) * step, 3), 255, np.uint8)
    for line, tiles in enumerate(lines):
        for column, tile in enumerate(tiles):
            whole[line * step : line * step + TILE, column * step : column * step + TILE] = tile
    return whole
