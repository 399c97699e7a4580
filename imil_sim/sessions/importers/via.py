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

from collections.abc import Iterator, Set
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from imil_sim.sessions.drawn import Box
from imil_sim.sessions.importers.messages import faults
from imil_sim.sessions.importers.outlines import Loose, Names, Outlines, Points, checked, ellipse, is_wanted, refused

NAME = "VIA annotation file (JSON)"
PROJECT = "_via_img_metadata"
WITHOUT_AREA = frozenset({"point", "polyline"})


class _Rect(Loose):
    x: float
    y: float
    width: float
    height: float


class _Circle(Loose):
    cx: float
    cy: float
    r: float


class _Ellipse(Loose):
    cx: float
    cy: float
    rx: float
    ry: float
    theta: float = 0.0


class _Polygon(Loose):
    all_points_x: Annotated[tuple[float, ...], Field(min_length=1)]
    all_points_y: Annotated[tuple[float, ...], Field(min_length=1)]


class _Region(Loose):
    shape_attributes: dict[str, Any]
    """``name``, and what a shape of that name has; of a shape without an area tools write this and that."""
    region_attributes: Any = None


class _Image(Loose):
    filename: str
    regions: tuple[_Region, ...] | dict[str, _Region] = ()


_FILE: TypeAdapter[dict[str, _Image]] = TypeAdapter(dict[str, _Image])


def is_via(document: Any) -> bool:
    """Whether a JSON document looks like one of VIA."""
    if not isinstance(document, dict) or not document:
        return False
    first = next(iter(document.values()))
    return PROJECT in document or (isinstance(first, dict) and "filename" in first and "regions" in first)


def read_via(document: Any, path: Path, only: Set[str] = frozenset()) -> list[Outlines]:
    """What was marked on each image, those without any mark included, in the order of the file.

    Raises:
        SessionError: it is no such file, or a shape is incomplete; every problem is told.
    """
    if isinstance(document, dict) and PROJECT in document:
        document = document[PROJECT]
    problems: list[str] = []
    outlines = [_outlines(image, only, problems) for image in checked(_FILE, document, path, NAME).values()]
    if problems:
        raise refused(path, "cannot be imported", problems)
    return outlines


def _outlines(image: _Image, only: Set[str], problems: list[str]) -> Outlines:
    regions = image.regions.values() if isinstance(image.regions, dict) else image.regions
    boxes: list[Box] = []
    polygons: list[Points] = []
    left_out: list[str] = []
    categories = [frozenset(_categories(region.region_attributes)) for region in regions]
    wanted = [is_wanted(names, only) for names in categories]
    for number, region in enumerate(regions, 1):
        if not wanted[number - 1]:
            continue
        shape = region.shape_attributes
        name = str(shape.get("name"))
        try:
            if name in WITHOUT_AREA:
                left_out.append(name)
            elif name == "rect":
                rect = _Rect.model_validate(shape)
                boxes.append((rect.x, rect.y, rect.x + rect.width, rect.y + rect.height))
            else:
                polygons.append(_polygon(name, shape))
        except ValueError as error:  # pydantic's is one
            what = "; ".join(faults(error, shape)) if isinstance(error, ValidationError) else str(error)
            problems.append(f'image "{image.filename}", region {number} ("{name[:40]}"): {what}')
    return Outlines(
        image=image.filename,
        where=f'image "{image.filename}"',
        boxes=tuple(boxes),
        polygons=tuple(polygons),
        left_out=tuple(left_out),
        looked_at=bool(regions),
        categories=frozenset().union(*categories),
        unwanted=wanted.count(False),
    )


def _categories(attributes: Any) -> Iterator[Names]:
    """The categories of a region: its attributes that have a value, of a checkbox those that are ticked."""
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        values = [option for option, ticked in value.items() if ticked] if isinstance(value, dict) else [value]
        for one in values:
            if one is not None and one is not False and one != "":  # a value of 0 is one
                yield f"{name}={one}", str(one), str(name)


def _polygon(name: str, shape: dict[str, Any]) -> Points:
    """The corners of a polygon, or of what stands for a round shape.

    Raises:
        ValueError: it is incomplete, or no shape that is known.
    """
    if name == "polygon":
        polygon = _Polygon.model_validate(shape)
        across, down = polygon.all_points_x, polygon.all_points_y
        if len(across) != len(down):
            raise ValueError(f"has {len(across)} numbers in all_points_x, and {len(down)} in all_points_y")
        return tuple(zip(across, down, strict=True))
    if name == "circle":
        circle = _Circle.model_validate(shape)
        return ellipse(circle.cx, circle.cy, circle.r, circle.r)
    if name == "ellipse":
        oval = _Ellipse.model_validate(shape)
        return ellipse(oval.cx, oval.cy, oval.rx, oval.ry, oval.theta)
    raise ValueError("is no shape of VIA")
