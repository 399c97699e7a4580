"""What pydantic finds wrong with a document, in the words of whoever wrote it: where, and what it must be instead."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from imil_sim.errors import did_you_mean

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
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
"""What a value must be, by pydantic's kind of error."""


def lines(error: ValidationError, known: Iterable[str] = ()) -> list[str]:
    """Everything pydantic found, a line each, for `imil_sim.errors.listed`: ``zones.0: must be text (found 3)``.

    ``known`` are the fields that there are, for the near ones of an unknown field.
    """
    told = []
    for found in error.errors(include_url=False):
        place = ".".join(str(part) for part in found["loc"] if part != "[key]")
        near = f". {did_you_mean(place, known)}" if known and found["type"] == "extra_forbidden" else ""
        told.append(f"{place}: {wrong(found)}{near}" if place else wrong(found))
    return told


def wrong(found: Any) -> str:
    """What is wrong, of one of the errors in `ValidationError.errors`; the value is shown where it is no table."""
    kind, context, given = found["type"], found.get("ctx", {}), found["input"]
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "there is no such field"
        case "part":  # an unknown or broken one: `imil_sim.errors.PartError` has said it all
            return str(found["msg"])
        case "literal_error":
            return f"must be {context['expected']} (found {shown(given)})"
        case "less_than_equal" if context["le"] > 1:
            return f"must be at most {context['le']:,} (found {shown(given)}); more is taken for a slip of the pen"
        case "too_long":
            return f"must have at most {context['max_length']:,} values"
        case "value_error" | "assertion_error":
            what = found["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            return what if isinstance(given, str) and shown(given) in what else f"{what}{_found(given)}"
    what = f"must be {_KINDS[kind]}" if kind in _KINDS else found["msg"].replace("Input should be", "must be")
    return f"{what}{_found(given)}"


def _found(value: Any) -> str:
    return "" if isinstance(value, dict) else f" (found {shown(value)})"


def shown(value: Any) -> str:
    """A value much as TOML writes it, shortened."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
