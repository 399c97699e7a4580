"""Disagreement: which test images an arm gets right where its reference errs, and the other way round, seed by seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData

MOST_LISTED = 20
"""Images of the table."""


def _draw(data: ReportData) -> Iterator[Picture]:
    analysis, main = data.analysis, data.main
    if main is None or main.labels is None or main.probabilities is None:
        return
    arms = style.arms_shown(analysis)
    reference = arms.index(analysis.study.reference)
    others = [place for place in range(len(arms)) if place != reference]
    if others:
        hits = hits_of(main.labels, style.among(arms, analysis, main.probabilities))
        yield disagreement(
            hits[others], hits[reference], [arms[place] for place in others], name="disagreement",
            reference_name=analysis.study.reference, ids=main.ids, seeds=analysis.seeds,
        )  # fmt: skip


PART = FigurePart("arms", _draw, place=60)


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
    """Seeds x images, those images that changed in any seed; a panel an arm.

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
        columns = min(3, len(arms))
        figure, panels = style.panels(len(arms), columns, 1.5)
        for axes, label, of in zip(panels, style.arm_labels(arms, width=68 // columns), changes, strict=True):
            order = in_order(of)
            fixed, broken = int((of > 0).sum()), int((of < 0).sum())
            axes.set_title(f"{label}\nfixed {fixed:,}, broken {broken:,}")
            shown = of[:, order] if len(order) else np.zeros((len(seeds), 1))
            axes.imshow(
                shown, vmin=-1, vmax=1, cmap=style.COLOURS, aspect="auto", interpolation="auto",
                interpolation_stage="data",
            )  # fmt: skip
            axes.set(xticks=(), yticks=())
        panels[0].set_ylabel("seeds")
        style.scale(figure, panels, -1, 1, "").set_ticks((-1, 0, 1), labels=("broken", "same", "fixed"))
        counts = [
            f"{arm} fixes {(of > 0).sum():,} and breaks {(of < 0).sum():,} of {(~np.isnan(of)).sum():,} answers"
            for arm, of in zip(arms, changes, strict=True)
        ]
        return style.picture_of(
            figure, name=name,
            caption=f"Test images that an arm gets right where {reference_name} errs (fixed) and the other way round "
            "(broken), one row a seed, from most often fixed to most often broken; unchanged images are left out.",
            alt=f"Seeds by test images, against {reference_name}: {style.listed(counts)}.",
            table=_table(name, changes, arms, ids),
        )  # fmt: skip


def in_order(changes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The images (those that changed in any seed,) from the highest sum to the lowest, then as they come."""
    sums = np.nansum(changes, axis=0)
    changed = np.flatnonzero(np.nan_to_num(changes).any(axis=0))
    return changed[np.argsort(-sums[changed], kind="stable")]


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
    most = np.sort(np.argsort(-net, kind="stable")[:MOST_LISTED])
    rows = [(ids[i], int((of[:, i] > 0).sum()), int((of[:, i] < 0).sum())) for i in order[most]]
    left_out = len(order) - len(most)
    notes = (f"{left_out} further images changed, less one-sidedly.",) if left_out else ()
    headings_of_one = ("image", "seeds that fix it", "seeds that break it")
    return Table(f"{name}-data", "Images that changed most", tuple(map(Column, headings_of_one)), tuple(rows), notes)
