"""Of `images`, `augmentations` and `cam_panels`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.report.figures import CamRow, augmentations, cam_panels
from imil_sim.report.figures.images import ImageRow, Tile, image_sheet

IMAGE = np.full((20, 30), 120, np.uint8)


def row(arms: int = 2, **fields: Any) -> CamRow:
    cams = np.zeros((arms, 20, 30), np.uint8)
    cams[:, :10] = 255
    given: dict[str, Any] = {
        "image_id": "image-1", "true_name": "TB", "image": IMAGE, "cams": cams,
        "predicted": ("TB", *("normal",) * (arms - 1)), "confidence": (0.99999, *(0.75,) * (arms - 1)),
    }  # fmt: skip
    return CamRow(**(given | fields))


def test_images_stand_where_their_columns_say(seen: Any) -> None:
    black = IMAGE.copy()
    black[:, :15] = 0
    images = np.stack([np.stack([IMAGE, black])] * 3)
    picture = augmentations(images, ["original", "lesions"], ["a", "b", "c"], name="f", notes=["TB", "normal", ""])
    shown = [axes.images[0].get_array() for axes in seen.figure.axes]
    assert [np.array_equal(image, black) for image in shown] == [False, True] * 3
    box = seen.figure.axes[0].get_window_extent()
    assert box.width / box.height == pytest.approx(1.5, abs=0.02)
    for words in ("a, TB", "b, normal", "original", "lesions"):
        assert words in seen.words
    assert "lesions 50.0%" in picture.alt


def test_a_map_lies_over_its_image_and_a_wrong_answer_is_marked(seen: Any) -> None:
    picture = cam_panels([row()], ["lesions", "base"], name="c")
    image, first, _ = seen.figure.axes
    assert (len(image.images), len(first.images)) == (1, 2)
    alpha = np.asarray(first.images[1].get_array())[..., 3]
    assert alpha[0, 0] == pytest.approx(0.75)
    assert alpha[-1, 0] == 0
    assert "TB over 99.9%" in seen.words
    assert "✗ normal 75.0%" in seen.words
    assert "image-1, true class: TB" in seen.words
    assert "lesions is right on 1 of 1 and base is right on 0 of 1" in picture.alt


def test_arms_that_are_not_shown_are_counted(seen: Any) -> None:
    arms = [f"arm-{n}" for n in range(14)]
    assert "The first 11 of 14 arms are shown." in cam_panels([row(14)], arms, name="c").caption
    assert len(seen.figure.axes) == 12
    images = np.tile(IMAGE, (1, 14, 1, 1))
    assert "The first 12 of 14 are shown." in augmentations(images, arms, ["a"], name="a").caption


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="2 columns"):
        augmentations(np.zeros((1, 3, 4, 4), np.uint8), ["a", "b"], ["image"], name="f")
    with pytest.raises(ValueError, match="do not go with an image"):
        row(cams=np.zeros((2, 9, 9), np.uint8))
    with pytest.raises(ValueError, match="3 arms"):
        cam_panels([row()], ["a", "b", "c"], name="c")
    with pytest.raises(ValueError, match="does not lie over"):
        image_sheet([ImageRow("x", (Tile("t", IMAGE, np.zeros((2, 2), np.uint8)),))])
    with pytest.raises(ValueError, match="1 to 60 rows"):
        image_sheet([])
