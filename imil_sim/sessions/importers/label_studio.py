"""Label Studio's JSON export: a list of tasks, each with the annotations of one or several readers.

A task names its image in ``data``; an annotation says who made it (``completed_by``), whether the task was skipped
(``was_cancelled``), and in ``result`` has one entry a mark: ``rectanglelabels`` and ``ellipselabels`` (turned by
``rotation`` degrees, the rectangle about its top left corner), ``polygonlabels``, ``brushlabels``, and marks without an
area (``keypointlabels``). Coordinates are percent of the image's width and height; ``original_width`` and
``original_height`` tell its size. The labels of a mark, its categories, stand in its ``value`` under its type, or,
where labels and shapes are tools of their own, in an entry of type ``labels`` with the same ``id``; choices made about
one mark likewise. An annotation was handed in by its reader: an empty one says that nothing was found.

A brush is packed in a code of its own (thi.ng/rle-pack), which is not COCO's. Its bits are: 32, how many values follow;
5, bits of a value less one; four times 4, bits of a run's length less one. Then run by run: 1 bit, whether one value
is repeated; 2 bits, which of the four lengths is used; the length less one in so many bits; and the one value, or all
of them. The values are red, green, blue and opacity of each pixel, row by row; the mask is where opacity is above half.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from imil_sim.errors import DataError
from imil_sim.sessions.drawn import MAX_PIXELS, Box, runs_of
from imil_sim.sessions.importers.outlines import (
    PICTURE_ENDINGS,
    Loose,
    Names,
    Outlines,
    Points,
    checked,
    ellipse,
    is_wanted,
    refused,
    rotated,
    text_of,
)

NAME = "JSON export of Label Studio"
AREAS = {"rectangle": "rectangle", "ellipse": "ellipse", "polygon": "polygon", "brush": "brush"}
WITHOUT_AREA = {"keypoint": "point", "vector": "line"}
NO_MARKS = frozenset(
    {"labels", "choices", "textarea", "relation", "rating", "number", "datetime", "taxonomy", "pairwise"}
)
"""What is said of an image, or of two marks, and lies nowhere on it."""
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of a file that was uploaded."""


class _Value(Loose, extra="allow"):
    x: float = math.nan
    y: float = math.nan
    width: float = math.nan
    height: float = math.nan
    rotation: float = 0.0
    radius_x: float = Field(math.nan, alias="radiusX")
    radius_y: float = Field(math.nan, alias="radiusY")
    points: tuple[tuple[float, float], ...] = ()
    format: str = ""
    rle: tuple[Annotated[int, Field(ge=0, le=255)], ...] = ()


class _Mark(Loose):
    id: Any = None
    type: str = ""
    value: _Value = _Value()
    original_width: int | None = Field(None, ge=1, le=100_000)
    original_height: int | None = Field(None, ge=1, le=100_000)
    image_rotation: float | None = None


class _Person(Loose):
    id: int | str = ""
    email: str = ""


class _Annotation(Loose):
    completed_by: _Person | int | str | None = None
    was_cancelled: bool = False
    lead_time: Annotated[float, Field(ge=0)] | None = None
    result: tuple[_Mark, ...] = ()


class _Task(Loose):
    id: Any = None
    data: dict[str, Any]
    annotations: tuple[_Annotation, ...] = ()


_FILE: TypeAdapter[tuple[_Task, ...]] = TypeAdapter(tuple[_Task, ...])


def is_label_studio(document: Any) -> bool:
    """Whether a JSON document looks like one of Label Studio."""
    return isinstance(document, list) and all(isinstance(task, dict) and "data" in task for task in document)


def read_label_studio(document: Any, path: Path, only: Set[str] = frozenset()) -> list[Outlines]:
    """What each reader marked on each image, in the order of the file; tasks nobody has done are passed over.

    Raises:
        SessionError: it is no such file, a task names no image, or a mark is incomplete; every problem is told.
    """
    problems: list[str] = []
    outlines: list[Outlines] = []
    tasks: tuple[_Task, ...] = checked(_FILE, document, path, NAME)
    for number, task in enumerate(tasks, 1):
        where = f"task {text_of(task.id) or number}"
        image = _image(task.data)
        if not image:
            problems.append(f"{where}: names no image; its data has no text that ends like a picture")
            continue
        for annotation in task.annotations:
            try:
                outlines.append(_outlines(image, where, annotation, only))
            except DataError as error:
                problems.append(f"{where}: {error}")
    if problems:
        raise refused(path, "cannot be imported", problems)
    return outlines


