from __future__ import annotations

import cv2
import numpy as np
import pytest

from imil_sim.feedback import Feedback, Grid
from imil_sim.report.figures import style
from imil_sim.report.figures.style import png_of
from imil_sim.report.gallery import CHOSEN, GAP, HEAD, NAMES, TILE, GalleryRow, gallery
from imil_sim.testing import sample_questions

QUESTIONS = sample_questions(grids=[Grid(4, 4)], shapes=[(60, 84)])[:3]
CELLS = Grid(4, 4).cells_from_numbers((6, 7))
ROWS = [
    GalleryRow("some", 'like = "lesions"', tuple(Feedback(q.image_id, CELLS) for q in QUESTIONS)),
    GalleryRow("none", "", tuple(Feedback.abstain(q, "no") for q in QUESTIONS)),
    GalleryRow("missing", "", (), 'option "file" is missing'),
]


def drawn(rows: list[GalleryRow]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(height, width, 3) of the picture."""
    found = cv2.imdecode(
        np.frombuffer(png_of(gallery(QUESTIONS, rows, about="images")), np.uint8), cv2.IMREAD_COLOR_RGB
    )
    return np.asarray(found, np.uint8)


def tile(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], line: int, column: int) -> np.ndarray:
    top, left = round(HEAD * style.DPI) + line * (TILE + GAP), round(NAMES * style.DPI) + column * (TILE + GAP)
    return picture[top : top + TILE, left : left + TILE]


def test_chosen_cells_are_bright_and_framed_and_the_others_dimmed() -> None:
    picture = drawn(ROWS)
    image, answered, crossed = (tile(picture, line, 1).astype(int) for line in (0, 2, 3))
    side = TILE // 4
    inside = slice(side + 4, 2 * side - 4)
    assert abs(answered[inside, inside] - image[inside, inside]).max() <= 1  # cell 6
    assert abs(answered[: side - 4, : side - 4] - image[: side - 4, : side - 4] // 3).max() <= 1  # cell 1
    assert abs(answered[side + 4 : 2 * side - 4, side] - CHOSEN).max() <= 1  # the left edge of cell 6
    assert (answered[inside, 2 * side] == image[inside, 2 * side]).all()  # no edge between 6 and 7
    assert crossed.mean() < image.mean() / 2


def test_equal_answers_are_equal_bytes_and_other_answers_others() -> None:
    assert drawn(ROWS).tobytes() == drawn(ROWS).tobytes()
    assert drawn(ROWS).tobytes() != drawn(ROWS[::-1]).tobytes()


def test_an_oracle_that_could_not_be_asked_takes_a_line_of_words_and_no_images() -> None:
    height = drawn(ROWS[:2]).shape[0]
    assert height < drawn(ROWS).shape[0] < height + TILE


def test_a_row_has_an_answer_a_question() -> None:
    with pytest.raises(ValueError, match="short gave 1 answers to 3 questions"):
        gallery(QUESTIONS, [GalleryRow("short", "", ROWS[0].answers[:1])], about="")
    with pytest.raises(ValueError, match="1 to 400 oracles on one question or more"):
        gallery(QUESTIONS, [], about="")
