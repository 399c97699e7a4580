from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.report.figures import style


def test_numbers_as_people_read_them() -> None:
    told = [style.signed(v) for v in (0.0421, -0.0421, 0.0001, -0.0001, math.nan)]
    assert told == ["+0.042", "−0.042", "0.000", "0.000", "–"]
    assert [style.p_value(p) for p in (0.0321, 0.0004, 0.0005, 1.0, math.nan)] == [
        "0.032",
        "< 0.001",
        "0.001",
        "1.000",
        "–",
    ]
    assert [style.percent(share) for share in (0.5, 0.9999, 1.0)] == ["50.0%", "over 99.9%", "100.0%"]
    assert style.interval(-0.5, 0.25, 2) == "[−0.50, +0.25]"
    assert [style.counted(n, "seed") for n in (1, 2000)] == ["1 seed", "2,000 seeds"]
    assert style.listed([]) == "none"
    assert style.listed(["a", "b", "c"]) == "a, b and c"
    assert style.listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_a_name_is_cut_in_its_middle_and_broken_at_its_joints() -> None:
    name = "lesions-of-a-very-careful-clinician@num_outliers=20"
    short = style.shortened(name, 1.5)
    assert short.startswith("lesions")
    assert short.endswith("=20")
    assert style.ELLIPSIS in short
    assert style.breadth(short) <= 1.5 < style.breadth(short + "mm")
    assert style.labels([name], 1.5, lines=2)[0].split("\n")[0].endswith("-")
    assert style.labels(["short"], 1.5, lines=2) == ["short"]


def test_names_that_would_look_the_same_are_numbered() -> None:
    twins = [f"{'a' * 40}{middle}{'z' * 40}" for middle in "xy"]
    shown = style.labels(twins, 1.5)
    assert shown[0] != shown[1]
    assert [label.split(":")[0] for label in shown] == ["1", "2"]


@given(st.text(max_size=80), st.integers(1, 3))
def test_whatever_the_name_it_fits_and_is_printable(name: str, lines: int) -> None:
    (label,) = style.labels([name], 0.8, lines=lines)
    assert label.count("\n") < lines
    assert all(style.breadth(line) <= 0.8 for line in label.split("\n"))
    assert all(line.isprintable() for line in label.split("\n"))


def test_texts_along_an_axis_keep_their_distance() -> None:
    kept = style.apart([1, 2, 3, 10], ["10", "11", "12", "13"], lambda place: place / 20)
    assert kept == ["", "", "12", "13"]
    assert style.apart([1, 2], ["10", "11"], lambda place: place) == ["10", "11"]


@pytest.mark.parametrize("lightness", [style.MIDDLE, style.ACCENT, "#004a80"])
def test_what_is_dark_differs_from_what_is_light_in_gray_too(lightness: str) -> None:
    def gray(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    assert gray(style.CONTRAST) - gray(lightness) > 60
