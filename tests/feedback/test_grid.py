from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from imil_sim.errors import UsageError
from imil_sim.feedback.grid import Grid, chosen, largest_region, strongest


@dataclass(frozen=True)
class Case:
    grid: Grid
    shape: tuple[int, int]
    cells: NDArray[np.bool_]
    mask: NDArray[np.bool_]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A grid, a picture that is at least as fine, cells and a mask over it."""
    rows, cols = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    shape = draw(st.integers(rows, 40)), draw(st.integers(cols, 40))
    cells = draw(hnp.arrays(np.bool_, (rows, cols)))
    # Sparse masks are the interesting ones: cells covered a little.
    mask = draw(hnp.arrays(np.bool_, shape, elements=st.booleans() if draw(st.booleans()) else st.just(False)))
    mask[draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))] |= draw(st.booleans())
    return Case(Grid(rows, cols), shape, cells, mask)


def cells_of(*rows: str) -> NDArray[np.bool_]:
    """``"#.."`` and so on, # for a chosen cell."""
    return np.array([[character == "#" for character in row] for row in rows])


def test_edges_of_a_4x4_grid_on_10x10_worked_out_by_hand() -> None:
    # 0, 2.5, 5, 7.5, 10 rounded (halves to even)
    assert Grid(4, 4).row_edges(10).tolist() == [0, 2, 5, 8, 10]
    assert Grid(4, 2).col_edges(10).tolist() == [0, 5, 10]


def test_pixels_of_one_cell_worked_out_by_hand() -> None:
    cells = np.zeros((4, 4), dtype=np.bool_)
    cells[1, 3] = True
    mask = Grid(4, 4).cells_to_mask(cells, (10, 10))
    rows, cols = np.nonzero(mask)
    assert (rows.min(), rows.max(), cols.min(), cols.max(), mask.sum()) == (2, 4, 8, 9, 6)


def test_coverage_worked_out_by_hand() -> None:
    mask = np.zeros((10, 10), dtype=np.bool_)
    mask[0:3, 0:2] = True  # all 4 pixels of cell (0, 0), one row of 2 of the 6 of cell (1, 0)
    expected = np.zeros((4, 4))
    expected[0, 0], expected[1, 0] = 1.0, 2 / 6
    np.testing.assert_array_equal(Grid(4, 4).coverage(mask), expected)


def test_means_worked_out_by_hand() -> None:
    heat = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5], [0.25, 0.75, 1.0]], dtype=np.float32)
    assert Grid(2, 2).means(heat).tolist() == [[0.5, 0.5], [0.5, 1.0]]  # rows and columns part after the second pixel
    with pytest.raises(ValueError, match=r"must be \(height, width\)"):
        Grid(2, 2).means(heat[None])


@given(cases())
def test_the_means_of_a_mask_are_its_coverage(case: Case) -> None:
    assert (case.grid.means(case.mask.astype(np.float32)) == case.grid.coverage(case.mask)).all()


def test_a_tenth_of_a_cell_is_enough_and_less_is_not() -> None:
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[0:10, 0:10] = True
    mask[0, 10:20] = True  # 10 of 100 pixels
    mask[10, 0:9] = True  # 9 of 100 pixels
    assert (Grid(2, 2).cells_from_mask(mask) == cells_of("##", "..")).all()
    assert (Grid(2, 2).cells_from_mask(mask, threshold=0.09) == cells_of("##", "#.")).all()


def test_the_best_covered_cell_is_chosen_though_it_is_covered_too_little() -> None:
    mask = np.zeros((40, 40), dtype=np.bool_)
    mask[0, 0], mask[39, 38:40] = True, True
    assert (Grid(2, 2).cells_from_mask(mask) == cells_of("..", ".#")).all()


def test_an_empty_mask_chooses_no_cell() -> None:
    assert not Grid(3, 3).cells_from_mask(np.zeros((9, 9), dtype=np.bool_)).any()


