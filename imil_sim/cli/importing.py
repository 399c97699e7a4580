"""The ``import`` verb."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from imil_sim import api
from imil_sim.cli.console import TerminalProgress
from imil_sim.engine.data import ImageLibrary
from imil_sim.errors import SessionError, UsageError, did_you_mean, listed, several, shown
from imil_sim.feedback.grid import Grid, check_threshold
from imil_sim.feedback.question import ImageIndex
from imil_sim.io import make_folder
from imil_sim.sessions.files import parse_session, session_bytes, write_session
from imil_sim.sessions.importers import read_outlines
from imil_sim.sessions.importers.sessions import Unmarked, UnmarkedCounts, Wanted, read_sizes, sessions_of
from imil_sim.sessions.session import MOST_LINE, Session
from imil_sim.study.study import Study

GRID = 8
"""Rows and columns of the cells that are written, where nothing says how many."""


def import_sessions(
    source: Path,
    to: Path,
    *,
    kind: str | None,
    grid: int | None,
    threshold: float,
    reader: str,
    role: str,
    sizes: Path | None,
    suffix: str,
    whole_path: bool,
    study: str | None,
    store: Path,
    unmarked: str,
    only: frozenset[str],
) -> None:
    """Write one session for each reader of a file, all or none of them, and print what they hold.

    Whatever is printed may have words of the file in it: it leaves here as `shown` has it; of errors `main` sees to
    that. The arguments are the options of the verb; without a ``grid`` it is the study's, where it has one, or `GRID`.

    Raises:
        ImilSimError: the file, the study or an option is wrong, or a session cannot be written; there is none then.
    """
    try:
        check_threshold(threshold)
    except ValueError as error:
        raise UsageError(f"--threshold: {error}") from None
    if unmarked not in get_args(Unmarked):
        raise UsageError(f'--unmarked: there is no "{unmarked}". {did_you_mean(unmarked, get_args(Unmarked))}')
    asking = None if study is None else api.load_study(study)
    cells, whose, warning = _grid(grid, asking)
    read = read_outlines(source, kind, suffix, only)
    options = [f"--only {category}" for category in sorted(only)]
    options += [f"--unmarked {unmarked}"] if unmarked != "stated" else []
    wanted = Wanted(
        grid=cells,
        threshold=threshold,
        reader=reader,
        role=role,
        source=shown(" ".join([read.label, source.name, *options]))[:MOST_LINE],
        whole_path=whole_path,
        unmarked=cast(Unmarked, unmarked),
    )
    known = read_sizes(sizes, whole_path=whole_path) if sizes else None
    try:
        imported = sessions_of(read.outlines, wanted, known, None if asking is None else _images(asking, store))
    except SessionError as error:
        raise SessionError(f"{error}{listed(read.warnings)}") from None
    places = _places(to, list(imported.sessions))
    write_all({places[name]: session for name, session in imported.sessions.items()})
    talk, summary = Console(stderr=True), Console()
    for line in (*read.warnings, *imported.warnings, *warning):
        talk.print(shown(f"warning: {line}"), style="yellow", markup=False, highlight=False, soft_wrap=True)
    for name, counts in imported.counts.items():
        session = imported.sessions.get(name)
        written = "nothing written" if session is None else f"written to {places[name]}"
        answers = "no answer" if session is None else _answers(session, whose)
        for line in (f"{read.label}: {answers}, by {name}, {written}", *_left_out(counts)):
            summary.print(shown(line), markup=False, highlight=False, soft_wrap=True)


def _grid(asked: int | None, study: Study | None) -> tuple[Grid, str, tuple[str, ...]]:
    """The grid asked for, or that of the study; whose it is, as the summary says it; and a warning, or none.

    Raises:
        UsageError: none is asked for, and the study has several.
    """
    arms = study.arms.values() if study else ()
    shapes = sorted({arm.feedback.grid_size for arm in arms if arm.feedback})
    names = ", ".join(f"{rows} x {cols}" for rows, cols in shapes)
    if study is None or not shapes:
        return Grid(asked or GRID, asked or GRID), "", ()
    if asked is None and len(shapes) > 1:
        raise UsageError(f"--study: the arms of {study.name} ask on several grids, {names}; say which with --grid")
    if asked is None:
        return Grid(*shapes[0]), f" (that of study {study.name})", ()
    warning = (
        f"--grid {asked}: the arms of {study.name} ask on {names}, where a session on {asked} x {asked} cannot be "
        "replayed strictly; leave --grid out, or give that"
    )
    return Grid(asked, asked), "", () if (asked, asked) in shapes else (warning,)


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
        raise UsageError(f"the readers {', '.join(readers)} have the same file name; take one with --reader")
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
        whole = session_bytes(session)
        if not os.path.lexists(path):  # a link that leads nowhere is something, too
            parse_session(whole, str(path))
            new.append(path)
        elif not (path.is_file() and path.read_bytes() == whole):
            problems.append(f"{path} is there already and holds something else; name another file, or remove it")
    if problems:
        raise SessionError(problems[0] if len(problems) == 1 else f"nothing was written:{listed(problems)}")
    files: list[Path] = []
    folders: list[Path] = []
    try:
        for path in new:
            folders += make_folder(path.parent)
            write_session(path, sessions[path], new=True)
            files.append(path)
    except BaseException as error:
        with suppress(OSError):  # a folder that holds more by now stays
            for path in files:
                path.unlink(missing_ok=True)
            for folder in reversed(folders):
                folder.rmdir()
        if isinstance(error, OSError):
            raise SessionError(
                f"{error.filename} cannot be made: {error.strerror}; name another place with --to"
            ) from error
        raise


def _answers(session: Session, whose: str) -> str:
    abstained = sum(answer.abstained for answer in session.answers)
    rows, cols = session.header.grid
    abstentions = f", {several(abstained, 'abstention')}" if abstained else ""
    return f"{several(len(session.answers), 'answer')} on a grid of {rows} x {cols}{whose}{abstentions}"


def _left_out(counts: UnmarkedCounts) -> Iterator[str]:
    """What the summary says of images without a mark and of marks that were not wanted."""
    without = "without a mark of the categories asked for" if counts.unwanted else "without a mark"
    for count, does, option in (
        (counts.nothing, 'answered "nothing matters"', "--unmarked skip leaves {} out"),
        (counts.skipped, "left out", '--unmarked nothing answers {} "nothing matters"'),
    ):
        if count:
            images = several(count, f"image {without} is", f"images {without} are")
            yield f"  {images} {does} ({option.format('it' if count == 1 else 'them')})"
    if counts.unwanted:
        marks = several(counts.unwanted, "mark of another category is", "marks of other categories are")
        yield f"  {marks} left out (--only)"
