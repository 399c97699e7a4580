"""The sizes of original images, for files that do not tell them: from a table, or from the images themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imil_sim.errors import DataError
from imil_sim.images.decode import inspect
from imil_sim.images.listing import read_table
from imil_sim.sessions.importers.boxes import HEIGHT_COLUMNS, IMAGE_COLUMNS, WIDTH_COLUMNS, size_of
from imil_sim.sessions.importers.outlines import READ_ENDINGS, files_in, first_of, id_from_name, refused
from imil_sim.sessions.untrusted import open_untrusted

Sizes = Mapping[str, tuple[int, int]]
"""Height and width of the original image by its id, pixels."""

MOST_BYTES = 1 << 30
"""Of one image."""


def read_sizes(path: Path, *, whole_path: bool) -> Sizes:
    """The sizes in a CSV table with a line an image, or of the images in a folder.

    Raises:
        SessionError: the table is none, or a file is no picture; every problem is told.
    """
    return _of_images(path, whole_path) if path.is_dir() else _of_table(path, whole_path)


def _of_table(path: Path, whole_path: bool) -> Sizes:
    open_untrusted(path).close()
    table = read_table(path, ())
    first = table.rows[0] if table.rows else {}
    image = first_of(first, IMAGE_COLUMNS)
    if not image or not first_of(first, WIDTH_COLUMNS) or not first_of(first, HEIGHT_COLUMNS):
        needed = [f"one of {', '.join(names)}" for names in (IMAGE_COLUMNS, WIDTH_COLUMNS, HEIGHT_COLUMNS)]
        raise refused(path, "is no table of sizes; it needs the columns", needed)
    sizes: dict[str, tuple[int, int]] = {}
    problems: list[str] = []
    for row, line in zip(table.rows, table.lines, strict=True):
        try:
            if (size := size_of(row)) is not None:
                _put(sizes, id_from_name(row[image], whole_path=whole_path), size)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise refused(path, "is no table of sizes", problems)
    return sizes


def _of_images(folder: Path, whole_path: bool) -> Sizes:
    sizes: dict[str, tuple[int, int]] = {}
    problems: list[str] = []
    for path in files_in(folder):
        if path.suffix.lower() not in READ_ENDINGS:
            continue
        name = path.relative_to(folder).as_posix()
        try:
            with open_untrusted(path, MOST_BYTES) as file:
                found = inspect(file.read())
            _put(sizes, id_from_name(name, whole_path=whole_path), (found.height, found.width))
        except (DataError, ValueError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise refused(folder, "holds what is no image", problems)
    return sizes


def _put(sizes: dict[str, tuple[int, int]], image: str, size: tuple[int, int]) -> None:
    """Note the size of an image.

    Raises:
        ValueError: it has another one already: two images are called alike.
    """
    if (other := sizes.setdefault(image, size)) != size:
        raise ValueError(
            f'image "{image[:60]}" is {size[1]} x {size[0]} pixels, and {other[1]} x {other[0]} at another place; if '
            "these are two images in two folders, give --whole-path"
        )
