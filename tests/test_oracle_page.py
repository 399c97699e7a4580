"""docs/oracles.md: its table is that of the cards, its examples are arms, its values those of the spec."""

from __future__ import annotations

import doctest
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from imil_sim.feedback import make_oracle
from imil_sim.study.study import parse_study

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "oracles.md").read_text(encoding="utf-8")
TOP = 'name = "page"\nimages.source = "phantom"\n'


@pytest.fixture(scope="module")
def writer(script: Callable[[str], ModuleType]) -> ModuleType:
    """The script that writes the table."""
    return script("docs/make_oracle_tables.py")


def test_the_table_is_that_of_the_cards(writer: ModuleType) -> None:
    assert writer.filled(PAGE) == PAGE, "run python docs/make_oracle_tables.py"
    stale = PAGE.replace("`miss` (0.1)", "`miss` (0.2)")
    assert writer.filled(stale) == PAGE != stale
    results = doctest.testmod(writer)
    assert (results.failed, results.attempted > 0) == (0, True)


def test_the_examples_are_arms_whose_oracles_can_be_made() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    rows = [re.sub(r"^feedback", "[arms.row]\nfeedback", code) for code in re.findall(r"`(feedback = .*?)`", PAGE)]
    assert (len(blocks), len(rows)) == (2, 3)
    for text in (*blocks, *rows):
        for arm in parse_study(tomllib.loads(TOP + text), beside=ROOT).arms.values():
            assert arm.feedback is not None
            make_oracle(arm.feedback.oracle, arm.feedback.options)
    for name in re.findall(r'`oracle = "(.*?)"', PAGE):
        assert (ROOT / "oracles" / f"{name.replace('-', '_')}.py").exists()
