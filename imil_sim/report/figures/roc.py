"""ROC curves: the mean over seeds of every arm and the curve of every seed, as in figure 3 of Rao et al. (2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, roc_curve

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.figures.multiples import multiples
from imil_sim.report.figures.strips import means_of

GRID = np.linspace(0.0, 1.0, 101)
"""False positive rates at which curves are averaged."""
TOLD = (0.05, 0.1, 0.2, 0.3, 0.5)
"""False positive rates of the table."""
MARK: dict[str, Any] = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}
MOST_THREADS = 60
"""More curves than this are drawn as pixels inside the SVG, which would otherwise weigh megabytes."""


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
    means = np.array([means_of(of.T) for of in curves])
    with style.own_settings():
        draw = _together if len(arms) <= style.MOST_COLOURS else _apart
        figure = draw(names, curves, means, means_of(areas))
        apart = "" if len(arms) <= style.MOST_COLOURS else f" Black and dashed in every panel: {names[0]}."
        return style.picture_of(
            figure, name=name,
            caption="ROC curves: thick, the mean over seeds of the true positive rate at each false positive rate; "
            f"thin, every seed. The number is the mean AUROC.{apart}",
            alt=_alt(names, areas), table=_table(name, names, means, areas),
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


# -------------------------------------------------------------------------------------------------------------- drawn


def _together(
    names: Sequence[str], curves: NDArray[np.float64], means: NDArray[np.float64], areas: NDArray[np.float64]
) -> Figure:
    side, left, right = 4.2, 0.6, 2.45
    figure = style.blank(side + 0.65)
    axes = style.panel(figure, left, 0.12, side, side)
    _frame(axes)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    for arm, look in zip(reversed(range(len(names))), reversed(style.LOOKS[: len(names)]), strict=True):
        _threads(axes, curves[arm], look.colour, many=curves.shape[0] * curves.shape[1] > MOST_THREADS, alpha=0.16)
        _line(axes, means[arm], look, marks=slice(2 + arm, None, 11))
    shown = style.labels(names, right - 0.5, lines=2)
    handles = [
        Line2D([], [], color=look.colour, linestyle=look.dashes, linewidth=1.5, marker=look.marker, **MARK)
        for look in style.LOOKS
    ]
    texts = [f"{label}\n{style.plain(area)}" for label, area in zip(shown, areas, strict=True)]
    figure.legend(
        handles[: len(names)], texts, loc="upper left", bbox_to_anchor=((left + side + 0.1) / style.WIDTH, 0.985),
        frameon=False, handlelength=2.8, title="arm, mean AUROC", alignment="left", labelspacing=0.7, borderaxespad=0.0,
    )  # fmt: skip
    return figure


def _apart(
    names: Sequence[str], curves: NDArray[np.float64], means: NDArray[np.float64], areas: NDArray[np.float64]
) -> Figure:
    lattice = multiples(names, height=1.28, columns=5, below=1)
    figure = lattice.figure()
    for number, place in enumerate(lattice.places()):
        axes = style.panel(figure, *place, lattice.width, lattice.height)
        _frame(axes)
        lattice.head_of(figure, number, place, below=f"AUROC {style.plain(areas[number])}")
        lattice.only_outer_numbers(axes, number)
        _threads(axes, curves[number], style.LOOKS[1].colour, many=True)
        _line(axes, means[0], style.Look("#000000", (0, (2.5, 1.5)), ""), width=1.0)
        if number:
            _line(axes, means[number], style.Look(style.ACCENT, "-", ""))
    width, height = figure.get_size_inches()
    figure.text(0.5, 0.12 / height, "false positive rate", ha="center", va="bottom")
    figure.text(0.1 / width, 0.5, "true positive rate", ha="left", va="center", rotation=90)
    return figure


def _frame(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.plot((0, 1), (0, 1), color=style.LIGHT, linewidth=0.7, zorder=1.5)


def _threads(axes: Axes, curves: NDArray[np.float64], colour: str, *, many: bool, alpha: float = 0.3) -> None:
    """The curves of the seeds."""
    known = curves[~np.isnan(curves).any(axis=1)]
    lines = [np.column_stack([np.append(0.0, GRID), np.append(0.0, curve)]) for curve in known]
    threads = LineCollection(lines, colors=colour, linewidths=0.5, alpha=alpha, zorder=1.8)
    threads.set_rasterized(many)
    axes.add_collection(threads)


def _line(
    axes: Axes, mean: NDArray[np.float64], look: style.Look, width: float = 1.5, marks: slice | None = None
) -> None:
    """A mean curve; ``marks``: at which points of the grid its marker stands."""
    axes.plot(
        np.append(0.0, GRID), np.append(0.0, mean), color=look.colour, linestyle=look.dashes, linewidth=width, zorder=3,
        marker=look.marker if marks else "", markevery=marks, **MARK,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- told


def _alt(names: Sequence[str], areas: NDArray[np.float64]) -> str:
    means = means_of(areas)
    known = [(mean, place) for place, mean in enumerate(means) if not np.isnan(mean)]
    told = f"Mean ROC curves of {style.counted(len(names), 'arm')} over {style.counted(areas.shape[1], 'seed')}."
    if not known:
        return f"{told} No run is done."
    (least, low), (most, high) = min(known), max(known)
    return (
        f"{told} Mean AUROC of the reference, {names[0]}: {style.plain(means[0])}; over all arms from "
        f"{style.plain(least)} ({names[low]}) to {style.plain(most)} ({names[high]})."
    )


def _table(name: str, names: Sequence[str], means: NDArray[np.float64], areas: NDArray[np.float64]) -> Table:
    columns = (
        Column("arm"), Column("seeds"), Column("mean AUROC", 4),
        *(Column(f"sensitivity at FPR {rate:g}", 3) for rate in TOLD),
    )  # fmt: skip
    places = [int(np.argmin(np.abs(GRID - rate))) for rate in TOLD]
    rows: list[tuple[Cell, ...]] = [
        (arm, int((~np.isnan(area)).sum()), float(of), *map(float, mean[places]))
        for arm, area, of, mean in zip(names, areas, means_of(areas), means, strict=True)
    ]
    return Table(f"{name}-data", "Mean ROC curves", columns, tuple(rows))
