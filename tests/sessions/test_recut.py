from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imil_sim.feedback.grid import Grid
from imil_sim.sessions.drawn import Drawn
from imil_sim.sessions.session import SessionAnswer, cells_on


def recut(cells: tuple[int, ...], recorded: Grid, grid: Grid, threshold: float) -> NDArray[np.bool_]:
    found = cells_on(grid, recorded, SessionAnswer(order=1, image_id="a", cells=cells), threshold)
    assert found is not None
    return found


grids = st.builds(Grid, st.integers(1, 9), st.integers(1, 9))


@pytest.mark.parametrize(
    ("cells", "recorded", "grid", "threshold", "expected"),
    [
        ((1, 2, 5, 6), Grid(4, 4), Grid(2, 2), 0.1, (1,)),
        ((6,), Grid(4, 4), Grid(2, 2), 0.1, (1,)),  # a quarter of cell 1
        ((6,), Grid(4, 4), Grid(2, 2), 0.3, (1,)),  # too little, and still the best
        ((6, 11, 12), Grid(4, 4), Grid(2, 2), 0.3, (4,)),
        ((1,), Grid(2, 2), Grid(4, 4), 0.1, (1, 2, 5, 6)),
        ((2,), Grid(2, 2), Grid(3, 3), 0.1, (2, 3, 5, 6)),  # halves and a quarter of the cells beside
        ((2,), Grid(2, 2), Grid(3, 3), 0.5, (2, 3, 6)),
        ((2,), Grid(2, 2), Grid(3, 3), 0.6, (3,)),
        ((), Grid(2, 2), Grid(3, 3), 0.1, ()),
    ],
)
def test_cells_are_cut_anew_by_area(
    cells: tuple[int, ...], recorded: Grid, grid: Grid, threshold: float, expected: tuple[int, ...]
) -> None:
    assert grid.numbers(recut(cells, recorded, grid, threshold)) == expected


@given(grids, grids, st.data(), st.floats(0.01, 1))
def test_nothing_and_everything_stay_so_and_the_same_grid_changes_nothing(
    recorded: Grid, grid: Grid, data: st.DataObject, threshold: float
) -> None:
    count = recorded.rows * recorded.cols
    cells = tuple(sorted(data.draw(st.sets(st.integers(1, count)))))
    assert recorded.numbers(recut(cells, recorded, recorded, threshold)) == cells
    assert recut(tuple(range(1, count + 1)), recorded, grid, threshold).all()
    assert recut(cells, recorded, grid, threshold).any() == bool(cells)


def test_what_was_drawn_counts_on_another_grid_and_the_recorded_cells_on_their_own() -> None:
    drawn = Drawn(width=100, height=100, boxes=((60, 10, 85, 20),))
    answer = SessionAnswer(order=1, image_id="a", cells=(1, 2), drawn=drawn)
    abstention = SessionAnswer(order=1, image_id="a", cells=None, abstained=True)

    def on(grid: Grid) -> tuple[int, ...]:
        cells = cells_on(grid, Grid(2, 2), answer)
        assert cells is not None
        return grid.numbers(cells)

    assert on(Grid(2, 2)) == (1, 2)  # the reader's own, whatever was drawn
    assert on(Grid(4, 4)) == (3, 4)
    assert cells_on(Grid(4, 4), Grid(2, 2), abstention) is None
