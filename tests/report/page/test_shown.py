from __future__ import annotations

import math

import numpy as np
import pytest

from imil_sim.report.document import Cell, Column, Table, cell_text


@pytest.mark.parametrize(
    ("cell", "column", "expected"),
    [
        (0.12345, Column("x", digits=3), "0.123"),
        (-0.12345, Column("x", digits=3), "−0.123"),
        (0.12345, Column("x", digits=3, signed=True), "+0.123"),
        (-0.0004, Column("x", digits=3, signed=True), "0.000"),
        (0.0004, Column("x", digits=3, signed=True), "0.000"),
        (0.0004, Column("p", digits=3, never_zero=True), "< 0.001"),
        (0.0006, Column("p", digits=3, never_zero=True), "0.001"),
        (0.0, Column("p", digits=3, never_zero=True), "0.000"),
        (3, Column("x", digits=1), "3.0"),
        (1234567, Column("seed"), "1234567"),
        (-3, Column("n"), "−3"),
        (7, Column("n", signed=True), "+7"),
        (np.int64(7), Column("n"), "7"),
        (np.float64(7), Column("n"), "7"),
        (None, Column("x", digits=3), "–"),
        (math.nan, Column("x"), "–"),
        (math.inf, Column("x", digits=3), "∞"),
        (-math.inf, Column("x", digits=3), "−∞"),
        ("a-1", Column("x", digits=3), "a-1"),
    ],
)
def test_what_a_cell_shows(cell: Cell, column: Column, expected: str) -> None:
    assert cell_text(cell, column) == expected


def test_which_columns_hold_numbers() -> None:
    columns = (Column("arm"), Column("seed"), Column("auroc", digits=3), Column("nothing"), Column("mixed"))
    table = Table("t", "", columns, (("a", 0, "not known", None, 1), ("b", None, 0.5, None, "two")))
    assert table.numeric == [False, True, True, False, False]
