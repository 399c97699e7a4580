"""Files and folders: written whole or not at all, and private unless somebody else is to read them.

Images, answers and reports may be about patients. So the files that imil-sim makes can be read by their owner alone
(0600, folders 0700), whatever the umask would allow, and a stricter umask is respected. `readable_by` opens what is
written within it to the owner's group. A folder that is there already keeps its mode.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

Readers = Literal["owner", "group", "everybody"]
"""Who can read what is written; ``"everybody"`` leaves it to the umask."""

_MODES: dict[Readers, int] = {"owner": 0o700, "group": 0o750, "everybody": 0o777}

# Not the process's umask: that would also change the files of a program which uses this library, and of its threads.
_READERS: ContextVar[Readers] = ContextVar("readers", default="owner")


@contextmanager
def readable_by(readers: Readers) -> Iterator[None]:
    """Within it, files and folders are made for these readers; a thread that is started within it makes its own."""
    before = _READERS.set(readers)
    try:
        yield
    finally:
        _READERS.reset(before)


def current_readers() -> Readers:
    """Who can read what is written now."""
    return _READERS.get()


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it that are missing; gives the ones that this call has made, outermost first.

    Raises:
        NotADirectoryError: a file is in the way.
        OSError: it cannot be made. No folder made for it is left.
    """
    made: list[Path] = []
    try:
        for missing in [path for path in reversed((folder, *folder.parents)) if not path.is_dir()]:
            try:
                missing.mkdir(_MODES[_READERS.get()])
                made.append(missing)
            except FileExistsError:  # a file, or another process was first: then the folder is not ours
                if not missing.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(missing)) from None
    except OSError:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir()
        raise
    return made


def seal(folder: Path) -> None:
    """Give the files in a folder that `make_folder` made, whatever wrote them, the readers it has; sync all of it.

    Raises:
        OSError: the disk is full, or fails.
    """
    wanted = stat.S_IMODE(folder.stat().st_mode) & 0o666
    for path in folder.iterdir():
        if stat.S_IMODE(path.stat().st_mode) != wanted:
            with suppress(PermissionError):  # of a file system that keeps no modes
                path.chmod(wanted)
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Have a file's content, or the names in a folder, on the disk, so that they outlive a loss of power.

    Raises:
        OSError: the disk is full, or fails.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems sync no folders; they have no later moment either at which to lose the name.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def replace_file(path: Path, content: bytes, *, like: Path | None = None, synced: bool = False) -> None:
    """Put ``content`` at ``path``; a reader finds the old file or the new one, never a part.

    Args:
        path: the file; its folder must be there.
        content: all of it.
        like: the file whose mode it gets, if that is there.
        synced: whether content and name are on the disk when this returns, and so outlive a loss of power.

    Raises:
        OSError: it cannot be written; what was there is still there.
    """
    with new_file_beside(path, content, like=like, synced=synced) as beside:
        beside.replace(path)
        if synced:
            sync(path.parent)


@contextmanager
def new_file_beside(path: Path, content: bytes, *, like: Path | None = None, synced: bool = False) -> Iterator[Path]:
    """A new file with that content in the folder of ``path``, for the caller to rename; gone at the end otherwise.

    Arguments and errors are those of `replace_file`.
    """
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.new")
    try:
        write_new_file(beside, content, like=like, synced=synced)
        yield beside
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_new_file(path: Path, content: bytes, *, like: Path | None = None, synced: bool = False) -> None:
    """Write a file under a name that is free; a reader may find a part of it.

    Arguments are those of `replace_file`.

    Raises:
        FileExistsError: the name is taken.
        OSError: it cannot be written.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODES[_READERS.get()] & 0o666)
    try:
        if like is not None and like.exists():
            os.fchmod(file, stat.S_IMODE(like.stat().st_mode))
        write_all(file, content)
        if synced:
            os.fsync(file)
    finally:
        os.close(file)


def write_all(file: int, content: bytes) -> None:
    """Write all of ``content`` to a file descriptor; a disk that takes only a part is asked again, and says why not.

    Raises:
        OSError: the disk is full, or fails; a part may have been written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]
