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
from collections.abc import Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from imil_sim.errors import DataError
from imil_sim.images.decode import JPEG_SIGNATURE, decode_mask
from imil_sim.sessions.drawn import MAX_PIXELS, Box, runs_of
from imil_sim.sessions.importers.outlines import (
    Loose,
    Names,
    Outlines,
    Points,
    box_around,
    checked,
    ellipse,
    is_wanted,
    refused,
    text_of,
)

NAME = "LabelMe file"
WITHOUT_AREA = frozenset({"line", "linestrip", "point", "points"})


class _Shape(Loose):
    label: Any = None
    shape_type: str = "polygon"
    points: tuple[tuple[float, float], ...]
    mask: str | None = None

    @property
    def categories(self) -> frozenset[Names]:
        return frozenset({(label,)}) if (label := text_of(self.label)) else frozenset()


class _File(Loose):
    shapes: tuple[_Shape, ...]
    image_path: str = Field(alias="imagePath")
    height: int | None = Field(None, alias="imageHeight", ge=1, le=100_000)
    width: int | None = Field(None, alias="imageWidth", ge=1, le=100_000)


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


def is_labelme(document: Any) -> bool:
    """Whether a JSON document looks like one of LabelMe."""
    return isinstance(document, dict) and "shapes" in document and "imagePath" in document


def read_labelme(document: Any, path: Path, only: Set[str] = frozenset()) -> list[Outlines]:
    """What was marked on the image of the file.

    Raises:
        SessionError: it is no such file, or a shape is incomplete; every problem is told.
    """
    file = checked(_FILE, document, path, NAME)
    size = (file.height, file.width) if file.height and file.width else None
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise refused(path, "cannot be imported", [f"an image of {file.width} x {file.height} pixels is too large"])
    boxes: list[Box] = []
    polygons: list[Points] = []
    left_out: list[str] = []
    masks: list[NDArray[np.bool_]] = []
    problems: list[str] = []
    wanted = [is_wanted(shape.categories, only) for shape in file.shapes]
    for number, shape in enumerate(file.shapes, 1):
        if not wanted[number - 1]:
            continue
        kind, points = shape.shape_type, shape.points
        if kind in WITHOUT_AREA:
            left_out.append(kind)
        elif kind in ("polygon", "oriented_rectangle") and points:
            polygons.append(points)
        elif kind == "rectangle" and len(points) >= 2:
            boxes.append(box_around(points))
        elif kind == "circle" and len(points) == 2:
            radius = math.dist(*points)
            polygons.append(ellipse(*points[0], radius, radius))
        elif kind == "mask" and len(points) == 2 and shape.mask is not None:
            try:
                masks.append(_laid(shape.mask, box_around(points), size))
            except DataError as error:
                problems.append(f"shape {number}: the mask {error}")
        else:
            problems.append(f'shape {number}: is no whole shape ("{kind[:40]}" of {len(points)} points)')
    if problems:
        raise refused(path, "cannot be imported", problems)
    return [
        Outlines(
            image=file.image_path,
            where=path.name,
            size=size,
            boxes=tuple(boxes),
            polygons=tuple(polygons),
            mask=runs_of(np.logical_or.reduce(masks)) if masks else None,
            left_out=tuple(left_out),
            categories=frozenset().union(*(shape.categories for shape in file.shapes)),
            unwanted=wanted.count(False),
        )
    ]


def _laid(text: str, box: Box, shape: tuple[int, int] | None) -> NDArray[np.bool_]:
    """(height, width): the picture in base64 with its top left corner at that of the box.

    Raises:
        DataError: it is no mask, or does not fit into an image of ``shape``; a JPEG, in which ones may have been lost.
    """
    if shape is None:
        raise DataError("has no image to lie on: imageHeight and imageWidth are null")
    try:
        picture = binascii.a2b_base64(text)
    except binascii.Error:
        raise DataError("is not base64; save the file again with LabelMe") from None
    if picture.startswith(JPEG_SIGNATURE):
        raise DataError("is a JPEG, LabelMe writes PNG; save the file again with LabelMe")
    mask = decode_mask(picture)
    top, left = round(box[1]), round(box[0])
    if top < 0 or left < 0 or top + mask.shape[0] > shape[0] or left + mask.shape[1] > shape[1]:
        raise DataError(f"of {mask.shape[1]} x {mask.shape[0]} pixels reaches beyond the image")
    whole = np.zeros(shape, dtype=np.bool_)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return whole
