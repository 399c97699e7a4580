"""COCO object detection (Lin et al. 2014): ``images`` and ``annotations``, with polygons, boxes and both forms of RLE.

``segmentation`` is a list of polygons ``[x0, y0, x1, y1, ...]`` in original pixels, or run lengths of a mask column by
column, ``{"size": [height, width], "counts": ...}``: a list of numbers (pixels outside, inside, outside, ...), or the
same numbers packed into text. Packed, each number is written in groups of 5 bits, lowest first, one character a group
(48 is added); bit 6 says that another group follows, bit 5 of the last group is the sign; and from the fourth number
on each is the difference from the number two before. Where there is no segmentation the ``bbox`` (left, top, width,
height) counts. An annotation's category is the name that ``categories`` has for its ``category_id``; a file without
names, or with others than the format has, is read all the same.

Every image of the data set is listed: one without annotations may have been looked at, or not annotated yet. The file
does not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from imil_sim.errors import DataError
from imil_sim.sessions.drawn import MAX_PIXELS, Box, mask_of, runs_of
from imil_sim.sessions.importers.outlines import Loose, Outlines, Points, checked, is_wanted, refused, text_of

NAME = "COCO file"


class _Image(Loose):
    id: int | str
    file_name: str
    height: int = Field(ge=1, le=100_000)
    width: int = Field(ge=1, le=100_000)


class _Runs(Loose):
    counts: str | tuple[int, ...]
    size: tuple[int, int]


class _Annotation(Loose):
    image_id: int | str
    category_id: Any = None
    segmentation: _Runs | tuple[tuple[float, ...], ...] | None = None
    bbox: tuple[float, float, float, float] | None = None


class _File(Loose):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: Any = None


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


def is_coco(document: Any) -> bool:
    """Whether a JSON document looks like one of COCO."""
    return isinstance(document, dict) and "images" in document and "annotations" in document


def read_coco(document: Any, path: Path, only: Set[str] = frozenset()) -> list[Outlines]:
    """What was marked on each image, those without any mark included, in the order of the file.

    Raises:
        SessionError: it is no such file, an annotation is of no image, or a mask is damaged; every problem is told.
    """
    file = checked(_FILE, document, path, NAME)
    problems: list[str] = []
    of_image: dict[int | str, list[tuple[int, _Annotation]]] = {}
    images: list[_Image] = []
    for image in file.images:
        if image.id in of_image:
            problems.append(f"two images have the id {image.id}")
        elif image.height * image.width > MAX_PIXELS:
            problems.append(f"image {image.id}: claims {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
        else:
            images.append(image)
        of_image.setdefault(image.id, [])
    for number, annotation in enumerate(file.annotations, 1):
        if annotation.image_id in of_image:
            of_image[annotation.image_id].append((number, annotation))
        else:
            problems.append(f"annotation {number}: there is no image with the id {str(annotation.image_id)[:60]}")
    names = _names(file.categories)
    outlines = [_outlines(image, of_image[image.id], names, only, problems) for image in images]
    if problems:
        raise refused(path, "cannot be imported", problems)
    return outlines


def _names(categories: Any) -> dict[str, str]:
    """The name of each category by its id, where there is one."""
    known = [one for one in categories if isinstance(one, dict)] if isinstance(categories, list) else []
    return {text_of(one.get("id")): name for one in known if (name := text_of(one.get("name")))}


def _outlines(
    image: _Image,
    annotations: Sequence[tuple[int, _Annotation]],
    names: Mapping[str, str],
    only: Set[str],
    problems: list[str],
) -> Outlines:
    boxes: list[Box] = []
    polygons: list[Points] = []
    mask: NDArray[np.bool_] | None = None
    shape = image.height, image.width
    ids = {number: text_of(one.category_id) for number, one in annotations}
    categories = {number: (names.get(by, by),) for number, by in ids.items() if by}
    wanted = [one for one in annotations if is_wanted([categories.get(one[0], ())], only)]
    for number, annotation in wanted:
        area = annotation.segmentation
        if isinstance(area, _Runs):
            try:
                found = _mask(area, shape)
            except DataError as error:
                problems.append(f"annotation {number}: {error}")
            else:
                mask = found if mask is None else mask | found
        elif area:
            if any(len(flat) % 2 or not flat for flat in area):
                problems.append(f"annotation {number}: a polygon has an odd number of coordinates, or none")
            polygons += [tuple(zip(flat[::2], flat[1::2], strict=False)) for flat in area]
        elif annotation.bbox is not None:
            left, top, width, height = annotation.bbox
            boxes.append((left, top, left + width, top + height))
        else:
            problems.append(f"annotation {number}: has neither segmentation nor bbox")
    return Outlines(
        image=image.file_name,
        where=f'image "{image.file_name}"',
        size=shape,
        boxes=tuple(boxes),
        polygons=tuple(polygons),
        mask=None if mask is None else runs_of(mask),
        looked_at=bool(annotations),
        categories=frozenset(categories.values()),
        unwanted=len(annotations) - len(wanted),
    )


def _mask(runs: _Runs, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if runs.size != shape:
        raise DataError(f"its mask is {runs.size[1]} x {runs.size[0]} pixels, its image {shape[1]} x {shape[0]}")
    counts = unpacked(runs.counts) if isinstance(runs.counts, str) else runs.counts
    if any(count < 0 for count in counts) or sum(counts) != shape[0] * shape[1]:
        raise DataError(f"the runs of its mask add up to {sum(counts)} pixels, the image has {shape[0] * shape[1]}")
    return mask_of(counts, (shape[1], shape[0])).T


def unpacked(text: str) -> tuple[int, ...]:
    """The run lengths in the packed text of a COCO mask.

    >>> unpacked("16`0")
    (1, 6, 16)

    Raises:
        DataError: a character is none of the code, or the text ends within a number.
    """
    counts: list[int] = []
    number = bits = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or bits > 60:
            raise DataError("its packed runs are damaged")
        number |= (group & 31) << bits
        bits += 5
        if group & 32:
            continue
        if group & 16:
            number -= 1 << bits
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = bits = 0
    if bits:
        raise DataError("its packed runs end within a number")
    return tuple(counts)
