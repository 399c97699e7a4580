"""From `Outlines` to sessions: sizes found, areas brought into their images, cells chosen; one session a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.path import Path as Polygon
from matplotlib.transforms import Bbox
from pydantic import ValidationError

from imil_sim.errors import MOST_LISTED, DataError, SessionError, did_you_mean, listed, several
from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import ImageIndex, image_sha256
from imil_sim.images.decode import inspect
from imil_sim.images.listing import read_table
from imil_sim.sessions.drawn import Box, Drawn, Point
from imil_sim.sessions.importers import READ_ENDINGS, ImportSource, Outlines, Points, id_from_name, refused
from imil_sim.sessions.importers.boxes import HEIGHT_COLUMNS, IMAGE_COLUMNS, WIDTH_COLUMNS, first_of, size_of
from imil_sim.sessions.session import Header, Session, SessionAnswer, id_problem, name_problem
from imil_sim.sessions.untrusted import read_untrusted_bytes
from imil_sim.study.spec import lines

UNNAMED = "unknown"
"""The reader of a file that names none."""
MOST_BYTES_A_PICTURE = 1 << 30

Sizes = Mapping[str, tuple[int, int]]
"""Height and width of the original image by its id, pixels."""

Unmarked = Literal["stated", "nothing", "skip"]
"""What becomes of images without a mark: "nothing matters", no answer at all, or (``stated``) the one where the file
says that somebody looked at the image, and the other where the image is merely listed."""


class _OutsideError(ValueError):
    """A mark lies outside of its image altogether."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an import is to make of the outlines."""

    grid: Grid
    """The cells that are written down; what was drawn stands beside them, for any other grid."""
    threshold: float = 0.1
    """Share of a cell that must be covered."""
    reader: str = ""
    """Only this one of the readers the file names; or who it was, where it names none. Empty: all of them."""
    role: str = ""
    source: str = ""
    whole_path: bool = False
    """Ids are paths with their folders, not only the names of files."""
    unmarked: Unmarked = "stated"


@dataclass(frozen=True, slots=True)
class UnmarkedCounts:
    """What of a reader's images and marks is seen in no cell of the session."""

    nothing: int = 0
    """Images without a mark that are answered with no cell: "nothing matters"."""
    skipped: int = 0
    """Images without a mark that have no answer."""
    unwanted: int = 0
    """Marks of categories that were not asked for."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import gives."""

    sessions: Mapping[str, Session]
    """By reader, in the order of the file; without the readers all of whose images were skipped."""
    counts: Mapping[str, UnmarkedCounts]
    """By reader; of those too."""
    warnings: tuple[str, ...]
    """What was left out or brought into its image."""


def sessions_of(
    outlines: Sequence[Outlines], wanted: Wanted, sizes: Sizes | None = None, images: ImageIndex | None = None
) -> Imported:
    """One session a reader, answers in the order of the file; equal arguments give equal sessions.

    An image with areas is answered with the cells they cover. One without any mark is answered with no cell or skipped,
    as ``wanted.unmarked`` says; one with nothing but points and lines, which have no area, is an abstention.

    Args:
        outlines: what was read.
        wanted: what is to be made of it.
        sizes: height and width of the originals by id, for outlines without.
        images: the image set of a study; where given, every image must be in it, and the session knows its pixels and
            label, which it needs to be replayed strictly.

    Raises:
        SessionError: an image has no size or a bad id, is marked twice by one reader, an area lies outside, an image is
            not in the set, or the reader is not in the file; all of it at once.
        UsageError: the grid is finer than an image.
    """
    making = _Making(wanted, sizes or {}, images)
    named = {one.reader for one in outlines} - {""}
    if wanted.reader and named and wanted.reader not in named:
        raise SessionError(f'there is no reader "{wanted.reader}" in the file. {did_you_mean(wanted.reader, named)}')
    for one in outlines:
        if not (wanted.reader and named) or one.reader == wanted.reader:
            making.take(one)
    making.check()
    return Imported(
        {name: Session(making.header(name), tuple(answers)) for name, answers in making.answers.items()},
        {reader: UnmarkedCounts(**counts) for reader, counts in making.counts.items()},
        tuple(making.warnings()),
    )


