"""A CSV table of boxes, one a line, of one or several readers: the layout of VinDr-CXR (Nguyen et al. 2022), and alike.

VinDr's ``annotations_train.csv`` has ``image_id, rad_id, class_name, x_min, y_min, x_max, y_max``. A line without
coordinates says that the reader looked at the image: with the class "No finding", or none, that nothing was found; with
another, that something was found which has no box. Other names for the columns are known (see `COLUMNS`); ``width`` and
``height`` of the image may stand beside. Coordinates are original pixels, unless all of them lie between 0 and 1: then
they are fractions of width and height.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from imil_sim.errors import SessionError
from imil_sim.images.listing import read_table
from imil_sim.sessions.drawn import Box
from imil_sim.sessions.importers import Importer, ImportSource, Outlines, refused

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


def _recognises(source: ImportSource) -> bool:
    return source.path.suffix.lower() == ".csv" and source.document is None


def _read(source: ImportSource) -> Sequence[Outlines]:
    path = source.path
    table = read_table(path, ())
    if not table.rows:
        raise SessionError(f"{path} is a table without lines; there is nothing to import")
    columns = table.rows[0]
    image, reader, kind = (first_of(columns, names) for names in (IMAGE_COLUMNS, READER_COLUMNS, CLASS_COLUMNS))
    sides = {side: first_of(columns, names) for side, names in COLUMNS.items()}
    missing = [f"no column for {side}: {', '.join(COLUMNS[side])}" for side, name in sides.items() if not name]
    missing += [] if image else [f"no column for the image: {', '.join(IMAGE_COLUMNS)}"]
    if missing:
        raise refused(path, "is no table of boxes", missing)
    problems: list[str] = []
    found: dict[tuple[str, str], Outlines] = {}
    sizes: dict[str, tuple[int, int]] = {}
    highest = 0.0
    for row, line in zip(table.rows, table.lines, strict=True):
        by, name = row[reader] if reader else "", row[image]
        one = found.setdefault((by, name), Outlines(name, f"line {line}", by))
        finding = row[kind] if kind else ""
        try:
            size = size_of(row)
            if size is not None and sizes.setdefault(row[image], size) != size:
                raise ValueError(f'the image "{row[image][:60]}" had another size before')
            box = _box(row, sides) if any(row[name] for name in sides.values()) else None
            if box is not None and finding.lower() in NO_FINDING:
                raise ValueError(f'the class is "{finding}", and yet there is a box')
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        highest = max((highest, *(box or ())))  # of all boxes: whether they are fractions is the table's
        if (box is None and finding.lower() in NO_CLASS) or not one.wants([(finding,)] if finding else [], source.only):
            continue
        if box is None:
            one.left_out += (WITHOUT_BOX,)
        else:
            one.boxes += (box,)
    if problems:
        raise refused(path, "cannot be imported", problems)
    for one in found.values():
        one.size, one.fractions = sizes.get(one.image), highest <= 1
    return list(found.values())


def first_of(row: Mapping[str, str], names: Iterable[str]) -> str:
    """The first of the columns ``names`` that a table has; empty where it has none. Case does not matter."""
    known = {name.lower(): name for name in row}
    return next((known[name] for name in names if name in known), "")


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


def _hint(source: ImportSource) -> str:
    return "is a table with tabs; save it as CSV, with commas" if source.path.suffix.lower() == ".tsv" else ""


IMPORTER = Importer(
    "CSV table of boxes",
    "CSV with a box a line: VinDr-CXR's `image_id, rad_id, class_name, x_min, y_min, x_max, y_max`, and alike; a line "
    'without coordinates says that nothing was found ("No finding"), or that what was found has no box; all between 0 '
    "and 1 are fractions. Sizes: columns `width`, `height`, or `--sizes`. Readers: column `rad_id` or `reader`.",
    _recognises,
    _read,
    _hint,
)
