"""Interaction samples, as in figure 5 of Rao et al. (2024): question, heat map, grid, chosen cells, what is trained on.

Image ids, class names and notes come from outside: they are drawn as plain text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from imil_sim.feedback.grid import Grid
from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.images import draw_image, heated
from imil_sim.report.parts import FigurePart, ReportData

NAME = "interactions"
"""Of the part; its data are a `Sheet` an arm, see `ReportData.shown`."""
TITLES = ("image", "heat map", "grid", "chosen cells", "trained on from here")
MOST = 6
"""Rows of one sheet."""
WIDTH, PANEL = 10.0, 1.6
"""Of the sheet, and of a row, in inches."""
CHOSEN = (255, 176, 0)
"""Amber: stands out from gray images and from the heat map, and keeps its lightness for colour-blind readers."""
FINEST = 10
"""Rows or columns of the finest grid whose cells are numbered; in a finer one there is no room."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question with its answer, as the sheet shows it."""

    image_id: str
    image: NDArray[np.uint8]
    """(height, width): the image the clinician was shown."""
    cam: NDArray[np.float32]
    """(height, width), in [0, 1]: the map of the predicted class."""
    grid: Grid
    cells: NDArray[np.bool_] | None
    """(rows, cols), True where the oracle said it matters; None when it abstained."""
    result: NDArray[np.uint8]
    """(height, width): what the model is trained on from here; the image itself where nothing changed."""
    true_name: str
    predicted_name: str
    confidence: float
    """Probability given to the predicted class, in [0, 1]."""
    oracle: str
    note: str = ""
    """Why it abstained, or what it said of its answer."""

    def __post_init__(self) -> None:
        if not self.image.shape == self.cam.shape == self.result.shape or self.image.ndim != 2:
            raise ValueError(
                f"sample {self.image_id!r}: image {self.image.shape}, CAM {self.cam.shape} and result "
                f"{self.result.shape} must be of one shape, (height, width)"
            )
        if not ((self.cam >= 0) & (self.cam <= 1)).all():
            raise ValueError(f"sample {self.image_id!r}: the CAM must lie in [0, 1]")
        if self.cells is not None:
            self.grid.check(self.cells)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What an arm was asked and answered, in the order of asking."""

    arm: str
    samples: tuple[Sample, ...]


def _draw(data: ReportData) -> Iterator[Picture]:
    for of in data.shown.get(NAME, ()):
        yield interactions(of.samples, name=style.file_name(NAME, of.arm), arm=of.arm)


PART = FigurePart("feedback", _draw, place=80)


def interactions(samples: Sequence[Sample], *, name: str, arm: str) -> Picture:
    """The sheet of an arm: up to `MOST` samples of all classes, a row each.

    Args:
        samples: one or more, in the order of asking.
        name: of the picture, a-z, 0-9 and hyphens.
        arm: its name.

    Raises:
        ValueError: there is no sample.
        UsageError: a grid is finer than its image.
    """
    shown = varied(samples, MOST)
    shares = [float(sample.cells.mean()) for sample in shown if sample.cells is not None]
    chosen = f"{style.percent(float(np.mean(shares)))} of the cells chosen on average" if shares else "no cell chosen"
    asked = Counter(sample.true_name for sample in samples)
    classes = style.listed([f"{count} {of}" for of, count in sorted(asked.items())])
    with style.own_settings():
        return style.picture_of(
            _sheet(shown), name=name, vector=False,
            caption=f"Questions to {arm} and its answers: {len(shown)} of {len(samples)} ({classes}).",
            alt=f"{style.counted(len(shown), 'question')}, {len(shown) - len(shares)} abstained; {chosen}.",
        )  # fmt: skip


def varied(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Up to ``most`` samples, as many of each true class as there are, the earliest of each, in the order of asking."""
    turns: Counter[str] = Counter()
    ranked = []
    for place, sample in enumerate(samples):
        turns[sample.true_name] += 1
        ranked.append((turns[sample.true_name], place))
    return [samples[place] for place in sorted(place for _, place in sorted(ranked)[:most])]


