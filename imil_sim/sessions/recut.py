"""A recorded answer on the grid that is asked about now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.grid import Grid
from imil_sim.sessions.session import SessionAnswer


def cells_on(grid: Grid, recorded: Grid, answer: SessionAnswer, threshold: float = 0.1) -> NDArray[np.bool_] | None:
    """(rows, cols) of ``grid``: the cells of an answer that was recorded on another grid; None for an abstention.

    On the grid of the record these are the recorded cells. On another one, what the reader drew is laid under it; where
    nothing was drawn, the recorded cells are, by area (`recut`).

    Raises:
        ValueError: ``threshold`` is not in (0, 1].
        UsageError: the grid is finer than the image that was drawn on.
    """
    if answer.cells is None:
        return None
    if grid == recorded:
        return grid.cells_from_numbers(answer.cells)
    return answer.drawn.cells(grid, threshold) if answer.drawn else recut(answer.cells, recorded, grid, threshold)


def recut(cells: Sequence[int], recorded: Grid, grid: Grid, threshold: float = 0.1) -> NDArray[np.bool_]:
    """(rows, cols) of ``grid``: those that the numbered cells of the ``recorded`` grid cover, as boxes would.

    Raises:
        ValueError: there is no such cell, or ``threshold`` is not in (0, 1].
    """
    boxes = [
        (col / recorded.cols, row / recorded.rows, (col + 1) / recorded.cols, (row + 1) / recorded.rows)
        for row, col in map(recorded.cell, cells)
    ]
    return grid.cells_from_boxes(boxes, threshold)
