"""The ``import`` verb."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from imil_sim.cli.progress import Counter
from imil_sim.cli.study import open_study
from imil_sim.engine.data import ImageLibrary
from imil_sim.errors import SessionError, UsageError
from imil_sim.feedback.grid import Grid, check_threshold
from imil_sim.feedback.recorded import Films
from imil_sim.feedback.session import Session
from imil_sim.feedback.session_write import session_bytes, write_session
from imil_sim.images.importing.reading import KINDS, read_outlines
from imil_sim.images.importing.sessions import Wanted, sessions_of
from imil_sim.images.importing.sizes import read_sizes


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    source: Path
    to: Path
    kind: str | None
    grid: int
    threshold: float
    reader: str
    role: str
    sizes: Path | None
    suffix: str
    whole_path: bool
    study: str | None
    store: Path


def import_sessions(asked: Asked) -> None:
    """Write one session for each reader of a file, and tell what it holds.

    Raises:
        ImilSimError: the file, the study or an option is wrong; nothing is written then.
    """
    try:
        check_threshold(asked.threshold)
    except ValueError as error:
        raise UsageError(f"--threshold: {error}") from None
    kind, outlines = read_outlines(asked.source, asked.kind, asked.suffix)
    wanted = Wanted(
        grid=Grid(asked.grid, asked.grid),
        threshold=asked.threshold,
        reader=asked.reader,
        role=asked.role,
        source=f"{KINDS[kind]} {asked.source.name}",
        whole_path=asked.whole_path,
    )
    sizes = read_sizes(asked.sizes, whole_path=asked.whole_path) if asked.sizes else None
    imported = sessions_of(outlines, wanted, sizes, _films(asked))
    places = _places(asked.to, list(imported.sessions))
    for reader, session in imported.sessions.items():
        _check_place(places[reader], session)
    talk, tell = Console(stderr=True), Console()
    for warning in imported.warnings:
        talk.print(f"warning: {warning}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for reader, session in imported.sessions.items():
        places[reader].parent.mkdir(parents=True, exist_ok=True)
        write_session(places[reader], session)
        line = f"{KINDS[kind]}: {_told(session)}, by {reader}, written to {places[reader]}"
        tell.print(line, markup=False, highlight=False, soft_wrap=True)


def _films(asked: Asked) -> Films | None:
    """The image set of the study, where one is named."""
    if asked.study is None:
        return None
    study = open_study(asked.study)
    sources = {arm.images.text: arm.images for arm in study.arms.values()}
    if len(sources) > 1:
        raise UsageError(f"--study: {study.name} has several image sets; name a study that has one")
    with Counter(Console(stderr=True)) as counter:
        library = ImageLibrary(study.beside, asked.store / "images", counter)
        return library.films(next(iter(sources.values())))


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


def _check_place(path: Path, session: Session) -> None:
    """Nothing, if the session may go there: nothing is there, or the very same.

    Raises:
        SessionError: another session is there, or what is none.
    """
    if not path.exists():
        return
    whole = session_bytes(session)
    if not path.is_file() or path.stat().st_size != len(whole) or path.read_bytes() != whole:
        raise SessionError(f"{path} is there already and holds something else; name another file, or remove it")


def _told(session: Session) -> str:
    abstained = sum(answer.abstained for answer in session.answers)
    nothing = sum(answer.cells == () for answer in session.answers)
    rows, cols = session.header.grid
    parts = [f"{len(session.answers)} answers on a grid of {rows} x {cols}"]
    parts += [f"{nothing} with nothing marked"] if nothing else []
    parts += [f"{abstained} abstentions"] if abstained else []
    return ", ".join(parts)
