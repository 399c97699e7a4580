"""The installed oracles, made by name and options as a study file writes them; and `OracleRecipe`, which holds both."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from imil_sim import registry
from imil_sim.errors import OracleError, PartError, did_you_mean, listed
from imil_sim.feedback.ask import ask_together
from imil_sim.feedback.question import Feedback, Oracle, Question
from imil_sim.study.spec import MOST_DEEP, MOST_ORACLES, problems_of, too_deep

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
        loaded: type[Oracle] = registry.load("oracles", name)
    except PartError as error:
        raise OracleError(str(error)) from error
    if problem := not_an_oracle(loaded):
        raise OracleError(f'oracle "{name}" is not an oracle: {problem}')
    return loaded


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
    near = {key: did_you_mean(key, known) if known else "It has no options." for key in given if key not in known}
    problems = [f'unknown option "{key}". {hint}' for key, hint in near.items()]
    unfit = {key: wrong for key, value in given.items() if key in known and (wrong := _no_option(value))}
    problems += [f"{key}: {wrong}" for key, wrong in unfit.items()]
    fit = {key: value for key, value in given.items() if key in known and key not in unfit}
    made: Oracle | None = None
    cause: Exception | None = None
    try:
        made = TypeAdapter(cls).validate_json(json.dumps(fit), strict=True)
    except ValidationError as error:
        found = [(place, wrong) for place, wrong in problems_of(error) if place not in unfit]
        problems += [_indented(f"{place}: {wrong}" if place else wrong) for place, wrong in found]
    except OracleError as error:
        cause = error
        problems.append(_indented(str(error)))
    except Exception as error:  # a guest's own code runs here; whatever it raises belongs to its name
        cause = error
        problems.append(f"it cannot be made: {type(error).__name__}: {error}")
    if problems or made is None:
        raise OracleError(f'oracle "{name}": its options are wrong:{listed(problems)}', problems) from cause
    return made


def options_of(cls: type[Oracle]) -> tuple[Option, ...]:
    """The options of an oracle, in the order of its fields."""
    return tuple(
        Option(
            each.name,
            each.type.__name__ if isinstance(each.type, type) and not get_args(each.type) else str(each.type),
            _default(each),
        )
        for each in dataclasses.fields(cls)  # type: ignore[arg-type]  # an oracle is a dataclass; a Protocol cannot say so
        if each.init
    )


def card(cls: type[Oracle]) -> str:
    """The card of an oracle: its module's docstring, or its own where the module has none."""
    return inspect.cleandoc(sys.modules[cls.__module__].__doc__ or cls.__doc__ or "no card: it has no docstring")


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


@dataclass(frozen=True, slots=True)
class OracleRecipe:
    """The name and the options of an oracle: all that a file or a record holds of it.

    An oracle that asks another declares a field of this type. In a study file it is a name, or a table::

        like = "lung-fields"
        like = {oracle = "lung-fields", options = {threshold = 0.2}}
    """

    oracle: str
    """Name of an installed oracle."""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Its options."""

    def make(self) -> Oracle:
        """The oracle.

        Raises:
            OracleError: as `make_oracle`.
        """
        return make_oracle(self.oracle, self.options)

    def answers(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> tuple[Feedback, ...]:
        """What the oracle answers, in the order of the questions; the generators handed over are left as they are.

        It draws from copies of them, as it would in an arm of its own, so it answers what it answers there.

        Raises:
            OracleError: as `make_oracle`.
            OracleFailure: it raised, or gave something that is not an answer.
            AwaitsAnswers: it is a person who has not answered yet.
        """
        return ask_together(self.make(), questions, [copy.deepcopy(rng) for rng in rngs])

    def beside(self, rngs: Sequence[np.random.Generator]) -> list[np.random.Generator]:
        """One generator a question for whoever asks this oracle, independent of what the oracle itself draws.

        Oracles inside one another get the numbers of one question too; so that two that ask alike do not draw alike,
        each is seeded by the pair of numbers at its own `depth`.
        """
        depth = self.depth
        return [_seeded(rng.integers(2**63, size=2 * depth)[-2:].tolist()) for rng in rngs]

    @property
    def depth(self) -> int:
        """How many oracles stand inside one another here: 1 for one that asks no other."""
        return 1 + max((recipe.depth for recipe in recipes_of(self.make())), default=0)

    def __str__(self) -> str:
        return self.oracle

    @classmethod
    def read(cls, value: object) -> OracleRecipe:
        """The recipe that a study file writes as a name or a table, checked by making the oracle once.

        Raises:
            ValueError: it is neither, names an oracle or an option that does not exist, or more than `MOST_ORACLES`
                oracles stand inside one another.
        """
        if isinstance(value, Mapping):
            known = ["oracle", "options"]
            if unknown := [key for key in value if key not in known]:
                raise ValueError(
                    "; ".join(
                        f'unknown key "{key}" in the table of an oracle. {did_you_mean(key, known)}' for key in unknown
                    )
                )
            name, options = value.get("oracle"), value.get("options", {})
            if not isinstance(name, str) or not isinstance(options, Mapping):
                raise ValueError(f'the table of an oracle is {{oracle = "name", options = {{}}}}, not {dict(value)!r}')
            value = cls(name, dict(options))
        elif isinstance(value, str):
            value = cls(value)
        if not isinstance(value, cls):
            raise ValueError(
                f'an oracle is written as its name, or as {{oracle = "name", options = {{}}}}, not {value!r}'
            )
        if _nested(value) > MOST_ORACLES:
            raise ValueError(
                f"more than {MOST_ORACLES} tables of oracles stand inside one another; ask fewer through one another"
            )
        try:
            value.make()
        except OracleError as error:
            raise ValueError(str(error)) from error
        return value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads the field of an oracle that holds a recipe."""
        return core_schema.no_info_plain_validator_function(cls.read)


def apart(rngs: Sequence[np.random.Generator], readers: int) -> list[list[np.random.Generator]]:
    """For each of several readers one generator a question: readers with equal recipes still answer independently."""
    numbers = [rng.integers(2**63, size=2).tolist() for rng in rngs]
    return [[_seeded([*pair, reader]) for pair in numbers] for reader in range(1, readers + 1)]


def recipes_of(oracle: Oracle) -> list[OracleRecipe]:
    """The oracles that an oracle asks: the recipes among its options, in their order."""
    values = [getattr(oracle, each.name) for each in dataclasses.fields(oracle)]  # type: ignore[arg-type]  # as above
    parts = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return [part for part in parts if isinstance(part, OracleRecipe)]


def _nested(value: object) -> int:
    """How many tables of oracles stand inside one another; nothing is made for it. `too_deep` bounds the recursion."""
    if isinstance(value, OracleRecipe):
        value = {"oracle": value.oracle, "options": value.options}
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return (isinstance(value, Mapping) and "oracle" in value) + max(map(_nested, inside), default=0)


def _seeded(numbers: list[int]) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(numbers))


def _no_option(value: Any) -> str:
    """Why no study file holds ``value``; empty where one can."""
    if too_deep(value):
        return f"more than {MOST_DEEP} tables and lists stand inside one another; write it in fewer"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return f"{value!r} is neither text, finite number, boolean, list nor table"
    return ""


def _default(of: dataclasses.Field[Any]) -> str:
    if of.default is not dataclasses.MISSING:
        return repr(of.default)
    return REQUIRED if of.default_factory is dataclasses.MISSING else repr(of.default_factory())


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