def _image(data: dict[str, Any]) -> str:
    """The name of the image's file: ``image`` of the task, or the first text that ends like a picture."""
    texts = [data.get("image"), *data.values()]
    return next((name for text in texts if isinstance(text, str) and (name := _file_of(text))), "")


def _file_of(address: str) -> str:
    """The file that an address ends in; empty where it ends in none. Nothing is fetched from it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    path = unquote(parts.path)
    if path.rstrip("/").endswith("local-files"):
        path = parse_qs(parts.query).get("d", [""])[0]
    folder, _, name = path.rpartition("/")
    if "." not in name or f".{name.rpartition('.')[2].lower()}" not in PICTURE_ENDINGS:
        return ""
    if folder.startswith("/data/upload"):
        return _UPLOAD.sub("", name)
    return path.lstrip("/") if not parts.scheme else name


def _outlines(image: str, where: str, annotation: _Annotation, only: Set[str]) -> Outlines:
    """What one annotation says.

    Raises:
        DataError: a mark is incomplete, or of a type that is not known.
    """
    by = annotation.completed_by
    reader = str(by.email or by.id) if isinstance(by, _Person) else "" if by is None else str(by)
    found = _Found()
    unwanted = 0
    categories = _categories(annotation.result)
    for number, (mark, names) in enumerate(zip(annotation.result, categories, strict=True), 1):
        if mark.type in NO_MARKS:
            continue
        found.categories |= names
        if is_wanted(names, only):
            found.take(number, mark)
        else:
            unwanted += 1
    if len(found.sizes) > 1:
        raise DataError("its marks tell different sizes of the image")
    return Outlines(
        image=image,
        where=where,
        reader=reader,
        size=next(iter(found.sizes), None),
        boxes=tuple(found.boxes),
        polygons=tuple(found.polygons),
        mask=runs_of(np.logical_or.reduce(found.masks)) if found.masks else None,
        left_out=tuple(found.left_out),
        abstained=annotation.was_cancelled,
        categories=frozenset(found.categories),
        unwanted=unwanted,
        seconds=annotation.lead_time,
    )


class _Found:
    """What the marks of one annotation come to."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.polygons: list[Points] = []
        self.masks: list[NDArray[np.bool_]] = []
        self.left_out: list[str] = []
        self.sizes: set[tuple[int, int]] = set()
        self.categories: set[Names] = set()

    def take(self, number: int, mark: _Mark) -> None:
        """One mark more.

        Raises:
            DataError: it is incomplete, of a type that is not known, or was made on an image that was turned.
        """
        kind = mark.type.removesuffix("labels")
        if kind in WITHOUT_AREA:
            self.left_out.append(WITHOUT_AREA[kind])
            return
        size = _size(mark, kind, number)
        self.sizes.add(size)
        if kind == "brush":
            self.masks.append(_brush(mark.value, size, number))
            return
        shape = _shape(kind, mark.value, size)
        if not all(math.isfinite(c) for point in shape for c in point) or len(shape) < 1:
            raise DataError(f"mark {number}: is no whole {kind}")
        if kind == "rectangle" and not mark.value.rotation:
            self.boxes.append((*shape[0], *shape[2]))
        else:
            self.polygons.append(shape)


