"""What a person is asked: the questions of one consultation, as the store keeps them in ``questions/KEY/``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints, ValidationError

from imil_sim.errors import DataError, UsageError, did_you_mean, listed
from imil_sim.feedback import Grid
from imil_sim.feedback.question import image_sha256
from imil_sim.feedback.selection import FillUp
from imil_sim.images.decode import decode_gray
from imil_sim.registry import load
from imil_sim.sessions import SessionFolder
from imil_sim.sessions.session import ImageId, Sha256
from imil_sim.sessions.untrusted import JsonFault, parse_json, read_untrusted
from imil_sim.study.spec import Spec, lines

FORMAT = 3
SHEET = "questions.json"
MOST_QUESTIONS = 10_000

_Picture = Annotated[str, StringConstraints(pattern=r"^[0-9]{3,5}-(image|cam)\.png$")]
"""The name of a file beside the questions, never a path."""
_Class = Annotated[int, Field(ge=0)]
_Side = Annotated[int, Field(ge=1, le=1000)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]

_AGAIN = "Remove the folder and run the study again: the questions are written anew."


class _Oracle(Spec):
    name: str
    options: dict[str, Any]


class _Set(Spec):
    name: str
    fingerprint: Sha256


class _Line(Spec):
    image_id: ImageId
    image_sha256: Sha256
    label: _Class
    predicted: _Class
    confidence: Annotated[float, Field(ge=0, le=1)]
    image: _Picture
    cam: _Picture


class Sheet(Spec):
    """The file ``questions.json``."""

    format: Literal[3]
    oracle: _Oracle
    selection: str
    fill_up: FillUp
    fill: str
    mode: Literal["replace", "append"]
    epoch: int
    state: Sha256
    """Key of the model's state of training."""
    set: _Set
    grid: tuple[_Side, _Side]
    class_names: Annotated[tuple[_Name, ...], Field(min_length=1)]
    questions: Annotated[tuple[_Line, ...], Field(min_length=1, max_length=MOST_QUESTIONS)]


@dataclass(frozen=True, slots=True)
class AskedImage:
    """One image and what the model made of it."""

    image_id: str
    image_sha256: str
    label: int
    """The true class, index into the class names."""
    predicted: int
    confidence: float
    """Probability given to the predicted class, in [0, 1]."""
    image: NDArray[np.uint8]
    """(height, width): the image at the study's size, as the model sees it."""
    cam: NDArray[np.uint8]
    """(height, width): Grad-CAM of the predicted class, 0 to 255."""
    cam_sha256: str


