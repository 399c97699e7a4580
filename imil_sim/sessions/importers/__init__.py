"""What other programs drew, read into `Outlines`: one importer a file, found through the registry.

A guest's importer is one file that declares an `Importer`, and one line of its package's ``pyproject.toml``::

    [project.entry-points."imil_sim.importers"]
    my-format = "my_package.my_format:IMPORTER"

`imil_sim.sessions.importers.sessions` makes sessions of outlines. A file is read as text, strictly and with bounds;
nothing that it names is opened or fetched.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from imil_sim import registry
from imil_sim.errors import MOST_LISTED, DataError, SessionError, UsageError, did_you_mean, listed
from imil_sim.sessions.drawn import MAX_PIXELS, Box, Point, mask_of, runs_of
from imil_sim.sessions.session import FORMAT
from imil_sim.sessions.untrusted import JsonFault, parse_json, read_untrusted
from imil_sim.study.spec import lines

ELLIPSE_CORNERS = 64
"""An ellipse becomes a polygon of so many corners; its area is true to 0.2%."""
MOST_SHOWN = 80
"""Characters of a category's name in a message."""
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".dcm", ".dicom"})
READ_ENDINGS = frozenset({".png", ".jpg", ".jpeg"})
"""Of pictures that are read here, images and masks, in small letters."""

Points: TypeAlias = tuple[Point, ...]
Names: TypeAlias = tuple[str, ...]
"""What a category of marks can be asked for by; its full name comes first."""
_T = TypeVar("_T")


@dataclass(slots=True)
class Outlines:
    """What one reader marked on one image, in its original pixels; importers add to it mark by mark."""

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

    def wants(self, names: Iterable[Names], only: Set[str]) -> bool:
        """Whether a mark of these categories is wanted; one that is not is counted. Of an empty ``only`` all are."""
        known = frozenset(names)
        self.categories |= known
        wanted = not only or any(name in only for category in known for name in category)
        self.unwanted += not wanted
        return wanted

    def add_mask(self, mask: NDArray[np.bool_]) -> None:
        """One mask more, (height, width) of the image."""
        if self.mask is not None:
            mask = mask | mask_of(self.mask, (mask.shape[0], mask.shape[1]))
        self.mask = runs_of(mask)


@dataclass(frozen=True)
class ImportSource:
    """A file or folder that is to be imported, looked at as little as is needed."""

    path: Path
    suffix: str = ""
    """Of masks: what stands between an image's id and the ending."""
    only: Set[str] = frozenset()
    """The categories of the marks that are wanted; empty: all of them."""
    warnings: list[str] = field(default_factory=list)
    """What the importer has to say of what it read."""

    @cached_property
    def text(self) -> str:
        """Of a file; empty of a folder. Raises `SessionError`: it cannot be read."""
        return "" if self.path.is_dir() else read_untrusted(self.path)

    @cached_property
    def document(self) -> Any:
        """What a JSON file holds; None where it is none. Raises `SessionError`: it is broken JSON."""
        if self.path.suffix.lower() != ".json" and self.text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            return parse_json(self.text) if not self.path.is_dir() else None
        except JsonFault as fault:
            raise SessionError(f"{self.path} {fault}") from None

    @cached_property
    def columns(self) -> frozenset[str]:
        """Of a table, what its first line has, in small letters; empty where it is none."""
        if self.path.suffix.lower() not in (".csv", ".tsv") or self.document is not None:
            return frozenset()
        return frozenset(name.strip().lower() for name in next(csv.reader(self.text.splitlines()[:1]), []))

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files of a folder and of the folders in it, by name; hidden ones are not seen."""
        found = ((path, path.relative_to(self.path)) for path in sorted(self.path.rglob("*")))
        return tuple(
            path for path, name in found if not any(p.startswith(".") for p in name.parts) and not path.is_dir()
        )


@dataclass(frozen=True, slots=True)
class Importer:
    """A format that sessions are made of."""

    label: str
    """What a file of it is called: ``COCO JSON``."""
    help: str
    """What is read of it, for the documentation."""
    recognises: Callable[[ImportSource], bool]
    read: Callable[[ImportSource], Sequence[Outlines]]
    """What was marked, image by image; raises `SessionError` with everything that is wrong with the file."""
    hint: Callable[[ImportSource], str] = lambda _: ""
    """Of a file of the same program that cannot be read: what it is, and what to export instead; else empty."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a file or folder holds."""

    kind: str
    """Name of the importer."""
    label: str
    outlines: Sequence[Outlines]
    warnings: tuple[str, ...] = ()
    """What was passed over."""


