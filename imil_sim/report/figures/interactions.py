"""Interaction samples as pictures, as in figure 5 of Rao et al. (2024): question, CAM, grid, chosen cells, result.

Drawn with matplotlib's objects and its shipped defaults, so that neither a user's settings nor another figure of the
same program can move a pixel. Image ids, class names and notes come from outside: they are drawn as plain text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from imil_sim.feedback.grid import Grid
from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.images import draw_cam, draw_image
from imil_sim.report.files import write_whole
from imil_sim.study.record import Answer

TITLES = ("image", "where the model looked", "grid", "chosen cells", "trained on from here")
DPI = 100
"""Pixels an inch; the sheet is 1,250 pixels wide, so that 9 point text is read without zooming."""
PANEL, TEXT, GAP, HEAD = 1.96, 2.35, 0.06, 0.32
"""Side of a panel, width of the text, space between, height of the titles, all in inches."""
MOST_SAMPLES = 200
"""Rows of one sheet; matplotlib draws no picture higher than 65,536 pixels."""
CHOSEN = "#ffb000"
"""Amber: stands out from gray images and from the CAM, and keeps its lightness for colour-blind readers."""
CHARACTERS = 32
"""Of 8 points that fit the width of the text; all are equally wide, so an id can be cut to measure."""
SMALLEST_TEXT = 5.0
"""Points; cell numbers that would have to be smaller are left out."""


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
        shapes = {self.image.shape, self.cam.shape, self.result.shape}
        if len(shapes) > 1 or self.image.ndim != 2:
            raise ValueError(
                f"sample {self.image_id!r}: image {self.image.shape}, CAM {self.cam.shape} and result "
                f"{self.result.shape} must be of one shape, (height, width)"
            )
        if not ((self.cam >= 0) & (self.cam <= 1)).all():
            raise ValueError(f"sample {self.image_id!r}: the CAM must lie in [0, 1]")
        if self.cells is not None:
            self.grid.check(self.cells)


def sample_of(
    answer: Answer,
    *,
    image: NDArray[np.uint8],
    cam: NDArray[np.float32],
    result: NDArray[np.uint8],
    grid: tuple[int, int],
    class_names: Sequence[str],
    oracle: str,
) -> Sample:
    """The `Sample` of an answer in a record; arrays (height, width), ``grid`` the consultation's rows and columns."""
    of_grid = Grid(*grid)
    return Sample(
        image_id=answer.image_id,
        image=image,
        cam=cam,
        grid=of_grid,
        cells=None if answer.cells is None else of_grid.cells_from_numbers(answer.cells),
        result=result,
        true_name=class_names[answer.label],
        predicted_name=class_names[answer.predicted],
        confidence=answer.confidence,
        oracle=oracle,
        note=answer.reason or answer.note,
    )


def interaction_sheet(samples: Sequence[Sample]) -> Figure:
    """One row a sample: its text, the image, the CAM over it, the numbered grid, the chosen cells, the result.

    Raises:
        ValueError: there is no sample, or more than `MOST_SAMPLES`.
        UsageError: a grid is finer than its image.
    """
    if not 1 <= len(samples) <= MOST_SAMPLES:
        raise ValueError(f"a sheet shows 1 to {MOST_SAMPLES} samples, not {len(samples)}; make several sheets")
    width = TEXT + len(TITLES) * (PANEL + GAP) + GAP
    height = HEAD + len(samples) * (PANEL + GAP)
    with style.own_settings():
        figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        for column, title in enumerate(TITLES):
            middle = TEXT + column * (PANEL + GAP) + PANEL / 2
            figure.text(
                middle / width, 1 - HEAD / 2 / height, title, ha="center", va="center", size=9, family=style.FONT
            )
        for row, sample in enumerate(samples):
            bottom = height - HEAD - row * (PANEL + GAP) - PANEL
            _words(figure, sample, GAP / width, (bottom + PANEL) / height)
            panels = [
                figure.add_axes(
                    ((TEXT + c * (PANEL + GAP)) / width, bottom / height, PANEL / width, PANEL / height),
                    label=f"{row}-{c}",
                )
                for c in range(len(TITLES))
            ]
            _draw(panels, sample)
    return figure


def interactions(samples: Sequence[Sample], *, name: str, arm: str) -> Picture:
    """The sheet of these samples of an arm as a `Picture` of that name (a-z, 0-9 and hyphens).

    Raises as `interaction_sheet`.
    """
    return style.picture_of(
        interaction_sheet(samples), name=name, vector=False,
        caption=f"What {_whom(samples, arm)} was asked and answered: the image, where the model looked (Grad-CAM of "
        "the predicted class), the grid, the chosen cells in full light, and what the model is trained on from there.",
        alt=_alt(samples),
    )  # fmt: skip


def write_png(figure: Figure, path: Path) -> None:
    """Write the figure whole or not at all; equal figures give equal bytes, without date or program name.

    Raises:
        UsageError: the place cannot be written.
    """
    write_whole(path, style.png_of(figure))


# --------------------------------------------------------------------------------------------------------- panels


