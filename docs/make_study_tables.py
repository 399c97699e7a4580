"""Write the tables of fields into docs/studies.md, from the specs: ``python docs/make_study_tables.py``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from imil_sim.study.schema import study_schema

PAGE = Path(__file__).with_name("studies.md")
BLOCK = re.compile(r"(<!-- fields: (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with the table of every marked block written anew."""
    schema = study_schema()
    tables = {"head": schema, **{name.removesuffix("Spec").lower(): table for name, table in schema["$defs"].items()}}
    return BLOCK.sub(lambda found: found[1] + table_of(tables[found["name"]], tables) + found[3], page)


def table_of(table: dict[str, Any], tables: dict[str, dict[str, Any]]) -> str:
    """The fields of a table as Markdown; a field that is a table itself has its own."""
    rows = ["| field | value | default | meaning |", "|---|---|---|---|"]
    inner = {"images", "split", "model", "training", "augmentation", "feedback", "arms", "sweeps", "check"}
    for name, field in table["properties"].items():
        if table is tables["head"] and name in inner:
            continue
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        rows.append(f"| `{name}` | {words(field)} | {default} | {field.get('description', '')} |")
    return "\n".join([*rows, ""])


def words(field: dict[str, Any]) -> str:
    """What a field takes, in words.

    >>> words({"type": "integer", "minimum": 16, "maximum": 4096})
    'whole number from 16 to 4096'
    >>> words({"enum": ["sgd", "adam"]})
    '`"sgd"`, `"adam"`'
    """
    if "const" in field or "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field and not any("$ref" in choice for choice in field["anyOf"]):
        return " or ".join(words(choice) for choice in field["anyOf"])
    kind = field.get("type")
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _bounds(field)
    if kind == "array":
        items = field.get("prefixItems", [field.get("items", {})])
        return f"list of {len(items)}" if "prefixItems" in field else "list"
    return {"string": "text", "boolean": "true, false"}.get(str(kind), "table")


def _bounds(field: dict[str, Any]) -> str:
    names = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    bounds = " ".join(f"{word} {field[key]}" for key, word in names.items() if key in field)
    return f" {bounds}" if bounds else ""


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
