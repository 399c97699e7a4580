"""What the models of every arm say of the same test images: ROC curves, reliability, and where arms disagree.

Labels are (images,), probabilities (arms, seeds, images, classes), NaN throughout where a run is missing. A study whose
seeds have test images of their own has none of these figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, roc_curve

from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.stats import null_ece
from imil_sim.stats.calibration import BINS, calibration_bins, calibration_error

Convention = Literal["top-label", "positive"]
"""Confidence in the predicted class, or the probability of the positive class."""

NULL_SEEDS = 5
"""Seeds of an arm over which the ECE of chance is averaged: it hardly differs between them, and takes time."""

GRID = np.linspace(0.0, 1.0, 101)
"""False positive rates at which curves are averaged."""


class _Aligned(NamedTuple):
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    arms: tuple[str, ...]
    """Those that are shown."""
    reference: int
    """Place of the reference arm among them."""
    ids: tuple[str, ...]


def _aligned(data: ReportData) -> Iterator[_Aligned]:
    """One, or none where the study has none."""
    main, analysis = data.main, data.analysis
    if main is not None and main.labels is not None and main.probabilities is not None:
        arms = style.arms_shown(analysis)
        shown = main.probabilities[[analysis.place(arm) for arm in arms]]
        yield _Aligned(main.labels, shown, arms, arms.index(analysis.study.reference), main.ids)


# --------------------------------------------------------------------------------------------------------------- ROC


def _draw_roc(data: ReportData) -> Iterator[Picture]:
    for of in _aligned(data):
        if of.probabilities.shape[3] == 2 and np.unique(of.labels).size == 2:
            yield roc(of.labels == 1, of.probabilities[..., 1], of.arms, of.reference)


def on_grid(positive: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """The true positive rate of one run at each rate of `GRID` (Fawcett 2006, vertical averaging).

    Images of equal score enter together. Where the curve climbs straight up, its upper end counts.
    """
    false_positive, true_positive, _ = roc_curve(positive, scores, drop_intermediate=False)
    return np.asarray(np.interp(GRID, false_positive, true_positive))


@style.own_settings()
def roc(positive: NDArray[np.bool_], scores: NDArray[np.float64], arms: Sequence[str], reference: int) -> Picture:
    """The mean curve of every arm over its seeds, thin lines for the seeds, as in figure 3 of Rao et al. (2024).

    ``positive`` is (images,), ``scores`` are (arms, seeds, images): the probability of the positive class.
    """
    known = [of[~np.isnan(of).any(axis=1)] for of in scores]
    curves = [np.array([on_grid(positive, run) for run in of]).reshape(-1, len(GRID)) for of in known]
    areas = [[auc(*roc_curve(positive, run)[:2]) for run in of] for of in known]
    data = pd.DataFrame([pd.DataFrame(of).mean().to_numpy() for of in curves], list(arms), GRID)
    area = pd.Series({arm: np.mean(of) if of else np.nan for arm, of in zip(arms, areas, strict=True)}, dtype=float)
    base, others = arms[reference], [place for place in range(len(arms)) if place != reference] or [reference]
    labels, x = style.arm_labels(arms, width=20), np.append(0.0, GRID)
    figure, panels = style.panels(len(others), 4, 2.0, sharex=True, sharey=True)
    for axes, place in zip(panels, others, strict=True):
        axes.plot(x, np.insert(curves[place], 0, 0.0, axis=1).T, color=style.ACCENT, linewidth=0.5, alpha=0.3)
        axes.plot(x, np.append(0.0, data.loc[base]), color=style.DARK, linestyle=(0, (2.5, 1.5)), linewidth=1.0)
        axes.plot(x, np.append(0.0, data.iloc[place]), color=style.ACCENT, linewidth=1.6)
        axes.plot((0, 1), (0, 1), color=style.LIGHT, linewidth=0.7, zorder=0)
        style.unit_square(axes)
        axes.set_aspect("equal")
        axes.set_title(f"{labels[place]}\nAUROC {style.plain(area.iloc[place])}")
    figure.supxlabel("false positive rate", size=style.SIZE)
    figure.supylabel("true positive rate", size=style.SIZE)
    long: Any = data.rename_axis(index="arm", columns="false positive rate").stack()
    of_base = f"{base} {style.plain(area[base])}"
    return style.picture_of(
        figure, "roc",
        caption=f"ROC curves: thick, the mean over seeds; thin, every seed; black and dashed, AUROC of {of_base}.",
        alt=f"ROC curves. Mean AUROC {style.ends(area.tolist(), arms)}; {of_base}.",
        data=long.reset_index(name="mean true positive rate"),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- reliability


def _draw_reliability(data: ReportData) -> Iterator[Picture]:
    for of in _aligned(data):
        yield reliability(of.labels, of.probabilities, of.arms, "top-label")
        if of.probabilities.shape[3] == 2:
            yield reliability(of.labels, of.probabilities, of.arms, "positive")


def reliability_bins(hit: ArrayLike, confidence: ArrayLike, bins: int = BINS) -> pd.DataFrame:
    """Bins of equal width on [0, 1] that hold an image: number of images, mean confidence and rate of hits, by bin.

    ``hit`` is (images,), ``confidence`` (images,) in [0, 1]; bins are open below, the first one closed.
    """
    frame = pd.DataFrame({"bin": calibration_bins(confidence, bins), "said": confidence, "came": hit}).astype(float)
    return frame.groupby("bin").agg(images=("said", "size"), confidence=("said", "mean"), rate=("came", "mean"))


@style.own_settings()
def reliability(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], arms: Sequence[str], convention: Convention
) -> Picture:
    """One panel an arm: rate of hits and share of images by bin of confidence over all seeds, and the mean ECE."""
    known = [of[~np.isnan(of).any(axis=(1, 2))] for of in probabilities]
    if convention == "positive":
        said = [of[:, :, 1] for of in known]
        came = [np.broadcast_to(labels == 1, of.shape[:2]) for of in known]
    else:
        said, came = [of.max(axis=2) for of in known], [of.argmax(axis=2) == labels for of in known]
    errors = [float(np.mean([calibration_error(*run) for run in zip(hits, confidence, strict=True)])) if len(hits)
              else np.nan for hits, confidence in zip(came, said, strict=True)]  # fmt: skip
    found = [reliability_bins(hits.ravel(), of.ravel()) for hits, of in zip(came, said, strict=True)]
    figure, panels = style.panels(len(arms), 4, 2.6, sharex=True, sharey=True)
    chance = [np.mean([null_ece(run) for run in of[:NULL_SEEDS]] or np.nan) for of in said]
    labels_shown = style.arm_labels(arms, width=20)
    for axes, label, of, error, null in zip(panels, labels_shown, found, errors, chance, strict=True):
        axes.set_title(f"{label}\nECE {style.plain(error)} ({style.plain(float(null))})")
        _diagram(axes, of)
    what = "probability of the positive class" if convention == "positive" else "confidence in the predicted class"
    figure.supxlabel(what, size=style.SIZE)
    figure.supylabel("share that came true", size=style.SIZE)
    return style.picture_of(
        figure, f"reliability-{convention}",
        caption=f"Reliability by {what}, over all seeds in {BINS} bins: points on the dashed diagonal are calibrated, "
        "orange bars are the gaps, gray bars the share of images. In brackets the ECE of a perfectly calibrated model "
        "with these confidences: it is not 0.",
        alt=f"Reliability diagrams. ECE ({convention}): {style.ends(errors, arms)}.",
        data=pd.concat(dict(zip(arms, found, strict=True)), names=["arm"]).reset_index(),
    )  # fmt: skip


def _diagram(axes: Axes, of: pd.DataFrame) -> None:
    axes.bar(
        of.index / BINS, of["images"] / of["images"].sum(), width=1 / BINS, align="edge", color=style.PALE,
        edgecolor="white", lw=0.4,
    )  # fmt: skip
    axes.plot((0, 1), (0, 1), color=style.MIDDLE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    if len(of):  # an arm without a run that is done has none, and an empty line has no place in the layout
        axes.vlines(of["confidence"], of["confidence"], of["rate"], colors=style.CONTRAST, linewidths=3.0, zorder=2)
        axes.plot(
            of["confidence"], of["rate"], color=style.ACCENT, linewidth=1.1, marker="o", markersize=3.2, zorder=3,
            clip_on=False,
        )  # fmt: skip
    style.unit_square(axes)


# ------------------------------------------------------------------------------------------------------ disagreement


def _draw_disagreement(data: ReportData) -> Iterator[Picture]:
    for of in _aligned(data):
        if len(of.arms) > 1:
            yield disagreement(hits_of(of.labels, of.probabilities), of.arms, of.reference, of.ids)


def hits_of(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the most probable class is the true one, else 0, (arms, seeds, images); NaN with a missing run."""
    missing = np.isnan(probabilities).any(axis=3)
    right = np.where(np.isnan(probabilities), -1.0, probabilities).argmax(axis=3) == labels
    return np.where(missing, np.nan, right)


