"""Sessions on disk: read all or nothing, and written so that an answer once given stays."""

from __future__ import annotations

import fcntl
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from imil_sim.errors import DataError, OracleError, SessionError, listed
from imil_sim.feedback.grid import Grid
from imil_sim.io import replace_file, write_all
from imil_sim.sessions.session import FORMAT, VERSION, Header, Session, SessionAnswer, answer_problems
from imil_sim.sessions.untrusted import BOM, JsonFault, parse_json, read_untrusted_bytes
from imil_sim.study.paths import resolve
from imil_sim.study.spec import Spec, lines, shown

MOST_BYTES_A_LINE = 1 << 23
"""8 MiB: a mask whose every other pixel changes, on an image of 2000 x 1000."""
MOST_LINES = 100_000
MOST_PROBLEMS = 20
"""After so many the rest of the file is not looked at."""

READER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"

_S = TypeVar("_S", bound=Spec)


# ---------------------------------------------------------------------------------------------------------- reading


def read_session(path: Path) -> Session:
    """The session in a file.

    A last line that was only half written, by a process that was killed at it, is dropped, and the session's
    ``warnings`` say so. Blank lines are passed over, and so is a byte order mark before the first. Nothing else is
    forgiven.

    Raises:
        SessionError: the file cannot be read, or is no session of version 1; every problem with its line.
    """
    return parse_session(read_untrusted_bytes(path), str(path))


def parse_session(data: bytes, name: str) -> Session:
    """The session in the content of a file, which messages call ``name``; see `read_session`.

    Raises:
        SessionError: as `read_session`.
    """
    reading = _Reading(name)
    for number, raw in enumerate(io.BytesIO(data.removeprefix(BOM)), 1):
        if len(raw) > MOST_BYTES_A_LINE:
            reading.problems.append(f"line {number}: is longer than {MOST_BYTES_A_LINE:,} bytes; this is no session")
        elif number > MOST_LINES:
            reading.problems.append(f"line {number}: is one of more than {MOST_LINES:,} lines; this is no session")
        elif raw.strip():
            reading.take(number, raw)
            if len(reading.problems) < MOST_PROBLEMS:
                continue
            reading.problems.append("... reading stopped here")
        else:
            continue
        break
    if reading.header is None and not reading.problems:
        raise SessionError(f"{name} is no session: it is empty, and {_FIRST_LINE}")
    if reading.problems or reading.header is None:
        raise SessionError(f"session {name} cannot be used:{listed(reading.problems)}")
    numbers, answers = zip(*reading.answers.values(), strict=True) if reading.answers else ((), ())
    return Session(reading.header, answers, tuple(reading.warnings), numbers)


_FIRST_LINE = (
    f'the first line of a session says {{"format": "{FORMAT}", ...}}; imil-sim import makes sessions of others'
)


class _Reading:
    """What has been read of a session so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.header: Header | None = None
        self.answers: dict[tuple[int, str], tuple[int, SessionAnswer]] = {}
        """By consultation and image; with the line."""
        self.orders: dict[int, int] = {}
        """Line by order."""
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def take(self, number: int, raw: bytes) -> None:
        """Look at one line.

        Raises:
            SessionError: it is the first one, and no header: what follows says nothing without it.
        """
        try:
            text = raw.decode("utf-8")
            value = parse_json(text)
        except (JsonFault, UnicodeDecodeError) as error:
            what = str(error) if isinstance(error, JsonFault) else "is not UTF-8 text"
            if self.header is None:
                raise SessionError(f"{self.name} is no session: line {number} {what}; {_FIRST_LINE}") from None
            # JSON that ends early is no JSON: so a line without its end, if it can be read, is whole all the same.
            if raw.endswith(b"\n"):
                self.problems.append(f"line {number}: {what}")
            else:
                where = f"session {self.name}, line {number}"
                self.warnings.append(f"{where}: was only half written, and is left out")
            return
        if self.header is not None:
            self._take_answer(self.header, number, text)
            return
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise SessionError(f"{self.name} is no session: line {number} is no header; {_FIRST_LINE}")
        if type(value.get("version")) is not int or value["version"] != VERSION:
            raise SessionError(
                f"session {self.name} cannot be used:\n  - line {number}: is a session of format version "
                f"{shown(value.get('version'))}; this imil-sim reads {VERSION}. Read it with the imil-sim that wrote "
                "it, or a later one"
            )
        self.header = self._checked(Header, number, text)
        if self.header is None:
            raise SessionError(f"session {self.name} cannot be used:{listed(self.problems)}")

    def _take_answer(self, header: Header, number: int, text: str) -> None:
        answer = self._checked(SessionAnswer, number, text)
        if answer is None:
            return
        where = f'line {number}: image "{answer.image_id}"'
        self.problems += [f"{where}: {problem}" for problem in answer_problems(header, answer)]
        line, _ = self.answers.setdefault((answer.consultation, answer.image_id), (number, answer))
        if line != number:
            self.problems.append(f"{where}: line {line} answers it already; keep one of them")
        elif (other := self.orders.setdefault(answer.order, number)) != number:
            self.problems.append(f"line {number}: order is {answer.order}, as on line {other}; each answer has its own")

    def _checked(self, model: type[_S], number: int, text: str) -> _S | None:
        try:
            return model.model_validate_json(text, strict=True)
        except ValidationError as error:
            self.problems += [f"line {number}: {line}" for line in lines(error, model.model_fields)]
            return None


# ---------------------------------------------------------------------------------------------------------- writing


def write_session(path: Path, session: Session, *, new: bool = False) -> None:
    """The whole session under that name, at once: a reader sees the file of before or the new one, nothing between.

    Equal sessions give equal bytes. A file that was there keeps its permissions, and a link goes on leading to it.

    Args:
        path: the file.
        session: what it is to hold.
        new: whether the name must be free. An empty file is as good as none: somebody was killed before the first line.

    Raises:
        SessionError: it cannot be written, or the name is taken.
    """
    try:
        target = path.resolve() if path.exists() or not new else path
        if new and (path.is_symlink() or path.exists()) and not (path.is_file() and not path.stat().st_size):
            raise SessionError(
                f"session {path} is there already, or is a link that leads nowhere; go on with it, or name another file"
            )
        replace_file(target, session_bytes(session), like=target, synced=True)
    except (OSError, RuntimeError) as error:  # links that lead in a circle are no `OSError` before Python 3.13
        why = str(error.strerror if isinstance(error, OSError) else error)
        raise SessionError(f"session {path} cannot be written: {why}; name another place") from error


def append_answer(path: Path, answer: SessionAnswer) -> Session:
    """The session with one more answer, which is on disk when this returns.

    What another process that was killed left half-written at the end is taken away first. Several processes, or
    several windows of one page, may append to one session: an image is answered once.

    Raises:
        SessionError: there is no usable session; the answer does not fit its header; the image has an answer in this
            consultation already; or the line cannot be written. The file is as it was then.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC), "r+b", buffering=0) as file:
            # Where locks do nothing two windows might both answer an image; the reader would name both lines.
            fcntl.flock(file, fcntl.LOCK_EX)
            data = path.read_bytes()
            session = parse_session(data, str(path))
            problems = list(answer_problems(session.header, answer))
            if any(other.consultation == answer.consultation for other in session.about(answer.image_id)):
                problems.append("has an answer already; an answer once given stays")
            if any(other.order == answer.order for other in session.answers):
                problems.append(f"order {answer.order} is taken")
            if problems:
                raise SessionError(
                    f'session {path}: the answer about image "{answer.image_id}" was not kept:{listed(problems)}'
                )
            tail, line = data.rpartition(b"\n")[2], line_of(answer)
            torn = bool(tail and session.warnings)
            whole = len(data) - len(tail) if torn else len(data)
            if torn:
                file.truncate(whole)
            try:
                write_all(file.fileno(), b"\n" + line if tail and not torn else line)
                os.fsync(file)
            except OSError:
                file.truncate(whole)
                raise
            return Session(session.header, (*session.answers, answer))
    except OSError as error:
        raise SessionError(f"session {path} cannot be written: {error.strerror}; the answer was not kept") from error


