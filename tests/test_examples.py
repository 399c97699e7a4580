"""An example in a docstring or in the README runs, and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from imil_sim.testing import check_oracle, sample_questions

ROOT = Path(__file__).parents[1]
FILES = sorted(path for package in ("imil_sim", "oracles") for path in (ROOT / package).rglob("*.py"))
EXAMPLES = [path.relative_to(ROOT) for path in FILES if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", EXAMPLES, ids=str)
def test_the_examples_of_a_module_are_true(path: Path) -> None:
    module = importlib.import_module(re.sub("^oracles", "imil_sim_oracles", ".".join(path.with_suffix("").parts)))
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0, f"{path}: {results.failed} of {results.attempted} examples are wrong (printed above)"


def test_there_are_examples() -> None:
    assert Path("imil_sim/seeds.py") in EXAMPLES


def test_the_oracle_of_the_readme_keeps_the_promises_of_an_oracle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "upper_zones.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    oracle = importlib.import_module("upper_zones").UpperZones(rows=1)
    monkeypatch.delitem(sys.modules, "upper_zones")
    check_oracle(oracle)
    (question, *_) = sample_questions()
    cells = oracle.answer(question, np.random.default_rng(0)).cells
    assert cells[0].all()
    assert not cells[1:].any()
