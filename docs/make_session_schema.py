"""Write docs/session.schema.json and the tables of docs/sessions.md: ``python docs/make_session_schema.py``."""

from __future__ import annotations

import json
import re
from pathlib import Path

from imil_sim.registry import load, parts
from imil_sim.sessions.session import session_schema

PAGE = Path(__file__).with_name("sessions.md")
SCHEMA = Path(__file__).with_name("session.schema.json")
BLOCK = re.compile(r"(<!-- (?:fields: )?(?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def schema_text() -> str:
    """What the schema file holds."""
    return json.dumps(session_schema(), indent=2) + "\n"


def filled(page: str) -> str:
    """The page with the table of every marked block written anew."""
    return BLOCK.sub(lambda found: found[1] + table_of(found["name"]) + found[3], page)


def table_of(name: str) -> str:
    """The fields of one kind of line, or our own importers, as Markdown."""
    if name == "importers":
        own = [(part.name, load("importers", part.name).help) for part in parts("importers") if not part.guest]
        return "\n".join(
            ["| format | what is read |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in own), ""]
        )
    table = session_schema()["$defs"][name]
    rows = ["| field | unless given | meaning |", "|---|---|---|"]
    for field, about in table["properties"].items():
        given = "" if field in table["required"] else f"`{json.dumps(about.get('default'))}`"
        rows.append(f"| `{field}` | {given} | {about['description']} |")
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
