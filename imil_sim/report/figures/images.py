"""Images in tiles: rows of images with words above and below, what `augmentations` and `cam_panels` are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from imil_sim.report.figures import style

ACROSS = 6
"""Tiles side by side; further ones stand in further lines."""
GAP = 0.08
SIDE = (style.WIDTH - (ACROSS + 1) * GAP) / ACROSS
"""Width of a tile in inches."""
MOST_ROWS = 60
"""Rows of one sheet; matplotlib draws no picture higher than 65,536 pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One image with its words."""

    title: str
    image: NDArray[np.uint8]
    """(height, width)."""
    cam: NDArray[np.uint8] | None = None
    """(height, width), 0 to 255: laid over the image."""
    below: str = ""
    """One line."""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """Tiles of one image under one line about it."""

    heading: str
    tiles: tuple[Tile, ...]


def image_sheet(rows: Sequence[ImageRow]) -> Figure:
    """Every row with its heading and its tiles, as many lines of them as they need.

    Raises:
        ValueError: there is no row, or more than `MOST_ROWS`; a row has no tile; a map is of another shape than its
            image.
    """
    if not 1 <= len(rows) <= MOST_ROWS or not all(row.tiles for row in rows):
        raise ValueError(f"a sheet shows 1 to {MOST_ROWS} rows of one tile or more, not {len(rows)}")
    titles = {row: style.labels([tile.title for tile in of.tiles], SIDE, lines=2) for row, of in enumerate(rows)}
    lines = max(title.count("\n") + 1 for of in titles.values() for title in of)
    above, below = lines * style.LINE + 0.04, style.LINE if any(t.below for r in rows for t in r.tiles) else 0.0
    heading, apart = style.LINE + 0.1, 0.14
    tall = [above + max(_height(tile) for tile in row.tiles) + below + 0.08 for row in rows]
    lines_of = [-(-len(row.tiles) // ACROSS) for row in rows]
    figure = style.blank(sum(heading + n * t + apart for n, t in zip(lines_of, tall, strict=True)) - apart + 0.1)
    top = 0.06
    for number, row in enumerate(rows):
        style.words(figure, GAP, top, style.shortened(row.heading, style.WIDTH - 2 * GAP), weight="bold")
        for place, tile in enumerate(row.tiles):
            line, column = divmod(place, ACROSS)
            left = GAP + column * (SIDE + GAP)
            upper = top + heading + line * tall[number] + above
            style.words(figure, left, upper - 0.06, titles[number][place], va="baseline")
            _tile(style.panel(figure, left, upper, SIDE, _height(tile)), tile)
            if tile.below:
                style.words(figure, left, upper + _height(tile) + 0.02, style.shortened(tile.below, SIDE))
        top += heading + lines_of[number] * tall[number] + apart
    return figure


def draw_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    """The image in grays, black at 0 and white at 255."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="auto")


def draw_cam(axes: Axes, cam: NDArray[np.floating]) -> None:
    """A map in [0, 1] in colour, clear where it is 0: what the model ignored stays an image."""
    colours = matplotlib.colormaps["inferno"](0.25 + 0.75 * cam)
    colours[..., 3] = 0.75 * np.sqrt(cam)
    axes.imshow(colours, interpolation="auto")


def _tile(axes: Axes, tile: Tile) -> None:
    axes.set_axis_off()
    draw_image(axes, tile.image)
    if tile.cam is not None:
        if tile.cam.shape != tile.image.shape:
            raise ValueError(f"a map of {tile.cam.shape} does not lie over an image of {tile.image.shape}")
        draw_cam(axes, tile.cam.astype(np.float64) / 255)


def _height(tile: Tile) -> float:
    height, width = tile.image.shape
    return SIDE * float(height) / float(width)
