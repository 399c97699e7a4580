"""VGG Image Annotator (VIA, Dutta and Zisserman 2019): the annotations as JSON, or a project, of versions 1 and 2.

An object with one entry an image; its key is the file's name with its size in bytes behind it::

    {"a.png1234": {"filename": "a.png", "size": 1234, "regions": [{"shape_attributes": {...}, ...}], ...}, ...}

In a project that object stands under ``_via_img_metadata``; version 1 numbers the regions in an object. Shapes are
``rect``, ``circle``, ``ellipse`` (turned by ``theta`` radians), ``polygon``, and, without an area, ``polyline`` and
``point``. Coordinates are original pixels, but the size of the image is nowhere in the file.

What a region is of stands in its ``region_attributes``, whose names each project makes up: ``{"finding": "nodule"}``, a
checkbox ``{"finding": {"nodule": true, "cavity": true}}``, or, as in the Shenzhen set, ``{"Cavity": "good"}``. Its
categories are the attributes that have a value, ``NAME=VALUE``; either side alone names them too. Every image that was
loaded into the program is listed, opened or not: one without a region has not been looked at, for all the file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, FiniteFloat, TypeAdapter

from imil_sim.errors import DataError
from imil_sim.sessions.importers import (
    Importer,
    ImportSource,
    Loose,
    Names,
    Outlines,
    checked,
    ellipse,
    part_of,
    refused,
)

PROJECT = "_via_img_metadata"
WITHOUT_AREA = frozenset({"point", "polyline"})


class _Region(Loose):
    shape_attributes: dict[str, Any]
    """``name``, and what a shape of that name has; of a shape without an area tools write this and that."""
    region_attributes: Any = None


def _listed(regions: Any) -> Any:
    return list(regions.values()) if isinstance(regions, dict) else regions


class _Image(Loose):
    filename: str
    regions: Annotated[tuple[_Region, ...], BeforeValidator(_listed)] = ()


_FILE: TypeAdapter[dict[str, _Image]] = TypeAdapter(dict[str, _Image])
_NUMBERS: TypeAdapter[dict[str, float]] = TypeAdapter(dict[str, FiniteFloat])
_CORNERS: TypeAdapter[tuple[float, ...]] = TypeAdapter(Annotated[tuple[FiniteFloat, ...], Field(min_length=1)])


def _recognises(source: ImportSource) -> bool:
    document = source.document
    if not isinstance(document, dict) or not document:
        return False
    first = next(iter(document.values()))
    return PROJECT in document or (isinstance(first, dict) and {"filename", "regions"} <= first.keys())


def _read(source: ImportSource) -> Sequence[Outlines]:
    document = source.document
    if isinstance(document, dict):
        document = document.get(PROJECT, document)
    problems: list[str] = []
    outlines: list[Outlines] = []
    for image in checked(_FILE, source, "VIA annotation file (JSON)", document).values():
        where = f'image "{image.filename}"'
        one = Outlines(image.filename, where, looked_at=bool(image.regions))
        for number, region in enumerate(image.regions, 1):
            if one.wants(_categories(region.region_attributes), source.only):
                try:
                    _take(region.shape_attributes, one)
                except DataError as error:
                    name = str(region.shape_attributes.get("name"))[:40]
                    problems.append(f'{where}, region {number} ("{name}"): {error}')
        outlines.append(one)
    if problems:
        raise refused(source.path, "cannot be imported", problems)
    return outlines


def _categories(attributes: Any) -> Iterator[Names]:
    """The categories of a region: its attributes that have a value, of a checkbox those that are ticked."""
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        values = [option for option, ticked in value.items() if ticked] if isinstance(value, dict) else [value]
        for one in values:
            if one is not None and one is not False and one != "":  # a value of 0 is one
                yield f"{name}={one}", str(one), str(name)


def _take(shape: dict[str, Any], one: Outlines) -> None:
    """Add a shape; raises `DataError` where it is incomplete, or none that is known."""
    name = str(shape.get("name"))
    if name in WITHOUT_AREA:
        one.left_out += (name,)
    elif name == "rect":
        x, y, width, height = _numbers(shape, "x", "y", "width", "height")
        one.boxes += ((x, y, x + width, y + height),)
    elif name == "polygon":
        across, down = (part_of(_CORNERS.validate_python, shape.get(key)) for key in ("all_points_x", "all_points_y"))
        if len(across) != len(down):
            raise DataError(f"has {len(across)} numbers in all_points_x, and {len(down)} in all_points_y")
        one.polygons += (tuple(zip(across, down, strict=True)),)
    elif name == "circle":
        x, y, radius = _numbers(shape, "cx", "cy", "r")
        one.polygons += (ellipse(x, y, radius, radius),)
    elif name == "ellipse":
        one.polygons += (ellipse(*_numbers({"theta": 0.0} | shape, "cx", "cy", "rx", "ry", "theta")),)
    else:
        raise DataError("is no shape of VIA")


def _numbers(shape: dict[str, Any], *names: str) -> list[float]:
    return list(part_of(_NUMBERS.validate_python, {name: shape.get(name) for name in names}).values())


def _hint(source: ImportSource) -> str:
    if isinstance(source.document, dict) and {"project", "file", "view", "metadata"} <= source.document.keys():
        # Its COCO export writes -1 for the width and height of every image, and polygons that are not lists.
        return (
            "is a project of VIA 3, which is not read, and its exports do not give the sizes of the images; mark them "
            "in VIA 2, or make a CSV table of boxes"
        )
    if "region_shape_attributes" in source.columns:
        return "is VIA's CSV export; export the annotations as JSON, or save the project, and import that"
    return ""


IMPORTER = Importer(
    "VIA JSON",
    "Annotations or project of VIA 1 and 2: polygons, rectangles, circles, ellipses. Sizes: `--sizes`. Reader: "
    "`--reader`.",
    _recognises,
    _read,
    _hint,
)
