"""Label Studio's JSON export: a list of tasks, each with the annotations of one or several readers.

A task names its image in ``data``; an annotation says who made it (``completed_by``), whether the task was skipped
(``was_cancelled``), and in ``result`` has one entry a mark: ``rectanglelabels`` and ``ellipselabels`` (turned by
``rotation`` degrees, the rectangle about its top left corner), ``polygonlabels``, ``brushlabels``, and marks without an
area (``keypointlabels``). Coordinates are percent of the image's width and height; ``original_width`` and
``original_height`` tell its size. The labels of a mark, its categories, stand in its ``value`` under its type, or,
where labels and shapes are tools of their own, in an entry of type ``labels`` with the same ``id``; choices made about
one mark likewise. An annotation was handed in by its reader: an empty one says that nothing was found.

A brush is packed in a code of its own (thi.ng/rle-pack), which is not COCO's; the only library that reads it, Label
Studio's, brings a server along, so `opacity` does. Its bits are: 32, how many values follow; 5, bits of a value less
one; four times 4, bits of a run's length less one. Then run by run: 1 bit, whether one value is repeated; 2 bits, which
of the four lengths is used; the length less one in so many bits; and the one value, or all of them. The values are red,
green, blue and opacity of each pixel, row by row; the mask is where opacity is above half.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence, Set
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from imil_sim.errors import DataError
from imil_sim.sessions.importers import (
    PICTURE_ENDINGS,
    Importer,
    ImportSource,
    Loose,
    Names,
    Outlines,
    Points,
    check_pixels,
    checked,
    ellipse,
    refused,
    rotated,
    text_of,
)

AREAS = frozenset({"rectangle", "ellipse", "polygon", "brush"})
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


class _Annotation(Loose):
    completed_by: Any = None
    was_cancelled: bool = False
    lead_time: Annotated[float, Field(ge=0)] | None = None
    result: tuple[_Mark, ...] = ()


class _Task(Loose):
    id: Any = None
    data: dict[str, Any]
    annotations: tuple[_Annotation, ...] = ()


_FILE: TypeAdapter[tuple[_Task, ...]] = TypeAdapter(tuple[_Task, ...])


def _recognises(source: ImportSource) -> bool:
    tasks = source.document
    return isinstance(tasks, list) and bool(tasks) and all(isinstance(task, dict) and "data" in task for task in tasks)


def _read(source: ImportSource) -> Sequence[Outlines]:
    problems: list[str] = []
    outlines: list[Outlines] = []
    tasks: tuple[_Task, ...] = checked(_FILE, source, "JSON export of Label Studio")
    for number, task in enumerate(tasks, 1):
        where = f"task {text_of(task.id) or number}"
        texts = (task.data.get("image"), *task.data.values())
        image = next((name for text in texts if isinstance(text, str) and (name := _file_of(text))), "")
        if not image:
            problems.append(f"{where}: names no image; its data has no text that ends like a picture")
            continue
        for annotation in task.annotations:
            try:
                outlines.append(_outlines(image, where, annotation, source.only))
            except DataError as error:
                problems.append(f"{where}: {error}")
    if problems:
        raise refused(source.path, "cannot be imported", problems)
    return outlines


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
    """What one annotation says; raises `DataError`: a mark is incomplete, or of a type that is not known."""
    by = annotation.completed_by
    reader = text_of(by.get("email")) or text_of(by.get("id")) if isinstance(by, dict) else text_of(by)
    cancelled, seconds = annotation.was_cancelled, annotation.lead_time
    one = Outlines(image, where, reader, abstained=cancelled, seconds=seconds)
    for number, (mark, names) in enumerate(zip(annotation.result, _categories(annotation.result), strict=True), 1):
        if mark.type not in NO_MARKS and one.wants(names, only):
            try:
                _take(mark, one)
            except DataError as error:
                raise DataError(f"mark {number}: {error}") from None
    return one


def _categories(result: Sequence[_Mark]) -> list[set[Names]]:
    """Of each entry: the labels and choices of the mark it belongs to, which may be spread over several entries."""
    places = [text_of(mark.id) or number for number, mark in enumerate(result)]
    found: dict[object, set[Names]] = {place: set() for place in places}
    for place, mark in zip(places, result, strict=True):
        texts = (mark.value.model_extra or {}).get(mark.type)
        if isinstance(texts, list) and (mark.type.endswith("labels") or mark.type == "choices"):
            found[place] |= {(text,) for text in map(text_of, texts) if text}
    return [found[place] for place in places]


def _take(mark: _Mark, one: Outlines) -> None:
    """Add a mark.

    Raises:
        DataError: it is incomplete, of a type that is not known, on an image that was turned, or of another size.
    """
    kind = mark.type.removesuffix("labels")
    if kind in WITHOUT_AREA:
        one.left_out += (WITHOUT_AREA[kind],)
        return
    if kind not in AREAS:  # silence would make "nothing is marked" of an area in a form unknown here
        raise DataError(
            f'is of the type "{mark.type[:40]}", which is not known; export rectangles, ellipses, polygons or brushes'
        )
    if mark.original_width is None or mark.original_height is None:
        raise DataError("does not tell the size of the image (original_width, original_height)")
    if turned := (mark.image_rotation or 0) % 360:  # on which side its coordinates count then, the format leaves open
        raise DataError(
            f"was made on an image turned by {turned:g} degrees; turn the image back in Label Studio, see that the "
            "mark lies right, and export again"
        )
    size = mark.original_height, mark.original_width
    check_pixels(*size)
    if one.size not in (None, size):
        raise DataError("is on an image of another size than those before")
    one.size = size
    if kind == "brush":
        if mark.value.format != "rle" or not mark.value.rle:
            raise DataError(f'is a brush of the format "{mark.value.format[:20]}", not rle')
        one.add_mask(opacity(bytes(mark.value.rle), size) > 127)
        return
    shape = _shape(kind, mark.value, size)
    if not shape or not np.isfinite(shape).all():
        raise DataError(f"is no whole {kind}")
    if kind == "rectangle" and not mark.value.rotation:
        one.boxes += ((*shape[0], *shape[2]),)
    else:
        one.polygons += (shape,)


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


def opacity(packed: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(height, width): the opacity, 0 to 255, of a brush that is packed as the head of this module says.

    Raises:
        DataError: it ends too early, is of an image of another size, or its values are not bytes.
    """
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    at = 0

    def take(count: int, each: int) -> NDArray[np.int64]:
        """The next ``count`` numbers of ``each`` bits, the first bit the highest."""
        nonlocal at
        at += count * each
        if at > bits.size:
            raise DataError("its brush ends too early")
        return bits[at - count * each : at].reshape(count, each) @ (1 << np.arange(each, dtype=np.int64)[::-1])

    (count,), (value_bits,), length_bits = take(1, 32), take(1, 5) + 1, take(4, 4) + 1
    height, width = size
    if count != 4 * height * width or value_bits != 8:
        raise DataError(
            f"its brush has {count:,} values of {value_bits} bits, an image of {width} x {height} has "
            f"{4 * height * width:,} of 8"
        )
    values = np.zeros(count, dtype=np.uint8)
    done = 0
    while done < count:
        repeated, choice = take(1, 1)[0], take(1, 2)[0]
        length = int(take(1, int(length_bits[choice]))[0]) + 1
        if done + length > count:
            raise DataError("its brush has a run beyond the end of the image")
        values[done : done + length] = take(1 if repeated else length, 8)
        done += length
    return values.reshape(height, width, 4)[..., 3]


def _hint(source: ImportSource) -> str:
    if source.columns >= {"annotator", "annotation_id"}:
        return "is a CSV export of Label Studio; export JSON, and import that"
    tasks = source.document
    if isinstance(tasks, list) and tasks and all(isinstance(t, dict) and "annotation_id" in t for t in tasks):
        return "is Label Studio's JSON-MIN export, which leaves out what an import needs; export JSON"
    return ""


IMPORTER = Importer(
    "Label Studio JSON",
    "JSON export of Label Studio: rectangles and ellipses (turned too), polygons, brush; skipped tasks are "
    "abstentions. Readers: `completed_by`.",
    _recognises,
    _read,
    _hint,
)
