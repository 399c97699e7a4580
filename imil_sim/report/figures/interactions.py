"""Questions to clinicians and their answers: the samples of an arm, and the gallery of all oracles.

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

from imil_sim.feedback import Feedback, Question
from imil_sim.feedback.grid import Grid
from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.images import draw_image, heated, tiles_of
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
TILE, SPACE = 104, 8
"""Of the gallery, pixels: side of an image, and space between two."""


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


@dataclass(frozen=True, slots=True)
class Sheet:
    """What an arm was asked and answered, in the order of asking."""

    arm: str
    samples: tuple[Sample, ...]


def _draw(data: ReportData) -> Iterator[Picture]:
    yield from map(interactions, data.shown.get(NAME, ()))


PART = FigurePart("feedback", _draw, place=80)


@style.own_settings()
def interactions(of: Sheet) -> Picture:
    """The sheet of an arm, as in figure 5 of Rao et al. (2024): up to `MOST` samples of all classes, a row each."""
    shown = varied(of.samples, MOST)
    shares = [float(sample.cells.mean()) for sample in shown if sample.cells is not None]
    chosen = f"{style.percent(float(np.mean(shares)))} of the cells chosen on average" if shares else "no cell chosen"
    asked = Counter(sample.true_name for sample in of.samples)
    classes = style.listed([f"{count} {name}" for name, count in sorted(asked.items())])
    figure, tiles = tiles_of(len(shown), len(TITLES), PANEL * len(shown) + 0.8, WIDTH)
    for axes, title in zip(tiles[0], TITLES, strict=True):
        axes.set_title(title)
    for (image, cam, grid, answer, result), sample in zip(tiles, shown, strict=True):
        image.set_ylabel(_words(sample), rotation=0, ha="right", va="center", linespacing=1.3)
        for axes in (image, cam, grid):
            draw_image(axes, sample.image)
        cam.imshow(heated(sample.cam), interpolation="auto")
        _lines(grid, sample)
        height, width = sample.image.shape
        times = max(1, 256 // max(height, width))
        answer.imshow(answered(sample.image, sample.grid, sample.cells, (height * times, width * times)))
        if sample.cells is None or not sample.cells.any() or sample.cells.all():
            _stamp(answer, "abstained" if sample.cells is None else f"{'all' if sample.cells.all() else 'no'} cells")
        draw_image(result, sample.result)
        if np.array_equal(sample.result, sample.image):
            _stamp(result, "unchanged")
    style.scale(
        figure, tiles, 0, 1, "Grad-CAM of the predicted class", location="bottom", ticks=(0, 0.5, 1), shrink=0.3
    )
    return style.picture_of(
        figure, style.file_name(NAME, of.arm),
        caption=f"Questions to {of.arm} and its answers: {len(shown)} of {len(of.samples)} ({classes}).",
        alt=f"Of {len(shown)} questions shown {len(shown) - len(shares)} had no answer; {chosen}.",
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
    image: NDArray[np.uint8], grid: Grid, cells: NDArray[np.bool_] | None, shape: tuple[int, int]
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
    tile[find_boundaries(np.pad(mask, 1))[1:-1, 1:-1]] = CHOSEN
    return tile


def _lines(axes: Axes, sample: Sample) -> None:
    """The cells with their numbers, as far as these can be read."""
    height, width = sample.image.shape
    rows, cols = sample.grid.row_edges(height) - 0.5, sample.grid.col_edges(width) - 0.5
    axes.hlines(rows[1:-1], cols[0], cols[-1], colors="white", linewidths=0.5)
    axes.vlines(cols[1:-1], rows[0], rows[-1], colors="white", linewidths=0.5)
    finest = max(sample.grid.shape)
    for number in range(1, sample.grid.rows * sample.grid.cols + 1) if finest <= FINEST else ():
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


# ----------------------------------------------------------------------------------------------------------- gallery


@dataclass(frozen=True, slots=True)
class GalleryRow:
    """One oracle with its answers."""

    name: str
    options: str
    """As a study writes them; empty where all are defaults."""
    answers: tuple[Feedback, ...]
    """One a question, in their order; none where it could not be asked."""
    problem: str = ""
    """Why it could not be asked."""


@style.own_settings()
def gallery(questions: Sequence[Question], rows: Sequence[GalleryRow], *, about: str) -> Figure:
    """A picture with the images in the first line, the heat maps in the second, and one line an oracle below.

    Chosen cells are in full light with a border, the others dimmed; where an oracle abstains the image is crossed out.

    Every question has a column; ``about``, a line about the images, is written below.
    """
    drawn = [row for row in rows if not row.problem]
    images = [cv2.resize(q.image, (TILE, TILE), interpolation=cv2.INTER_AREA) for q in questions]
    lines = [
        [np.repeat(np.asarray(image, np.uint8)[:, :, None], 3, axis=2) for image in images],
        [_warmed(np.asarray(image), q.cam) for image, q in zip(images, questions, strict=True)],
        *([answered(q.image, q.grid, a.cells, (TILE, TILE)) for q, a in zip(questions, row.answers, strict=True)]
          for row in drawn),
    ]  # fmt: skip
    padded = [[np.pad(tile, ((0, SPACE), (0, SPACE), (0, 0)), constant_values=255) for tile in line] for line in lines]
    mosaic = np.vstack([np.hstack(line) for line in padded])
    labels = ["image", "heat map", *(style.wrapped(f"{row.name} {row.options}", 24, 3) for row in drawn)]
    below = [about, *(f"{row.name}: not drawn, {row.problem}" for row in rows if row.problem)]
    width = mosaic.shape[1] / 100 + 2.2
    figure, ((axes,),) = tiles_of(1, 1, mosaic.shape[0] / 100 + 0.7 + 0.3 * len(below), width)
    axes.imshow(mosaic, interpolation="none")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    heads = [f"{style.wrapped(q.class_names[q.label], 12, 1)}\ncalled "
             f"{style.wrapped(q.class_names[q.predicted], 8, 1)}" for q in questions]  # fmt: skip
    step = TILE + SPACE
    axes.set_xticks([column * step + TILE / 2 for column in range(len(questions))], heads)
    axes.set_yticks([line * step + TILE / 2 for line in range(len(lines))], labels)
    axes.set_xlabel("\n".join(style.wrapped(line, int(14 * width), 2) for line in below), loc="left")
    return figure


def _warmed(image: NDArray[np.uint8], cam: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The image (height, width) under its heat map."""
    size = image.shape[::-1]
    colours = heated(np.asarray(cv2.resize(cam, size, interpolation=cv2.INTER_LINEAR), np.float64).clip(0, 1))
    cover = colours[..., 3:]
    return np.rint((1 - cover) * image[:, :, None] + cover * 255 * colours[..., :3]).astype(np.uint8)
