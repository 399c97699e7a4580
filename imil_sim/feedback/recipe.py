"""`OracleRecipe`: an oracle inside another one's options, as a study file writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from imil_sim.errors import OracleError, did_you_mean
from imil_sim.feedback.question import Oracle
from imil_sim.feedback.registry import make_oracle


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

    def __str__(self) -> str:
        return self.oracle

    @classmethod
    def read(cls, value: object) -> OracleRecipe:
        """The recipe that a study file writes as a name or a table, checked by making the oracle once.

        Raises:
            ValueError: it is neither, or names an oracle or an option that does not exist.
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
        try:
            recipe.make()
        except OracleError as error:
            raise ValueError(str(error)) from error
        return recipe

    @classmethod
    def _of_table(cls, table: Mapping[str, Any]) -> OracleRecipe:
        for key in table:
            if key not in ("oracle", "options"):
                hint = did_you_mean(key, ["oracle", "options"])
                raise ValueError(f'unknown key "{key}" in the table of an oracle. {hint}')
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
