"""Figures made of images: augmentations, heat maps, interactions, the gallery of oracles, the contact sheet."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, Grid
from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.images import HeatMaps, SideBySide, augmentations, cam_panels, contact_sheet, heated
from imil_sim.report.figures.interactions import (
    CHOSEN,
    MOST,
    SPACE,
    TILE,
    GalleryRow,
    Sample,
    Sheet,
    answered,
    gallery,
    interactions,
    varied,
)
from imil_sim.testing import sample_questions

IMAGE = np.full((20, 30), 120, np.uint8)
RIGHT = np.array([[False, True], [False, True]])


def heat_maps(*arms: str) -> HeatMaps:
    cams = np.zeros((1, len(arms), 20, 30), np.uint8)
    cams[:, :, :10] = 255
    predicted, confidence = ["TB", *["normal"] * (len(arms) - 1)], [0.99999, *[0.75] * (len(arms) - 1)]
    return HeatMaps(("image-1",), ("TB",), arms, IMAGE[None], cams, [predicted], np.array([confidence]))


def sample(**fields: Any) -> Sample:
    """A flat gray image of 40 px whose right half the oracle of a 2 x 2 grid chose."""
    image = np.full((40, 40), 120, np.uint8)
    result = image.copy()
    result[:, :20] = 0
    given: dict[str, Any] = {
        "image_id": "image-1", "image": image, "cam": np.eye(40, dtype=np.float32), "grid": Grid(2, 2), "cells": RIGHT,
        "result": result, "true_name": "TB", "predicted_name": "normal", "confidence": 0.93, "oracle": "lesions",
    }  # fmt: skip
    return Sample(**(given | fields))


def test_a_column_is_an_image_and_a_row_an_arm(seen: Any) -> None:
    black = IMAGE.copy()
    black[:, :15] = 0
    three = ("a", "b", "c")
    augmentations(SideBySide(three, three, ("original", "lesions"), np.stack([np.stack([IMAGE, black])] * 3)))
    shown = [np.array_equal(axes.images[0].get_array(), black) for axes in seen.figure.axes]
    assert shown == [False] * 3 + [True] * 3


def test_a_map_lies_over_its_image_a_wrong_answer_is_marked_and_there_is_a_scale(seen: Any) -> None:
    cam_panels(heat_maps("lesions", "base"))
    image, first, second, scale = seen.figure.axes
    assert (len(image.images), len(first.images)) == (1, 2)
    alpha = np.asarray(first.images[1].get_array())[..., 3]
    assert (alpha[0, 0], alpha[-1, 0]) == (pytest.approx(0.75), 0)
    assert [axes.get_xlabel() for axes in (first, second)] == ["TB over 99.9%", "✗ normal 75.0%"]
    assert scale.get_xlim() == (0, 1)
    cam_panels(heat_maps(*(f"arm-{n}" for n in range(14))))
    assert len(seen.figure.axes) == 1 + style.MOST_ARMS + 1


def test_heat_is_in_the_one_colour_map_and_clear_where_there_is_none() -> None:
    colours = heated(np.array([[0.0, 0.25, 1.0]]))
    assert colours[0, :, 3].tolist() == [0, 0.375, 0.75]
    luminance = colours[0, :, :3] @ (0.299, 0.587, 0.114)
    assert (np.diff(luminance) > 0).all()


def test_the_five_panels_of_an_interaction(seen: Any) -> None:
    interactions(Sheet("lesions", (sample(note="small opacity"),)))
    image, cam, grid, chosen, result, scale = seen.figure.axes
    assert [len(axes.images) for axes in (image, cam, grid, chosen, result)] == [1, 2, 1, 1, 1]
    assert [text.get_text() for text in grid.texts] == ["1", "2", "3", "4"]
    assert np.array_equal(result.images[0].get_array(), sample().result)
    assert scale.get_xlim() == (0, 1)
    assert "small opacity" in seen.words
    interactions(Sheet("a", (sample(grid=Grid(16, 16), cells=np.eye(16, dtype=bool)),)))
    assert not seen.figure.axes[2].texts  # numbers that could not be read are left out


@pytest.mark.parametrize(
    ("cells", "stamp"),
    [(None, "abstained"), (np.zeros((2, 2), bool), "no cells"), (np.ones((2, 2), bool), "all cells")],
)
def test_the_three_kinds_of_no_effect_look_different(seen: Any, cells: NDArray[np.bool_] | None, stamp: str) -> None:
    interactions(Sheet("a", (sample(cells=cells, result=sample().image),)))
    stamps = [text.get_text() for axes in seen.figure.axes[3:5] for text in axes.texts]
    assert stamps == [stamp, "unchanged"]


def test_chosen_cells_are_bright_and_framed_and_the_others_dimmed() -> None:
    image = sample().image
    tile = answered(image, Grid(2, 2), RIGHT, (40, 40))
    assert (tile[2:-2, 2:18] == 40).all()
    assert (tile[2:-2, 22:-2] == 120).all()
    assert (tile[:, 20] == CHOSEN).all()
    crossed = answered(image, Grid(2, 2), None, (40, 40))
    assert crossed.mean() < image.mean() / 2
    assert not (crossed == CHOSEN).all(axis=2).any()
    assert (image == 120).all()  # arguments are untouched


def test_a_sheet_shows_six_samples_of_all_classes_in_the_order_of_asking(seen: Any) -> None:
    names = ["normal"] * 5 + ["TB", "normal", "TB", "TB"]
    samples = [sample(image_id=f"{i}", true_name=name) for i, name in enumerate(names)]
    assert [s.image_id for s in varied(samples, 4)] == ["0", "1", "5", "7"]
    assert [s.image_id for s in varied(samples[:5], 3)] == ["0", "1", "2"]
    interactions(Sheet("a", tuple(samples)))
    assert len(seen.figure.axes) == 5 * MOST + 1


QUESTIONS = sample_questions(grids=[Grid(4, 4)], shapes=[(60, 84)])[:3]
ROWS = [
    GalleryRow("some", "", tuple(Feedback(q.image_id, Grid(4, 4).cells_from_numbers((6, 7))) for q in QUESTIONS)),
    GalleryRow("none", "", tuple(Feedback.abstain(q, "no") for q in QUESTIONS)),
    GalleryRow("missing", "", (), 'option "file" is missing'),
]


def test_the_gallery_has_a_line_an_oracle_that_could_be_asked() -> None:
    figure = gallery(QUESTIONS, ROWS, about="images")
    ((image,),) = (axes.images for axes in figure.axes)
    mosaic = np.asarray(image.get_array())
    assert mosaic.shape == (4 * (TILE + SPACE), 3 * (TILE + SPACE), 3)
    tiles = [mosaic[line * (TILE + SPACE) :][:TILE, :TILE] for line in range(4)]
    amber = [bool((tile == CHOSEN).all(axis=2).any()) for tile in tiles]
    assert amber == [False, False, True, False]
    assert style.png_of(figure) == style.png_of(gallery(QUESTIONS, ROWS, about="images"))


def test_every_picture_is_on_the_contact_sheet_whole_and_in_proportion() -> None:
    colours = ((255, 0, 0), (0, 128, 0), (0, 0, 255), (200, 100, 0))
    pixels = [np.full((height, 900, 3), colour[::-1], np.uint8)
              for height, colour in zip((300, 9000, 600, 900), colours, strict=True)]  # fmt: skip
    pictures = [Picture("p", "", "", cv2.imencode(".png", one)[1].tobytes()) for one in pixels]
    png = contact_sheet(pictures)
    assert png == contact_sheet(pictures)
    sheet = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert sheet is not None
    for colour, shape in zip(colours, ((147, 440), (620, 62), (293, 440), (440, 440)), strict=True):
        lines, columns = np.nonzero((sheet == colour).all(axis=2))
        assert (np.ptp(lines) + 1, np.ptp(columns) + 1) == shape
        assert len(lines) == shape[0] * shape[1]  # nothing lies over it
