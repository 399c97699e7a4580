"""The ``import`` verb."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from imil_sim import api
from imil_sim.cli.progress import TerminalProgress
from imil_sim.engine.data import ImageLibrary
from imil_sim.errors import SessionError, UsageError, did_you_mean, listed, several, shown
from imil_sim.feedback.grid import Grid, check_threshold
from imil_sim.feedback.question import ImageIndex
from imil_sim.io import make_folder
from imil_sim.sessions.importers.outlines import id_from_name
from imil_sim.sessions.importers.reading import KINDS, Read, read_outlines
from imil_sim.sessions.importers.sessions import Tally, Unmarked, Wanted, sessions_of
from imil_sim.sessions.importers.sizes import read_sizes
from imil_sim.sessions.read import parse_session
from imil_sim.sessions.session import MOST_LINE, Session
from imil_sim.sessions.write import session_bytes, write_new_session
from imil_sim.study.study import Study

GRID = 8
"""Rows and columns of the cells that are written, where nothing says how many."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    source: Path
    to: Path
    kind: str | None
    grid: int | None
    """Rows and columns; None: the study's, where it has one, or `GRID`."""
    threshold: float
    reader: str
    role: str
    sizes: Path | None
    suffix: str
    whole_path: bool
    study: str | None
    store: Path
    unmarked: str
    only: frozenset[str]