def session_bytes(session: Session) -> bytes:
    """A whole session as it stands in its file."""
    return line_of(session.header) + b"".join(map(line_of, session.answers))


def line_of(part: Header | SessionAnswer) -> bytes:
    """A header or an answer as the line of a session, its end included; every field is written out."""
    return part.model_dump_json().encode() + b"\n"


# ------------------------------------------------------------------------------------------- the folder of a reader


@dataclass(frozen=True)
class SessionFolder:
    """Where the answers of one reader lie, one session a grid; `imil-sim annotate` writes them, `human` reads them."""

    reader: str
    """Name of the person: letters, digits, ``_`` and ``-``."""
    folder: str
    """As the study writes it: an absolute path, or one relative to IMIL_SIM_DATA or to the current folder."""

    def __post_init__(self) -> None:
        if not re.fullmatch(READER_PATTERN, self.reader):
            raise ValueError(f"reader is a name of letters, digits, _ and -, 63 at most, not {self.reader!r}")

    @property
    def place(self) -> Path:
        """The folder.

        Raises:
            OracleError: it is not there, or is a file.
        """
        try:
            place = resolve(self.folder, None)
        except DataError as error:
            raise OracleError(f"the answers of {self.reader}: folder {error}") from error
        if not place.is_dir():
            raise OracleError(
                f'the answers of {self.reader}: "{self.folder}" is a file; name the folder that is to hold the answers'
            )
        return place

    def name(self, grid: Grid) -> str:
        """The session's file as the study names it, the same text on every machine: ``FOLDER/READER-4x4.jsonl``."""
        return f"{self.folder.rstrip('/')}/{self._file(grid)}"

    def path(self, grid: Grid) -> Path:
        """The session's file, whether it is there yet or not.

        Raises:
            OracleError: as `place`.
        """
        return self.place / self._file(grid)

    def session(self, grid: Grid) -> Session | None:
        """What the reader has answered on that grid; None where nobody has begun.

        Raises:
            OracleError: as `place`; or the session there was recorded on another grid than its name says.
            SessionError: what lies there is no session, or a link that leads nowhere.
        """
        path = self.path(grid)
        try:
            if not path.stat().st_size:  # somebody was killed before the first line
                return None
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.is_symlink():
                return None
            raise SessionError(
                f"session {path} cannot be read: {error.strerror}; if it is a link, bring back the file that it leads "
                "to, or remove the link to begin a new session"
            ) from error
        session = read_session(path)
        if session.grid != grid:
            raise OracleError(
                f"{self.name(grid)}, line 1: was recorded on a grid of {session.grid.rows} x {session.grid.cols}; "
                "rename the file after its grid"
            )
        return session

    def _file(self, grid: Grid) -> str:
        return f"{self.reader}-{grid.rows}x{grid.cols}.jsonl"
