"""JSON from elsewhere, read strictly: what two readers could understand differently is an error, with its line.

Python's own reader takes ``NaN``, lets a later key win over an equal earlier one, and spends minutes on a number of a
million digits. A file that somebody else wrote is not given that much credit.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any, NoReturn

MOST_DIGITS = 20
"""Of a whole number: more than 64 bits have."""
MOST_FLOAT_CHARACTERS = 100
"""Of any other number: tools write up to 25, exact decimals of a double some 60."""
MOST_DEPTH = 200
"""Brackets within brackets; no annotation tool writes ten."""

_NO_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^"{}\[\]]+', re.DOTALL)
"""A string, closed or not, or anything else between two brackets."""
_STEPS = {"{": 1, "[": 1, "}": -1, "]": -1}

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:\n]|-?[0-9][0-9.eE+-]*|-?Infinity|NaN', re.DOTALL)


class JsonFault(ValueError):
    """A text that is no JSON, or none that this house reads; it knows the line, counted from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


class _Refused(Exception):
    """Something JSON readers differ about; where it stands is found afterwards."""


def parse_json(text: str) -> Any:
    """What the JSON ``text`` holds: plain dictionaries, lists, text, numbers, booleans and None.

    Raises:
        JsonFault: it is no JSON; or holds NaN, an infinity, a number too long or too large, one key twice in an
            object, or more than `MOST_DEPTH` brackets within brackets.
    """
    _check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no, parse_int=_whole, parse_float=_number)
    except json.JSONDecodeError as error:
        raise JsonFault(error.lineno, f"is no JSON ({error.msg}, column {error.colno})") from None
    except (_Refused, RecursionError):
        raise _found(text) from None


def _check_depth(text: str) -> None:
    """Nothing, if no bracket is within too many others; the text need not be JSON.

    Looked at before Python's reader sees it: that one goes down as deep as its stack reaches, which differs between
    versions and callers.

    Raises:
        JsonFault: one is; it is told in which line.
    """
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    depths = accumulate(map(_STEPS.__getitem__, _NO_BRACKETS.sub("", text)))
    if next(filter(MOST_DEPTH.__lt__, depths), None) is None:
        return
    depth = position = 0
    while depth <= MOST_DEPTH:
        if between := _NO_BRACKETS.match(text, position):
            position = between.end()
        else:
            depth += _STEPS[text[position]]
            position += 1
    line = text.count("\n", 0, position) + 1
    raise JsonFault(line, f"has more than {MOST_DEPTH} brackets within brackets")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _Refused
    return made


def _no(word: str) -> NoReturn:
    raise _Refused


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _Refused
    return int(digits)


def _number(text: str) -> float:
    if len(text) > MOST_FLOAT_CHARACTERS or not math.isfinite(value := float(text)):
        raise _Refused
    return value


def _found(text: str) -> JsonFault:
    """The first thing in ``text`` that is refused, with its line: a second look, at one token after the other."""
    line, last = 1, ""
    keys: list[set[str]] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
        elif token in "{[":
            keys.append(set())
        elif token in "}]":
            keys = keys[:-1]
        elif token == ":" and keys:
            if last in keys[-1]:
                return JsonFault(line, f"has the key {last[:60]} twice in one object; keep one of them")
            keys[-1].add(last)
        elif token in ("NaN", "Infinity", "-Infinity"):
            return JsonFault(line, f"has {token}, which is no number of JSON")
        elif token[0] in "-0123456789" and (problem := _problem(token)):
            return JsonFault(line, problem)
        last = json.dumps(json.loads(token)) if token[0] == '"' else token
    return JsonFault(line, "is no JSON that can be read here")


def _problem(number: str) -> str:
    whole = number.lstrip("-").isdigit()
    if len(number) > (MOST_DIGITS if whole else MOST_FLOAT_CHARACTERS):
        return f"has a number of {len(number):,} digits"
    return f"has the number {number}, which is too large" if not math.isfinite(float(number)) else ""
