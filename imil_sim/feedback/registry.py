"""The installed oracles: found through the entry-point group ``imil_sim.oracles``, imported only when asked for.

A package offers an oracle with one line of its ``pyproject.toml``, ours and guests' alike::

    [project.entry-points."imil_sim.oracles"]
    lung-fields = "imil_sim_oracles.lung_fields:LungFields"
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, NoReturn, get_type_hints

from pydantic import TypeAdapter, ValidationError

from imil_sim.errors import OracleError, did_you_mean, listed
from imil_sim.feedback.question import Oracle
from imil_sim.study.spec import MOST_DEEP, too_deep

GROUP = "imil_sim.oracles"
"""The entry-point group in which packages offer oracles."""

ELSEWHERE = "Run imil-sim oracles for their list, or install the package that offers it."
"""What to do about a name that is like none of the installed ones."""


REQUIRED = "required"
"""Of an option without a default."""


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
        hint = did_you_mean(name, known, ELSEWHERE) if known else "No oracle is installed: install the project first."
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
    unheard = {key: wrong for key, value in given.items() if key in known and (wrong := _no_option(value))}
    problems += [f"{key}: {wrong}" for key, wrong in unheard.items()]
    fit = {key: value for key, value in given.items() if key in known and key not in unheard}
    made: Oracle | None = None
    cause: Exception | None = None
    try:
        if not unheard:
            made = TypeAdapter(cls).validate_json(json.dumps(fit), strict=True)
    except ValidationError as error:
        lines = error.errors(include_url=False)
        problems += [_problem(line) for line in lines]
        unheard |= {str(line["loc"][0]): "" for line in lines if line["loc"]}
    except OracleError as error:
        cause = error
        problems.append(_indented(error))
    except Exception as error:  # a guest's own code runs here; whatever it raises belongs to its name
        cause = error
        problems.append(f"it cannot be made: {type(error).__name__}: {error}")
    if unheard:
        problems += _told_by_itself(cls, fit, unheard)
    if problems or made is None:
        raise OracleError(f'oracle "{name}": its options are wrong:{listed(problems)}') from cause
    return made


def name_of(oracle: Oracle) -> str:
    """The name under which the oracle's class is installed; empty where it is under none, or under several.

    Nothing is imported to know this.
    """
    names = {entry.name for entry in _entries() if _attribute(entry) is type(oracle)}
    return names.pop() if len(names) == 1 else ""


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


def _attribute(entry: metadata.EntryPoint) -> object:
    """What the entry names, if its module has been imported; else None."""
    try:
        return functools.reduce(getattr, entry.attr.split("."), sys.modules[entry.module])
    except (KeyError, AttributeError):
        return None


def _no_option(value: Any) -> str:
    """Why no study file holds ``value``; empty where one can."""
    if too_deep(value):
        return f"more than {MOST_DEEP} tables and lists stand inside one another; write it in fewer"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return f"{value!r} is neither text, finite number, boolean, list nor table"
    return ""


class _SpoiledError(Exception):
    """A check has looked at an option that is wrong."""


class _Spoiled:
    """Stands for an option that is wrong. Who looks at it is stopped, so no check says anything that hangs on it."""

    def _stop(self, *_: object) -> NoReturn:
        raise _SpoiledError

    __getattr__ = __getitem__ = __call__ = __iter__ = __contains__ = __len__ = __bool__ = __hash__ = _stop
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _stop
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _stop
    __neg__ = __abs__ = __int__ = __float__ = __index__ = _stop
    __str__ = __repr__ = __format__ = __fspath__ = _stop


def _told_by_itself(cls: type[Oracle], given: Mapping[str, Any], wrong: Mapping[str, str]) -> list[str]:
    """What the oracle's own checks say of ``given``, with those of its options that are ``wrong`` out of their sight.

    Pydantic runs an oracle's ``__post_init__`` only where every field is right; a user wants to know all at once.
    """
    problems: list[str] = []
    try:
        hints = get_type_hints(cls, include_extras=True)
        values: dict[str, Any] = dict.fromkeys(wrong, _Spoiled())
        for option in options_of(cls):
            if option.name in wrong:
                continue
            if option.name in given:
                try:
                    text = json.dumps(given[option.name])
                    values[option.name] = TypeAdapter(hints[option.name]).validate_json(text, strict=True)
                except ValidationError as error:
                    lines = error.errors(include_url=False)
                    problems += [_problem({**line, "loc": (option.name, *line["loc"])}) for line in lines]
                    values[option.name] = _Spoiled()
            elif option.default == REQUIRED:
                problems.append(f'option "{option.name}" is missing')
                values[option.name] = _Spoiled()
        cls(**values)
    except (ValueError, AssertionError, OracleError) as error:
        if not _came_of_spoiled(error):
            problems.append(_indented(error))
    except Exception:  # a check stopped by what is wrong: it says nothing, and the rest is told already
        pass
    return problems


def _came_of_spoiled(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _SpoiledError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _indented(error: Exception) -> str:
    return str(error).replace("\n", "\n    ")


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
    return REQUIRED if field.default_factory is dataclasses.MISSING else repr(field.default_factory())
