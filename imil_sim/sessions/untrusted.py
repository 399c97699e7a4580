"""Files that somebody else wrote: which are refused before anything in them is looked at, and how much is read.

Only plain text and PNG pictures are ever read. A pickle (``.pt``, ``.pkl``, ``.npy`` with objects) runs code when it is
loaded, an archive may write outside of its folder or unpack to any size, XML may name other files: none of them is
opened here, whatever it is called. Nothing that a file says is fetched from anywhere.
"""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from imil_sim.errors import SessionError

MOST_BYTES = 1 << 27
"""Of a session or an annotation file: 128 MiB; the lesions of the whole Shenzhen set are 0.3."""

_ENDINGS = {
    "a pickle, which runs code when it is loaded": (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"),
    "a numpy file, which may hold a pickle": (".npy", ".npz"),
    "an archive; unpack it yourself, and name what was in it": (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z"),
    "XML, which may name other files; export JSON": (".xml", ".svg"),
}
_BEGINNINGS = {
    b"\x80\x02": "a pickle, which runs code when it is loaded",
    b"\x80\x03": "a pickle, which runs code when it is loaded",
    b"\x80\x04": "a pickle, which runs code when it is loaded",
    b"\x80\x05": "a pickle, which runs code when it is loaded",
    b"\x93NUMPY": "a numpy file, which may hold a pickle",
    b"PK\x03\x04": "an archive (or a pickle in one); unpack it yourself, and name what was in it",
    b"PK\x05\x06": "an archive; unpack it yourself, and name what was in it",
    b"\x1f\x8b": "an archive; unpack it yourself, and name what was in it",
    b"BZh": "an archive; unpack it yourself, and name what was in it",
    b"\xfd7zXZ": "an archive; unpack it yourself, and name what was in it",
    b"<": "XML or HTML, which may name other files; export JSON",
    b"\xef\xbb\xbf<": "XML or HTML, which may name other files; export JSON",
}


def open_untrusted(path: Path, most: int = MOST_BYTES) -> BinaryIO:
    """The file, open for reading at its start; the caller closes it.

    Raises:
        SessionError: it cannot be read, is no ordinary file, has more than ``most`` bytes, or is of a kind that is
            never opened.
    """
    _check_ending(path)
    try:
        # Not blocking: a named pipe would keep us waiting for a writer before we could see that it is one.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise SessionError(f"{path} cannot be read: {error.strerror}; check its path and its rights") from error
    try:
        _check(path, file, most)
    except BaseException:
        file.close()
        raise
    return file


def read_untrusted(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file.

    Raises:
        SessionError: as `open_untrusted`; or it is not UTF-8, and the line where it stops being that is told.
    """
    with closing(open_untrusted(path, most)) as file:
        data = file.read(most + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SessionError(f"{path}, line {line}: is not UTF-8 text; save it as UTF-8") from None


def _check_ending(path: Path) -> None:
    for what, endings in _ENDINGS.items():
        if path.suffix.lower() in endings:
            raise SessionError(f"{path} is {what}: it was not opened")


def _check(path: Path, file: BinaryIO, most: int) -> None:
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        raise SessionError(f"{path} is not an ordinary file; name one")
    if about.st_size > most:
        raise SessionError(f"{path} has {about.st_size:,} bytes, more than {most:,}: it was not read")
    beginning = file.read(8)
    file.seek(0)
    for sign, what in _BEGINNINGS.items():
        if beginning.startswith(sign):
            raise SessionError(f"{path} is {what}: it was not opened")
