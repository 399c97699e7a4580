"""The installed oracles and their options; which there are is `imil_sim.registry`'s to know."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from imil_sim import registry
from imil_sim.errors import OracleError, PartError, did_you_mean, listed
from imil_sim.feedback.question import Oracle
from imil_sim.study.problems import lines
from imil_sim.study.spec import MOST_DEEP, too_deep

KIND = "oracles"

REQUIRED = "required"
"""Of an option without a default."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an oracle."""

    name: str
    type: str
    """As it is written in the oracle: ``float``, ``int | None``."""
    default: str
    """As Python writes it; ``required`` where there is none."""


def load(name: str) -> type[Oracle]:
    """The class of the oracle with that name.

    Raises:
        OracleError: no package or more than one offers the name, its import fails, or what is there is not an oracle
            (a frozen dataclass with a method ``answer``).
    """
    try:
        loaded = registry.load(KIND, name)
    except PartError as error:
        raise OracleError(str(error)) from error
    if problem := not_an_oracle(loaded):
        raise OracleError(f'oracle "{name}" is not an oracle: {problem}')
    oracle: type[Oracle] = loaded
    return oracle


def make_oracle(name: str, options: Mapping[str, Any] | None = None) -> Oracle:
    """The oracle of that name with those options, every one of them checked against its field.

    Options are what a study file can hold: text, numbers, booleans, lists and tables. A number is never taken for
    text, nor text for a number. What the oracle itself checks comes once every field is right.

    Raises:
        OracleError: as `load`; or an option is unknown, missing, of the wrong type or out of range.
    """
    cls = load(name)
    given = dict(options or {})
    known = [option.name for option in options_of(cls)]
    problems = [f'unknown option "{key}". {_known(key, known)}' for key in given if key not in known]
    unfit = {key: wrong for key, value in given.items() if key in known and (wrong := _no_option(value))}
    problems += [f"{key}: {wrong}" for key, wrong in unfit.items()]
    fit = {key: value for key, value in given.items() if key in known and key not in unfit}
    made: Oracle | None = None
    cause: Exception | None = None
    try:
        made = TypeAdapter(cls).validate_json(json.dumps(fit), strict=True)
    except ValidationError as error:
        problems += [line.replace("\n", "\n    ") for line in lines(error) if line.partition(":")[0] not in unfit]
    except OracleError as error:
        cause = error
        problems.append(str(error).replace("\n", "\n    "))
    except Exception as error:  # a guest's own code runs here; whatever it raises belongs to its name
        cause = error
        problems.append(f"it cannot be made: {type(error).__name__}: {error}")
    if problems or made is None:
        raise OracleError(f'oracle "{name}": its options are wrong:{listed(problems)}', problems) from cause
    return made


def name_of(oracle: Oracle) -> str:
    """The name under which the oracle's class is installed; empty where it is under none, or under several."""
    return registry.name_of(KIND, type(oracle))


def options_of(cls: type[Oracle]) -> tuple[Option, ...]:
    """The options of an oracle, in the order of its fields."""
    return tuple(
        Option(field.name, field.type if isinstance(field.type, str) else _type_name(field.type), _default(field))
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]  # an oracle is a dataclass; a Protocol cannot say so
        if field.init
    )


def card(cls: type[Oracle]) -> str:
    """The card of an oracle: its module's docstring, or its own where the module has none."""
    module = sys.modules[cls.__module__]
    return inspect.cleandoc(module.__doc__ or cls.__doc__ or "no card: its module has no docstring")


def summary(cls: type[Oracle]) -> str:
    """The first line of the card."""
    return card(cls).splitlines()[0]


def not_an_oracle(cls: object) -> str:
    """Why ``cls`` is not the class of an oracle; empty where it is one."""
    if not isinstance(cls, type):
        return f"it is an object of type {type(cls).__name__}, not a class"
    if not callable(getattr(cls, "answer", None)):
        return "it has no method answer(question, rng)"
    parameters = getattr(cls, "__dataclass_params__", None)
    # Looked up on the class itself: a plain class below a dataclass inherits the mark, but not the fields.
    if "__dataclass_fields__" not in vars(cls) or parameters is None or not parameters.frozen:
        return "it must be a frozen dataclass (@dataclass(frozen=True)) whose fields are its options"
    return ""


def _no_option(value: Any) -> str:
    """Why no study file holds ``value``; empty where one can."""
    if too_deep(value):
        return f"more than {MOST_DEEP} tables and lists stand inside one another; write it in fewer"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return f"{value!r} is neither text, finite number, boolean, list nor table"
    return ""


def _known(asked: str, known: list[str]) -> str:
    return did_you_mean(asked, known) if known else "It has no options."


def _type_name(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    return REQUIRED if field.default_factory is dataclasses.MISSING else repr(field.default_factory())