def _draw(panels: Sequence[Axes], sample: Sample) -> None:
    image, cam, grid, chosen, result = panels
    for panel in panels:
        panel.set_axis_off()
    draw_image(image, sample.image)
    draw_image(cam, sample.image)
    draw_cam(cam, sample.cam)
    draw_image(grid, sample.image)
    _lines(grid, sample)
    _numbers(grid, sample)
    _chosen(chosen, sample)
    draw_image(result, sample.result)
    if np.array_equal(sample.result, sample.image):
        _stamp(result, "unchanged")


def _edges(sample: Sample) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Where the cells begin and end, rows then columns, in the coordinates of a panel (pixel centres are whole)."""
    height, width = sample.image.shape
    return sample.grid.row_edges(height) - 0.5, sample.grid.col_edges(width) - 0.5


def _lines(panel: Axes, sample: Sample) -> None:
    rows, cols = _edges(sample)
    width = 0.8 if max(sample.grid.shape) <= 8 else 0.4
    panel.hlines(rows[1:-1], cols[0], cols[-1], colors="white", linewidths=width)
    panel.vlines(cols[1:-1], rows[0], rows[-1], colors="white", linewidths=width)


def _numbers(panel: Axes, sample: Sample) -> None:
    """The number in the upper left corner of every cell, as large as fits, up to 9 points."""
    cell_points = 72 * PANEL / max(sample.grid.shape)
    size = min(9.0, 0.4 * cell_points)
    if size < SMALLEST_TEXT:
        return
    rows, cols = _edges(sample)
    inset = 0.08 * min(np.diff(rows).min(), np.diff(cols).min())
    for number in range(1, sample.grid.rows * sample.grid.cols + 1):
        cell = sample.grid.cell(number)
        left, top = cols[cell.col] + inset, rows[cell.row] + inset
        text = panel.text(left, top, str(number), ha="left", va="top", size=size, color="white", family=style.FONT)
        text.set_path_effects([withStroke(linewidth=size / 4, foreground="black")])


def _chosen(panel: Axes, sample: Sample) -> None:
    """The image dimmed, the chosen cells in full light with a border; words where there is nothing to draw."""
    cells = sample.cells
    if cells is None or not cells.any():
        draw_image(panel, sample.image // 3)
        _lines(panel, sample)
        _stamp(panel, "abstained" if cells is None else "no cell chosen")
        return
    keep = sample.grid.cells_to_mask(cells, (sample.image.shape[0], sample.image.shape[1]))
    draw_image(panel, np.where(keep, sample.image, sample.image // 3).astype(np.uint8))
    _lines(panel, sample)
    _border(panel, sample, cells)
    if cells.all():
        _stamp(panel, "all cells chosen")


def _border(panel: Axes, sample: Sample, cells: NDArray[np.bool_]) -> None:
    """A line wherever a chosen cell meets one that is not, or the edge of the image."""
    rows, cols = _edges(sample)
    framed = np.pad(cells, 1)
    for row, col in np.argwhere(framed[1:, 1:-1] != framed[:-1, 1:-1]):
        panel.plot(cols[[col, col + 1]], rows[[row, row]], color=CHOSEN, linewidth=2.4, solid_capstyle="projecting")
    for row, col in np.argwhere(framed[1:-1, 1:] != framed[1:-1, :-1]):
        panel.plot(cols[[col, col]], rows[[row, row + 1]], color=CHOSEN, linewidth=2.4, solid_capstyle="projecting")


# ----------------------------------------------------------------------------------------------------------- words


def _words(figure: Figure, sample: Sample, left: float, top: float) -> None:
    lines = [
        *_wrapped(sample.image_id, 2),
        *_wrapped(f"true: {sample.true_name}", 1),
        *_wrapped(f"predicted: {sample.predicted_name}", 1),
        f"confidence: {style.percent(sample.confidence)}",
        "",
        *_wrapped(f"oracle: {sample.oracle}", 1),
        *_wrapped(sample.note, 5),
    ]
    text = "\n".join(lines)
    figure.text(
        left, top, text, ha="left", va="top", size=8, family=style.MONOSPACED, linespacing=1.3, parse_math=False
    )


def _whom(samples: Sequence[Sample], arm: str) -> str:
    """The arm; with its oracle, where that has another name."""
    oracles = style.listed(sorted({sample.oracle for sample in samples}))
    return arm if oracles == arm else f"{arm} (oracle {oracles})"


def _alt(samples: Sequence[Sample]) -> str:
    shares = [sample.cells.mean() for sample in samples if sample.cells is not None]
    oracles = style.listed(sorted({sample.oracle for sample in samples}))
    told = f"{style.counted(len(samples), 'question')} with the answers of {oracles}."
    if not shares:
        return f"{told} All of them were abstentions."
    abstained = f"; {len(samples) - len(shares)} abstained" if len(shares) < len(samples) else ""
    return f"{told} On average {style.percent(float(np.mean(shares)))} of the cells were chosen{abstained}."


def _wrapped(text: str, most: int) -> list[str]:
    """The text in at most so many lines of the text column, with an ellipsis where it was cut."""
    return textwrap.wrap(style.printable(text, style.MONOSPACED), width=CHARACTERS, max_lines=most, placeholder=" …")


def _stamp(panel: Axes, text: str) -> None:
    panel.text(
        0.5, 0.04, text, transform=panel.transAxes, ha="center", va="bottom", size=9, color="white", family=style.FONT,
        bbox={"facecolor": "black", "edgecolor": "none", "alpha": 0.75, "pad": 2.5},
    )  # fmt: skip