class _Making:
    """The answers made so far, and what is wrong with the rest."""

    def __init__(self, wanted: Wanted, sizes: Sizes, images: ImageIndex | None) -> None:
        self._wanted, self._sizes, self._images = wanted, sizes, images
        self.answers: dict[str, list[SessionAnswer]] = {}
        self.counts: dict[str, Counter[str]] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._problems: list[str] = []
        self._unsized: list[str] = []
        self._sized = 0
        """Images marked in pixels whose size was given beside the file."""
        self._outside: list[str] = []
        """Problems of those of them whose marks lie outside."""
        self._left_out: Counter[str] = Counter()
        self._moved: list[str] = []

    def take(self, one: Outlines) -> None:
        """One more answer, or one more problem."""
        wanted = self._wanted
        reader = one.reader or wanted.reader or UNNAMED
        image_id = id_from_name(one.image, whole_path=wanted.whole_path)
        self._left_out.update(one.left_out)
        answered = one.looked_at if wanted.unmarked == "stated" else wanted.unmarked == "nothing"
        skipped = one.unmarked and not answered
        counts = self.counts.setdefault(reader, Counter())
        counts.update(nothing=int(one.unmarked and answered), skipped=int(skipped), unwanted=one.unwanted)
        if skipped:
            return
        problems = list(self._image_problems(image_id))
        if place := self._places.get((reader, image_id)):
            there = "there" if place == one.where else f"at {place}"
            problems.append(f'image "{image_id}" of reader {reader} stands {there} already; keep one of them')
        self._places.setdefault((reader, image_id), one.where)
        drawn, whole = None, True
        if not one.abstained and (one.boxes or one.polygons or one.mask is not None):
            size = one.size or self._sizes.get(image_id)
            self._sized += one.size is None and size is not None
            try:
                drawn = None if size is None else self._drawn(one, size)
            except ValidationError as error:
                problems += lines(error)
            except _OutsideError as error:
                what = str(error) if one.image in one.where else f'image "{image_id}": {error}'
                if one.size is None:
                    self._outside.append(f"{one.where}: {what}")
                else:
                    problems.append(what)
            if size is None:
                self._unsized.append(image_id)
            whole = drawn is not None
        self._problems += [f"{one.where}: {problem}" for problem in problems]
        if not problems and whole:
            made = self.answers.setdefault(reader, [])
            made.append(self._answer(one, image_id, drawn, len(made) + 1))

    def _image_problems(self, image_id: str) -> Iterator[str]:
        if problem := id_problem(image_id):
            yield f"the id {image_id[:60]!r} {problem}"
        elif self._images is not None and image_id not in self._images.labels:
            near = did_you_mean(image_id, self._images.labels)
            yield f'image "{image_id}" is not in the set {self._images.name}. {near}'

    def _drawn(self, one: Outlines, size: tuple[int, int]) -> Drawn:
        """What was drawn, within the image.

        Raises:
            _OutsideError: an area lies outside of it altogether.
            ValidationError: the image is too large.
        """
        height, width = size
        across, down = (width, height) if one.fractions else (1, 1)
        polygons = tuple(tuple((x * across, y * down) for x, y in polygon) for polygon in one.polygons)
        boxes = tuple((x0 * across, y0 * down, x1 * across, y1 * down) for x0, y0, x1, y1 in one.boxes)
        inside = tuple(_cut(polygon, width, height) for polygon in polygons)
        within = tuple(_cut_box(box, width, height) for box in boxes)
        if (inside, within) != (polygons, boxes):
            self._moved.append(one.image)
        return Drawn(width=width, height=height, boxes=within, polygons=inside, mask=one.mask)

    def _answer(self, one: Outlines, image_id: str, drawn: Drawn | None, order: int) -> SessionAnswer:
        cells: tuple[int, ...] | None = ()
        reason = ""
        if one.abstained:
            cells, reason = None, "the reader skipped the image"
        elif drawn is not None:
            cells = self._wanted.grid.numbers(drawn.cells(self._wanted.grid, self._wanted.threshold))
        elif one.left_out:
            cells, reason = None, f"only marks without an area: {', '.join(sorted(set(one.left_out)))}"
        images = self._images
        return SessionAnswer(
            order=order,
            image_id=image_id,
            image_sha256=None if images is None else image_sha256(images.image(image_id)),
            label=None if images is None else images.labels[image_id],
            abstained=cells is None,
            cells=cells,
            drawn=drawn,
            reason=reason,
            seconds=None if one.seconds is None or not 0 <= one.seconds <= 10**7 else one.seconds,
        )

    def header(self, reader: str) -> Header:
        """The first line of a reader's session.

        Raises:
            SessionError: the role or the source is none that a session can hold.
        """
        wanted, images = self._wanted, self._images
        head = {"reader": reader, "role": wanted.role, "grid": wanted.grid.shape, "source": wanted.source}
        if images is not None:
            head |= {
                "set_name": images.name,
                "set_fingerprint": images.fingerprint,
                "film_size": images.image(self.answers[reader][0].image_id).shape,
                "class_names": images.class_names,
            }
        try:
            return Header.model_validate(head)
        except ValidationError as error:
            raise SessionError(f"no session can be made of the reader {reader[:60]!r}:{listed(lines(error))}") from None

    def check(self) -> None:
        """Raise `SessionError` with everything that could not be made, if anything could not."""
        # Readers without a session are named in the summary as well, so theirs must be names, too.
        named = [(reader, problem) for reader in self.counts if (problem := name_problem(reader))]
        found = [*self._problems, *(f"the name of the reader {reader[:60]!a} {problem}" for reader, problem in named)]
        problems = found[:MOST_LISTED]
        if len(found) > MOST_LISTED:
            problems.append(f"and {len(found) - MOST_LISTED} more")
        if self._outside:
            problems.append(
                f"of {several(self._sized, 'image')} with a size of --sizes "
                f"{several(len(self._outside), 'has', 'have')} marks outside of it, so these are not the sizes of the "
                f"originals that were marked. The first: {self._outside[0]}"
            )
        if self._unsized:
            problems.append(
                f"{several(len(self._unsized), 'image is', 'images are')} marked in pixels and of no known size, the "
                f'first "{self._unsized[0]}": give --sizes, a table (image, width, height) or the folder of the '
                "original images"
            )
        if not problems and not self.answers:
            skipped = sum(counts["skipped"] for counts in self.counts.values())
            images = several(skipped, "image without a mark was", "images without a mark were")
            more = f"; {images} skipped, see --unmarked" if skipped else ""
            problems.append(f"it holds no answer about any image{more}")
        if problems:
            raise SessionError(f"{self._wanted.source or 'the file'} cannot be imported:{listed(problems)}")

    def warnings(self) -> Iterator[str]:
        """What is not in the sessions as it was marked."""
        if self._left_out:
            kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(self._left_out.items()))
            yield f"left out, having no area: {kinds}"
        if self._moved:
            yield (
                f"on {several(len(self._moved), 'image')} marks reached beyond the edge and were cut there, the first "
                f"{self._moved[0]}; are the sizes right?"
            )


