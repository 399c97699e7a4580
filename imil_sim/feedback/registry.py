"""The installed oracles: found through the entry-point group ``imil_sim.oracles``, imported only when asked for.

A package offers an oracle with one line of its ``pyproject.toml``, ours and guests' alike::

    [project.entry-points."imil_sim.oracles"]
    lung-fields = "oracles.lung_fields:LungFields"
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pydantic import TypeAdapter, ValidationError

from imil_sim.errors import OracleError, did_you_mean, listed
from imil_sim.feedback.question import Oracle

GROUP = "imil_sim.oracles"
"""The entry-point group in which packages offer oracles."""


@dataclass(frozen=True, slots=True)
class OracleCard:
    """One installed oracle, as its package announces it; nothing is imported to know this."""

    name: str
    """The name that a study file uses."""
    distribution: str
    """The installed package that offers it, with its version."""
    target: str
    """``module:Class``."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an oracle."""

    name: str
    type: str
    """As it is written in the oracle: ``float``, ``int | None``."""
    default: str
    """As Python writes it; ``required`` where there is none."""


def installed() -> tuple[OracleCard, ...]:
    """Every oracle that an installed package offers, by name; a name that two packages claim is there twice."""
    return tuple(_card(entry) for entry in _entries())


def load(name: str) -> type[Oracle]:
    """The class of the oracle with that name.

    Raises:
        OracleError: no package or more than one offers the name, its import fails, or what is there is not an oracle
            (a frozen dataclass with a method ``answer``).
    """
    claims = [entry for entry in _entries() if entry.name == name]
    if not claims:
        known = {card.name for card in installed()}
        hint = did_you_mean(name, known) if known else "No oracle is installed: install the project first."
        raise OracleError(f'oracle "{name}" is not installed. {hint}')
    if len(claims) > 1:
        packages = " and ".join(f"{_card(entry).distribution} ({entry.value})" for entry in claims)
        raise OracleError(f'oracle "{name}" is offered by {packages}: rename it in one of them, or uninstall one')
    card = _card(claims[0])
    try:
        loaded = claims[0].load()
    except Exception as error:
        raise OracleError(
            f'oracle "{name}" of {card.distribution} ({card.target}) cannot be imported: '
            f"{type(error).__name__}: {error}. Install what it needs, or mend the package."
        ) from error
    problem = not_an_oracle(loaded)
    if problem:
        raise OracleError(f'oracle "{name}" of {card.distribution} ({card.target}) is not an oracle: {problem}')
    oracle: type[Oracle] = loaded
    return oracle


def make_oracle(name: str, options: Mapping[str, Any] | None = None) -> Oracle:
    """The oracle of that name with those options, every one of them checked against its field.

    Options are what a study file can hold: text, numbers, booleans, lists and tables. A number is never taken for
    text, nor text for a number.

    Raises:
        OracleError: as `load`; or an option is unknown, missing, of the wrong type or out of range. All at once.
    """
    cls = load(name)
    given = dict(options or {})
    known = [option.name for option in options_of(cls)]
    problems = [f'unknown option "{key}". {_known(key, known)}' for key in given if key not in known]
    made: Oracle | None = None
    cause: Exception | None = None
    try:
        made = TypeAdapter(cls).validate_json(_json({k: v for k, v in given.items() if k in known}), strict=True)
    except ValidationError as error:
        problems += [_problem(line) for line in error.errors(include_url=False)]
    except OracleError as error:
        cause = error
        problems.append(str(error).replace("\n", "\n    "))
    except Exception as error:  # a guest's own code runs here; whatever it raises belongs to its name
        cause = error
        problems.append(f"it cannot be made: {type(error).__name__}: {error}")
    if problems or made is None:
        raise OracleError(f'oracle "{name}": its options are wrong:{listed(problems)}') from cause
    return made


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


def _entries() -> list[metadata.EntryPoint]:
    return sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, _card(entry).distribution))


def _card(entry: metadata.EntryPoint) -> OracleCard:
    origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
    return OracleCard(entry.name, origin, entry.value)


def _json(options: Mapping[str, Any]) -> str:
    problems = []
    for key, value in options.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            problems.append(f"{key}: {value!r} is neither text, finite number, boolean, list nor table")
    if problems:
        raise OracleError("; ".join(problems))
    return json.dumps(dict(options))


def _known(asked: str, known: list[str]) -> str:
    return did_you_mean(asked, known) if known else "It has no options."


def _problem(line: Any) -> str:
    """One line of pydantic's report in our words."""
    where = ".".join(str(part) for part in line["loc"])
    if line["type"] == "missing":
        return f'option "{where}" is missing'
    what = line["msg"].removeprefix("Value error, ").replace("\n", "\n    ")
    if line["type"] in ("value_error", "assertion_error"):
        return f"{where}: {what}" if where else what
    return f"{where}: {what[:1].lower()}{what[1:]}, not {json.dumps(line['input'])}"


def _type_name(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    return "required" if field.default_factory is dataclasses.MISSING else repr(field.default_factory())
