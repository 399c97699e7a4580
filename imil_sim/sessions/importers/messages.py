"""Words for what is wrong with a document that was read: where, and what it must be instead."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from imil_sim.sessions.read import asked_for


def faults(error: ValidationError, document: Any) -> list[str]:
    """What is wrong with ``document``, a line a place: ``annotations.3.bbox: must be a list``.

    A value that may have one of several forms is told of by the form that it comes nearest to: a place is left out
    where something within it is wrong, too. No name of a form appears.
    """
    found: dict[tuple[str | int, ...], list[str]] = {}
    for line in error.errors(include_url=False, include_input=False):
        told = found.setdefault(_place(line["loc"], document, missing=line["type"] == "missing"), [])
        if (wrong := asked_for(line)) not in told:
            told.append(wrong)
    within = {place[:depth] for place in found for depth in range(len(place))}
    return [_told(place, wrong) for place, wrong in found.items() if place not in within]


def _place(loc: tuple[str | int, ...], document: Any, *, missing: bool) -> tuple[str | int, ...]:
    """The keys and numbers that lead to a value, less the names of the forms that pydantic has tried on the way."""
    kept: list[str | int] = []
    at = document
    for depth, part in enumerate(loc, 1):
        inner = isinstance(at, list | tuple) and isinstance(part, int) and part < len(at)
        if inner or (isinstance(at, dict) and part in at):
            at = at[part]
            kept.append(part)
        elif missing and depth == len(loc):
            kept.append(part)
    return tuple(kept)


def _told(place: tuple[str | int, ...], wrong: list[str]) -> str:
    where = ".".join(str(part)[:60] for part in place)
    must = [one.removeprefix("must be ") for one in wrong if one.startswith("must be ")]
    others = [one for one in wrong if not one.startswith("must be ")]
    told = "; ".join([*([f"must be {' or '.join(must)}"] if must else []), *others])
    if told == "is missing":
        return f"{where} {told}"
    return f"{where or 'the whole'}: {told}"
