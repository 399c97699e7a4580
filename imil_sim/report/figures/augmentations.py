"""The augmentations side by side on the same images, as in figure 1 of Rao et al. (2024)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.images import ACROSS, ImageRow, Tile, image_sheet

MOST_COLUMNS = 2 * ACROSS
"""They fill two lines."""


def augmentations(
    images: NDArray[np.uint8], columns: Sequence[str], ids: Sequence[str], *, name: str, notes: Sequence[str] = ()
) -> Picture:
    """One row an image: the original, then what each augmentation or clinician makes of it.

    More than `MOST_COLUMNS` are not shown, and the caption says how many.

    Args:
        images: (rows, columns, height, width), the original first.
        columns: their names.
        ids: of the images.
        name: of the picture, a-z, 0-9 and hyphens.
        notes: one an image, such as its class; none: nothing is said.

    Raises:
        ValueError: the shapes do not go together.
    """
    told = list(notes) or [""] * len(ids)
    if images.ndim != 4 or images.shape[:2] != (len(ids), len(columns)) or len(told) != len(ids):
        raise ValueError(
            f"images of shape {images.shape} are not of {len(ids)} rows, {len(told)} notes and {len(columns)} columns"
        )
    shown = columns[:MOST_COLUMNS]
    more = f" The first {len(shown)} of {len(columns)} are shown." if len(columns) > len(shown) else ""
    rows = [
        ImageRow(f"{image}, {note}" if note else image, tuple(map(Tile, shown, of)))
        for image, note, of in zip(ids, told, images, strict=True)
    ]
    with style.own_settings():
        return style.picture_of(
            image_sheet(rows), name=name, vector=False,
            caption="The same training images as each arm sees them: the original, then what each augmentation or "
            f"clinician makes of it. Black cells are those the clinician did not choose.{more}",
            alt=_alt(images[:, : len(shown)], shown, ids),
        )  # fmt: skip


def _alt(images: NDArray[np.uint8], columns: Sequence[str], ids: Sequence[str]) -> str:
    changed = (images[:, 1:] != images[:, :1]).mean(axis=(0, 2, 3)) if len(ids) else np.array([])
    shares = [f"{column} {style.percent(float(share))}" for column, share in zip(columns[1:], changed, strict=True)]
    told = f"{style.counted(len(ids), 'image')} under {len(columns)} headings, the first {columns[0]}."
    return f"{told} Pixels that differ from it: {style.listed(shares, 8)}." if shares else told
