"""Write the table of oracles into docs/oracles.md, from their cards: ``python docs/make_oracle_tables.py``."""

from __future__ import annotations

import re
from pathlib import Path

from imil_sim.feedback.registry import Option, installed, load, options_of, summary

PAGE = Path(__file__).with_name("oracles.md")
BLOCK = re.compile(r"(<!-- oracles -->\n).*?(<!-- end -->)", re.DOTALL)
HOUSE = "imil_sim_oracles."
"""What the house's own targets begin with; guests' oracles are not on the page."""


def filled(page: str) -> str:
    """The page with the table written anew."""
    return BLOCK.sub(lambda found: found[1] + table() + found[2], page)


def table() -> str:
    """The house's oracles as Markdown."""
    rows = ["| oracle | what it simulates | options |", "|---|---|---|"]
    for entry in installed():
        if entry.target.startswith(HOUSE):
            cls = load(entry.name)
            options = ", ".join(map(told, options_of(cls)))
            rows.append(f"| `{entry.name}` | {summary(cls).rstrip('.')} | {options} |")
    return "\n".join([*rows, ""])


def told(option: Option) -> str:
    """An option in short.

    >>> told(Option("miss", "float", "0.1"))
    '`miss` (0.1)'
    >>> told(Option("like", "OracleRecipe", "required"))
    '`like` (needed)'
    """
    default = "needed" if option.default == "required" else option.default.replace("'", '"').replace("None", "none")
    return f"`{option.name}` ({default})"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