def read_outlines(path: Path, kind: str | None = None, suffix: str = "", only: Set[str] = frozenset()) -> Read:
    """The format of a file or folder, recognised unless ``kind`` names it, and what was marked in it.

    Args:
        path: a file, or a folder.
        kind: name of an importer.
        suffix: of masks, what stands between an image's id and its ending.
        only: the categories of the marks that are wanted; empty: all of them.

    Raises:
        PartError: there is no such importer.
        UsageError: no mark is of a category that was asked for.
        SessionError: the file cannot be read, is in none of the formats, or something in it is wrong.
    """
    if kind is not None:
        registry.load("importers", kind)
    if not path.exists():
        raise SessionError(f"{path} does not exist; name the file or folder to import")
    source = ImportSource(path, suffix, only)
    if FORMAT in source.text.partition("\n")[0]:
        raise SessionError(
            f'{path} is a session already; replay it as it is: oracle = "replay", with options.session naming it '
            "(docs/sessions.md)"
        )
    importers: dict[str, Importer] = registry.load_all("importers")
    if hint := next((hint for importer in importers.values() if (hint := importer.hint(source))), ""):
        raise SessionError(f"{path} {hint}")
    fitting = [name for name, importer in importers.items() if importer.recognises(source)]
    if kind is not None and fitting and kind not in fitting:
        looks, label = importers[fitting[0]].label, importers[kind].label
        raise SessionError(f"{path} looks like {looks}, not like {label}; leave --format out, or give another")
    if kind is None and not fitting:
        labels = ", ".join(importer.label for importer in importers.values())
        raise SessionError(f"{path} is in none of the formats that are read: {labels}")
    kind = fitting[0] if kind is None else kind
    outlines = importers[kind].read(source)
    _check_categories(only, frozenset[Names]().union(*(one.categories for one in outlines)))
    return Read(kind, importers[kind].label, outlines, tuple(source.warnings))


def _check_categories(only: Set[str], found: Set[Names]) -> None:
    """Raise `UsageError` with those there are, unless there are marks of every category that was asked for."""
    missing = sorted(only - {name for names in found for name in names})
    full = {names[0][:MOST_SHOWN] for names in found}
    problems = [f'no mark is of the category "{name[:MOST_SHOWN]}". {did_you_mean(name, full)}' for name in missing]
    if problems:
        raise UsageError(f"--only: {problems[0]}" if len(problems) == 1 else f"--only:{listed(problems)}")


# ----------------------------------------------------------------------------------------------- what importers share


def refused(path: Path, what: str, problems: Sequence[str]) -> SessionError:
    """The error that says of a file ``what`` is wrong with it, and lists the problems."""
    more = len(problems) - MOST_LISTED
    return SessionError(
        f"{path} {what}:{listed([*problems[:MOST_LISTED], *([f'and {more} more'] if more > 0 else [])])}"
    )


class Loose(BaseModel):
    """A part of another program's file: what is needed of it, checked; the rest is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def checked(kind: TypeAdapter[_T], source: ImportSource, what: str, document: Any = None) -> _T:
    """The document of the source, or ``document`` in it, as the form of a file has it.

    Raises:
        SessionError: it has another form: this is no ``what``, and where it differs.
    """
    try:
        return kind.validate_python(source.document if document is None else document)
    except ValidationError as error:
        raise refused(source.path, f"is no {what}", lines(error)) from None


def part_of(validate: Callable[[Any], _T], value: Any) -> _T:
    """A part of a document, as ``validate`` of a pydantic model gives it.

    Raises:
        DataError: it has another form.
    """
    try:
        return validate(value)
    except ValidationError as error:
        raise DataError("; ".join(lines(error))) from None


def check_pixels(height: int, width: int) -> None:
    """Raise `DataError` for an image that claims more pixels than anything is made of."""
    if height * width > MAX_PIXELS:
        raise DataError(f"claims an image of {width} x {height} pixels, more than {MAX_PIXELS:,}")


def text_of(value: Any) -> str:
    """Text or a number of a file as text; empty for anything else. Of 1, 1.0 and "1", ids in three programs, "1".

    >>> [text_of(value) for value in ("a", 1.5, 1.0, None, True, ["a"])]
    ['a', '1.5', '1', '', '', '']
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _id(value: Any) -> str:
    if not (text := text_of(value)):
        raise ValueError("must be text or a number")
    return text


Id = Annotated[str, BeforeValidator(_id)]


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
