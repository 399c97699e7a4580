"""Images under names: the augmentations side by side, heat maps of all arms, and the contact sheet of all figures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData

AUGMENTED, HEATED = "augmentations", "cams"
"""Of the parts; their data are `SideBySide` and `HeatMaps`, see `ReportData.shown`."""
CONTACT, COLUMNS, GAP, HEAD, TALLEST = 1400, 3, 20, 26, 620
"""The contact sheet in pixels: width; columns; between pictures, of a title, and of the highest picture."""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The same training images as the arms train on them."""

    ids: tuple[str, ...]
    """(images,)"""
    classes: tuple[str, ...]
    """(images,): name of the true class."""
    columns: tuple[str, ...]
    """``original``, then one arm each."""
    images: NDArray[np.uint8]
    """(images, columns, height, width)"""


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """The same test images under the map of each arm."""

    ids: tuple[str, ...]
    """(images,)"""
    classes: tuple[str, ...]
    """(images,): name of the true class."""
    arms: tuple[str, ...]
    images: NDArray[np.uint8]
    """(images, height, width)"""
    cams: NDArray[np.uint8]
    """(images, arms, height, width), 0 to 255: the Grad-CAM of the predicted class."""
    predicted: Sequence[Sequence[str]]
    """(images, arms): name of the predicted class."""
    confidence: NDArray[np.float64]
    """(images, arms): the probability given to it, in [0, 1]."""


def _draw_augmentations(data: ReportData) -> Iterator[Picture]:
    yield from map(augmentations, data.shown.get(AUGMENTED, ()))


def _draw_cams(data: ReportData) -> Iterator[Picture]:
    yield from map(cam_panels, data.shown.get(HEATED, ()))


AUGMENTATIONS = FigurePart("arms", _draw_augmentations, place=80)
CAMS = FigurePart("attention", _draw_cams)


@style.own_settings()
def augmentations(of: SideBySide) -> Picture:
    """One column an image: the original, then what each arm makes of it, as in figure 1 of Rao et al. (2024).

    More than `style.MOST_ARMS` are not shown, and the caption says how many.
    """
    shown = of.columns[: style.MOST_ARMS]
    changed = (of.images[:, 1:] != of.images[:, :1]).mean(axis=(0, 2, 3))
    shares = [f"{arm} {style.percent(float(share))}" for arm, share in zip(shown[1:], changed, strict=False)]
    figure, tiles = sheet(shown, _headings(of))
    for column, images in enumerate(of.images):
        for row in range(len(shown)):
            draw_image(tiles[row, column], images[row])
    return style.picture_of(
        figure, "images",
        caption="The same training images as each arm sees them. Black cells are those the clinician did not choose."
        + _left_out(of.columns),
        alt=f"{len(of.ids)} images; pixels that differ from {shown[0]}: {style.listed(shares, 8)}.",
    )  # fmt: skip


@style.own_settings()
def cam_panels(of: HeatMaps) -> Picture:
    """One column a test image: the image, then it under the map of each arm with the prediction below.

    More than `style.MOST_ARMS` arms are not shown, and the caption says how many. As in figure 4 of Rao et al. (2024).
    """
    shown = of.arms[: style.MOST_ARMS]
    right = [sum(said[place] == true for said, true in zip(of.predicted, of.classes, strict=True))
             for place in range(len(shown))]  # fmt: skip
    figure, tiles = sheet(["image", *shown], _headings(of), side=1.3)
    for column, true in enumerate(of.classes):
        draw_image(tiles[0, column], of.images[column])
        for place, axes in enumerate(tiles[1:, column]):
            said = of.predicted[column][place]
            draw_image(axes, of.images[column])
            axes.imshow(heated(of.cams[column, place] / 255), interpolation="auto")
            axes.set_xlabel(f"{'' if said == true else '✗ '}{style.wrapped(said, 10, 1)} "
                            f"{style.percent(of.confidence[column, place])}")  # fmt: skip
    style.scale(figure, tiles, 0, 1, "Grad-CAM of the predicted class", location="bottom", ticks=(0, 0.5, 1))
    counts = [f"{arm} {count} of {len(of.ids)}" for arm, count in zip(shown, right, strict=True)]
    return style.picture_of(
        figure, "cams",
        caption="Where the model of each arm looked on the same test images, and what it predicted; ✗ marks an error."
        + _left_out(of.arms),
        alt=f"Heat maps over {len(of.ids)} test images; right: {style.listed(counts)}.",
    )  # fmt: skip


def _headings(of: SideBySide | HeatMaps) -> list[str]:
    return [f"{one}\ntrue: {true}" for one, true in zip(of.ids, of.classes, strict=True)]


def _left_out(arms: Sequence[str]) -> str:
    return f" The first {style.MOST_ARMS} of {len(arms)} are shown." if len(arms) > style.MOST_ARMS else ""


def sheet(rows: Sequence[str], columns: Sequence[str], *, side: float = 1.15) -> tuple[Figure, NDArray[np.object_]]:
    """A figure with a tile (rows, columns) for every row under its arm's name and every column under its heading."""
    figure, tiles = tiles_of(len(rows), len(columns), side * len(rows) + 0.7)
    for axes, label in zip(tiles[:, 0], style.arm_labels(rows, width=18, lines=3), strict=True):
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    for axes, heading in zip(tiles[0], columns, strict=True):
        axes.set_title("\n".join(style.wrapped(line, 18) for line in heading.split("\n")))
    return figure, tiles


def tiles_of(rows: int, columns: int, height: float, width: float = style.WIDTH) -> tuple[Figure, NDArray[np.object_]]:
    """A figure of that size in inches with tiles (rows, columns) that have neither frame nor ticks."""
    figure = style.blank(height, width)
    tiles = figure.subplots(rows, columns, squeeze=False)
    for axes in tiles.flat:
        axes.set(xticks=(), yticks=())
        axes.spines[:].set_visible(False)
    return figure, tiles


def draw_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    """The image in grays, black at 0 and white at 255."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="auto")


def heated(cam: NDArray[np.floating]) -> NDArray[np.float64]:
    """A map in [0, 1] as colours (height, width, 4), clear where it is 0: what the model ignored stays an image."""
    colours = np.asarray(matplotlib.colormaps[style.COLOURS](np.asarray(cam, np.float64)), np.float64)
    colours[..., 3] = 0.75 * np.sqrt(cam)
    return colours


def contact_sheet(pictures: Sequence[Picture]) -> bytes:
    """A PNG, 1,400 pixels wide, of one picture or more under their names; each goes to the column that ends highest."""
    width = (CONTACT - (COLUMNS + 1) * GAP) // COLUMNS
    ends, placed = [GAP] * COLUMNS, []
    for picture in pictures:
        column = ends.index(min(ends))
        small = Image.open(io.BytesIO(picture.png)).convert("RGB")
        small.thumbnail((width, TALLEST))
        placed.append((picture.name, small, GAP + column * (width + GAP), ends[column]))
        ends[column] += HEAD + small.height + GAP
    whole = Image.new("RGB", (CONTACT, max(ends)), "white")
    for name, small, left, top in placed:
        ImageDraw.Draw(whole).text((left, top + 8), name, fill="black")
        whole.paste(small, (left, top + HEAD))
    content = io.BytesIO()
    whole.save(content, format="png", optimize=True)
    return content.getvalue()
