"""Disagreement: which test images an arm gets right where its reference errs, and the other way round, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.figures.multiples import multiples

FIXED, BROKEN, SAME = "#004a80", style.CONTRAST, "#f0f0f0"
"""Dark, middling and pale, so that they differ in gray as in colour; a missing run is white."""
ROW = 0.15
"""Inches of one seed where every seed is named."""
MOST_TOLD = 20
"""Images of the table."""


def hits_of(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the most probable class is the true one, else 0, (arms, seeds, images); NaN with a missing run.

    Args:
        labels: (images,), class numbers.
        probabilities: (arms, seeds, images, classes); a run that is missing NaN throughout.
    """
    missing = np.isnan(probabilities).any(axis=3)
    right = np.where(np.isnan(probabilities), -1.0, probabilities).argmax(axis=3) == labels
    return np.where(missing, np.nan, right)


def changes_of(hits: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """+1 where the arm is right and its reference wrong, -1 the other way round, 0 where alike; NaN where unknown.

    Both (seeds, images), as `hits_of` makes them.
    """
    if hits.shape != reference.shape:
        raise ValueError(f"hits of shape {hits.shape} do not go with a reference of {reference.shape}")
    return hits - reference


def disagreement(
    hits: NDArray[np.float64],
    reference: NDArray[np.float64],
    arms: Sequence[str],
    *,
    name: str,
    reference_name: str,
    ids: Sequence[str],
    seeds: Sequence[int],
) -> Picture:
    """Seeds x images, those images that changed in any seed: fixed dark, broken orange; one arm large, several small.

    Args:
        hits: (arms, seeds, images), as `hits_of` makes them; without the reference arm.
        reference: (seeds, images), of the reference arm.
        arms: names of the arms.
        name: of the picture, a-z, 0-9 and hyphens.
        reference_name: of the reference arm.
        ids: of the images.
        seeds: their numbers.

    Raises:
        ValueError: there is no arm, or the shapes do not go together.
    """
    if not arms or hits.shape != (len(arms), len(seeds), len(ids)):
        raise ValueError(f"hits {hits.shape} are not of {len(arms)} arms, {len(seeds)} seeds and {len(ids)} images")
    changes = [changes_of(of, reference) for of in hits]
    with style.own_settings():
        figure = _large(changes[0], seeds) if len(arms) == 1 else _small(changes, arms)
        return style.picture_of(
            figure, name=name,
            caption=f"Test images that {arms[0] if len(arms) == 1 else 'the arm'} gets right where {reference_name} "
            "errs (fixed, dark) and the other way round (broken, orange), one row a seed. Images are sorted from most "
            "often fixed to most often broken; those that no seed changed are left out.",
            alt=_alt(changes, arms, reference_name), table=_table(name, changes, arms, ids),
        )  # fmt: skip


def in_order(changes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The images (those that changed in any seed,) from the highest sum to the lowest, then as they come."""
    sums = np.nansum(changes, axis=0)
    changed = np.flatnonzero(np.nan_to_num(changes).any(axis=0))
    return changed[np.argsort(-sums[changed], kind="stable")]


# -------------------------------------------------------------------------------------------------------------- drawn


def _large(changes: NDArray[np.float64], seeds: Sequence[int]) -> Figure:
    left, width, counts, head = 0.75, 5.55, 0.75, 0.34
    height = max(ROW * len(seeds), 0.6)
    order = in_order(changes)
    figure = style.blank(head + counts + 0.1 + height + 0.5)
    above = style.panel(figure, left, head, width, counts)
    axes = style.panel(figure, left, head + counts + 0.1, width, height)
    _map(axes, changes[:, order])
    axes.set_yticks(range(len(seeds)), style.labels([f"seed {seed}" for seed in seeds], left - 0.08))
    axes.set_xlabel(_images(order, changes))
    _counts(above, changes[:, order])
    above.set_ylabel("seeds")
    for row, of in enumerate(changes):
        middle = head + counts + 0.1 + (row + 0.5) * height / len(seeds)
        told = "no run" if np.isnan(of).all() else f"+{(of > 0).sum()}  −{(of < 0).sum()}"
        style.words(figure, left + width + 0.1, middle, told, va="center", linespacing=1.0)
    style.words(figure, left + width + 0.1, head + counts - 0.12, "fixed, broken", color=style.MIDDLE, va="center")
    _legend(figure)
    return figure


def _small(changes: Sequence[NDArray[np.float64]], arms: Sequence[str]) -> Figure:
    lattice = multiples(arms, height=0.85, columns=3, below=2, head=0.4, left=0.12, foot=0.1)
    figure = lattice.figure()
    for number, (place, of) in enumerate(zip(lattice.places(), changes, strict=True)):
        order = in_order(of)
        fixed, broken = int((of > 0).sum()), int((of < 0).sum())
        told = f"{len(order)} of {of.shape[1]:,} images\nfixed {fixed:,}, broken {broken:,} times"
        lattice.head_of(figure, number, place, below=told)
        axes = style.panel(figure, *place, lattice.width, lattice.height)
        axes.set(xticks=(), yticks=())
        _map(axes, of[:, order])
    _legend(figure)
    return figure


def _map(axes: Axes, changes: NDArray[np.float64]) -> None:
    """Colours (seeds, images); more images than pixels are averaged, not skipped."""
    axes.spines[["top", "right"]].set_visible(True)
    axes.set(xticks=())
    if not changes.shape[1]:
        axes.set(yticks=())
        axes.text(0.5, 0.5, "no image changed", ha="center", va="center", transform=axes.transAxes)
        return
    colours = np.full((*changes.shape, 3), 255, np.uint8)
    for value, colour in ((0, SAME), (1, FIXED), (-1, BROKEN)):
        colours[changes == value] = np.round(np.multiply(to_rgb(colour), 255))
    pixels = int(axes.get_window_extent().width)
    if colours.shape[1] > pixels:
        colours = cv2.resize(colours, (pixels, len(colours)), interpolation=cv2.INTER_AREA)
    axes.imshow(colours, aspect="auto", interpolation="none")  # none: an SVG then holds these pixels, not a screen's


def _counts(axes: Axes, changes: NDArray[np.float64]) -> None:
    """How many seeds fix an image, upwards, and break it, downwards."""
    up, down = (changes > 0).sum(axis=0), (changes < 0).sum(axis=0)
    edges = np.arange(changes.shape[1] + 1) - 0.5
    axes.stairs(up, edges, fill=True, color=FIXED, linewidth=0)
    axes.stairs(-down, edges, fill=True, color=BROKEN, linewidth=0)
    axes.axhline(0, color=style.MIDDLE, linewidth=0.6)
    axes.spines["bottom"].set_visible(False)
    most = max(int(up.max(initial=1)), int(down.max(initial=1)))
    axes.set(xlim=(-0.5, max(changes.shape[1], 1) - 0.5), ylim=(-most * 1.08, most * 1.08), xticks=())
    axes.set_yticks((-most, 0, most), (f"−{most}", "0", f"+{most}"))


def _images(order: NDArray[np.int64], changes: NDArray[np.float64]) -> str:
    return f"the {len(order)} of {changes.shape[1]:,} test images that changed in any seed"


def _legend(figure: Figure) -> None:
    handles = [Patch(facecolor=colour, edgecolor=style.LIGHT, linewidth=0.5) for colour in (FIXED, BROKEN, SAME)]
    texts = ["fixed: only the arm is right", "broken: only the reference is right", "same"]
    height = float(figure.get_size_inches()[1])
    figure.legend(
        handles, texts, loc="upper left", bbox_to_anchor=(0.0, 1 - 0.04 / height), ncols=3, frameon=False,
        handlelength=1.2, handleheight=0.9, borderaxespad=0.3, borderpad=0.2,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- told


def _alt(changes: Sequence[NDArray[np.float64]], arms: Sequence[str], reference: str) -> str:
    told = f"Heat-map of seeds by test images: answers that differ from those of {reference}."
    counts = [
        f"{arm} fixes {(of > 0).sum():,} and breaks {(of < 0).sum():,} of {(~np.isnan(of)).sum():,} answers"
        for arm, of in zip(arms, changes, strict=True)
    ]
    return f"{told} {style.listed(counts)}."


def _table(name: str, changes: Sequence[NDArray[np.float64]], arms: Sequence[str], ids: Sequence[str]) -> Table:
    """Of one arm its most changed images; of several the counts of every arm."""
    if len(arms) > 1:
        rows: list[tuple[Cell, ...]] = [
            (arm, len(in_order(of)), int((of > 0).sum()), int((of < 0).sum()), int((~np.isnan(of)).sum()))
            for arm, of in zip(arms, changes, strict=True)
        ]
        headings = ("arm", "images changed", "fixed", "broken", "answers")
        return Table(f"{name}-data", "Answers that changed", tuple(map(Column, headings)), tuple(rows))
    (of,) = changes
    order = in_order(of)
    net = np.abs(np.nansum(of, axis=0))[order]
    most = np.sort(np.argsort(-net, kind="stable")[:MOST_TOLD])
    rows = [(ids[i], int((of[:, i] > 0).sum()), int((of[:, i] < 0).sum())) for i in order[most]]
    left_out = len(order) - len(most)
    notes = (f"{left_out} further images changed, less one-sidedly.",) if left_out else ()
    headings_of_one = ("image", "seeds that fix it", "seeds that break it")
    return Table(f"{name}-data", "Images that changed most", tuple(map(Column, headings_of_one)), tuple(rows), notes)