def answered(
    image: NDArray[np.uint8],
    grid: Grid,
    cells: NDArray[np.bool_] | None,
    shape: tuple[int, int],
    *,
    border: bool = True,
) -> NDArray[np.uint8]:
    """The answer as colours (*shape, 3): chosen cells in full light, bordered; crossed out if it abstained."""
    gray = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)
    tile = np.repeat(np.asarray(gray, np.uint8)[:, :, None], 3, axis=2)
    if cells is None:
        tile //= 3
        bottom, right = shape[0] - 1, shape[1] - 1
        for start, end in (((0, 0), (right, bottom)), ((0, bottom), (right, 0))):
            cv2.line(tile, start, end, (160, 160, 160), 1, cv2.LINE_AA)
        return tile
    mask = grid.cells_to_mask(cells, shape)
    tile[~mask] //= 3
    if border:
        tile[find_boundaries(np.pad(mask, 1))[1:-1, 1:-1]] = CHOSEN
    return tile


def _sheet(samples: Sequence[Sample]) -> Figure:
    if not samples:
        raise ValueError("a sheet of interactions needs a sample")
    figure = style.blank(PANEL * len(samples) + 0.8, WIDTH)
    tiles = figure.subplots(len(samples), len(TITLES), squeeze=False)
    for axes, title in zip(tiles[0], TITLES, strict=True):
        axes.set_title(title)
    for row, sample in zip(tiles, samples, strict=True):
        for axes in row:
            axes.set(xticks=(), yticks=())
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(_words(sample), rotation=0, ha="right", va="center", linespacing=1.3)
        image, cam, grid, chosen, result = row
        for axes in (image, cam, grid):
            draw_image(axes, sample.image)
        cam.imshow(heated(sample.cam), interpolation="auto")
        _lines(grid, sample)
        height, width = sample.image.shape
        times = max(1, 256 // max(height, width))
        chosen.imshow(answered(sample.image, sample.grid, sample.cells, (height * times, width * times)))
        if sample.cells is None or not sample.cells.any() or sample.cells.all():
            _stamp(chosen, "abstained" if sample.cells is None else f"{'all' if sample.cells.all() else 'no'} cells")
        draw_image(result, sample.result)
        if np.array_equal(sample.result, sample.image):
            _stamp(result, "unchanged")
    style.scale(
        figure, tiles, 0, 1, "Grad-CAM of the predicted class", location="bottom", ticks=(0, 0.5, 1), shrink=0.3
    )
    return figure


def _lines(axes: Axes, sample: Sample) -> None:
    """The cells with their numbers, as far as these can be read."""
    height, width = sample.image.shape
    rows, cols = sample.grid.row_edges(height) - 0.5, sample.grid.col_edges(width) - 0.5
    axes.hlines(rows[1:-1], cols[0], cols[-1], colors="white", linewidths=0.5)
    axes.vlines(cols[1:-1], rows[0], rows[-1], colors="white", linewidths=0.5)
    finest = max(sample.grid.shape)
    if finest > FINEST:
        return
    for number in range(1, sample.grid.rows * sample.grid.cols + 1):
        cell = sample.grid.cell(number)
        text = axes.text(
            cols[cell.col : cell.col + 2].mean(), rows[cell.row : cell.row + 2].mean(), str(number), ha="center",
            va="center", size=min(style.SIZE, 50 / finest), color="white",
        )  # fmt: skip
        text.set_path_effects([withStroke(linewidth=1.2, foreground="black")])


def _words(sample: Sample) -> str:
    lines = [
        style.wrapped(sample.image_id, 26), f"true: {style.wrapped(sample.true_name, 20, 1)}",
        f"predicted: {style.wrapped(sample.predicted_name, 15, 1)}", f"confidence: {style.percent(sample.confidence)}",
        f"oracle: {style.wrapped(sample.oracle, 18, 1)}", style.wrapped(sample.note, 26, 3),
    ]  # fmt: skip
    return "\n".join(filter(None, lines))


def _stamp(axes: Axes, text: str) -> None:
    axes.text(
        0.5, 0.04, text, transform=axes.transAxes, ha="center", va="bottom", color="white",
        bbox={"facecolor": "black", "edgecolor": "none", "alpha": 0.75, "pad": 2.5},
    )  # fmt: skip
