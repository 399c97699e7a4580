"""Write the tables of parts into docs/oracles.md, from the parts themselves: ``python docs/make_oracle_tables.py``."""

from __future__ import annotations

import re
from pathlib import Path

from imil_sim.feedback.registry import Option, card, options_of
from imil_sim.registry import load, parts

PAGE = Path(__file__).with_name("oracles.md")
BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
HOUSE = "imil-sim "
"""What the house's own distribution begins with; guests' parts are not on the page."""


def filled(page: str) -> str:
    """The page with the tables written anew."""
    return BLOCK.sub(
        lambda found: found[1] + (oracles() if found[2] == "oracles" else table(found[2])) + found[3], page
    )


def table(kind: str) -> str:
    """The house's own parts of a kind as Markdown."""
    own = [part.name for part in parts(kind) if part.distribution.startswith(HOUSE)]
    return "\n".join(
        ["| value | what it is |", "|---|---|", *(f"| `{name}` | {load(kind, name).help} |" for name in own), ""]
    )


def oracles() -> str:
    """The house's oracles as Markdown."""
    rows = ["| oracle | what it simulates | options |", "|---|---|---|"]
    for entry in parts("oracles"):
        if entry.distribution.startswith(HOUSE):
            cls = load("oracles", entry.name)
            options = ", ".join(map(words, options_of(cls)))
            rows.append(f"| `{entry.name}` | {card(cls).splitlines()[0].rstrip('.')} | {options} |")
    return "\n".join([*rows, ""])


def words(option: Option) -> str:
    """An option in short.

    >>> words(Option("miss", "float", "0.1"))
    '`miss` (0.1)'
    >>> words(Option("like", "OracleRecipe", "required"))
    '`like` (needed)'
    """
    default = "needed" if option.default == "required" else option.default.replace("'", '"').replace("None", "none")
    return f"`{option.name}` ({default})"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
