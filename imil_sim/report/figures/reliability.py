"""Reliability diagrams: how often what the models said with so much confidence came true, and how many images that is.

Beside the calibration error stands the one that chance alone makes of a perfectly calibrated model with the same
confidences: with 132 images it is about 0.07, not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.figures.multiples import multiples
from imil_sim.stats import null_ece
from imil_sim.stats.calibration import BINS, calibration_bins, calibration_error

Convention = Literal["top-label", "positive"]
"""Confidence in the predicted class, or the probability of the positive class."""

NULL_SEEDS = 5
"""Seeds of an arm over which the error of chance is averaged: it hardly differs between them, and takes time."""
COUNTS = 0.34
"""Inches of the panel of counts under a diagram."""


class Reliability(NamedTuple):
    """Images by bin of confidence."""

    counts: NDArray[np.int64]
    """(bins,)."""
    confidence: NDArray[np.float64]
    """(bins,): mean of the bin; NaN where it is empty."""
    rate: NDArray[np.float64]
    """(bins,): share that came true; NaN where it is empty."""


class Calibration(NamedTuple):
    """What a panel shows of one arm."""

    bins: Reliability
    """All images of all seeds."""
    ece: float
    """Mean over seeds."""
    by_chance: float
    """Mean over seeds of the error expected of a perfectly calibrated model."""
    n_seeds: int


def reliability_bins(hit: ArrayLike, confidence: ArrayLike, bins: int = BINS) -> Reliability:
    """Count, mean confidence and rate of hits in bins of equal width on [0, 1], open below, the first one closed.

    Args:
        hit: (images,), whether the event came true.
        confidence: (images,) in [0, 1], the probability given to it.
        bins: how many.

    Raises:
        ValueError: the lengths differ, or a confidence is not in [0, 1].
    """
    happened, shown = np.asarray(hit, np.float64), np.asarray(confidence, np.float64)
    if happened.shape != shown.shape or shown.ndim != 1:
        raise ValueError(f"hits of shape {happened.shape} do not go with confidences of shape {shown.shape}")
    place = calibration_bins(shown, bins)
    counts = np.bincount(place, minlength=bins)
    some = np.where(counts > 0, counts, np.nan)
    return Reliability(
        counts.astype(np.int64),
        np.bincount(place, weights=shown, minlength=bins) / some,
        np.bincount(place, weights=happened, minlength=bins) / some,
    )


def reliability(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    arms: Sequence[str],
    *,
    name: str,
    convention: Convention = "top-label",
    bins: int = BINS,
) -> Picture:
    """One panel an arm: rate of hits by bin over all seeds, counts below, ECE and what chance makes of it above.

    Args:
        labels: (images,), class numbers.
        probabilities: (arms, seeds, images, classes); a run that is missing NaN throughout.
        arms: their names.
        name: of the picture, a-z, 0-9 and hyphens.
        convention: which confidence.
        bins: how many.

    Raises:
        ValueError: the shapes do not go together; more than two classes have no positive one.
    """
    if probabilities.ndim != 4 or probabilities.shape[::2] != (len(arms), *labels.shape):
        raise ValueError(f"probabilities {probabilities.shape} are not of {len(arms)} arms and {labels.shape} labels")
    if convention == "positive" and probabilities.shape[3] != 2:
        raise ValueError(f"{probabilities.shape[3]} classes have no positive one; use the convention top-label")
    found = [_calibration(labels, of, convention, bins) for of in probabilities]
    with style.own_settings():
        lattice = multiples(arms, 1.3 + COUNTS, 4 if len(arms) <= style.MOST_COLOURS else 5, below=2)
        figure = lattice.figure()
        for number, (place, of) in enumerate(zip(lattice.places(), found, strict=True)):
            told = f"ECE {style.plain(of.ece)}\nby chance {style.plain(of.by_chance)}"
            lattice.head_of(figure, number, place, below=told)
            axes = style.panel(figure, *place, lattice.width, lattice.height - COUNTS)
            below = style.panel(figure, place[0], place[1] + lattice.height - COUNTS, lattice.width, COUNTS)
            _diagram(axes, of.bins)
            _counts(below, of.bins)
            lattice.only_outer_numbers(below, number)
            axes.tick_params(labelleft=number % lattice.columns == 0, labelbottom=False, bottom=False)
            below.tick_params(labelleft=False)
        width, height = figure.get_size_inches()
        figure.text(0.5, 0.12 / height, _axis(convention), ha="center", va="bottom")
        figure.text(0.1 / width, 0.5, "share that came true", ha="left", va="center", rotation=90)
        return style.picture_of(
            figure, name=name, caption=_caption(convention, bins), alt=_alt(arms, found, convention),
            table=_table(name, arms, found),
        )  # fmt: skip


def _calibration(labels: NDArray[np.int64], of: NDArray[np.float64], convention: Convention, bins: int) -> Calibration:
    """Of one arm: ``of`` is (seeds, images, classes)."""
    known = of[~np.isnan(of).any(axis=(1, 2))]
    if convention == "positive":
        confidence, hits = known[:, :, 1], np.broadcast_to(labels == 1, known.shape[:2])
    else:
        confidence, hits = known.max(axis=2), known.argmax(axis=2) == labels
    if not len(known):
        return Calibration(reliability_bins([], [], bins), np.nan, np.nan, 0)
    errors = [calibration_error(hit, shown, bins) for hit, shown in zip(hits, confidence, strict=True)]
    chance = [null_ece(shown, bins) for shown in confidence[:NULL_SEEDS]]
    pooled = reliability_bins(hits.ravel(), confidence.ravel(), bins)
    return Calibration(pooled, float(np.mean(errors)), float(np.mean(chance)), len(known))


# -------------------------------------------------------------------------------------------------------------- drawn


def _diagram(axes: Axes, of: Reliability) -> None:
    axes.set(xlim=(0, 1), ylim=(-0.03, 1.03))
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.plot((0, 1), (0, 1), color=style.MIDDLE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    some = of.counts > 0
    said, came = of.confidence[some], of.rate[some]
    axes.vlines(said, said, came, colors=style.CONTRAST, linewidths=3.0, zorder=2)
    axes.plot(said, came, color=style.ACCENT, linewidth=1.1, marker="o", markersize=3.2, zorder=3, clip_on=False)


def _counts(axes: Axes, of: Reliability) -> None:
    edges = np.linspace(0, 1, len(of.counts) + 1)
    axes.bar(edges[:-1], of.counts, width=np.diff(edges), align="edge", color=style.LIGHT, edgecolor="white", lw=0.4)
    axes.set(xlim=(0, 1), ylim=(0, max(int(of.counts.max()), 1) * 1.05), yticks=())
    axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))


def _axis(convention: Convention) -> str:
    if convention == "positive":
        return "probability of the positive class (below each: how many images)"
    return "confidence in the predicted class (below each: how many images)"


# --------------------------------------------------------------------------------------------------------------- told


def _caption(convention: Convention, bins: int) -> str:
    what = "probability of the positive class" if convention == "positive" else "confidence in the predicted class"
    return (
        f"Reliability over all seeds in {bins} bins of {what}: points on the dashed diagonal are calibrated, orange "
        "bars are the gaps, gray bars count images. ECE is the mean over seeds; by chance is what a perfectly "
        "calibrated model with these confidences would show."
    )


def _alt(arms: Sequence[str], found: Sequence[Calibration], convention: Convention) -> str:
    known = [(of.ece, of.by_chance, arm) for arm, of in zip(arms, found, strict=True) if of.n_seeds]
    told = f"Reliability diagrams of {style.counted(len(arms), 'arm')} ({convention} convention)."
    if not known:
        return f"{told} No run is done."
    best, worst = min(known), max(known)
    ends = [f"{style.plain(ece)} ({arm}; {style.plain(chance)} by chance)" for ece, chance, arm in (best, worst)]
    return f"{told} The mean calibration error runs from {ends[0]} to {ends[1]}."


def _table(name: str, arms: Sequence[str], found: Sequence[Calibration]) -> Table:
    columns = (
        Column("arm"), Column("bin"), Column("images"), Column("mean confidence", 3), Column("came true", 3),
        Column("ECE", 4), Column("ECE by chance", 4),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for arm, of in zip(arms, found, strict=True):
        counts, said, came = of.bins
        total = int(counts.sum())
        whole = [float(np.nansum(counts * values)) / total if total else None for values in (said, came)]
        rows.append((arm, "all", total, *whole, of.ece, of.by_chance))
        edges = np.linspace(0, 1, len(counts) + 1)
        rows += [
            (arm, f"{edges[b]:.3f} to {edges[b + 1]:.3f}", int(counts[b]), float(said[b]), float(came[b]), None, None)
            for b in np.flatnonzero(counts)
        ]
    notes = ("Empty bins are left out. Images count once for every seed.",)
    return Table(f"{name}-data", "Reliability by bin", columns, tuple(rows), notes)
