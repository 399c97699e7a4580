"""Writing a session: one whole line at a time, each on disk before the writer is told so."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imil_sim.errors import SessionError, listed
from imil_sim.io import new_file_beside, replace_file, sync, write_all
from imil_sim.sessions.read import MOST_BYTES_A_LINE, parse_session
from imil_sim.sessions.session import Header, Session, SessionAnswer, answer_problems
from imil_sim.sessions.strict_json import parse_json

_WITHOUT_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What a file system says that knows no second name for a file."""


def write_header(path: Path, header: Header) -> None:
    """A new session with no answers yet; see `write_new_session`.

    Raises:
        SessionError: as `write_new_session`.
    """
    write_new_session(path, Session(header))


def write_new_session(path: Path, session: Session) -> None:
    """A session under a name that was free, on disk when this returns; its name is there once it is whole.

    An empty file is as good as none: somebody was killed before the first line. Its permissions stay. A link that leads
    nowhere is not followed: its name is taken.

    Raises:
        SessionError: there is a file of that name already, or it cannot be written.
    """
    try:
        target = path.resolve() if path.exists() else path
        with new_file_beside(target, session_bytes(session), like=target, synced=True) as beside:
            _named(beside, target)
            try:
                sync(target.parent)
            except OSError:
                target.unlink()  # named only just now, and by us
                raise
    except FileExistsError:
        raise SessionError(
            f"session {path} is there already, or is a link that leads nowhere; go on with it, or name another file"
        ) from None
    except (OSError, RuntimeError) as error:
        raise SessionError(f"session {path} cannot be written: {_why(error)}; nothing was kept of it") from error


def append_answer(path: Path, answer: SessionAnswer) -> Session:
    """The session with one more answer, which is on disk when this returns.

    What another process that was killed left half-written at the end is taken away first. Several processes, or
    several windows of one page, may append to one session: an image is answered once.

    Raises:
        SessionError: there is no usable session; the answer does not fit its header; the image has an answer in this
            consultation already; or the line cannot be written. The file is as it was then.
    """
    try:
        with _locked(path) as file:
            session = _with(_session_in(file, path), answer, path)
            _append(file, line_of(answer))
            return session
    except OSError as error:
        raise SessionError(f"session {path} cannot be written: {error.strerror}; the answer was not kept") from error


def write_session(path: Path, session: Session) -> None:
    """The whole session under that name, at once: a reader sees the file of before or the new one, nothing between.

    Equal sessions give equal bytes. A file that was there keeps its permissions, and a link goes on leading to it.

    Raises:
        SessionError: it cannot be written.
    """
    try:
        target = path.resolve()
        replace_file(target, session_bytes(session), like=target, synced=True)
    except (OSError, RuntimeError) as error:
        raise SessionError(f"session {path} cannot be written: {_why(error)}; name another place") from error


def session_bytes(session: Session) -> bytes:
    """A whole session as it stands in its file."""
    return line_of(session.header) + b"".join(map(line_of, session.answers))


def line_of(part: Header | SessionAnswer) -> bytes:
    """A header or an answer as the line of a session, its end included; every field is written out."""
    return part.model_dump_json().encode() + b"\n"


def _named(beside: Path, path: Path) -> None:
    """Give a whole file its name, which nobody else has; an empty file of that name is as good as none.

    Raises:
        FileExistsError: somebody has.
    """
    # Two who begin one session in the same instant are kept apart by the lock of the folder's folder.
    if path.is_file() and not path.stat().st_size:
        beside.replace(path)
        return
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        beside.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        # Where locks do nothing two windows might both answer an image; the reader would name both lines.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _session_in(file: int, path: Path) -> Session:
    with os.fdopen(os.dup(file), "rb") as readable:
        readable.seek(0)
        return parse_session(readable, str(path))


def _with(session: Session, answer: SessionAnswer, path: Path) -> Session:
    problems = list(answer_problems(session.header, answer))
    if any(other.consultation == answer.consultation for other in session.about(answer.image_id)):
        problems.append("has an answer already; an answer once given stays")
    if any(other.order == answer.order for other in session.answers):
        problems.append(f"order {answer.order} is taken")
    if problems:
        raise SessionError(
            f'session {path}: the answer about image "{answer.image_id}" was not kept:{listed(problems)}'
        )
    return Session(session.header, (*session.answers, answer))


def _append(file: int, line: bytes) -> None:
    """Add a line at the end of what was written whole; where that fails, the file is as it was."""
    size = os.fstat(file).st_size
    tail = _tail(file, size)
    whole = size - len(tail)
    if tail and _is_json(tail):
        line, whole = b"\n" + line, size
    if whole < size:
        os.ftruncate(file, whole)
    try:
        write_all(file, line)
        os.fsync(file)
    except OSError:
        os.ftruncate(file, whole)
        raise


def _tail(file: int, size: int) -> bytes:
    """What stands behind the last line feed: nothing, unless a writer was killed at it."""
    start = max(0, size - MOST_BYTES_A_LINE)
    return os.pread(file, size - start, start).rpartition(b"\n")[2]


def _is_json(line: bytes) -> bool:
    try:
        parse_json(line.decode("utf-8-sig"))  # a header without its end may be all there is, with a mark before it
    except ValueError:
        return False
    return True


def _why(error: OSError | RuntimeError) -> str:
    """In words; links that lead in a circle are no `OSError` before Python 3.13."""
    return str(error.strerror if isinstance(error, OSError) else error)
