"""Ten questions, put to the installed oracles, and their answers as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil_sim.engine.data import ImageLibrary
from imil_sim.errors import AwaitsAnswers, OracleError, OracleFailure, UsageError
from imil_sim.feedback import Grid, Question, make_oracle
from imil_sim.feedback.registry import load, options_of
from imil_sim.feedback.selection import Selection
from imil_sim.images.image_set import ImageSet
from imil_sim.images.load import load_images
from imil_sim.images.phantom import PhantomSource
from imil_sim.loop import ask, questions
from imil_sim.registry import names
from imil_sim.report.figures.interactions import GalleryRow, gallery
from imil_sim.report.figures.style import png_of
from imil_sim.report.results import write_whole
from imil_sim.seeds import stream
from imil_sim.study.study import Study

QUESTIONS = 10
"""About as many images of the last class as of the others, the former first in need of an answer."""
GRID = Grid(8, 8)
"""Where no study says otherwise."""
SIZE = 128
"""Of the phantom's images, pixels."""
SEED = 0
WRAPPED = "lesions"
"""Who stands in where an oracle must ask another one and no example says whom."""
READERS = (WRAPPED, "lung-fields", {"oracle": "noisy", "options": {"like": WRAPPED, "miss": 0.3, "false_cell": 0.1}})
"""Who stands in where it must ask several."""


def write_gallery(
    path: Path, study: Study | None = None, *, store: Path = Path("runs"), only: str | None = None
) -> None:
    """Write the picture to ``path``; the images are the study's, or the phantom's where none is given.

    Args:
        path: a PNG file.
        study: whose images, on the grid that all its arms with feedback share, or on `GRID` where they share none.
        store: where the study's images are kept ready.
        only: the one oracle to draw; none: all that can be asked without options, or with another oracle for one.

    Raises:
        ImilSimError: the path is no PNG file's; the study or its images cannot be used; or the oracle is not installed,
            or cannot be asked without options.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f'--gallery "{path}": the picture is a PNG file; give it a name that ends in .png')
    if only is not None:
        load(only)
    images, grid, about = _images(study, store)
    asked = gallery_questions(images, grid)
    rows = [_row(name, asked) for name in ([only] if only else names("oracles"))]
    if only is not None and rows[0].problem:
        raise OracleError(f'oracle "{only}" cannot be drawn without options of a study: {rows[0].problem}')
    note = f"{about}; grid {grid.rows} x {grid.cols}. No model was asked: every image counts as mispredicted, and the "
    write_whole(path, png_of(gallery(asked, rows, about=f"{note}heat-maps are made up (one warm spot each).")))


def gallery_questions(images: ImageSet, grid: Grid = GRID) -> tuple[Question, ...]:
    """Questions about `QUESTIONS` images, classes in turn, as if every one of them had been mispredicted.

    No model is asked: the prediction is the next class, the confidence falls from image to image, and the heat-map is
    one warm spot at a place drawn for the image.
    """
    of_class = [np.flatnonzero(images.labels == label) for label in range(len(images.class_names))]
    turns = sorted((place, label, int(row)) for label, rows in enumerate(of_class) for place, row in enumerate(rows))
    rows = np.array([row for _, _, row in turns[:QUESTIONS]], dtype=np.int64)
    chosen = Selection(
        indices=rows,
        predicted=(images.labels[rows] + 1) % len(images.class_names),
        confidence=np.linspace(0.99, 0.6, len(rows)),
        n_mispredictions=len(rows),
        n_excluded=0,
        n_filled_up=0,
        shortage=QUESTIONS - len(rows),
    )
    spots = np.stack([_spot(images, row, "predicted") for row in rows])
    return questions(images, chosen, spots, np.stack([_spot(images, row, "true") for row in rows]), grid)


def _images(study: Study | None, store: Path) -> tuple[ImageSet, Grid, str]:
    if study is None:
        source = PhantomSource(source="phantom", size=SIZE, train=2 * QUESTIONS, test=4)
        return load_images(source), GRID, "Images of the phantom"
    library = ImageLibrary(study.beside, store)
    _, run = next(iter(study.runs()))
    grids = {arm.feedback.grid_size for arm in study.arms.values() if arm.feedback}
    grid = Grid(*grids.pop()) if len(grids) == 1 else GRID
    images = library.of_run(run).train
    if max(grid.shape) > min(images.shape):
        raise UsageError(f"study {study.name}: its grid of {grid.rows} x {grid.cols} is finer than its images' pixels")
    return images, grid, f"Training images of the study {study.name}"


def _spot(images: ImageSet, row: int, what: str) -> NDArray[np.float32]:
    """(height, width), in [0, 1]: one warm spot, as a Grad-CAM often is."""
    height, width = images.shape
    y, x = stream(SEED, "phantom", "gallery", what, images.ids[row]).uniform(0.15, 0.85, size=2)
    rows, cols = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    heat: NDArray[np.float32] = np.exp(-15 * ((rows - y)[:, None] ** 2 + (cols - x) ** 2)).astype(np.float32)
    return heat


def _row(name: str, asked: tuple[Question, ...]) -> GalleryRow:
    """The oracle's answers, with its defaults as far as it has them."""
    problem = ""
    for options in ({}, _whom_to_ask(name)):
        try:
            answers = ask(make_oracle(name, options), asked, SEED, 1, seconds=60)
        except (OracleError, OracleFailure, AwaitsAnswers) as error:
            problem = problem or "; ".join(getattr(error, "problems", ())) or str(error)
        else:
            shown = (f"{key} = {json.dumps(_name_of(value))}" for key, value in options.items())
            return GalleryRow(name, ", ".join(shown), answers)
    return GalleryRow(name, "", (), problem)


def _whom_to_ask(name: str) -> dict[str, Any]:
    """Options for an oracle that asks others, by the types of its options."""
    try:
        found = options_of(load(name))
    except OracleError:
        return {}
    single = {option.name: WRAPPED for option in found if option.type in ("OracleRecipe", "OracleRecipe | None")}
    several = {option.name: list(READERS) for option in found if option.type.startswith("tuple[OracleRecipe")}
    return single | several


def _name_of(value: Any) -> Any:
    if isinstance(value, list):
        return [_name_of(part) for part in value]
    return value["oracle"] if isinstance(value, dict) else value
