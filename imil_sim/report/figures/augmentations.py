"""The augmentations side by side on the same films, as in figure 1 of Rao et al. (2024)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.films import ACROSS, FilmRow, Tile, film_sheet

MOST_COLUMNS = 2 * ACROSS
"""They fill two lines."""


def augmentations(
    films: NDArray[np.uint8], columns: Sequence[str], ids: Sequence[str], *, name: str, notes: Sequence[str] = ()
) -> Picture:
    """One row a film: the original, then what each augmentation or clinician makes of it.

    More than `MOST_COLUMNS` are not shown, and the caption says how many.

    Args:
        films: (rows, columns, height, width), the original first.
        columns: their names.
        ids: of the films.
        name: of the picture, a-z, 0-9 and hyphens.
        notes: one a film, such as its class; none: nothing is said.

    Raises:
        ValueError: the shapes do not go together.
    """
    told = list(notes) or [""] * len(ids)
    if films.ndim != 4 or films.shape[:2] != (len(ids), len(columns)) or len(told) != len(ids):
        raise ValueError(
            f"films of shape {films.shape} are not of {len(ids)} rows, {len(told)} notes and {len(columns)} columns"
        )
    shown = columns[:MOST_COLUMNS]
    more = f" The first {len(shown)} of {len(columns)} are shown." if len(columns) > len(shown) else ""
    rows = [
        FilmRow(f"{film}, {note}" if note else film, tuple(map(Tile, shown, of)))
        for film, note, of in zip(ids, told, films, strict=True)
    ]
    with style.own_settings():
        return style.picture_of(
            film_sheet(rows), name=name, vector=False,
            caption="The same training films as each arm sees them: the original, then what each augmentation or "
            f"clinician makes of it. Black cells are those the clinician did not choose.{more}",
            alt=_alt(films[:, : len(shown)], shown, ids),
        )  # fmt: skip


def _alt(films: NDArray[np.uint8], columns: Sequence[str], ids: Sequence[str]) -> str:
    changed = (films[:, 1:] != films[:, :1]).mean(axis=(0, 2, 3)) if len(ids) else np.array([])
    shares = [f"{column} {style.percent(float(share))}" for column, share in zip(columns[1:], changed, strict=True)]
    told = f"{style.counted(len(ids), 'film')} under {len(columns)} headings, the first {columns[0]}."
    return f"{told} Pixels that differ from it: {style.listed(shares, 8)}." if shares else told
