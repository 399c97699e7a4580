"""From `Outlines` to sessions: sizes found, areas brought into their images, cells chosen; one session a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import ValidationError

from imil_sim.errors import MOST_LISTED, SessionError, did_you_mean, listed, several
from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import ImageIndex, image_sha256
from imil_sim.sessions.drawn import Box, Drawn, Point
from imil_sim.sessions.importers.messages import faults
from imil_sim.sessions.importers.outlines import Outlines, id_from_name
from imil_sim.sessions.session import Header, Session, SessionAnswer, id_problem, name_problem

UNNAMED = "unknown"
"""The reader of a file that names none."""

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
class Tally:
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
    tallies: Mapping[str, Tally]
    """By reader; of those too."""
    warnings: tuple[str, ...]
    """What was left out or brought into its image."""


def sessions_of(
    outlines: Sequence[Outlines],
    wanted: Wanted,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    images: ImageIndex | None = None,
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
            not in the set, or the reader is not in the file; all of it is told.
        UsageError: the grid is finer than an image.
    """
    making = _Making(wanted, sizes or {}, images)
    for one in _chosen(outlines, wanted.reader):
        making.take(one)
    making.check()
    return Imported(
        {name: Session(making.header(name), tuple(answers)) for name, answers in making.answers.items()},
        making.tallies(),
        tuple(making.warnings()),
    )


def _chosen(outlines: Sequence[Outlines], reader: str) -> list[Outlines]:
    named = {one.reader for one in outlines} - {""}
    if not reader or not named:
        return list(outlines)
    if reader not in named:
        raise SessionError(f'there is no reader "{reader}" in the file. {did_you_mean(reader, named)}')
    return [one for one in outlines if one.reader == reader]


class _Making:
    """The answers made so far, and what is wrong with the rest."""

    def __init__(self, wanted: Wanted, sizes: Mapping[str, tuple[int, int]], images: ImageIndex | None) -> None:
        self._wanted, self._sizes, self._images = wanted, sizes, images
        self.answers: dict[str, list[SessionAnswer]] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._problems: list[str] = []
        self._unsized: list[str] = []
        self._sized = 0
        """Images marked in pixels whose size was given beside the file."""
        self._outside: list[str] = []
        """What is told of those of them whose marks lie outside."""
        self._left_out: Counter[str] = Counter()
        self._moved: list[str] = []
        self._counts: dict[str, Counter[str]] = {}

    def take(self, one: Outlines) -> None:
        """One more answer, or one more problem."""
        reader = one.reader or self._wanted.reader or UNNAMED
        image_id = id_from_name(one.image, whole_path=self._wanted.whole_path)
        self._left_out.update(one.left_out)
        skipped = one.unmarked and not self._says_nothing(one)
        counts = self._counts.setdefault(reader, Counter())
        counts.update(nothing=int(one.unmarked and not skipped), skipped=int(skipped), unwanted=one.unwanted)
        if skipped:
            return
        problems = list(self._image_problems(image_id))
        if (place := self._places.get((reader, image_id))) is not None:
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
                problems += faults(error, None)
            except _OutsideError as error:
                told = str(error) if one.image in one.where else f'image "{image_id}": {error}'
                if one.size is None:
                    self._outside.append(f"{one.where}: {told}")
                else:
                    problems.append(told)
            if size is None:
                self._unsized.append(image_id)
            whole = drawn is not None
        self._problems += [f"{one.where}: {problem}" for problem in problems]
        if not problems and whole:
            made = self.answers.setdefault(reader, [])
            made.append(self._answer(one, image_id, drawn, len(made) + 1))

    def _says_nothing(self, one: Outlines) -> bool:
        """Whether an image without a mark is answered with "nothing matters"."""
        return one.looked_at if self._wanted.unmarked == "stated" else self._wanted.unmarked == "nothing"

    def tallies(self) -> dict[str, Tally]:
        """By reader, in the order of the file."""
        return {reader: Tally(**counts) for reader, counts in self._counts.items()}

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
        scale = (width, height) if one.fractions else (1, 1)
        shapes = [[(x * scale[0], y * scale[1]) for x, y in polygon] for polygon in one.polygons]
        corners = [[(x0 * scale[0], y0 * scale[1]), (x1 * scale[0], y1 * scale[1])] for x0, y0, x1, y1 in one.boxes]
        inside = [_cut(points, width, height) for points in shapes]
        boxes: list[Box] = []
        for points in corners:
            (left, top), (right, bottom) = _within(points, width, height)
            if left >= right or top >= bottom:
                raise _OutsideError(f"the box {_told(points)} has no area on an image of {width} x {height} pixels")
            boxes.append((left, top, right, bottom))
        if inside != shapes or any(box != (*p[0], *p[1]) for box, p in zip(boxes, corners, strict=True)):
            self._moved.append(one.image)
        return Drawn(
            width=width,
            height=height,
            boxes=tuple(boxes),
            polygons=tuple(tuple(points) for points in inside),
            mask=one.mask,
        )

    def _answer(self, one: Outlines, image_id: str, drawn: Drawn | None, order: int) -> SessionAnswer:
        cells: tuple[int, ...] | None
        reason = ""
        if one.abstained:
            cells, reason = None, "the reader skipped the image"
        elif drawn is not None:
            cells = self._wanted.grid.numbers(drawn.cells(self._wanted.grid, self._wanted.threshold))
        elif one.left_out:
            cells, reason = None, f"only marks without an area: {', '.join(sorted(set(one.left_out)))}"
        else:
            cells = ()
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
        """The first line of a reader's session."""
        wanted, images = self._wanted, self._images
        head = {"reader": reader, "role": wanted.role, "grid": wanted.grid.shape, "source": wanted.source}
        if images is not None:
            shape = images.image(self.answers[reader][0].image_id).shape
            head |= {
                "set_name": images.name,
                "set_fingerprint": images.fingerprint,
                "film_size": shape,
                "class_names": images.class_names,
            }
        try:
            return Header.model_validate(head)
        except ValidationError as error:
            raise SessionError(
                f"no session can be made of the reader {reader[:60]!r}:{listed(faults(error, head))}"
            ) from None

    def check(self) -> None:
        """Nothing, if all of it could be made.

        Raises:
            SessionError: something could not.
        """
        # Readers without a session are told of as well, so theirs must be names, too.
        named = [(reader, problem) for reader in self._counts if (problem := name_problem(reader))]
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
            skipped = sum(counts["skipped"] for counts in self._counts.values())
            images = several(skipped, "image without a mark was", "images without a mark were")
            more = f"; {images} skipped, see --unmarked" if skipped else ""
            problems.append(f"it holds no answer about any image{more}")
        if problems:
            raise SessionError(f"{self._wanted.source or 'the file'} cannot be imported:{listed(problems)}")

    def warnings(self) -> Iterator[str]:
        """What the user should be told."""
        if self._left_out:
            kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(self._left_out.items()))
            yield f"left out, having no area: {kinds}"
        if self._moved:
            yield (
                f"on {several(len(self._moved), 'image')} marks reached beyond the edge and were cut there, the first "
                f"{self._moved[0]}; are the sizes right?"
            )