def _size(mark: _Mark, kind: str, number: int) -> tuple[int, int]:
    """(height, width) of the image that a mark with an area lies on.

    Raises:
        DataError: it is none, or does not tell how large or how turned its image was.
    """
    if kind not in AREAS:  # silence would make "nothing is marked" of an area in a form unknown here
        raise DataError(
            f'mark {number}: is of the type "{mark.type[:40]}", which is not known; export rectangles, ellipses, '
            "polygons or brushes"
        )
    if mark.original_width is None or mark.original_height is None:
        raise DataError(f"mark {number}: does not tell the size of the image (original_width, original_height)")
    if turned := (mark.image_rotation or 0) % 360:  # on which side its coordinates count then, the format leaves open
        raise DataError(
            f"mark {number}: was made on an image turned by {turned:g} degrees; turn the image back in Label "
            "Studio, see that the mark lies right, and export again"
        )
    size = mark.original_height, mark.original_width
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(f"mark {number}: claims an image of {size[1]} x {size[0]} pixels, more than {MAX_PIXELS:,}")
    return size


def _categories(result: Sequence[_Mark]) -> list[frozenset[Names]]:
    """Of each entry: the labels and choices of the mark it belongs to, which may be spread over several entries."""
    places = [text_of(mark.id) or number for number, mark in enumerate(result)]
    found: dict[object, set[Names]] = {place: set() for place in places}
    for place, mark in zip(places, result, strict=True):
        texts = (mark.value.model_extra or {}).get(mark.type)
        if isinstance(texts, list) and (mark.type.endswith("labels") or mark.type == "choices"):
            found[place] |= {(text,) for text in map(text_of, texts) if text}
    return [frozenset(found[place]) for place in places]


def _shape(kind: str, value: _Value, size: tuple[int, int]) -> Points:
    """The corners of a mark in pixels; not a number where it is incomplete."""
    across, down = size[1] / 100, size[0] / 100
    x, y, angle = value.x * across, value.y * down, math.radians(value.rotation)
    if kind == "polygon":
        return tuple((x * across, y * down) for x, y in value.points)
    if kind == "ellipse":
        return ellipse(x, y, value.radius_x * across, value.radius_y * down, angle)
    right, bottom = x + value.width * across, y + value.height * down
    return rotated([(x, y), (right, y), (right, bottom), (x, bottom)], (x, y), angle)


def _brush(value: _Value, size: tuple[int, int], number: int) -> NDArray[np.bool_]:
    if value.format != "rle" or not value.rle:
        raise DataError(f'mark {number}: is a brush of the format "{value.format[:20]}", not rle')
    try:
        return opacity(bytes(value.rle), size) > 127
    except DataError as error:
        raise DataError(f"mark {number}: {error}") from None


def opacity(packed: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(height, width): the opacity, 0 to 255, of a brush that is packed as the head of this module tells.

    Raises:
        DataError: it ends too early, is of an image of another size, or its values are not bytes.
    """
    bits = _Bits(packed)
    count, value_bits = bits.take(32), bits.take(5) + 1
    length_bits = [bits.take(4) + 1 for _ in range(4)]
    height, width = size
    if count != 4 * height * width or value_bits != 8:
        raise DataError(
            f"its brush has {count:,} values of {value_bits} bits, an image of {width} x {height} has "
            f"{4 * height * width:,} of 8"
        )
    opaque = np.zeros(height * width, dtype=np.uint8)
    done = 0
    while done < count:
        repeated = bits.take(1)
        length = bits.take(length_bits[bits.take(2)]) + 1
        if done + length > count:
            raise DataError("its brush has a run beyond the end of the image")
        if repeated:
            # Every fourth value is an opacity: those with an index of 3, 7, 11, ... within the run.
            opaque[(done + 0) // 4 : (done + length) // 4] = bits.take(8)
        else:
            values = [bits.take(8) for _ in range(length)]
            opaque[done // 4 : (done + length) // 4] = values[3 - done % 4 :: 4]
        done += length
    return opaque.reshape(size)


class _Bits:
    """Reads a string of bits from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> int:
        """The next ``count`` bits as a number, the first bit the highest.

        Raises:
            DataError: there are not so many left.
        """
        start, end = self._at, self._at + count
        if end > 8 * len(self._data):
            raise DataError("its brush ends too early")
        self._at = end
        whole = int.from_bytes(self._data[start // 8 : (end + 7) // 8], "big")
        return whole >> (-end % 8) & ((1 << count) - 1)
