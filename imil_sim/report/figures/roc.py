"""ROC curves: the mean over seeds of every arm and the curve of every seed, as in figure 3 of Rao et al. (2024)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, roc_curve

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.parts import FigurePart, ReportData

GRID = np.linspace(0.0, 1.0, 101)
"""False positive rates at which curves are averaged."""
TOLD = (0.05, 0.1, 0.2, 0.3, 0.5)
"""False positive rates of the table."""


def _draw(data: ReportData) -> Iterator[Picture]:
    main = data.main
    if main is None or main.labels is None or main.probabilities is None:
        return
    if main.probabilities.shape[3] == 2 and np.unique(main.labels).size == 2:
        arms = style.arms_shown(data.analysis)
        shown = style.among(arms, data.analysis, main.probabilities)
        yield roc(main.labels, shown[..., 1], arms, name="roc", reference=arms.index(data.analysis.study.reference))


PART = FigurePart("arms", _draw)


class Roc(NamedTuple):
    """One ROC curve: every threshold's rates, from (0, 0) to (1, 1)."""

    false_positive: NDArray[np.float64]
    """(points,), ascending."""
    true_positive: NDArray[np.float64]
    """(points,), ascending."""

    @property
    def area(self) -> float:
        """AUROC: by trapezoids, so ties count half."""
        return float(auc(self.false_positive, self.true_positive))


def roc_of(positive: ArrayLike, scores: ArrayLike) -> Roc:
    """The ROC curve of one run; images of equal score enter together.

    Args:
        positive: (images,), whether an image is of the positive class; both classes are there.
        scores: (images,), finite.

    Raises:
        ValueError: the lengths differ, or a class has no image.
    """
    truth, shown = np.asarray(positive, np.bool_), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != shown.shape or truth.all() or not truth.any():
        raise ValueError(f"a ROC curve needs images of both classes, one score each, not {truth.shape}, {shown.shape}")
    false_positive, true_positive, _ = roc_curve(truth, shown, drop_intermediate=False)
    return Roc(false_positive, true_positive)


def on_grid(curve: Roc, grid: NDArray[np.float64] = GRID) -> NDArray[np.float64]:
    """The true positive rate (points of the grid,) at each false positive rate (Fawcett 2006, vertical averaging).

    Where the curve climbs straight up, its upper end counts; between points it is linear.
    """
    x, y = curve
    at = np.searchsorted(x, grid, side="right") - 1
    after = np.minimum(at + 1, len(x) - 1)
    step = x[after] - x[at]
    share = np.divide(grid - x[at], step, out=np.zeros_like(grid), where=step > 0)
    return np.asarray(y[at] + share.clip(0, 1) * (y[after] - y[at]), np.float64)


def roc(
    labels: NDArray[np.int64], scores: NDArray[np.float64], arms: Sequence[str], *, name: str, reference: int
) -> Picture:
    """The mean curve of every arm over its seeds, thin lines for the seeds; two classes only.

    Args:
        labels: (images,), 1 for the positive class.
        scores: (arms, seeds, images): probability of the positive class; a run that is missing NaN throughout.
        arms: their names.
        name: of the picture, a-z, 0-9 and hyphens.
        reference: place of the reference arm.

    Raises:
        ValueError: the shapes do not go together, or a class has no image.
    """
    if scores.ndim != 3 or scores.shape[0] != len(arms) or scores.shape[2:] != labels.shape:
        raise ValueError(f"scores of shape {scores.shape} are not of {len(arms)} arms and {labels.shape} labels")
    order = [reference, *(place for place in range(len(arms)) if place != reference)]
    names = [arms[place] for place in order]
    curves, areas = _curves(labels == 1, scores[order])
    means = np.array([style.means_of(of.T) for of in curves])
    of_arm = style.means_of(areas)
    others = list(range(1, len(names))) or [0]
    labels_shown = style.arm_labels(names, width=20)
    x = np.append(0.0, GRID)
    with style.own_settings():
        figure, panels = style.panels(len(others), min(4, max(len(others), 2)), 2.0, sharex=True, sharey=True)
        for axes, place in zip(panels, others, strict=True):
            known = curves[place][~np.isnan(curves[place]).any(axis=1)]
            axes.plot(x, np.insert(known, 0, 0.0, axis=1).T, color=style.ACCENT, linewidth=0.5, alpha=0.3)
            axes.plot(x, np.append(0.0, means[0]), color=style.DARK, linestyle=(0, (2.5, 1.5)), linewidth=1.0)
            axes.plot(x, np.append(0.0, means[place]), color=style.ACCENT, linewidth=1.6)
            axes.plot((0, 1), (0, 1), color=style.LIGHT, linewidth=0.7, zorder=0)
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
            axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
            axes.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))
            axes.set_title(f"{labels_shown[place]}\nAUROC {style.plain(of_arm[place])}")
        figure.supxlabel("false positive rate", size=style.SIZE)
        figure.supylabel("true positive rate", size=style.SIZE)
        return style.picture_of(
            figure, name=name,
            caption="ROC curves: thick, the mean over seeds; thin, every seed; black and dashed, "
            f"{names[0]} with AUROC {style.plain(of_arm[0])}.",
            alt=f"ROC curves of {style.counted(len(arms), 'arm')}. Mean AUROC {style.ends(of_arm.tolist(), names)}; "
            f"{names[0]} {style.plain(of_arm[0])}.",
            table=_table(name, names, means, areas),
        )  # fmt: skip


def _curves(
    positive: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(arms, seeds, points of the grid) and areas (arms, seeds); NaN with a missing run."""
    arms, seeds, _ = scores.shape
    curves, areas = np.full((arms, seeds, len(GRID)), np.nan), np.full((arms, seeds), np.nan)
    for arm, seed in np.argwhere(~np.isnan(scores).any(axis=2)):
        curve = roc_of(positive, scores[arm, seed])
        curves[arm, seed], areas[arm, seed] = on_grid(curve), curve.area
    return curves, areas


def _table(name: str, names: Sequence[str], means: NDArray[np.float64], areas: NDArray[np.float64]) -> Table:
    columns = (
        Column("arm"), Column("seeds"), Column("mean AUROC", 4),
        *(Column(f"sensitivity at FPR {rate:g}", 3) for rate in TOLD),
    )  # fmt: skip
    places = [int(np.argmin(np.abs(GRID - rate))) for rate in TOLD]
    rows: list[tuple[Cell, ...]] = [
        (arm, int((~np.isnan(area)).sum()), float(of), *map(float, mean[places]))
        for arm, area, of, mean in zip(names, areas, style.means_of(areas), means, strict=True)
    ]
    return Table(f"{name}-data", "Mean ROC curves", columns, tuple(rows))