def _cut_box(box: Box, width: int, height: int) -> Box:
    """The part of a box within the image; raises `_OutsideError`: there is none, or it has no area."""
    x0, y0, x1, y1 = box
    if x1 < 0 or y1 < 0 or x0 > width or y0 > height:
        raise _outside([(x0, y0), (x1, y1)], width, height)
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if left >= right or top >= bottom:
        raise _OutsideError(
            f"the box {_shown([(x0, y0), (x1, y1)])} has no area on an image of {width} x {height} pixels"
        )
    return left, top, right, bottom


def _cut(polygon: Points, width: int, height: int) -> Points:
    """The part of a polygon within the image; where it falls into several, they stay joined along the edge.

    Matplotlib cuts polygons that cross themselves too, and keeps which points lie inside by the even-odd rule; shapely
    would have to make them valid, in parts and with holes that an outline cannot hold.

    Raises:
        _OutsideError: no part of it lies within.
    """
    if all(0 <= x <= width and 0 <= y <= height for x, y in polygon):
        return polygon
    whole = np.asarray(Polygon(polygon).clip_to_bbox(Bbox.from_extents(0, 0, width, height)).vertices)
    kept = whole[:-1]  # the last corner is the first once more
    if not len(kept):
        raise _outside(polygon, width, height)
    return tuple((float(x), float(y)) for x, y in np.clip(kept, 0, (width, height)))


def _outside(points: Sequence[Point], width: int, height: int) -> _OutsideError:
    return _OutsideError(f"the area {_shown(points)} lies outside the image of {width} x {height} pixels")


def _shown(points: Sequence[Point]) -> str:
    return ", ".join(f"({x:g}, {y:g})" for x, y in points[:3]) + (", ..." if len(points) > 3 else "")


# --------------------------------------------------------------------------------------------- sizes of the originals


def read_sizes(path: Path, *, whole_path: bool) -> Sizes:
    """The sizes of original images, in a CSV table with a line an image, or of the images in a folder.

    Raises:
        SessionError: the table is none, or a file is no picture; every problem at once.
    """
    found: list[tuple[str, str, tuple[int, int]]] = []
    problems: list[str] = []
    if path.is_dir():
        what = "holds what is no image"
        for file in ImportSource(path).files:
            name = file.relative_to(path).as_posix()
            if file.suffix.lower() in READ_ENDINGS:
                try:
                    picture = inspect(read_untrusted_bytes(file, MOST_BYTES_A_PICTURE))
                    found.append((name, name, (picture.height, picture.width)))
                except DataError as error:
                    problems.append(f"{name}: {error}")
    else:
        what = "is no table of sizes"
        read_untrusted_bytes(path)  # refuses what is no text
        table = read_table(path, ())
        first = table.rows[0] if table.rows else {}
        columns = (IMAGE_COLUMNS, WIDTH_COLUMNS, HEIGHT_COLUMNS)
        if not all(first_of(first, names) for names in columns):
            raise refused(path, f"{what}; it needs the columns", [f"one of {', '.join(names)}" for names in columns])
        for row, line in zip(table.rows, table.lines, strict=True):
            try:
                if (size := size_of(row)) is not None:
                    found.append((f"line {line}", row[first_of(first, IMAGE_COLUMNS)], size))
            except ValueError as error:
                problems.append(f"line {line}: {error}")
    sizes: dict[str, tuple[int, int]] = {}
    for where, name, size in found:
        image = id_from_name(name, whole_path=whole_path)
        if (other := sizes.setdefault(image, size)) != size:
            problems.append(
                f'{where}: image "{image[:60]}" is {size[1]} x {size[0]} pixels, and {other[1]} x {other[0]} at '
                "another place; if these are two images in two folders, give --whole-path"
            )
    if problems:
        raise refused(path, what, problems)
    return sizes
