from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imil_sim.errors import OracleError
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.boxes import Boxes

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A CSV file of these lines."""

    def to_file(*lines: str, header: str = "image_id,rad_id,x_min,y_min,x_max,y_max") -> str:
        path = tmp_path / "boxes.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return str(path)

    return to_file


def test_it_keeps_the_promises_of_an_oracle(write: Write) -> None:
    lines = [
        f"{question.image_id},R1,{'0.1,0.2,0.5,0.6' if place % 2 else ',,,'}"
        for place, question in enumerate(sample_questions())
        if place % 5
    ]
    for no_box in ("lung-fields", "nothing", "abstain"):
        check_oracle(Boxes(write(*lines), no_box=no_box))


def test_the_cells_of_the_boxes_worked_out_by_hand(write: Write, image: Any, asked: Any, numbers: Any) -> None:
    # On 4 x 4 cells: a's first box fills cell 1; its second covers half of 16; b's covers a
    # hundredth of 6 and of 7, of which the first in reading order counts as the best.
    file = write("a,R1,0,0,0.25,0.25", "a,R2,0.75,0.875,1,1", "b,R1,0.475,0.475,0.525,0.5")
    images = [image("a", None), image("b", None), image("c", None)]
    answers = asked(Boxes(file), *images)
    assert numbers(answers) == [(1, 16), (6,), None]
    assert answers[2].reason == f"no line about this image in {file}"
    assert numbers(asked(Boxes(file, threshold=0.6), *images)) == [(1,), (6,), None]
    one = asked(Boxes(file, reader="R2"), *images)
    assert numbers(one) == [(16,), None, None]
    assert one[1].reason == f"no line about this image by R2 in {file}"


def test_pixels_are_those_of_the_original(write: Write, image: Any, asked: Any, numbers: Any) -> None:
    file = write("a,2000,1000,1000,500,1500,1000", header="image_id,wide,high,x_min,y_min,x_max,y_max")
    assert numbers(asked(Boxes(file, size_columns=("wide", "high")), image("a", None))) == [(11, 15)]
    with pytest.raises(OracleError, match=r"line 2: \(1000, 500, 1500, 1000\) is no box .* edges are shares"):
        Boxes(file)


def test_a_image_that_was_read_and_has_no_box(write: Write, image: Any, asked: Any, numbers: Any) -> None:
    file, question = write("a,R1,,,,"), image("a", None)
    answer = asked(Boxes(file), question)
    assert numbers(answer) == [tuple(range(1, 17))]
    assert answer[0].note == "no box on this image: lung fields instead"
    nothing = asked(Boxes(file, no_box="nothing"), question)
    assert numbers(nothing) == [()]
    assert asked(Boxes(file, no_box="abstain"), question)[0].reason == "no box on this image"


def test_other_columns_are_named(write: Write, image: Any, asked: Any, numbers: Any) -> None:
    file = write("a,0,0,0.25,0.25", header="image,l,t,r,b")
    named = Boxes(file, image_column="image", box_columns=("l", "t", "r", "b"))
    assert numbers(asked(named, image("a", None))) == [(1,)]
    with pytest.raises(OracleError, match=r'(?s)no column "image_id".*no column "y_max"'):
        Boxes(file)


def test_every_faulty_line_is_named_at_once(write: Write) -> None:
    with pytest.raises(OracleError) as caught:
        Boxes(write("a,R,0.1,0.1,0.2,0.2", "a,R,x,0,1,1", "b,R,0.5,0,0.4,1", "c,R,nan,0,1,1", "d,R,0,0,1.01,1"))
    message = str(caught.value)
    assert 'line 3: x_min is "x", not a number' in message
    assert "line 4: (0.5, 0, 0.4, 1) is no box" in message
    assert 'line 5: x_min is "nan", not a number' in message
    assert "line 6: (0, 0, 1.01, 1) is no box" in message
    assert "line 2" not in message
    with pytest.raises(OracleError, match=r"\.\.\. and 15 more lines"):
        Boxes(write(*["a,R,x,0,1,1"] * 25))


def test_a_missing_or_empty_file_is_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="was not found"):
        Boxes(str(tmp_path / "other.csv"))
    with pytest.raises(OracleError, match="has no line; name another file"):
        Boxes(write())
    with pytest.raises(OracleError, match='has no line of reader "R9"'):
        Boxes(write("a,R1,0,0,1,1"), reader="R9")
