from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imil_sim.text import number, ranges


def test_numbers_as_they_are_read() -> None:
    assert number(-0.0126, signed=True) == "−0.013"
    assert number(-0.0004) == number(0.0004, signed=True) == "0.000"


@given(st.sets(st.integers(0, 40)))
def test_ranges_read_back(numbers: set[int]) -> None:
    back: set[int] = set()
    for part in filter(None, ranges(numbers).split(", ")):
        first, *last = map(int, part.split("-"))
        back |= set(range(first, (last or [first])[0] + 1))
    assert back == numbers