@dataclass(frozen=True)
class Questions:
    """All questions of a consultation."""

    images: tuple[AskedImage, ...]
    """In the order of asking."""
    sheet: Sheet
    folders: tuple[SessionFolder, ...]
    """Of the readers whose answers it waits for."""

    @property
    def grid(self) -> Grid:
        """What the reader picks cells from."""
        return Grid(*self.sheet.grid)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the labels, in their order."""
        return self.sheet.class_names

    @property
    def instructions(self) -> str:
        """What the reader is to do: it stands on the page, and word by word in the session.

        It says which images these are and what becomes of the cells, as the study has it; a reader who reads that an
        image was misread, or that cells go black, where neither is so, answers another question.
        """
        sheet = self.sheet
        filled = f"all other cells are {load('fills', sheet.fill).done}"
        if "reader" not in sheet.oracle.options:
            becomes = f"What is done with your cells is up to the oracle {sheet.oracle.name}, which asks you."
        elif sheet.mode == "append":
            becomes = f"The image stays in training as it is, and a copy of it in which {filled} is added."
        else:
            becomes = f"In training {filled}."
        filled_up = "Where these were too few, images to which it gave the right class were added."
        parts = [
            load("selections", sheet.selection).images,
            *([] if sheet.fill_up == "none" else [filled_up]),
            "Choose the cells that matter for the true class; prefer a single connected region.",
            becomes,
            "No cell chosen says that nothing on the image matters. Skip an image that you do not want to answer.",
            "If you like, say why: the model was focused on ... so I switched the focus towards ...",
        ]
        return " ".join(parts)

    def folder_of(self, reader: str | None) -> SessionFolder:
        """Where the answers of that reader go; without a name, of the only one there is.

        Raises:
            UsageError: nobody, or several, are asked, or nobody of that name.
        """
        by_name = {folder.reader: folder for folder in self.folders}
        if not by_name:
            name = self.sheet.oracle.name
            raise UsageError(f"the oracle {name} of these questions names no reader; no person is asked here")
        if reader is None and len(by_name) > 1:
            raise UsageError(f"these questions are for {len(by_name)} readers: {', '.join(by_name)}; say --reader NAME")
        if reader is not None and reader not in by_name:
            raise UsageError(f'nobody called "{reader}" is asked these questions. {did_you_mean(reader, by_name)}')
        return by_name[reader] if reader is not None else next(iter(by_name.values()))


def read_questions(folder: Path) -> Questions:
    """The questions in a folder, images included, everything looked at.

    Raises:
        DataError: the folder holds no questions, or they are damaged; all problems at once.
    """
    sheet = _sheet(folder)
    problems: list[str] = []
    images: list[AskedImage] = []
    for number, line in enumerate(sheet.questions, 1):
        try:
            images.append(_image(folder, line, len(sheet.class_names)))
        except DataError as error:
            problems.append(f'question {number}, image "{line.image_id}": {error}')
    if len({line.image_id for line in sheet.questions}) < len(sheet.questions):
        problems.append("an image is asked about twice")
    if any(image.image.shape != images[0].image.shape for image in images):
        problems.append("the images differ in size")
    elif images and (images[0].image.shape[0] < sheet.grid[0] or images[0].image.shape[1] < sheet.grid[1]):
        problems.append(f"the grid of {sheet.grid[0]} x {sheet.grid[1]} is finer than the images")
    if problems:
        raise DataError(f"the questions in {folder} cannot be asked:{listed(problems)}\n{_AGAIN}")
    return Questions(tuple(images), sheet, tuple(dict.fromkeys(_folders(sheet.oracle.options))))


def _sheet(folder: Path) -> Sheet:
    path = folder / SHEET
    if not path.is_file():
        raise DataError(
            f"{folder} holds no {SHEET}; name the folder that `imil-sim run` printed for a waiting run: questions/KEY "
            "in the store"
        )
    text = read_untrusted(path)
    try:
        found = parse_json(text)
        if isinstance(found, dict) and found.get("format") != FORMAT:
            raise DataError(f"{path} has format {found.get('format')!r}, this imil-sim reads {FORMAT}. {_AGAIN}")
        return Sheet.model_validate_json(text, strict=True)
    except JsonFault as error:
        raise DataError(f"{path} {error}. {_AGAIN}") from error
    except ValidationError as error:
        raise DataError(f"{path} is no sheet of questions:{listed(lines(error))}\n{_AGAIN}") from error


def _image(folder: Path, line: _Line, classes: int) -> AskedImage:
    """One image; raises `DataError` without its name."""
    if line.label >= classes or line.predicted >= classes:
        raise DataError(f"label {line.label}, predicted {line.predicted}: there are {classes} classes, from 0")
    image, cam = (_pixels(folder / name) for name in (line.image, line.cam))
    if image_sha256(image) != line.image_sha256:
        raise DataError(f"the pixels in {line.image} are not those asked about")
    if cam.shape != image.shape:
        raise DataError(
            f"{line.cam} is {cam.shape[1]} x {cam.shape[0]} pixels, {line.image} {image.shape[1]} x {image.shape[0]}"
        )
    about = line.image_id, line.image_sha256, line.label, line.predicted, line.confidence
    return AskedImage(*about, image, cam, image_sha256(cam))


def _pixels(path: Path) -> NDArray[np.uint8]:
    try:
        return decode_gray(path).pixels
    except DataError as error:
        raise DataError(f"{path.name} {error}") from error


def _folders(options: Mapping[str, Any]) -> Iterator[SessionFolder]:
    """Those among the options of an oracle, and of the oracles in them.

    A guest's oracle asks a person too: what counts is that it has a ``reader`` and a ``folder``.
    """
    reader, folder = options.get("reader"), options.get("folder")
    if isinstance(reader, str) and isinstance(folder, str):
        try:
            yield SessionFolder(reader, folder)
        except ValueError as error:
            raise DataError(f"these questions cannot be asked: {error}") from error
    for value in options.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Mapping):
                yield from _folders(part)
