"""COCO object detection (Lin et al. 2014): ``images`` and ``annotations``, with polygons, boxes and both forms of RLE.

``segmentation`` is a list of polygons ``[x0, y0, x1, y1, ...]`` in original pixels, or run lengths of a mask column by
column, ``{"size": [height, width], "counts": ...}``, as a list of numbers or packed into text. Where there is none the
``bbox`` (left, top, width, height) counts. An annotation's category is the name that ``categories`` has for its
``category_id``; a file without names, or with others than the format has, is read all the same.

Every image of the data set is listed: one without annotations may have been looked at, or not annotated yet. The file
does not say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths
from pydantic import Field, TypeAdapter

from imil_sim.errors import DataError
from imil_sim.sessions.importers import (
    Id,
    Importer,
    ImportSource,
    Loose,
    Outlines,
    check_pixels,
    checked,
    part_of,
    refused,
    text_of,
)


class _Image(Loose):
    id: Id
    file_name: str
    height: int = Field(ge=1, le=100_000)
    width: int = Field(ge=1, le=100_000)


class _Annotation(Loose):
    image_id: Id
    category_id: Any = None
    segmentation: Any = None
    bbox: tuple[float, float, float, float] | None = None


class _File(Loose):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: Any = None


_FILE: TypeAdapter[_File] = TypeAdapter(_File)
_POLYGONS: TypeAdapter[tuple[tuple[float, ...], ...]] = TypeAdapter(tuple[tuple[float, ...], ...])
_PACKED = re.compile(r"(?:[P-o]{0,5}[0-O])+")
"""Numbers of up to 30 bits, each whole: of other text pycocotools reads beyond the end."""


def _recognises(source: ImportSource) -> bool:
    return isinstance(source.document, dict) and {"images", "annotations"} <= source.document.keys()


def _read(source: ImportSource) -> Sequence[Outlines]:
    file = checked(_FILE, source, "COCO file")
    categories = file.categories if isinstance(file.categories, list) else []
    known = {text_of(one.get("id")): text_of(one.get("name")) for one in categories if isinstance(one, dict)}
    problems: list[str] = []
    images: dict[str, Outlines] = {}
    for image in file.images:
        try:
            check_pixels(image.height, image.width)
        except DataError as error:
            raise refused(source.path, "cannot be imported", [f"image {image.id}: {error}"]) from None
        if image.id in images:
            problems.append(f"two images have the id {image.id}")
        size = image.height, image.width
        images[image.id] = Outlines(image.file_name, f'image "{image.file_name}"', size=size, looked_at=False)
    for number, annotation in enumerate(file.annotations, 1):
        if annotation.image_id not in images:
            problems.append(f"annotation {number}: there is no image with the id {annotation.image_id[:60]}")
            continue
        one, by = images[annotation.image_id], text_of(annotation.category_id)
        one.looked_at = True
        if one.wants([(known.get(by) or by,)] if by else [], source.only):
            try:
                _take(annotation, one)
            except DataError as error:
                problems.append(f"annotation {number}: {error}")
    if problems:
        raise refused(source.path, "cannot be imported", problems)
    return list(images.values())


def _take(annotation: _Annotation, one: Outlines) -> None:
    """Add the area of an annotation; raises `DataError` where it has none."""
    area = annotation.segmentation
    if isinstance(area, dict):
        one.add_mask(_mask(area, one.size or (0, 0)))
    elif area:
        polygons = part_of(_POLYGONS.validate_python, area)
        if any(len(flat) % 2 or not flat for flat in polygons):
            raise DataError("a polygon has an odd number of coordinates, or none")
        one.polygons += tuple(tuple(zip(flat[::2], flat[1::2], strict=True)) for flat in polygons)
    elif annotation.bbox is not None:
        left, top, width, height = annotation.bbox
        one.boxes += ((left, top, left + width, top + height),)
    else:
        raise DataError("has neither segmentation nor bbox")


def _mask(runs: dict[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(height, width); raises `DataError` where the runs are no mask of that shape."""
    counts, size = runs.get("counts"), [*shape]
    if runs.get("size") != size:
        raise DataError(f"its mask has the size {str(runs.get('size'))[:60]}, its image {size}")
    if isinstance(counts, str):
        if not _PACKED.fullmatch(counts):
            raise DataError("its packed runs are damaged")
        packed: Any = {"size": size, "counts": counts.encode()}
    else:
        if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
            raise DataError("its counts must be text or a list of pixels")
        if sum(counts) != shape[0] * shape[1]:
            raise DataError(f"the runs of its mask add up to {sum(counts)} pixels, the image has {shape[0] * shape[1]}")
        packed = run_lengths.frPyObjects({"size": size, "counts": counts}, *shape)
    try:
        return np.asarray(run_lengths.decode(packed), dtype=np.bool_)
    except ValueError:
        raise DataError("its packed runs are damaged") from None


def _hint(source: ImportSource) -> str:
    parts = source.document
    if not (isinstance(parts, list) and parts and all(isinstance(part, dict) and "image_id" in part for part in parts)):
        return ""
    areas = all("bbox" in part or "segmentation" in part for part in parts)
    return (
        "is a list of COCO results, which names no images; import the whole COCO file, with its images" if areas else ""
    )


IMPORTER = Importer(
    "COCO JSON",
    "COCO JSON: polygons, both forms of RLE, `bbox` where there is no segmentation. Reader: `--reader`.",
    _recognises,
    _read,
    _hint,
)