def _within(points: Sequence[Point], width: int, height: int) -> list[Point]:
    """The points, those beyond an edge of the image moved onto it.

    Raises:
        _OutsideError: all of them lie beyond the same edge.
    """
    x, y = np.asarray(points, dtype=np.float64).T
    if x.max() < 0 or y.max() < 0 or x.min() > width or y.min() > height:
        raise _OutsideError(f"the area {_told(points)} lies outside the image of {width} x {height} pixels")
    return [(min(max(px, 0), width), min(max(py, 0), height)) for px, py in points]


def _cut(polygon: Sequence[Point], width: int, height: int) -> list[Point]:
    """The part of a polygon within the image (Sutherland and Hodgman 1974): one edge of the image after the other.

    Where a polygon that is not convex falls into parts, they stay joined along the edge.

    Raises:
        _OutsideError: no part of it lies within.
    """
    kept = list(polygon)
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        kept = list(_beyond(kept, axis, limit, sign))
    if not kept:
        raise _OutsideError(f"the area {_told(polygon)} lies outside the image of {width} x {height} pixels")
    return kept


def _beyond(polygon: Sequence[Point], axis: int, limit: float, sign: int) -> Iterator[Point]:
    """The corners of what lies on the image's side of one of its edges."""
    for last, corner in zip([*polygon[-1:], *polygon[:-1]], polygon, strict=True):
        was, is_in = (sign * (point[axis] - limit) >= 0 for point in (last, corner))
        if was != is_in:
            share = (limit - last[axis]) / (corner[axis] - last[axis])
            across = last[1 - axis] + share * (corner[1 - axis] - last[1 - axis])
            yield (limit, across) if axis == 0 else (across, limit)
        if is_in:
            yield corner


def _told(points: Sequence[Point]) -> str:
    shown = ", ".join(f"({x:g}, {y:g})" for x, y in points[:3])
    return shown + (", ..." if len(points) > 3 else "")
