from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from imil_sim.errors import UsageError
from imil_sim.feedback.grid import Grid
from imil_sim.report.figures.interactions import (
    CHARACTERS,
    DPI,
    PANEL,
    TEXT,
    Sample,
    interaction_sheet,
    interactions,
    sample_of,
    write_png,
)
from imil_sim.study.record import Answer

IMAGE, CAM, NUMBERED, CHOSEN, RESULT = range(5)


def sample(**fields: Any) -> Sample:
    """A flat gray image of 40 px whose right half the oracle of a 2 x 2 grid chose."""
    image = np.full((40, 40), 120, np.uint8)
    cam = np.zeros((40, 40), np.float32)
    cam[:20, :20] = 1
    result = image.copy()
    result[:, :20] = 0
    given: dict[str, Any] = {
        "image_id": "image-1", "image": image, "cam": cam, "grid": Grid(2, 2),
        "cells": np.array([[False, True], [False, True]]), "result": result, "true_name": "TB",
        "predicted_name": "normal", "confidence": 0.93, "oracle": "lesions", "note": "",
    }  # fmt: skip
    return Sample(**(given | fields))


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """(height, width, 4) as drawn."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]


def panel(figure: Figure, column: int) -> NDArray[np.uint8]:
    """(side, side, 3): a panel of the first row, as drawn."""
    box = figure.axes[column].get_window_extent()
    drawn = pixels(figure)
    top = drawn.shape[0] - round(box.y1)
    return drawn[top : top + round(box.height), round(box.x0) : round(box.x1), :3]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def quarter(of: NDArray[np.uint8], row: int, col: int) -> NDArray[np.float64]:
    """Mean colour of the middle of one quarter of a panel, away from lines and numbers."""
    side = of.shape[0] // 2
    inner = of[row * side + side // 3 : (row + 1) * side - side // 3, col * side + side // 3 : (col + 1) * side]
    return inner[:, : side // 3].mean(axis=(0, 1))


def test_the_five_panels_show_what_they_say() -> None:
    figure = interaction_sheet([sample()])
    image, cam, chosen, result = (panel(figure, column) for column in (IMAGE, CAM, CHOSEN, RESULT))
    assert np.allclose(quarter(image, 0, 0), 120, atol=1)
    red, _, blue = quarter(cam, 0, 0)
    assert red > blue + 50  # yellow where the model looked,
    assert np.allclose(quarter(cam, 1, 1), 120, atol=1)  # an image elsewhere
    assert np.allclose(quarter(chosen, 0, 0), 40, atol=1)  # dimmed
    assert np.allclose(quarter(chosen, 0, 1), 120, atol=1)
    assert np.allclose(quarter(result, 1, 0), 0, atol=1)
    assert np.allclose(quarter(result, 1, 1), 120, atol=1)
    amber = (np.abs(chosen.astype(int) - (255, 176, 0)) < 12).all(axis=2)
    side = amber.shape[0]
    assert amber[:, side // 2 - 2 : side // 2 + 2].any(axis=1).mean() > 0.95  # the border between left and right
    assert not amber[side // 4 : side // 4 * 3, : side // 2 - 4].any()


def test_the_words_of_a_row() -> None:
    shown = words(interaction_sheet([sample(note="small opacity")]))
    for text in ("image-1", "true: TB", "predicted: normal", "confidence: 93.0%", "oracle: lesions", "small opacity"):
        assert text in shown
    assert [number for number in ("1", "2", "3", "4", "5") if f"\n{number}\n" in f"\n{shown}\n"] == ["1", "2", "3", "4"]
    assert "100" not in words(interaction_sheet([sample(confidence=0.99999)]))


@pytest.mark.parametrize(
    ("cells", "stamp"),
    [(None, "abstained"), (np.zeros((2, 2), bool), "no cell chosen"), (np.ones((2, 2), bool), "all cells chosen")],
)
def test_the_three_kinds_of_no_effect_look_different(cells: NDArray[np.bool_] | None, stamp: str) -> None:
    one = sample(cells=cells, result=sample().image)
    shown = words(interaction_sheet([one])).splitlines()
    assert {"abstained", "no cell chosen", "all cells chosen"} & set(shown) == {stamp}
    assert "unchanged" in shown
    assert "unchanged" not in words(interaction_sheet([sample()]))


def test_same_samples_same_bytes_whatever_the_users_settings(tmp_path: Path) -> None:
    samples = [sample(), sample(image_id="image-2", cells=None)]
    write_png(interaction_sheet(samples), tmp_path / "first.png")
    with matplotlib.rc_context({"figure.dpi": 50, "image.cmap": "jet", "savefig.bbox": "tight", "font.size": 20}):
        before = dict(matplotlib.rcParams)
        write_png(interaction_sheet(samples), tmp_path / "second.png")
        assert dict(matplotlib.rcParams) == before
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "second.png").read_bytes()
    assert b"Software" not in first
    assert b"tEXt" not in first
    write_png(interaction_sheet([sample(), sample(image_id="image-3", cells=None)]), tmp_path / "second.png")
    assert first != (tmp_path / "second.png").read_bytes()


def test_fault_35_ids_and_notes_from_outside_are_plain_text() -> None:
    nasty = sample(
        image_id="$\\frac{$ <script>\n\x00\x1b[31m日本", true_name="$x_", predicted_name="W" * 300,
        oracle="$\\input{/etc/passwd}$", note="W" * 50 + " $ " + "long " * 200,
    )  # fmt: skip
    figure = interaction_sheet([nasty])
    pixels(figure)  # an unclosed $ would raise here, a missing glyph would warn
    shown = words(figure)
    assert "$\\frac{$ <script> \ufffd\ufffd[31m\ufffd\ufffd" in shown
    row = next(text for text in figure.texts if "<script>" in text.get_text())
    box = row.get_window_extent()
    assert box.x1 <= TEXT * DPI
    assert box.height <= PANEL * DPI
    assert max(map(len, shown.splitlines())) <= CHARACTERS


def test_numbers_that_could_not_be_read_are_left_out() -> None:
    fine = sample(grid=Grid(16, 16), cells=np.eye(16, dtype=bool))
    assert len(interaction_sheet([fine]).axes[NUMBERED].texts) == 0
    middling = sample(grid=Grid(3, 8), cells=np.zeros((3, 8), bool))
    assert len(interaction_sheet([middling]).axes[NUMBERED].texts) == 24


def test_a_sample_of_a_record() -> None:
    recorded = Answer(
        image_id="image-1", label=1, predicted=0, confidence=0.93, mispredicted=True, cells=(2, 4), effect="replaced",
        note="seen",
    )  # fmt: skip
    drawn = sample(note="seen")
    parts: dict[str, Any] = {
        "image": drawn.image, "cam": drawn.cam, "result": drawn.result, "grid": (2, 2),
        "class_names": ("normal", "TB"), "oracle": "lesions",
    }  # fmt: skip
    made = sample_of(recorded, **parts)
    for field in dataclasses.fields(Sample):
        assert np.array_equal(getattr(made, field.name), getattr(drawn, field.name)), field.name
    silent = sample_of(recorded.model_copy(update={"cells": None, "reason": "no lung", "note": ""}), **parts)
    assert silent.cells is None
    assert silent.note == "no lung"


def test_samples_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        sample(cam=np.zeros((20, 20), np.float32))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        sample(cam=np.full((40, 40), 2, np.float32))
    with pytest.raises(ValueError, match="shape"):
        sample(cells=np.zeros((3, 3), bool))
    for number in (0, 201):
        with pytest.raises(ValueError, match=f"not {number}"):
            interaction_sheet([sample()] * number)
    with pytest.raises(UsageError):
        interaction_sheet([sample(grid=Grid(41, 2), cells=None)])


def test_arguments_are_untouched() -> None:
    one = sample()
    for array in (one.image, one.cam, one.result, one.cells):
        assert array is not None
        array.flags.writeable = False
    interaction_sheet([one])


def test_the_caption_names_the_arm_and_its_oracle_where_that_has_another_name() -> None:
    own = interactions([sample()], name="i", arm="lesions").caption
    assert own.startswith("What lesions was asked and answered: ")
    other = interactions([sample()], name="i", arm="lesions@two-of-10").caption
    assert other.startswith("What lesions@two-of-10 (oracle lesions) was asked and answered: ")
