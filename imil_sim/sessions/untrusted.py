"""Files that somebody else wrote: what is refused before anything in them is looked at, and JSON read strictly.

Only plain text and PNG or JPEG pictures are read. A pickle (``.pt``, ``.pkl``, ``.npy`` with objects) runs code when it
is loaded, an archive may unpack to any size, XML may name other files: none of them is opened, whatever it is called.
Nothing that a file says is fetched from anywhere.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from imil_sim.errors import SessionError

MOST_BYTES = 1 << 27
"""Of a session or an annotation file: 128 MiB; the lesions of the whole Shenzhen set are 0.3."""

BOM = b"\xef\xbb\xbf"
"""What some editors put before the text of a file; it is no part of it."""

_REFUSED = {
    "a pickle, which runs code when it is loaded": (
        (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"),
        (b"\x80",),
    ),
    "a numpy file, which may hold a pickle": ((".npy", ".npz"), (b"\x93NUMPY",)),
    "an archive; unpack it yourself, and name what was in it": (
        (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z"),
        (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"),
    ),
    "XML or HTML, which may name other files; export JSON": ((".xml", ".svg", ".html"), (b"<", BOM + b"<")),
}
"""Kinds of files that are never opened, with the ends of their names and their first bytes."""


def read_untrusted_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file.

    Raises:
        SessionError: it cannot be read, is no ordinary file, has more than ``most`` bytes, or is of a kind that is
            never opened.
    """
    for what, (endings, _) in _REFUSED.items():
        if path.suffix.lower() in endings:
            raise SessionError(f"{path} is {what}: it was not opened")
    try:
        size = path.stat().st_size
        if not path.is_file():  # a named pipe would keep us waiting
            raise SessionError(f"{path} is not an ordinary file; name one")
        if size > most:
            raise SessionError(f"{path} has {size:,} bytes, more than {most:,}: it was not read")
        data = path.read_bytes()
    except OSError as error:
        raise SessionError(f"{path} cannot be read: {error.strerror}; check its path and its rights") from error
    for what, (_, beginnings) in _REFUSED.items():
        if data.startswith(beginnings):
            raise SessionError(f"{path} is {what}: it was not opened")
    return data


def read_untrusted(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file.

    Raises:
        SessionError: as `read_untrusted_bytes`; or it is not UTF-8, and where it stops being that.
    """
    data = read_untrusted_bytes(path, most)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SessionError(f"{path}, line {line}: is not UTF-8 text; save it as UTF-8") from None


_STRING_OR_END = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|}', re.DOTALL)


class JsonFault(ValueError):
    """A text that is no JSON, or JSON that two readers could understand differently; its message names the line."""


def parse_json(text: str) -> Any:
    """What the JSON ``text`` holds: plain dictionaries, lists, text, numbers, booleans and None.

    Raises:
        JsonFault: it is no JSON, has NaN, a number of more than 4,300 digits, brackets more than 200 deep, or one key
            twice in an object.
    """
    closed = 0

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal closed
        closed += 1
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = json.dumps(next(key for key in keys if keys.count(key) > 1))[:60]
            ends = [match.start() for match in _STRING_OR_END.finditer(text) if match[0] == "}"]
            line = text.count("\n", 0, ends[closed - 1]) + 1
            raise JsonFault(f"has the key {twice} twice in the object that ends in line {line}; keep one of them")
        return found

    try:
        from_json(text, allow_inf_nan=False)  # pydantic's reader bounds depth and digits, and finds NaN
        return json.loads(text, object_pairs_hook=made)
    except JsonFault:
        raise
    except ValueError as error:
        raise JsonFault(f"is no JSON: {error}") from None
