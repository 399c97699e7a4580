"""Reliability diagrams: how often what the models said with so much confidence came true, and how many images that is.

Beside the calibration error stands the one that chance alone makes of a perfectly calibrated model with the same
confidences: with 132 images it is about 0.07, not 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.stats import null_ece
from imil_sim.stats.calibration import BINS, calibration_bins, calibration_error

Convention = Literal["top-label", "positive"]
"""Confidence in the predicted class, or the probability of the positive class."""

NULL_SEEDS = 5
"""Seeds of an arm over which the error of chance is averaged: it hardly differs between them, and takes time."""


def _draw(data: ReportData) -> Iterator[Picture]:
    main = data.main
    if main is None or main.labels is None or main.probabilities is None:
        return
    arms = style.arms_shown(data.analysis)
    shown = style.among(arms, data.analysis, main.probabilities)
    yield reliability(main.labels, shown, arms, name="reliability-top-label")
    if shown.shape[3] == 2:
        yield reliability(main.labels, shown, arms, name="reliability-positive", convention="positive")


PART = FigurePart("calibration", _draw)


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
    """One panel an arm: rate of hits and share of images by bin over all seeds, ECE and what chance makes of it.

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
        columns = min(4, max(len(arms), 2))
        figure, panels = style.panels(len(arms), columns, 2.6, sharex=True, sharey=True)
        for axes, label, of in zip(panels, style.arm_labels(arms, width=20), found, strict=True):
            axes.set_title(f"{label}\nECE {style.plain(of.ece)} ({style.plain(of.by_chance)})")
            _diagram(axes, of.bins)
        what = "probability of the positive class" if convention == "positive" else "confidence in the predicted class"
        figure.supxlabel(what, size=style.SIZE)
        figure.supylabel("share that came true", size=style.SIZE)
        errors = [of.ece for of in found]
        return style.picture_of(
            figure, name=name,
            caption=f"Reliability by {what}, over all seeds in {bins} bins: points on the dashed diagonal are "
            "calibrated, orange bars are the gaps, gray bars the share of images. In brackets the ECE of a perfectly "
            "calibrated model with these confidences.",
            alt=f"Reliability diagrams of {style.counted(len(arms), 'arm')}. ECE ({convention}): "
            f"{style.ends(errors, arms)}.",
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


def _diagram(axes: Axes, of: Reliability) -> None:
    edges = np.linspace(0, 1, len(of.counts) + 1)
    shares = of.counts / max(int(of.counts.sum()), 1)
    axes.bar(edges[:-1], shares, width=np.diff(edges), align="edge", color=style.PALE, edgecolor="white", lw=0.4)
    axes.plot((0, 1), (0, 1), color=style.MIDDLE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    some = of.counts > 0
    said, came = of.confidence[some], of.rate[some]
    if some.any():  # an arm without a run that is done has none, and an empty line has no place in the layout
        axes.vlines(said, said, came, colors=style.CONTRAST, linewidths=3.0, zorder=2)
        axes.plot(said, came, color=style.ACCENT, linewidth=1.1, marker="o", markersize=3.2, zorder=3, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(-0.03, 1.03))
    axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))


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
