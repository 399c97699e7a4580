"""`Outlines`: what one reader marked on one image, as another program's file tells it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from imil_sim.errors import MOST_LISTED, SessionError, listed
from imil_sim.sessions.drawn import Box, Point
from imil_sim.sessions.importers.messages import faults
from imil_sim.sessions.strict_json import JsonFault, parse_json

ELLIPSE_CORNERS = 64
"""An ellipse becomes a polygon of so many corners; its area is true to 0.2%."""

PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".dcm", ".dicom"})
READ_ENDINGS = frozenset({".png", ".jpg", ".jpeg"})
"""Of pictures that are read here, images and masks, in small letters."""

Points: TypeAlias = tuple[Point, ...]
Names: TypeAlias = tuple[str, ...]
"""What a category of marks can be asked for by; its full name comes first."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Outlines:
    """What one reader marked on one image, in its original pixels."""

    image: str
    """The image as the file names it: a path, or the end of an address."""
    where: str
    """Where in the file, for messages: ``line 3``, ``task 7``."""
    reader: str = ""
    """Who marked it; empty where the file does not say."""
    size: tuple[int, int] | None = None
    """Height and width of the original image, pixels; None where the file does not say."""
    boxes: tuple[Box, ...] = ()
    """Left, top, right, bottom."""
    polygons: tuple[Points, ...] = ()
    mask: tuple[int, ...] | None = None
    """Its run lengths, as `Drawn` has them; of many large images they take a thousandth of the pixels' room."""
    fractions: bool = False
    """Boxes and polygons are in fractions of width and height, not in pixels."""
    left_out: tuple[str, ...] = ()
    """Kinds of the marks that have no area, one a mark: ``point``, ``line``."""
    abstained: bool = False
    """The reader was shown the image and declined."""
    looked_at: bool = True
    """The file says that somebody looked at the image: then no mark means that nothing was found. An image that is
    merely listed may not have been annotated yet."""
    categories: frozenset[Names] = frozenset()
    """Of all its marks, those included that were not wanted."""
    unwanted: int = 0
    """Marks that are not among the others here, being of categories that were not asked for."""
    seconds: float | None = None
    """How long it took."""

    @property
    def unmarked(self) -> bool:
        """Whether nothing at all is marked, by a reader who did not decline."""
        drawn = self.boxes or self.polygons or (self.mask is not None and any(self.mask[1::2]))
        return not (drawn or self.left_out or self.abstained)


class Loose(BaseModel):
    """A part of another program's file: what is needed of it, checked; the rest is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def document_of(text: str, path: Path) -> Any:
    """What the text of a JSON file holds.

    Raises:
        SessionError: it is not JSON as this house reads it; with the line.
    """
    try:
        return parse_json(text)
    except JsonFault as fault:
        raise SessionError(f"{path}, line {fault.line}: {fault}") from None


def checked(kind: TypeAdapter[_T], value: Any, path: Path, what: str) -> _T:
    """``value`` as the form of a file has it.

    Raises:
        SessionError: it has another form; the message says that this is no ``what``, and where it differs.
    """
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise refused(path, f"is no {what}", faults(error, value)) from None


def refused(path: Path, what: str, problems: Sequence[str]) -> SessionError:
    """The error that says of a file ``what`` is wrong with it, and lists the problems."""
    more = len(problems) - MOST_LISTED
    told = [*problems[:MOST_LISTED], *([f"and {more} more"] if more > 0 else [])]
    return SessionError(f"{path} {what}:{listed(told)}")


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and of the folders in it, by name; hidden ones are nobody's work and not seen."""
    found = ((path, path.relative_to(folder)) for path in sorted(folder.rglob("*")))
    return [path for path, name in found if not any(part.startswith(".") for part in name.parts) and not path.is_dir()]


def text_of(value: Any) -> str:
    """Text or a number of a file as text; empty for anything else. Of 1, 1.0 and "1", ids in three programs, "1".

    >>> [text_of(value) for value in ("a", 1.5, 1.0, None, True, ["a"])]
    ['a', '1.5', '1', '', '', '']
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def is_wanted(categories: Iterable[Names], only: Set[str]) -> bool:
    """Whether a mark of these categories is wanted: one of them is among ``only``, or all are wanted (none is named).

    >>> is_wanted([("finding=nodule", "nodule", "finding")], {"nodule"})
    True
    >>> is_wanted([], {"nodule"})
    False
    """
    return not only or any(name in only for names in categories for name in names)


def id_from_name(image: str, *, whole_path: bool) -> str:
    r"""The id of an image: the name of its file without folder and picture ending, or with the folder.

    >>> id_from_name("..\\images\\TB\\a.v2.png", whole_path=False)
    'a.v2'
    >>> id_from_name("TB/a.png", whole_path=True)
    'TB/a'
    """
    name = image.replace("\\", "/")
    if PurePosixPath(name).suffix.lower() in PICTURE_ENDINGS:
        name = name[: -len(PurePosixPath(name).suffix)]
    return name if whole_path else name.rsplit("/", 1)[-1]


def ellipse(x: float, y: float, half_width: float, half_height: float, turned: float = 0.0) -> Points:
    """The polygon that stands for an ellipse around (x, y), turned clockwise by ``turned`` radians."""
    angles = 2 * np.pi * np.arange(ELLIPSE_CORNERS) / ELLIPSE_CORNERS
    return rotated([(x + half_width * math.cos(a), y + half_height * math.sin(a)) for a in angles], (x, y), turned)


def rotated(points: Iterable[Point], around: Point, angle: float) -> Points:
    """The points turned clockwise, as one sees them on an image whose y runs downwards, by ``angle`` radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    x0, y0 = around
    return tuple((x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos) for x, y in points)


def box_around(points: Sequence[Point]) -> Box:
    """The box of two opposite corners, or around more points."""
    x, y = [p[0] for p in points], [p[1] for p in points]
    return min(x), min(y), max(x), max(y)


def first_of(row: Mapping[str, str], names: Iterable[str]) -> str:
    """The first of the columns ``names`` that a table has; empty where it has none. Case does not matter."""
    known = {name.lower(): name for name in row}
    return next((known[name] for name in names if name in known), "")
