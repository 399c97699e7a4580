"""A CSV table of boxes, one a line, of one or several readers: the layout of VinDr-CXR (Nguyen et al. 2022), and alike.

VinDr's ``annotations_train.csv`` has ``image_id, rad_id, class_name, x_min, y_min, x_max, y_max``. A line without
coordinates ("No finding") says that the reader looked at the film and marked nothing. Other names for the columns are
known (see `COLUMNS`); ``width`` and ``height`` of the film may stand beside. Coordinates are original pixels, unless
all of them lie between 0 and 1: then they are fractions of width and height.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from imil_sim.errors import SessionError
from imil_sim.feedback.drawn import Box
from imil_sim.feedback.untrusted import open_untrusted
from imil_sim.images.importing.outlines import Outlines, first_of, refused
from imil_sim.images.table import read_table

FILM_COLUMNS = ("image_id", "image", "filename", "file_name", "image index", "path")
COLUMNS = {
    "left": ("x_min", "xmin", "left", "x1"),
    "top": ("y_min", "ymin", "top", "y1"),
    "right": ("x_max", "xmax", "right", "x2"),
    "bottom": ("y_max", "ymax", "bottom", "y2"),
}
READER_COLUMNS = ("rad_id", "reader", "annotator", "radiologist")
WIDTH_COLUMNS = ("width", "orig_width", "image_width", "dim1")
HEIGHT_COLUMNS = ("height", "orig_height", "image_height", "dim0")


def read_boxes(path: Path) -> list[Outlines]:
    """What each reader marked on each film, in the order in which they come first in the table.

    Raises:
        SessionError: it is no such table, or a line has no box; every problem is told with its line.
    """
    open_untrusted(path).close()
    table = read_table(path, ())
    if not table.rows:
        raise SessionError(f"{path} is a table without lines; there is nothing to import")
    film, reader = first_of(table.rows[0], FILM_COLUMNS), first_of(table.rows[0], READER_COLUMNS)
    sides = {side: first_of(table.rows[0], names) for side, names in COLUMNS.items()}
    missing = [f"no column for {side}: {', '.join(COLUMNS[side])}" for side, name in sides.items() if not name]
    missing += [] if film else [f"no column for the film: {', '.join(FILM_COLUMNS)}"]
    if missing:
        raise refused(path, "is no table of boxes", missing)
    problems: list[str] = []
    found: dict[tuple[str, str], list[Box]] = {}
    where: dict[tuple[str, str], str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        key = row[reader] if reader else "", row[film]
        where.setdefault(key, f"line {line}")
        boxes = found.setdefault(key, [])
        try:
            size = size_of(row)
            if size is not None and sizes.setdefault(row[film], size) != size:
                raise ValueError(f'the film "{row[film][:60]}" had another size before')
            if any(row[name] for name in sides.values()):
                boxes.append(_box(row, sides))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise refused(path, "cannot be imported", problems)
    highest = max((side for boxes in found.values() for box in boxes for side in box), default=0.0)
    return [
        Outlines(
            film=name,
            where=where[by, name],
            reader=by,
            size=sizes.get(name),
            boxes=tuple(boxes),
            fractions=highest <= 1,
        )
        for (by, name), boxes in found.items()
    ]


def size_of(row: Mapping[str, str]) -> tuple[int, int] | None:
    """Height and width of the film in a line, pixels; None where it has no such columns.

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
        raise ValueError(f'the size of the film is no size: "{row[width][:20]}" x "{row[height][:20]}" pixels')
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