@given(cases())
def test_every_pixel_is_in_exactly_one_cell(case: Case) -> None:
    total = np.zeros(case.shape, dtype=np.int64)
    for number in range(1, case.grid.rows * case.grid.cols + 1):
        one = case.grid.cells_to_mask(case.grid.cells_from_numbers([number]), case.shape)
        assert one.any()
        total += one
    assert (total == 1).all()


@given(cases())
def test_cells_and_their_complement_part_the_picture(case: Case) -> None:
    kept = case.grid.cells_to_mask(case.cells, case.shape)
    rest = case.grid.cells_to_mask(~case.cells, case.shape)
    assert (kept ^ rest).all()
    assert kept.shape == case.shape


@given(cases(), st.floats(0.01, 1))
def test_cells_come_back_from_their_own_mask(case: Case, threshold: float) -> None:
    mask = case.grid.cells_to_mask(case.cells, case.shape)
    assert (case.grid.cells_from_mask(mask, threshold) == case.cells).all()


@given(cases())
def test_touched_cells_contain_the_mask(case: Case) -> None:
    cells = case.grid.cells_from_mask(case.mask, threshold=1e-6)
    assert not (case.mask & ~case.grid.cells_to_mask(cells, case.shape)).any()
    # and no cell is chosen in vain
    assert ((case.grid.coverage(case.mask) > 0) == cells).all()


