"""`Listing`: what a source found on disk before any picture is opened; and CSV tables that stand beside images."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imil_sim.errors import DataError, did_you_mean, listed

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
OTHER_IMAGE_SUFFIXES = frozenset({".bmp", ".dcm", ".dicom", ".gif", ".nii", ".pgm", ".tif", ".tiff", ".webp"})
MOST_PROBLEMS = 20
"""Faults named in one message; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a source: where its files lie and what the source says about it."""

    id: str
    path: Path
    label: int
    """Index into the listing's class names."""
    masks: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """By name, the files whose union is the mask; no file is a mask known to be empty, no name is no mask."""
    part: str | None = None
    """``train`` or ``test``."""
    group: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of one source, in order, with everything already known to be wrong."""

    name: str
    """The kind of source: ``shenzhen``, ``folder``, ..."""
    root: Path
    """Folder (or manifest) that messages call the source; file names in messages are relative to it."""
    class_names: tuple[str, ...]
    entries: tuple[Entry, ...]
    mask_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """One line each: the file's name, what is wrong, the cure."""
    notices: tuple[str, ...] = ()

    def file_name(self, path: Path) -> str:
        """The name of a file in a message: relative to the source where it lies inside."""
        folder = self.root if self.root.is_dir() else self.root.parent
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def refusal(listing: Listing, problems: Sequence[str]) -> DataError:
    """The one error for all ``problems`` of a source; beyond `MOST_PROBLEMS` they are only counted."""
    named = list(problems[:MOST_PROBLEMS])
    if len(problems) > len(named):
        named.append(f"... and {len(problems) - len(named)} more")
    count = f"{len(problems)} {'thing is' if len(problems) == 1 else 'things are'} wrong"
    return DataError(f'images "{listing.name}" in {listing.root}: {count}{listed(named)}')


def set_problems(entries: Sequence[Entry], class_names: Sequence[str]) -> list[str]:
    """What is wrong with the images as a set: an id used twice, or a class without images."""
    problems = []
    files: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        files[entry.id].append(entry.path.name)
    for id_, names in files.items():
        if len(names) > 1:
            problems.append(f'id "{id_}" stands for {len(names)} images ({counted(names)}); keep one, or rename')
    held = {entry.label for entry in entries}
    missing = [name for label, name in enumerate(class_names) if label not in held]
    if len(held) == 1:
        (only,) = held
        problems.append(f"all images are of one class, {class_names[only]}; a classifier needs at least two")
    elif entries and missing:
        problems.append(f"no image is of class {', '.join(missing)}; add some, or leave the class out")
    return problems


def counted(names: Sequence[str], most: int = 3) -> str:
    """``a.png, b.png, c.png and 4 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def image_files(folder: Path) -> list[Path]:
    """The files and folders in ``folder`` that are named like PNG or JPEG images, sorted by name; none hidden."""
    return [path for path in visible(folder) if path.suffix.lower() in IMAGE_SUFFIXES]


def visible(folder: Path) -> list[Path]:
    """Everything in ``folder`` that is not hidden, sorted by name.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror}; check what it is, and its rights") from None


def subfolder(root: Path, name: str, source: str) -> Path:
    """The folder ``name`` in ``root``.

    Raises:
        DataError: there is none; the message says what there is.
    """
    if (root / name).is_dir():
        return root / name
    found = counted([path.name for path in visible(root)], most=8) or "nothing"
    raise DataError(
        f'images "{source}": {root} holds no folder {name}/, but {found}. Let path name the folder that holds {name}/'
    )


def orphans(root: Path, folder: Path, expected: Iterable[str]) -> list[str]:
    """A notice where image files in ``folder`` belong to no image of the set: a misnamed mask is not passed over."""
    known = set(expected)
    names = [path.name for path in image_files(folder) if path.name not in known] if folder.is_dir() else []
    where = folder.relative_to(root)
    return [f"{len(names)} files in {where}/ belong to no image: {counted(names)}"] if names else []


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a CSV file."""

    rows: tuple[Mapping[str, str], ...]
    """One a line below the header: column name to value; ``""`` where the line is too short."""
    lines: tuple[int, ...]
    """The line of the file each row ends on, counted from 1, for messages."""


def read_table(path: Path, columns: Sequence[str]) -> Table:
    """The CSV file (UTF-8, comma-separated, a header line), which must have all ``columns``.

    Raises:
        DataError: the file cannot be read, is no CSV, or lacks a column; all missing columns at once.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            header = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            _check(path, header, columns)
            rows, lines = [], []
            for row in reader:
                rows.append({name: value.strip() for name, value in row.items() if isinstance(name, str)})
                lines.append(reader.line_num)
    except OSError as error:
        raise DataError(f"table {path} cannot be read: {error.strerror}; check its path and its rights") from None
    except UnicodeDecodeError:
        raise DataError(f"table {path} is not UTF-8 text; save it as CSV (UTF-8)") from None
    except csv.Error as error:
        raise DataError(f"table {path} is not a CSV file: {error}; save it as CSV with commas") from None
    return Table(tuple(rows), tuple(lines))


def _check(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    double = sorted({name for name in header if header.count(name) > 1})
    if double:
        raise DataError(f"table {path} has two columns called {', '.join(double)}; rename one")
    missing = [f'no column "{name}". {did_you_mean(name, header)}' for name in columns if name not in header]
    if missing:
        raise DataError(f"table {path} lacks columns that the study names:{listed(missing)}")