@style.own_settings()
def disagreement(hits: NDArray[np.float64], arms: Sequence[str], reference: int, ids: Sequence[str]) -> Picture:
    """Seeds x images, those images that changed in any seed, against the reference arm; a panel for every other arm.

    ``hits`` are (arms, seeds, images), as `hits_of` makes them.
    """
    changes = {arm: of - hits[reference] for place, (arm, of) in enumerate(zip(arms, hits, strict=True))
               if place != reference}  # fmt: skip
    base, parts, counts = arms[reference], [], []
    figure, panels = style.panels(len(changes), min(3, len(changes)), 1.5)
    labels = style.arm_labels(list(changes), width=22)
    for axes, label, (arm, of) in zip(panels, labels, changes.items(), strict=True):
        order = in_order(of)
        fixed, broken = (of > 0).sum(axis=0), (of < 0).sum(axis=0)
        counts.append(f"{arm} fixes {fixed.sum():,} and breaks {broken.sum():,} of {(~np.isnan(of)).sum():,} answers")
        parts.append(pd.DataFrame({"arm": arm, "image": np.array(ids)[order], "seeds that fix it": fixed[order],
                                   "seeds that break it": broken[order]}))  # fmt: skip
        axes.set_title(f"{label}\nfixed {fixed.sum():,}, broken {broken.sum():,}")
        axes.imshow(
            of[:, order] if len(order) else np.zeros((len(of), 1)), vmin=-1, vmax=1, cmap=style.COLOURS, aspect="auto",
            interpolation="auto", interpolation_stage="data",
        )  # fmt: skip
        axes.set(xticks=(), yticks=())
    panels[0].set_ylabel("seeds")
    style.scale(figure, panels, -1, 1, "").set_ticks((-1, 0, 1), labels=("broken", "same", "fixed"))
    return style.picture_of(
        figure, "disagreement",
        caption=f"Test images that an arm gets right where {base} errs (fixed) and the other way round (broken), one "
        "row a seed, from most often fixed to most often broken; unchanged images are left out.",
        alt=f"Seeds by test images, against {base}: {style.listed(counts)}.",
        data=pd.concat(parts),
    )  # fmt: skip


def in_order(changes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The images (those that changed in any seed,) from the highest sum to the lowest, then as they come."""
    sums = np.nansum(changes, axis=0)
    changed = np.flatnonzero(np.nan_to_num(changes).any(axis=0))
    return changed[np.argsort(-sums[changed], kind="stable")]


ROC = FigurePart("arms", _draw_roc)
RELIABILITY = FigurePart("calibration", _draw_reliability)
DISAGREEMENT = FigurePart("arms", _draw_disagreement, place=60)