@given(cases(), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_higher_threshold_never_adds_a_cell_and_a_mark_never_vanishes(case: Case, one: float, other: float) -> None:
    low, high = sorted((one, other))
    fewer, more = case.grid.cells_from_mask(case.mask, high), case.grid.cells_from_mask(case.mask, low)
    assert not (fewer & ~more).any()
    assert fewer.any() == case.mask.any()


@given(cases())
def test_coverage_shares_out_the_whole_mask(case: Case) -> None:
    pixels = np.outer(np.diff(case.grid.row_edges(case.shape[0])), np.diff(case.grid.col_edges(case.shape[1])))
    assert round(float((case.grid.coverage(case.mask) * pixels).sum())) == case.mask.sum()


def test_boxes_worked_out_by_hand() -> None:
    grid = Grid(4, 4)
    # From a tenth into the first column of cells to the middle of the second; the first row of cells and 1/20 more.
    box = (0.025, 0.0, 0.375, 0.2625)
    assert (grid.cells_from_boxes([box]) == cells_of("##..", "....", "....", "....")).all()
    assert (grid.cells_from_boxes([box], threshold=0.6) == cells_of("#...", "....", "....", "....")).all()
    assert (grid.cells_from_boxes([box], threshold=0.02) == cells_of("##..", "##..", "....", "....")).all()


def test_a_box_that_covers_a_cell_exactly_reaches_a_threshold_of_one() -> None:
    assert (Grid(3, 3).cells_from_boxes([(1 / 3, 0, 2 / 3, 1 / 3)], threshold=1) == cells_of(".#.", "...", "...")).all()


def test_overlapping_boxes_count_once() -> None:
    boxes = [(0.0, 0.0, 0.25, 0.5), (0.1, 0.0, 0.25, 0.5)]  # together half of the one left upper cell
    assert not Grid(1, 2).cells_from_boxes([*boxes, (0.5, 0, 1, 1)], threshold=0.6)[0, 0]


@st.composite
def boxes_on_pixels(draw: st.DrawFn) -> NDArray[np.int64]:
    """(n, 4) boxes with edges on the pixels of a picture of 24 x 24."""
    corner = st.tuples(st.integers(0, 23), st.integers(0, 23), st.integers(1, 24), st.integers(1, 24))
    boxes = draw(st.lists(corner, min_size=0, max_size=4))
    return np.array([(x, y, max(x + 1, u), max(y + 1, v)) for x, y, u, v in boxes], dtype=np.int64).reshape(-1, 4)


@given(boxes_on_pixels(), st.sampled_from([(4, 4), (3, 8), (1, 2)]), st.floats(0.01, 1))
def test_boxes_masks_and_polygons_agree_where_all_are_exact(
    boxes: NDArray[np.int64], size: tuple[int, int], threshold: float
) -> None:
    grid = Grid(*size)
    mask = np.zeros((24, 24), dtype=np.bool_)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    # Away from a coverage that equals the threshold, which rounding may put on either side.
    if (abs(grid.coverage(mask) - threshold) > 0.05).all():
        by_mask = grid.cells_from_mask(mask, threshold)
        if (by_mask == (grid.coverage(mask) >= threshold)).all():  # no tie for the best-covered cell
            assert (grid.cells_from_boxes(boxes / 24, threshold) == by_mask).all()


def test_nothing_drawn_chooses_nothing() -> None:
    assert not Grid(4, 4).cells_from_boxes([]).any()


def test_cells_are_numbered_from_one_in_reading_order() -> None:
    grid = Grid(3, 5)
    assert [grid.cell(number) for number in (1, 5, 6, 15)] == [(0, 0), (0, 4), (1, 0), (2, 4)]
    assert grid.numbers(cells_of(".#...", ".....", "#...#")) == (2, 11, 15)


@given(cases())
def test_numbers_and_cells_are_inverse(case: Case) -> None:
    assert (case.grid.cells_from_numbers(case.grid.numbers(case.cells)) == case.cells).all()


def test_one_region_stays_the_one_with_the_most_coverage() -> None:
    cells = cells_of("##.#", "...#", "#...", "....")
    coverage = np.where(cells, 0.2, 0.09)
    coverage[2, 0] = 0.5  # the single cell wins over two of 0.2 each; what was not chosen does not count
    assert (largest_region(cells, coverage) == cells_of("....", "....", "#...", "....")).all()
    coverage[0, 0] = 0.4
    assert (largest_region(cells, coverage) == cells_of("##..", "....", "....", "....")).all()


def test_cells_that_share_a_corner_are_two_regions_and_the_first_of_equals_stays() -> None:
    assert (largest_region(cells_of("#.", ".#"), np.ones((2, 2))) == cells_of("#.", "..")).all()


def test_no_region_of_no_cells() -> None:
    assert not largest_region(np.zeros((2, 2), dtype=np.bool_), np.ones((2, 2))).any()


def test_a_grid_finer_than_the_picture_is_refused_at_use() -> None:
    with pytest.raises(UsageError, match=r"5 rows .* 4 pixels high.*coarser grid_size"):
        Grid(5, 2).cells_to_mask(np.ones((5, 2), dtype=np.bool_), (4, 4))
    with pytest.raises(UsageError, match=r"5 columns .* 4 pixels wide"):
        Grid(2, 5).coverage(np.ones((4, 4), dtype=np.bool_))


def test_wrong_arguments_are_named() -> None:
    grid = Grid(2, 3)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), not an array of bool of shape \(3, 2\)"):
        grid.cells_to_mask(np.ones((3, 2), dtype=np.bool_), (9, 9))
    with pytest.raises(ValueError, match="use mask > 0"):
        grid.coverage(np.full((9, 9), 255, dtype=np.uint8))
    with pytest.raises(ValueError, match="above 0 and up to 1, not 0"):
        chosen(np.ones((2, 3)), threshold=0)
    with pytest.raises(ValueError, match="fractions"):
        grid.cells_from_boxes([(10, 10, 20, 20)])
    with pytest.raises(ValueError, match="left < right"):
        grid.cells_from_boxes([(0.5, 0.5, 0.5, 0.8)])
    with pytest.raises(ValueError, match="cells 1 to 6, no 7"):
        grid.cells_from_numbers([7])


def test_the_strongest_cells_are_those_of_the_highest_values_and_chance_decides_between_equals() -> None:
    values = np.array([[0.2, 0.9], [0.5, 0.2]])
    assert strongest(values, 2, np.random.default_rng(0)).tolist() == [[False, True], [True, False]]
    drawn = [strongest(values, 3, np.random.default_rng(seed)) for seed in range(20)]
    assert all(cells.sum() == 3 and cells[0, 1] and cells[1, 0] for cells in drawn)
    assert {bool(cells[0, 0]) for cells in drawn} == {True, False}
    assert strongest(values, 3, np.random.default_rng(7)).tolist() == drawn[7].tolist()
