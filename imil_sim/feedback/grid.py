"""The grid over an image: cells to pixels, and masks and boxes to cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from imil_sim.errors import UsageError


class Cell(NamedTuple):
    """One rectangle of the grid, counted from the top left; both start at 0."""

    row: int
    col: int


@dataclass(frozen=True, slots=True)
class Grid:
    """``rows`` x ``cols`` cells over an image of any size; a cell is (row, column) from the top left."""

    rows: int
    cols: int

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise ValueError(f"a grid needs at least one row and one column, not {self.rows} x {self.cols}")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols): the shape of every array of cells."""
        return self.rows, self.cols

    # ------------------------------------------------------------------------------------------- cells and pixels

    def row_edges(self, height: int) -> NDArray[np.int64]:
        """(rows + 1,): row ``r`` of the grid is the pixel rows ``edges[r]`` up to, not including, ``edges[r + 1]``.

        The edges are the rounded values of an even division, so every pixel belongs to exactly one cell and two cells
        of a grid differ by at most one pixel a side.

        Raises:
            UsageError: the grid has more rows than the image has pixels.
        """
        return _edges(self.rows, height, f"a grid of {self.rows} rows", "pixels high")

    def col_edges(self, width: int) -> NDArray[np.int64]:
        """(cols + 1,): the same for columns.

        Raises:
            UsageError: the grid has more columns than the image has pixels.
        """
        return _edges(self.cols, width, f"a grid of {self.cols} columns", "pixels wide")

    def cells_to_mask(self, cells: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
        """(height, width), True on the pixels of the chosen cells, for an image of ``shape``.

        Raises:
            ValueError: ``cells`` is not a boolean array of (rows, cols).
            UsageError: the grid is finer than the image.
        """
        self.check(cells)
        heights, widths = np.diff(self.row_edges(shape[0])), np.diff(self.col_edges(shape[1]))
        mask: NDArray[np.bool_] = np.repeat(np.repeat(cells, heights, axis=0), widths, axis=1)
        return mask

    def check(self, cells: Any) -> None:
        """Check that ``cells`` is a boolean array of (rows, cols).

        Raises:
            ValueError: it is something else; the message says what.
        """
        if not isinstance(cells, np.ndarray) or cells.dtype != np.bool_ or cells.shape != self.shape:
            raise ValueError(f"cells must be a boolean array of shape {self.shape}, not {_described(cells)}")

    # -------------------------------------------------------------------------------------------- masks and shapes

    def coverage(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(rows, cols): the share of each cell's pixels that ``mask`` covers, in [0, 1]; the mask may have any size.

        Raises:
            ValueError: ``mask`` is not a boolean array of (height, width).
            UsageError: the grid is finer than the mask.
        """
        given: Any = mask
        if not isinstance(given, np.ndarray) or given.dtype != np.bool_ or given.ndim != 2:
            raise ValueError(
                f"a mask must be a boolean array of (height, width), not {_described(given)}; use mask > 0"
            )
        return self.means(mask)

    def means(self, picture: NDArray[np.floating | np.bool_]) -> NDArray[np.float64]:
        """(rows, cols): the mean over each cell of a picture (height, width) of numbers, a heat-map for one.

        Raises:
            ValueError: the picture is not (height, width).
            UsageError: the grid is finer than the picture.
        """
        if picture.ndim != 2:
            raise ValueError(f"a picture must be (height, width), not {picture.shape}")
        rows, cols = self.row_edges(picture.shape[0]), self.col_edges(picture.shape[1])
        sums = np.add.reduceat(np.add.reduceat(picture, rows[:-1], axis=0, dtype=np.float64), cols[:-1], axis=1)
        mean: NDArray[np.float64] = sums / np.outer(np.diff(rows), np.diff(cols))
        return mean

    def cells_from_mask(self, mask: NDArray[np.bool_], threshold: float = 0.1) -> NDArray[np.bool_]:
        """(rows, cols): the cells of which ``mask`` covers at least ``threshold``, and the best-covered cell always.

        Of several cells that are covered best the first in reading order counts as the best. An empty mask chooses no
        cell.

        Raises:
            ValueError: ``mask`` is not a boolean (height, width), or ``threshold`` is not in (0, 1].
            UsageError: the grid is finer than the mask.
        """
        return chosen(self.coverage(mask), threshold)

    def cells_from_boxes(self, boxes: ArrayLike, threshold: float = 0.1) -> NDArray[np.bool_]:
        """(rows, cols): the cells that the union of ``boxes`` covers, chosen as `cells_from_mask` chooses.

        ``boxes`` is (n, 4): left, top, right, bottom as fractions of the image's width and height, in [0, 1]. The area
        of the union is exact. No box chooses no cell.

        Raises:
            ValueError: the boxes are not (n, 4), leave [0, 1] or have no area; or ``threshold`` is not in (0, 1].
        """
        table = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) if np.size(boxes) else np.zeros((0, 4))
        if not ((table >= 0) & (table <= 1)).all():
            raise ValueError("a box is given in fractions of width and height, from 0 to 1, not in pixels")
        if (table[:, :2] >= table[:, 2:]).any():
            raise ValueError("a box is (left, top, right, bottom) with left < right and top < bottom")
        return chosen(self._coverage_of_boxes(table), threshold)

    def _coverage_of_boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        # Every edge of a box or cell is a line of a finer, uneven grid, whose rectangles are each in or out as a whole.
        x = np.unique(np.concatenate([np.arange(self.cols + 1) / self.cols, boxes[:, 0], boxes[:, 2]]))
        y = np.unique(np.concatenate([np.arange(self.rows + 1) / self.rows, boxes[:, 1], boxes[:, 3]]))
        inside = np.zeros((len(y) - 1, len(x) - 1), dtype=np.bool_)
        for left, top, right, bottom in boxes:
            inside |= np.outer((y[:-1] >= top) & (y[1:] <= bottom), (x[:-1] >= left) & (x[1:] <= right))
        area = inside * np.outer(np.diff(y), np.diff(x))
        row_starts = np.searchsorted(y, np.arange(self.rows) / self.rows)
        col_starts = np.searchsorted(x, np.arange(self.cols) / self.cols)
        share = np.add.reduceat(np.add.reduceat(area, row_starts, axis=0), col_starts, axis=1)
        return np.round(share * (self.rows * self.cols), 12)  # a whole cell is 1, not 0.9999...

    # -------------------------------------------------------------------------------------------------- numbering

    def cell(self, number: int) -> Cell:
        """The cell with that number, as a clinician types it: 1 at the top left, in reading order, up to rows x cols.

        >>> Grid(4, 4).cell(7)
        Cell(row=1, col=2)

        Raises:
            ValueError: there is no such cell.
        """
        if not 1 <= number <= self.rows * self.cols:
            raise ValueError(f"a grid of {self.rows} x {self.cols} has cells 1 to {self.rows * self.cols}, no {number}")
        return Cell(*divmod(number - 1, self.cols))

    def numbers(self, cells: NDArray[np.bool_]) -> tuple[int, ...]:
        """The numbers of the chosen cells, ascending.

        Raises:
            ValueError: ``cells`` is not a boolean array of (rows, cols).
        """
        self.check(cells)
        return tuple(int(index) + 1 for index in np.flatnonzero(cells))

    def cells_from_numbers(self, numbers: Sequence[int]) -> NDArray[np.bool_]:
        """(rows, cols), True on the cells with those numbers; the inverse of `numbers`.

        Raises:
            ValueError: one of them is not a cell of this grid.
        """
        cells = np.zeros(self.shape, dtype=np.bool_)
        for number in numbers:
            cells[self.cell(number)] = True
        return cells


def chosen(coverage: NDArray[np.float64], threshold: float = 0.1) -> NDArray[np.bool_]:
    """(rows, cols): the cells covered by at least ``threshold``, and the best-covered one unless nothing is covered.

    Raises:
        ValueError: ``threshold`` is not in (0, 1].
    """
    check_threshold(threshold)
    cells: NDArray[np.bool_] = coverage >= threshold
    if coverage.any():
        cells.flat[np.argmax(coverage)] = True
    return cells


def check_threshold(threshold: float) -> None:
    """Check that ``threshold`` is a share of a cell in (0, 1].

    Raises:
        ValueError: it is not. Zero is none: every cell is covered by at least nothing.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is the share of a cell that must be covered, above 0 and up to 1, not {threshold}")


def strongest(values: NDArray[np.floating], count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The ``count`` cells of the highest values, True in their shape; equal ones in an order drawn at random."""
    cells = np.zeros(values.size, dtype=np.bool_)
    cells[np.lexsort((rng.random(values.size), -values.ravel()))[:count]] = True
    return cells.reshape(values.shape)


def largest_region(cells: NDArray[np.bool_], coverage: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(rows, cols): of the chosen cells, the one connected region with the most coverage.

    Cells that share a side are connected, cells that share only a corner are not; a region's coverage is the sum over
    its cells. Of equal regions the first in reading order stays.
    """
    regions, count = ndimage.label(cells)
    if count <= 1:
        return cells.copy()
    totals = np.bincount(regions.ravel(), weights=coverage.ravel())
    region: NDArray[np.bool_] = regions == 1 + np.argmax(totals[1:])
    return region


def _edges(parts: int, size: int, grid: str, extent: str) -> NDArray[np.int64]:
    if parts > size:
        raise UsageError(
            f"{grid} was asked for, but the picture is {size} {extent}: every cell needs a pixel. "
            "Use a coarser grid_size or larger pictures."
        )
    edges: NDArray[np.int64] = np.rint(np.linspace(0, size, parts + 1)).astype(np.int64)
    return edges


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return f"a {type(value).__name__}"