def import_sessions(asked: Asked) -> None:
    """Write one session for each reader of a file, all or none of them, and tell what they hold.

    Whatever is told may have words of the file in it: it leaves here as `shown` has it; of errors `main` sees to that.

    Raises:
        ImilSimError: the file, the study or an option is wrong, or a session cannot be written; there is none then.
    """
    told = _import(asked)
    talk, tell = Console(stderr=True), Console()
    for warning in told.warnings:
        talk.print(shown(f"warning: {warning}"), style="yellow", markup=False, highlight=False, soft_wrap=True)
    for line in told.lines:
        tell.print(shown(line), markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the user is told of an import."""

    warnings: tuple[str, ...]
    lines: tuple[str, ...]


def _import(asked: Asked) -> _Told:
    try:
        check_threshold(asked.threshold)
    except ValueError as error:
        raise UsageError(f"--threshold: {error}") from None
    unmarked = _unmarked(asked.unmarked)
    study = None if asked.study is None else api.load_study(asked.study)
    on = _Grid.of(asked.grid, study)
    read = read_outlines(asked.source, asked.kind, asked.suffix, asked.only)
    wanted = Wanted(
        grid=on.grid,
        threshold=asked.threshold,
        reader=asked.reader,
        role=asked.role,
        source=_source(asked, KINDS[read.kind]),
        whole_path=asked.whole_path,
        unmarked=unmarked,
    )
    sizes = read_sizes(asked.sizes, whole_path=asked.whole_path) if asked.sizes else None
    images = None if study is None else _images(study, asked.store)
    hint = _suffix_hint(read, images, whole_path=asked.whole_path)
    try:
        imported = sessions_of(read.outlines, wanted, sizes, images)
    except SessionError as error:
        raise SessionError(f"{error}{listed(hint)}") from None
    places = _places(asked.to, list(imported.sessions))
    write_all({places[reader]: session for reader, session in imported.sessions.items()})
    lines: list[str] = []
    for reader, tally in imported.tallies.items():
        session = imported.sessions.get(reader)
        written = "nothing written" if session is None else f"written to {places[reader]}"
        told = "no answer" if session is None else _told(session, on.whose)
        lines += [f"{KINDS[read.kind]}: {told}, by {reader}, {written}", *_left_out(tally)]
    return _Told((*read.warnings, *imported.warnings, *hint, *on.warnings), tuple(lines))


def _unmarked(asked: str) -> Unmarked:
    """What becomes of images without a mark.

    Raises:
        UsageError: it is none of the words for it.
    """
    for known in get_args(Unmarked):
        if asked == known:
            return cast(Unmarked, known)
    raise UsageError(f'--unmarked: there is no "{asked}". {did_you_mean(asked, get_args(Unmarked))}')


@dataclass(frozen=True, slots=True)
class _Grid:
    """The grid of the cells that are written."""

    grid: Grid
    whose: str = ""
    """Whose it is, as the summary says it; empty where it is nobody's."""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, asked: int | None, study: Study | None) -> _Grid:
        """The grid asked for, or that of the study.

        Raises:
            UsageError: none is asked for, and the study has several.
        """
        arms = study.arms.values() if study else ()
        shapes = sorted({arm.feedback.grid_size for arm in arms if arm.feedback})
        told = ", ".join(f"{rows} x {cols}" for rows, cols in shapes)
        if asked is not None:
            if study is None or not shapes or (asked, asked) in shapes:
                return cls(Grid(asked, asked))
            warning = (
                f"--grid {asked}: the arms of {study.name} ask on {told}, where a session on {asked} x {asked} cannot "
                "be replayed strictly; leave --grid out, or give that"
            )
            return cls(Grid(asked, asked), warnings=(warning,))
        if study is None or not shapes:
            return cls(Grid(GRID, GRID))
        if len(shapes) > 1:
            raise UsageError(f"--study: the arms of {study.name} ask on several grids, {told}; say which with --grid")
        return cls(Grid(*shapes[0]), f" (that of study {study.name})")


def _suffix_hint(read: Read, images: ImageIndex | None, *, whole_path: bool) -> tuple[str, ...]:
    """What the user is told of an ending that the names of all masks have, unless images of the study have it too."""
    ids = {id_from_name(one.image, whole_path=whole_path) for one in read.outlines}
    if not read.ending or (images is not None and not ids.isdisjoint(images.labels)):
        return ()
    told = f'the names of all masks end in "{read.ending}"; if those of the images do not, give --suffix {read.ending}'
    return (told,)


def _source(asked: Asked, kind: str) -> str:
    """Where the sessions come from, as their headers say it: the file, and what of it was taken."""
    options = [f"--only {category}" for category in sorted(asked.only)]
    options += [f"--unmarked {asked.unmarked}"] if asked.unmarked != "stated" else []
    return shown(" ".join([kind, asked.source.name, *options]))[:MOST_LINE]


def _images(study: Study, store: Path) -> ImageIndex:
    """The image set of the study.

    Raises:
        UsageError: it has several.
    """
    sources = {arm.images.text: arm.images for arm in study.arms.values()}
    if len(sources) > 1:
        raise UsageError(f"--study: {study.name} has several image sets; name a study that has one")
    with TerminalProgress() as progress:
        library = ImageLibrary(study.beside, store, progress.count)
        return library.image_index(next(iter(sources.values())))


def _places(to: Path, readers: list[str]) -> dict[str, Path]:
    """Where the session of each reader goes.

    Raises:
        UsageError: several readers, and ``to`` is a file.
    """
    if not to.is_dir() and (to.suffix or len(readers) == 1):
        if len(readers) > 1:
            raise UsageError(
                f"the file has {len(readers)} readers: {', '.join(readers)}. Take one with --reader, or name a folder "
                "with --to"
            )
        return {readers[0]: to}
    names = {reader: re.sub(r"[^A-Za-z0-9_-]+", "_", reader) or "_" for reader in readers}
    if len(set(names.values())) < len(names):
        raise UsageError(f"the readers {', '.join(readers)} cannot be told apart in file names; take one with --reader")
    return {reader: to / f"{name}.jsonl" for reader, name in names.items()}


def write_all(sessions: Mapping[Path, Session]) -> None:
    """Every session in its place, or none of them: what this call wrote is taken away where it cannot go on.

    A place where the very same session is already is left as it is. Before the first byte is written everything that
    can be known to be wrong is. What another process puts into a place meanwhile stays, and is an error.

    Raises:
        SessionError: something else is in one of the places, a session would be too large to be read again, or one
            cannot be written.
    """
    new, problems = [], []
    for path, session in sessions.items():
        try:
            if not _is_there(path, session_bytes(session)):
                new.append(path)
        except SessionError as error:
            problems.append(str(error))
    if problems:
        raise SessionError(problems[0] if len(problems) == 1 else f"nothing was written:{listed(problems)}")
    files: list[Path] = []
    folders: list[Path] = []
    try:
        for path in new:
            folders += make_folder(path.parent)
            write_new_session(path, sessions[path])
            files.append(path)
    except BaseException as error:
        _take_away(files, folders)
        if isinstance(error, OSError):
            raise SessionError(
                f"folder {path.parent} cannot be made: {error.strerror}; name another place with --to"
            ) from error
        raise


def _is_there(path: Path, whole: bytes) -> bool:
    """Whether the very same session is in the place already; where nothing is, it can be read once it is written.

    Raises:
        SessionError: something else is there, or the session is larger than what is read.
    """
    try:
        path.lstat()  # a link that leads nowhere is something, too
        same = path.is_file() and path.stat().st_size == len(whole) and path.read_bytes() == whole
    except (FileNotFoundError, NotADirectoryError):
        parse_session(io.BytesIO(whole), str(path))
        return False
    except OSError as error:
        raise SessionError(f"{path} cannot be looked at: {error.strerror}; name another file") from error
    if not same:
        raise SessionError(f"{path} is there already and holds something else; name another file, or remove it")
    return True


def _take_away(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Remove the files, and the folders made for them, innermost first; a folder that holds more stays."""
    for path in files:
        with suppress(OSError):
            path.unlink()
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def _told(session: Session, whose: str) -> str:
    abstained = sum(answer.abstained for answer in session.answers)
    rows, cols = session.header.grid
    told = f"{several(len(session.answers), 'answer')} on a grid of {rows} x {cols}{whose}"
    return told + (f", {several(abstained, 'abstention')}" if abstained else "")


def _left_out(tally: Tally) -> Iterator[str]:
    """What the summary says of images without a mark and of marks that were not wanted."""
    without = "without a mark of the categories asked for" if tally.unwanted else "without a mark"
    if tally.nothing:
        images, them = _images_and_them(tally.nothing, without)
        yield f'  {images} answered "nothing matters" (--unmarked skip leaves {them} out)'
    if tally.skipped:
        images, them = _images_and_them(tally.skipped, without)
        yield f'  {images} left out (--unmarked nothing answers {them} "nothing matters")'
    if tally.unwanted:
        marks = several(tally.unwanted, "mark of another category is", "marks of other categories are")
        yield f"  {marks} left out (--only)"


def _images_and_them(count: int, without: str) -> tuple[str, str]:
    """So many images as the subject of a sentence, and what they are called later in it."""
    return several(count, f"image {without} is", f"images {without} are"), "it" if count == 1 else "them"
