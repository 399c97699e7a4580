"""Images under names: a sheet of tiles, the augmentations side by side, and all figures of a report on one sheet."""

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

NAME = "augmentations"
"""Of the part; its data are `SideBySide`, see `ReportData.shown`."""
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


def _draw(data: ReportData) -> Iterator[Picture]:
    for shown in data.shown.get(NAME, ()):
        notes = [f"true: {name}" for name in shown.classes]
        yield augmentations(shown.images, shown.columns, shown.ids, name="images", notes=notes)


PART = FigurePart("arms", _draw, place=80)


def augmentations(
    images: NDArray[np.uint8], arms: Sequence[str], ids: Sequence[str], *, name: str, notes: Sequence[str] = ()
) -> Picture:
    """One column an image: the original, then what each augmentation or clinician makes of it.

    More than `style.MOST_ARMS` are not shown, and the caption says how many. As in figure 1 of Rao et al. (2024).

    Args:
        images: (images, arms, height, width), the original first.
        arms: their names, the original's first.
        ids: of the images.
        name: of the picture, a-z, 0-9 and hyphens.
        notes: one an image, such as its class; none: nothing is said.

    Raises:
        ValueError: the shapes do not go together.
    """
    if images.ndim != 4 or images.shape[:2] != (len(ids), len(arms)) or (notes and len(notes) != len(ids)):
        raise ValueError(f"images of shape {images.shape} are not of {len(ids)} ids and {len(arms)} arms")
    shown = arms[: style.MOST_ARMS]
    changed = (images[:, 1:] != images[:, :1]).mean(axis=(0, 2, 3))
    shares = [f"{arm} {style.percent(float(share))}" for arm, share in zip(shown[1:], changed, strict=False)]
    with style.own_settings():
        figure, tiles = sheet(shown, [f"{i}\n{n}" for i, n in zip(ids, notes or [""] * len(ids), strict=True)])
        for column, of in enumerate(images):
            for row, image in enumerate(of[: len(shown)]):
                draw_image(tiles[row, column], image)
        return style.picture_of(
            figure, name=name, vector=False,
            caption="The same training images as each arm sees them. Black cells are those the clinician did not "
            f"choose.{left_out(shown, arms)}",
            alt=f"{style.counted(len(ids), 'image')}; pixels that differ from {shown[0]}: {style.listed(shares, 8)}.",
        )  # fmt: skip


def left_out(shown: Sequence[str], arms: Sequence[str]) -> str:
    """A sentence where not all arms are shown."""
    return f" The first {len(shown)} of {len(arms)} are shown." if len(arms) > len(shown) else ""


def sheet(rows: Sequence[str], columns: Sequence[str], *, side: float = 1.15) -> tuple[Figure, NDArray[np.object_]]:
    """A figure with a tile (rows, columns) for every row under its arm's name and every column under its heading.

    Raises:
        ValueError: there is no row or no column.
    """
    if not rows or not columns:
        raise ValueError("a sheet of images needs a row and a column at least")
    figure = style.blank(side * len(rows) + 0.7)
    tiles = figure.subplots(len(rows), len(columns), squeeze=False)
    for axes in tiles.flat:
        axes.set(xticks=(), yticks=())
        axes.spines[:].set_visible(False)
    for axes, label in zip(tiles[:, 0], style.arm_labels(rows, width=18, lines=3), strict=True):
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    for axes, heading in zip(tiles[0], columns, strict=True):
        axes.set_title("\n".join(style.wrapped(line, 18) for line in heading.split("\n")))
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
    """A PNG, 1,400 pixels wide, of all pictures under their names; each goes to the column that ends highest.

    Raises:
        ValueError: there is no picture.
    """
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
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
