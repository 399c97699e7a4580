"""Where the models of every arm look on the same test images, as in figure 4 of Rao et al. (2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.images import ACROSS, ImageRow, Tile, image_sheet

MOST_ARMS = 2 * ACROSS - 1
"""With the image itself they fill two lines."""


@dataclass(frozen=True, slots=True, eq=False)
class CamRow:
    """One test image and what every arm says of it."""

    image_id: str
    true_name: str
    image: NDArray[np.uint8]
    """(height, width)."""
    cams: NDArray[np.uint8]
    """(arms, height, width), 0 to 255: the Grad-CAM of the predicted class."""
    predicted: tuple[str, ...]
    """By arm, the name of the predicted class."""
    confidence: tuple[float, ...]
    """By arm, the probability given to it, in [0, 1]."""

    def __post_init__(self) -> None:
        if self.cams.shape[1:] != self.image.shape or not len(self.cams) == len(self.predicted) == len(self.confidence):
            raise ValueError(
                f"{self.image_id}: maps {self.cams.shape} do not go with an image {self.image.shape}, "
                f"{len(self.predicted)} predictions and {len(self.confidence)} confidences"
            )


def cam_panels(rows: Sequence[CamRow], arms: Sequence[str], *, name: str) -> Picture:
    """One row a test image: the image, then it under the map of each arm with the prediction below.

    More than `MOST_ARMS` arms are not shown, and the caption says how many.

    Args:
        rows: the images.
        arms: their names.
        name: of the picture, a-z, 0-9 and hyphens.

    Raises:
        ValueError: there is no image, or an image has maps of other arms.
    """
    if wrong := [row.image_id for row in rows if len(row.predicted) != len(arms)]:
        raise ValueError(f"{style.listed(wrong)}: {len(arms)} arms need a map each")
    shown = arms[:MOST_ARMS]
    more = f" The first {len(shown)} of {len(arms)} arms are shown." if len(arms) > len(shown) else ""
    with style.own_settings():
        return style.picture_of(
            image_sheet([_row(row, shown) for row in rows]), name=name, vector=False,
            caption="Where the model of each arm looked (Grad-CAM of the predicted class, bright where it looked most) "
            f"on the same test images, and what it said.{more}",
            alt=_alt(rows, shown),
        )  # fmt: skip


def _row(of: CamRow, arms: Sequence[str]) -> ImageRow:
    tiles = [Tile("image", of.image)]
    for place, arm in enumerate(arms):
        tiles.append(Tile(arm, of.image, of.cams[place], _said(of, place)))
    return ImageRow(f"{of.image_id}, true class: {of.true_name}", tuple(tiles))


def _said(of: CamRow, place: int) -> str:
    wrong = "" if of.predicted[place] == of.true_name else "✗ "
    return f"{wrong}{of.predicted[place]} {style.percent(of.confidence[place])}"


def _alt(rows: Sequence[CamRow], arms: Sequence[str]) -> str:
    right = [
        f"{arm} is right on {sum(row.predicted[place] == row.true_name for row in rows)} of {len(rows)}"
        for place, arm in enumerate(arms)
    ]
    told = f"Heat-maps of {style.counted(len(arms), 'arm')} over {style.counted(len(rows), 'test image')}."
    return f"{told} Errors are marked with ✗: {style.listed(right)}."
