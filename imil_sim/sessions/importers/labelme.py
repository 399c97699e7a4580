"""LabelMe (Wada; github.com/wkentaro/labelme): one JSON file an image, beside it.

``shapes`` has one entry a shape: ``polygon``, ``rectangle`` (two opposite corners), ``oriented_rectangle`` (all four),
``circle`` (its middle and a point on it), ``mask`` (a PNG in base64, laid into the box of its two points), and, without
an area, ``line``, ``linestrip``, ``point`` and ``points``. Coordinates are original pixels; ``imageWidth`` and
``imageHeight`` tell the size, or are null. The image itself (``imageData``) is passed over. A shape's category is its
``label``. A file is there only where somebody saved one: without shapes it says that nothing was found.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from imil_sim.errors import DataError, SessionError
from imil_sim.images.decode import JPEG_SIGNATURE, decode_mask
from imil_sim.sessions.drawn import Box
from imil_sim.sessions.importers import (
    Importer,
    ImportSource,
    Loose,
    Outlines,
    Points,
    check_pixels,
    checked,
    ellipse,
    refused,
    text_of,
)

WITHOUT_AREA = frozenset({"line", "linestrip", "point", "points"})


class _Shape(Loose):
    label: Any = None
    shape_type: str = "polygon"
    points: tuple[tuple[float, float], ...]
    mask: str | None = None


class _File(Loose):
    shapes: tuple[_Shape, ...]
    image_path: str = Field(alias="imagePath")
    height: int | None = Field(None, alias="imageHeight", ge=1, le=100_000)
    width: int | None = Field(None, alias="imageWidth", ge=1, le=100_000)


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


def _json_files(source: ImportSource) -> list[ImportSource]:
    return [ImportSource(path, only=source.only) for path in source.files if path.suffix.lower() == ".json"]


def _recognises(source: ImportSource) -> bool:
    if source.path.is_dir():
        return bool(_json_files(source))
    return isinstance(source.document, dict) and {"shapes", "imagePath"} <= source.document.keys()


def _read(source: ImportSource) -> Sequence[Outlines]:
    if not source.path.is_dir():
        return [_outlines(source)]
    outlines, problems = [], []
    for file in _json_files(source):
        try:
            outlines.append(_outlines(file))
        except SessionError as error:
            problems.append(str(error).replace("\n", "\n    "))
    if problems:
        raise refused(source.path, "cannot be imported", problems)
    return outlines


def _outlines(source: ImportSource) -> Outlines:
    """What is marked on the image of a file; raises `SessionError`: it is none of LabelMe, or a shape is incomplete."""
    file = checked(_FILE, source, "LabelMe file")
    size = (file.height, file.width) if file.height and file.width else None
    one, problems = Outlines(file.image_path, source.path.name, size=size), list[str]()
    try:
        check_pixels(*size or (1, 1))
    except DataError as error:
        raise refused(source.path, "cannot be imported", [str(error)]) from None
    for number, shape in enumerate(file.shapes, 1):
        label = text_of(shape.label)
        if one.wants([(label,)] if label else [], source.only):
            try:
                _take(shape, one)
            except DataError as error:
                problems.append(f"shape {number}: {error}")
    if problems:
        raise refused(source.path, "cannot be imported", problems)
    return one


def _take(shape: _Shape, one: Outlines) -> None:
    """Add a shape; raises `DataError` where it is incomplete."""
    kind, points = shape.shape_type, shape.points
    if kind in WITHOUT_AREA:
        one.left_out += (kind,)
    elif kind in ("polygon", "oriented_rectangle") and points:
        one.polygons += (points,)
    elif kind == "rectangle" and len(points) >= 2:
        one.boxes += (_box_around(points),)
    elif kind == "circle" and len(points) == 2:
        radius = math.dist(*points)
        one.polygons += (ellipse(*points[0], radius, radius),)
    elif kind == "mask" and len(points) == 2 and shape.mask is not None:
        one.add_mask(_laid(shape.mask, _box_around(points), one.size))
    else:
        raise DataError(f'is no whole shape ("{kind[:40]}" of {len(points)} points)')


def _box_around(points: Points) -> Box:
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)


def _laid(text: str, box: Box, shape: tuple[int, int] | None) -> NDArray[np.bool_]:
    """(height, width): the picture in base64 with its top left corner at that of the box.

    Raises:
        DataError: it is no mask, or does not fit into an image of ``shape``; a JPEG, in which ones may have been lost.
    """
    if shape is None:
        raise DataError("the mask has no image to lie on: imageHeight and imageWidth are null")
    try:
        picture = binascii.a2b_base64(text)
    except binascii.Error:
        raise DataError("the mask is not base64; save the file again with LabelMe") from None
    if picture.startswith(JPEG_SIGNATURE):
        raise DataError("the mask is a JPEG, LabelMe writes PNG; save the file again with LabelMe")
    mask = decode_mask(picture)
    top, left = round(box[1]), round(box[0])
    if top < 0 or left < 0 or top + mask.shape[0] > shape[0] or left + mask.shape[1] > shape[1]:
        raise DataError(f"the mask of {mask.shape[1]} x {mask.shape[0]} pixels reaches beyond the image")
    whole = np.zeros(shape, dtype=np.bool_)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return whole


IMPORTER = Importer(
    "LabelMe JSON",
    "One file of LabelMe, or a folder of them: polygons, rectangles, circles, masks. Reader: `--reader`.",
    _recognises,
    _read,
)
