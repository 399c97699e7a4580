"""`OracleRecipe`: an oracle inside another one's options, as a study file writes it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from imil_sim.errors import OracleError, did_you_mean
from imil_sim.feedback.ask import ask_together
from imil_sim.feedback.question import Feedback, Oracle, Question
from imil_sim.feedback.registry import make_oracle
from imil_sim.study.spec import MOST_ORACLES


@dataclass(frozen=True, slots=True)
class OracleRecipe:
    """The name and the options of an oracle: what it takes to make it, and all that a file or a record holds of it.

    An oracle that wraps or copies another declares a field of this type. In a study file it is a name, or a table::

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
        if isinstance(value, cls):
            recipe = value
        elif isinstance(value, str):
            recipe = cls(value)
        elif isinstance(value, Mapping):
            recipe = cls._of_table(value)
        else:
            raise ValueError(
                f'an oracle is written as its name, or as {{oracle = "name", options = {{}}}}, not {value!r}'
            )
        if _nested(recipe) > MOST_ORACLES:
            raise ValueError(
                f"more than {MOST_ORACLES} tables of oracles stand inside one another; ask fewer through one another"
            )
        try:
            recipe.make()
        except OracleError as error:
            raise ValueError(str(error)) from error
        return recipe

    @classmethod
    def _of_table(cls, table: Mapping[str, Any]) -> OracleRecipe:
        known = ["oracle", "options"]
        unknown = [
            f'unknown key "{key}" in the table of an oracle. {did_you_mean(key, known)}'
            for key in table
            if key not in known
        ]
        if unknown:
            raise ValueError("; ".join(unknown))
        if not isinstance(table.get("oracle"), str) or not isinstance(table.get("options", {}), Mapping):
            raise ValueError(f'the table of an oracle is {{oracle = "name", options = {{}}}}, not {dict(table)!r}')
        return cls(table["oracle"], dict(table.get("options", {})))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads and writes the field of an oracle that holds a recipe."""
        return core_schema.no_info_plain_validator_function(
            cls.read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda recipe: {"oracle": recipe.oracle, "options": dict(recipe.options)}
            ),
        )


def apart(rngs: Sequence[np.random.Generator], readers: int) -> list[list[np.random.Generator]]:
    """For each of several readers one generator a question: readers with equal recipes still answer independently."""
    numbers = [rng.integers(2**63, size=2).tolist() for rng in rngs]
    return [[_seeded([*pair, reader]) for pair in numbers] for reader in range(1, readers + 1)]


def recipes_of(oracle: Oracle) -> list[OracleRecipe]:
    """The oracles that an oracle asks: the recipes among its options, in their order."""
    found: list[OracleRecipe] = []
    for option in fields(oracle):  # type: ignore[arg-type]  # an oracle is a dataclass; a Protocol cannot say so
        value = getattr(oracle, option.name)
        found += [part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, OracleRecipe)]
    return found


def _nested(recipe: OracleRecipe) -> int:
    """How many tables of oracles stand inside one another, the recipe itself included; nothing is made for it."""
    deepest = 0
    waiting: list[tuple[object, int]] = [(recipe, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, OracleRecipe):
            value = {"oracle": value.oracle, "options": value.options}
        if isinstance(value, Mapping):
            depth += "oracle" in value
            deepest = max(deepest, depth)
        if depth <= MOST_ORACLES:
            inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
            waiting += [(part, depth) for part in inside]
    return deepest


def _seeded(numbers: list[int]) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(numbers))
