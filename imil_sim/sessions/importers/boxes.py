"""A CSV table of boxes, one a line, of one or several readers: the layout of VinDr-CXR (Nguyen et al. 2022), and alike.

VinDr's ``annotations_train.csv`` has ``image_id, rad_id, class_name, x_min, y_min, x_max, y_max``. A line without
coordinates says that the reader looked at the image: with the class "No finding", or none, that nothing was found; with
another, that something was found which has no box. Other names for the columns are known (see `COLUMNS`); ``width`` and
``height`` of the image may stand beside. Coordinates are original pixels, unless all of them lie between 0 and 1: then
they are fractions of width and height.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from imil_sim.errors import SessionError
from imil_sim.images.listing import read_table
from imil_sim.sessions.drawn import Box
from imil_sim.sessions.importers.format_hints import told_of_table
from imil_sim.sessions.importers.outlines import Names, Outlines, first_of, is_wanted, refused
from imil_sim.sessions.untrusted import open_untrusted

IMAGE_COLUMNS = ("image_id", "image", "filename", "file_name", "image index", "path", "film")
COLUMNS = {
    "left": ("x_min", "xmin", "left", "x1"),
    "top": ("y_min", "ymin", "top", "y1"),
    "right": ("x_max", "xmax", "right", "x2"),
    "bottom": ("y_max", "ymax", "bottom", "y2"),
}
CLASS_COLUMNS = ("class_name", "class", "label", "category", "finding", "class_label", "finding_label")
NO_FINDING = frozenset({"no finding", "no findings", "no_finding"})
"""Classes, in small letters, that say that there is nothing."""
NO_CLASS = NO_FINDING | {"", "none", "normal", "negative", "nothing", "0"}
"""Those that say so where no box stands beside them."""
WITHOUT_BOX = "finding without a box"
READER_COLUMNS = ("rad_id", "reader", "annotator", "radiologist")
WIDTH_COLUMNS = ("width", "orig_width", "image_width", "dim1")
HEIGHT_COLUMNS = ("height", "orig_height", "image_height", "dim0")


@dataclass(slots=True)
class _Image:
    """What one reader's lines about one image say."""

    where: str
    boxes: list[Box] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    categories: set[Names] = field(default_factory=set)
    unwanted: int = 0


def read_boxes(path: Path, only: Set[str] = frozenset()) -> list[Outlines]:
    """What each reader marked on each image, in the order in which they come first in the table.

    Raises:
        SessionError: it is no such table, or a line has no box; every problem is told with its line.
    """
    open_untrusted(path).close()
    table = read_table(path, ())
    if not table.rows:
        raise SessionError(f"{path} is a table without lines; there is nothing to import")
    columns = table.rows[0]
    image, reader, kind = (first_of(columns, names) for names in (IMAGE_COLUMNS, READER_COLUMNS, CLASS_COLUMNS))
    sides = {side: first_of(columns, names) for side, names in COLUMNS.items()}
    missing = [f"no column for {side}: {', '.join(COLUMNS[side])}" for side, name in sides.items() if not name]
    missing += [] if image else [f"no column for the image: {', '.join(IMAGE_COLUMNS)}"]
    if missing and (told := told_of_table(columns)):
        raise SessionError(f"{path} {told}")
    if missing:
        raise refused(path, "is no table of boxes", missing)
    problems: list[str] = []
    found: dict[tuple[str, str], _Image] = {}
    sizes: dict[str, tuple[int, int]] = {}
    highest = 0.0
    for row, line in zip(table.rows, table.lines, strict=True):
        one = found.setdefault((row[reader] if reader else "", row[image]), _Image(f"line {line}"))
        try:
            size = size_of(row)
            if size is not None and sizes.setdefault(row[image], size) != size:
                raise ValueError(f'the image "{row[image][:60]}" had another size before')
            box = _box(row, sides) if any(row[name] for name in sides.values()) else None
            if box is not None and kind and row[kind].lower() in NO_FINDING:
                raise ValueError(f'the class is "{row[kind]}", and yet there is a box')
        except ValueError as error:
            problems.append(f"line {line}: {error}")
        else:
            highest = max(highest, *box) if box else highest  # of all boxes: whether they are fractions is the table's
            _add(one, box, row[kind] if kind else "", only)
    if problems:
        raise refused(path, "cannot be imported", problems)
    return [
        Outlines(
            image=name,
            where=one.where,
            reader=by,
            size=sizes.get(name),
            boxes=tuple(one.boxes),
            fractions=highest <= 1,
            left_out=tuple(one.left_out),
            categories=frozenset(one.categories),
            unwanted=one.unwanted,
        )
        for (by, name), one in found.items()
    ]


def _add(image: _Image, box: Box | None, kind: str, only: Set[str]) -> None:
    """One more line about an image: a box, a finding without one, or neither."""
    if box is None and kind.lower() in NO_CLASS:
        return
    names = frozenset({(kind,)}) if kind else frozenset[Names]()
    image.categories |= names
    if not is_wanted(names, only):
        image.unwanted += 1
    elif box is None:
        image.left_out.append(WITHOUT_BOX)
    else:
        image.boxes.append(box)


def size_of(row: Mapping[str, str]) -> tuple[int, int] | None:
    """Height and width of the image in a line, pixels; None where it has no such columns.

    Raises:
        ValueError: what is there is no size.
    """
    height, width = first_of(row, HEIGHT_COLUMNS), first_of(row, WIDTH_COLUMNS)
    if not (height and width):
        return None
    try:
        size = int(float(row[height])), int(float(row[width]))
    except (ValueError, OverflowError):
        size = 0, 0
    if min(size) < 1 or max(size) > 100_000:
        raise ValueError(f'the size of the image is no size: "{row[width][:20]}" x "{row[height][:20]}" pixels')
    return size


def _box(row: Mapping[str, str], sides: Mapping[str, str]) -> Box:
    values = []
    for name in sides.values():
        try:
            values.append(float(row[name]))
        except ValueError:
            raise ValueError(f'{name} is "{row[name][:40]}", not a number') from None
    if not all(map(math.isfinite, values)):
        raise ValueError("a coordinate is not finite")
    left, top, right, bottom = values
    if left >= right or top >= bottom:
        raise ValueError(f"the box has no area: {left:g}, {top:g} to {right:g}, {bottom:g}")
    return left, top, right, bottom
