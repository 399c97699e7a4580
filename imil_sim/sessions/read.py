"""Reading a session: all of it or nothing, and everything that is wrong with it at once, line by line.

How much is read is bounded, whatever the file is: by its size, the length of a line, the number of lines, and the
number of problems after which reading stops.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import ValidationError

from imil_sim.errors import SessionError, did_you_mean, listed
from imil_sim.sessions.session import (
    FORMAT,
    MOST_CELLS_A_SIDE,
    VERSION,
    Header,
    Session,
    SessionAnswer,
    answer_problems,
)
from imil_sim.sessions.strict_json import JsonFault, parse_json
from imil_sim.sessions.untrusted import MOST_BYTES, open_untrusted
from imil_sim.study.spec import Spec

MOST_BYTES_A_LINE = 1 << 23
"""8 MiB: a mask whose every other pixel changes, on an image of 2000 x 1000."""
MOST_LINES = 100_000
MOST_PROBLEMS = 20
"""After so many the rest of the file is not looked at."""

_BOM = b"\xef\xbb\xbf"
"""What some editors put before the text of a file; it is no part of it."""

_KINDS = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of no more than 20 digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""What a value must be, by pydantic's kind of error."""
_BOUNDS = {
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "too_short": "must have {min_length} or more parts, and has {actual_length}",
    "too_long": "must have no more than {max_length} parts, and has {actual_length}",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have no more than {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
}

_S = TypeVar("_S", bound=Spec)


def read_session(path: Path) -> Session:
    """The session in a file.

    A last line that was only half written, by a process that was killed at it, is dropped, and the session's
    ``warnings`` say so. Blank lines are passed over, and so is a byte order mark before the first. Nothing else is
    forgiven.

    Raises:
        SessionError: the file cannot be read, or is no session of version 1; every problem is told with its line.
    """
    with closing(open_untrusted(path)) as file:
        return parse_session(file, str(path))


def parse_session(file: BinaryIO, name: str) -> Session:
    """The session in an open file, which messages call ``name``; see `read_session`.

    Raises:
        SessionError: as `read_session`.
    """
    reading = _Reading()
    size = number = 0
    while raw := file.readline(MOST_BYTES_A_LINE + 1):
        number, size = number + 1, size + len(raw)
        if excess := _excess(raw, number, size):
            reading.problem(number, excess)
            break
        raw = raw.removeprefix(_BOM) if number == 1 else raw
        if reading.first and (stranger := _stranger(raw)):
            raise SessionError(f"{name} is no session: {stranger}; imil-sim import makes sessions of other formats")
        reading.take(number, raw)
        if len(reading.problems) >= MOST_PROBLEMS:
            reading.problems.append("... reading stopped here")
            break
    if reading.header is None and not reading.problems:
        reading.problem(max(number, 1), f'there is no header; the first line says {{"format": "{FORMAT}", ...}}')
    if reading.problems or reading.header is None:
        raise SessionError(f"session {name} cannot be used:{listed(reading.problems)}")
    lines, answers = zip(*reading.answers.values(), strict=True) if reading.answers else ((), ())
    warnings = tuple(f"session {name}, {told}" for told in reading.warnings)
    return Session(reading.header, answers, warnings, lines)


def _excess(raw: bytes, number: int, size: int) -> str:
    """Why reading stops at this line; empty where it goes on."""
    if len(raw) > MOST_BYTES_A_LINE:
        return f"is longer than {MOST_BYTES_A_LINE:,} bytes; this is no session"
    if size > MOST_BYTES:
        return f"the file has more than {MOST_BYTES:,} bytes up to here; this is no session"
    return f"is one of more than {MOST_LINES:,} lines; this is no session" if number > MOST_LINES else ""


def _stranger(raw: bytes) -> str:
    """Why a first line is that of another kind of file altogether; empty where it may be a header, or is blank."""
    line = raw.strip()
    if not line or (line.startswith(b"{") and raw != b"{\n"):  # a header with a slip, or cut off, is told as one
        return ""
    try:
        parse_json(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "its first line is not UTF-8 text"
    except JsonFault as fault:
        return "its first line is no JSON" if str(fault).startswith("is no JSON") else ""
    return ""


class _Reading:
    """What has been read of a session so far."""

    def __init__(self) -> None:
        self.header: Header | None = None
        self.headless = False
        """The first line was no header; answers are still looked at, each by itself."""
        self.answers: dict[tuple[int, str], tuple[int, SessionAnswer]] = {}
        """By consultation and image; with the line."""
        self.orders: dict[int, int] = {}
        """Line by order."""
        self.problems: list[str] = []
        self.warnings: list[str] = []

    @property
    def first(self) -> bool:
        """Whether the first line that is not blank is still to come."""
        return self.header is None and not self.headless

    def problem(self, number: int, what: str) -> None:
        self.problems.append(f"line {number}: {what}")

    def take(self, number: int, raw: bytes) -> None:
        """Look at one line."""
        if not raw.strip():
            return
        first = self.first
        try:
            text = raw.decode("utf-8")
            value = parse_json(text)
        except (JsonFault, UnicodeDecodeError) as error:
            # JSON that ends early is no JSON: so a line without its end, if it can be read, is whole all the same.
            if raw.endswith(b"\n") or first:
                self.problem(number, str(error) if isinstance(error, JsonFault) else "is not UTF-8 text")
            else:
                self.warnings.append(f"line {number}: was only half written, and is left out")
            self.headless = self.headless or first
            return
        if first:
            self._take_header(number, text, value)
        else:
            self._take_answer(number, text, value)

    def _take_header(self, number: int, text: str, value: Any) -> None:
        self.headless = True
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            told = f'is no header of a session; the first line says {{"format": "{FORMAT}", ...}}'
            self.problem(number, told)
        elif type(value.get("version")) is not int or value["version"] != VERSION:
            told = f"is a session of format version {_shown(value.get('version'))}; this imil-sim reads {VERSION}"
            self.problem(number, f"{told}. Read it with the imil-sim that wrote it, or a later one")
        else:
            self.header = self._checked(Header, number, text)
            self.headless = self.header is None

    def _take_answer(self, number: int, text: str, value: Any) -> None:
        answer = self._checked(SessionAnswer, number, text)
        if answer is None:
            for problem in _header_problems(self.header, value):
                self.problem(number, problem)
            return
        if self.header is not None:
            for problem in answer_problems(self.header, answer):
                self.problem(number, f'image "{answer.image_id}": {problem}')
        line, earlier = self.answers.setdefault((answer.consultation, answer.image_id), (number, answer))
        if line != number:
            does = "answers a second time what line" if earlier.says == answer.says else "contradicts line"
            self.problem(number, f'image "{answer.image_id}": {does} {line} answers; keep one of them')
        elif (other := self.orders.setdefault(answer.order, number)) != number:
            self.problem(number, f"order is {answer.order}, as on line {other}; each answer has its own")

    def _checked(self, model: type[_S], number: int, text: str) -> _S | None:
        try:
            return model.model_validate_json(text, strict=True)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                self.problem(number, _told(model, found))
            return None


def _header_problems(header: Header | None, value: Any) -> Iterator[str]:
    """What the header has against the parts of a wrong answer that can be held against it one by one."""
    if header is None or not isinstance(value, dict):
        return
    cells = value.get("cells")
    numbers = {cell for cell in cells if type(cell) is int} if isinstance(cells, list) else set[int]()
    parts: list[dict[str, Any]] = [{"cells": sorted(n for n in numbers if 1 <= n <= MOST_CELLS_A_SIDE**2)}]
    parts += [{"cells": [], name: value.get(name)} for name in ("label", "predicted", "consultation")]
    for part in parts:
        try:
            answer = SessionAnswer.model_validate_json(json.dumps({"order": 1, "image_id": "any", **part}), strict=True)
        except ValidationError:
            continue  # told already
        yield from answer_problems(header, answer)


def asked_for(found: Any) -> str:
    """What pydantic found wrong with a value, said of it: ``is missing``, ``must be a list``."""
    kind = found["type"]
    if kind == "missing":
        return "is missing"
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**{name: _plain(value) for name, value in found["ctx"].items()})
    return str(found["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")


def _plain(bound: Any) -> str:
    """A bound as one writes it: 10,000,000 of 1e7."""
    whole = isinstance(bound, int) or (isinstance(bound, float) and bound.is_integer())
    return f"{int(bound):,}" if whole else str(bound)


def _told(model: type[Spec], found: Any) -> str:
    """One of pydantic's findings in a sentence."""
    where = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return f'there is no field "{where[:60]}". {did_you_mean(where, model.model_fields)}'
    what = asked_for(found)
    if found["type"] == "missing":
        return f"{where} {what}"
    shown = "" if found["type"] == "value_error" and not isinstance(found["input"], str) else _shown(found["input"])
    return (f"{where}: " if where else "") + what + (f" (found {shown})" if shown else "")


def _shown(value: Any) -> str:
    """A value for a message, shortened; of one that has parts only what it is."""
    if isinstance(value, dict | list | tuple):
        return "an object" if isinstance(value, dict) else "a list"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
