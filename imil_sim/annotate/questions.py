"""What a person is asked: the questions of one consultation, as the store keeps them in ``questions/KEY/``."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints, ValidationError

from imil_sim.errors import DataError, UsageError, did_you_mean, listed
from imil_sim.feedback import (
    Grid,
    SessionError,
)
from imil_sim.feedback.question import image_sha256
from imil_sim.feedback.selection import FillUp
from imil_sim.sessions import SessionFolder
from imil_sim.sessions.session import ImageId, Sha256
from imil_sim.sessions.untrusted import JsonFault, parse_json, read_untrusted, read_untrusted_bytes
from imil_sim.study.problems import lines
from imil_sim.study.spec import MOST_SIDE, Spec

FORMAT = 3
SHEET = "questions.json"
MOST_QUESTIONS = 10_000
MOST_BYTES_A_PICTURE = 1 << 26

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_Picture = Annotated[str, StringConstraints(pattern=r"^[0-9]{3,5}-(image|cam)\.png$")]
"""The name of a file beside the questions, never a path."""
_Class = Annotated[int, Field(ge=0)]
_Side = Annotated[int, Field(ge=1, le=1000)]
_Told = Annotated[str, StringConstraints(min_length=1, max_length=200)]


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


class _Sheet(Spec):
    format: Literal[3]
    oracle: _Oracle
    selection: str
    fill_up: FillUp
    fill: str
    mode: Literal["replace", "append"]
    epoch: int
    state: Sha256
    set: _Set
    grid: tuple[_Side, _Side]
    class_names: Annotated[tuple[_Told, ...], Field(min_length=1)]
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

    @property
    def cam_sha256(self) -> str:
        """`image_sha256` of the heat-map."""
        return image_sha256(self.cam)


@dataclass(frozen=True)
class Asked:
    """All questions of a consultation."""

    images: tuple[AskedImage, ...]
    """In the order of asking."""
    grid: Grid
    class_names: tuple[str, ...]
    state: str
    """Key of the model's state of training."""
    set_name: str
    set_fingerprint: str
    oracle: str
    """Name of the oracle that asks."""
    through: str
    """Its name again, where it makes its answer out of a person's; empty where it is the person."""
    selection: str
    fill_up: FillUp
    fill: str
    mode: Literal["replace", "append"]
    desks: tuple[SessionFolder, ...]
    """The persons whose answers it waits for."""

    def desk_of(self, reader: str | None) -> SessionFolder:
        """The folder of that reader; without a name, of the only one there is.

        Raises:
            UsageError: nobody, or several, are asked, or nobody of that name.
        """
        by_name = {folder.reader: folder for folder in self.desks}
        if not by_name:
            raise UsageError(f"the oracle {self.oracle} of these questions names no reader; no person is asked here")
        if reader is None and len(by_name) > 1:
            raise UsageError(f"these questions are for {len(by_name)} readers: {', '.join(by_name)}; say --reader NAME")
        if reader is not None and reader not in by_name:
            raise UsageError(f'nobody called "{reader}" is asked these questions. {did_you_mean(reader, by_name)}')
        return by_name[reader] if reader is not None else next(iter(by_name.values()))


def read_asked(folder: Path) -> Asked:
    """The questions in a folder, pictures included, everything looked at.

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
    return Asked(
        tuple(images),
        Grid(*sheet.grid),
        sheet.class_names,
        sheet.state,
        sheet.set.name,
        sheet.set.fingerprint,
        sheet.oracle.name,
        "" if "reader" in sheet.oracle.options else sheet.oracle.name,
        sheet.selection,
        sheet.fill_up,
        sheet.fill,
        sheet.mode,
        tuple(_desks(sheet.oracle.options)),
    )


_AGAIN = "Remove the folder and run the study again: the questions are written anew."


def _sheet(folder: Path) -> _Sheet:
    path = folder / SHEET
    if not path.is_file():
        raise DataError(
            f"{folder} holds no {SHEET}; name the folder that `imil-sim run` told of a waiting run: questions/KEY in "
            "the store"
        )
    text = read_untrusted(path)
    try:
        found = parse_json(text)
        if isinstance(found, dict) and found.get("format") != FORMAT:
            raise DataError(f"{path} has format {found.get('format')!r}, this imil-sim reads {FORMAT}. {_AGAIN}")
        return _Sheet.model_validate_json(text, strict=True)
    except JsonFault as error:
        raise DataError(f"{path} {error}. {_AGAIN}") from error
    except ValidationError as error:
        raise DataError(f"{path} is no sheet of questions:{listed(lines(error))}\n{_AGAIN}") from error


def _image(folder: Path, line: _Line, classes: int) -> AskedImage:
    """One image; raises `DataError` without its name."""
    if line.label >= classes or line.predicted >= classes:
        raise DataError(f"label {line.label}, predicted {line.predicted}: there are {classes} classes, from 0")
    image, cam = _pixels(folder / line.image), _pixels(folder / line.cam)
    if image_sha256(image) != line.image_sha256:
        raise DataError(f"the pixels in {line.image} are not those asked about")
    if cam.shape != image.shape:
        raise DataError(
            f"{line.cam} is {cam.shape[1]} x {cam.shape[0]} pixels, {line.image} {image.shape[1]} x {image.shape[0]}"
        )
    return AskedImage(line.image_id, line.image_sha256, line.label, line.predicted, line.confidence, image, cam)


def _pixels(path: Path) -> NDArray[np.uint8]:
    """(height, width) of a PNG in 8-bit grey; what its header claims is looked at before anything is decoded."""
    try:
        data = read_untrusted_bytes(path, MOST_BYTES_A_PICTURE)
    except SessionError as error:
        raise DataError(str(error)) from error
    if not data.startswith(_SIGNATURE) or len(data) < 33:
        raise DataError(f"{path.name} is no PNG picture")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE and (depth, colour) == (8, 0)):
        raise DataError(f"{path.name} claims {width} x {height} pixels, or is not 8-bit grey; it was not decoded")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape != (height, width):
        raise DataError(f"{path.name} is damaged and cannot be decoded")
    return np.asarray(pixels, dtype=np.uint8)


def _desks(options: Mapping[str, Any]) -> Iterator[SessionFolder]:
    """The desks among the options of an oracle, and of the oracles in them; each once.

    A guest's oracle is a person's too: what counts is that it has a ``reader`` and a ``folder``.
    """
    found: dict[SessionFolder, None] = {}
    rest: list[Any] = [options]
    while rest:
        part = rest.pop(0)
        if isinstance(part, Mapping):
            reader, folder = part.get("reader"), part.get("folder")
            if isinstance(reader, str) and isinstance(folder, str):
                try:
                    found[SessionFolder(reader, folder)] = None
                except ValueError as error:
                    raise DataError(f"these questions cannot be asked: {error}") from error
            rest += part.values()
        elif isinstance(part, list):
            rest += part
    yield from found
