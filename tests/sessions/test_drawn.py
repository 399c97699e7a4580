from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pydantic import ValidationError

from imil_sim.errors import UsageError
from imil_sim.feedback.grid import Grid
from imil_sim.sessions.drawn import MAX_PIXELS, Drawn, mask_of, runs_of

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(masks)
def test_runs_are_a_mask_and_a_mask_is_runs(mask: NDArray[np.bool_]) -> None:
    runs = runs_of(mask)
    assert sum(runs) == mask.size
    assert sum(runs[1::2]) == mask.sum()
    assert all(runs[1:])
    assert np.array_equal(mask_of(runs, (mask.shape[0], mask.shape[1])), mask)


@given(masks, st.integers(1, 4), st.integers(1, 4), st.floats(0.01, 1))
def test_a_mask_covers_the_cells_that_it_covers(
    mask: NDArray[np.bool_], rows: int, cols: int, threshold: float
) -> None:
    drawn, grid = Drawn(width=mask.shape[1], height=mask.shape[0], mask=runs_of(mask)), Grid(rows, cols)
    assert np.array_equal(drawn.to_mask(), mask)
    if rows > mask.shape[0] or cols > mask.shape[1]:
        with pytest.raises(UsageError, match="every cell needs a pixel"):
            drawn.cells(grid, threshold)
    else:
        assert np.array_equal(drawn.cells(grid, threshold), grid.cells_from_mask(mask, threshold))


def test_boxes_are_exact_on_a_image_of_any_size() -> None:
    drawn = Drawn(width=1000, height=500, boxes=((0, 0, 250, 125), (500, 125, 550, 250)))
    grid = Grid(4, 4)  # cells of 250 x 125; the second box covers exactly 20% of cell 7
    assert grid.numbers(drawn.cells(grid)) == (1, 7)
    assert grid.numbers(drawn.cells(grid, 0.2)) == (1, 7)
    assert grid.numbers(drawn.cells(grid, 0.201)) == (1,)
    assert drawn.to_mask().sum() == 250 * 125 + 50 * 125


def test_a_polygon_holds_its_line_and_boxes_beside_it_do_not_grow() -> None:
    square = ((256.0, 256.0), (512.0, 256.0), (512.0, 512.0), (256.0, 512.0))
    drawn = Drawn(width=1024, height=1024, polygons=(square,), boxes=((0, 0, 10, 10),))
    assert drawn.to_mask().sum() == 257 * 257 + 100  # corners are pixels, and the pixels of both corners are drawn
    grid = Grid(4, 4)
    assert grid.numbers(drawn.cells(grid)) == (6,)
    assert grid.numbers(drawn.cells(grid, 0.001)) == (1, 6, 7, 10)  # the line reaches into its neighbours by a sample
    crossed = ((0.0, 0.0), (1024.0, 1024.0), (1024.0, 0.0), (0.0, 1024.0))
    assert grid.numbers(Drawn(width=1024, height=1024, polygons=(crossed,)).cells(grid, 0.7)) == (5, 8, 9, 12)


def test_boxes_beside_polygons_are_true_to_a_sample() -> None:
    """As the docstring says: alone they are exact, beside a polygon an edge may move by half a sample, here of 1024."""
    boxes, grid = ((0, 0, 250, 24.95), (500, 500, 750, 750)), Grid(4, 4)  # 9.98% of cell 1, all of cell 11
    far = (((900.0, 900.0), (990.0, 900.0), (990.0, 990.0)),)
    alone = Drawn(width=1000, height=1000, boxes=boxes)
    beside = Drawn(width=1000, height=1000, boxes=boxes, polygons=far)
    assert grid.numbers(alone.cells(grid)) == (11,)
    assert grid.numbers(beside.cells(grid, 26 / 256)) == (1, 11)  # 24.95 is 25.55 samples: the edge goes to 26
    assert grid.numbers(beside.cells(grid, 26 / 256 + 1e-9)) == (11,)


def test_a_point_or_line_that_is_called_a_polygon_still_marks_a_cell() -> None:
    for polygon in (((30.0, 70.0),), ((26.0, 51.0), (49.0, 74.0))):
        assert Grid(4, 4).numbers(Drawn(width=100, height=100, polygons=(polygon,)).cells(Grid(4, 4))) == (10,)


def test_what_was_drawn_is_the_union() -> None:
    mask = np.zeros((8, 8), dtype=np.bool_)
    mask[6:, 6:] = True
    drawn = Drawn(width=8, height=8, boxes=((0, 0, 2, 2),), polygons=(((0, 6), (1, 6), (1, 7), (0, 7)),),
                  mask=runs_of(mask))  # fmt: skip
    assert Grid(4, 4).numbers(drawn.cells(Grid(4, 4))) == (1, 13, 16)
    assert drawn.to_mask().sum() == 4 + 4 + 4


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 9), st.integers(1, 9))
def test_a_drawing_of_everything_chooses_everything(width: int, height: int, rows: int, cols: int) -> None:
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    for drawn in (
        Drawn(width=width, height=height, polygons=(corners,)),
        Drawn(width=width, height=height, boxes=((0, 0, width, height),)),
    ):
        assert drawn.cells(Grid(rows, cols), 1.0).all()
        assert drawn.to_mask().all()


def test_a_image_too_large_is_refused_before_a_mask_is_made_of_it() -> None:
    with pytest.raises(ValidationError, match="has more than 100,000,000"):
        Drawn(width=100_000, height=MAX_PIXELS // 100_000 + 1, mask=(0, MAX_PIXELS))
