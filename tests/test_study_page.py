"""docs/studies.md: its tables say what the specs say, its examples are studies, and it names every shipped one."""

from __future__ import annotations

import doctest
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from imil_sim.study.study import parse_study, shipped_studies

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def writer(script: Callable[[str], ModuleType]) -> ModuleType:
    """The script that writes the tables."""
    return script("docs/make_study_tables.py")


def test_the_tables_are_those_of_the_specs(writer: ModuleType) -> None:
    assert writer.filled(PAGE) == PAGE, "run python docs/make_study_tables.py"
    assert "| `batch_size` | whole number from 2 to 1000000 | `64` | Images a step. |" in PAGE
    stale = PAGE.replace("| `64` | Images a step.", "| `32` | Images a step.")
    assert writer.filled(stale) == PAGE != stale


def test_the_examples_of_the_writer_are_true(writer: ModuleType) -> None:
    results = doctest.testmod(writer)
    assert (results.failed, results.attempted > 0) == (0, True)


def test_the_examples_are_studies() -> None:
    whole, loops, check, editor = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    study = parse_study(tomllib.loads(whole), beside=ROOT)
    assert len(study.arms) == 3 + 4  # of three values two are new for each of two bases
    both = parse_study(tomllib.loads(whole + loops), beside=ROOT)
    assert {"lesions@one-of-20", "random-cells@four-of-5"} <= set(both.arms)
    arms = '[arms.abstain]\nfeedback.oracle = "abstain"\n[arms.inverted]\nfeedback.oracle = "inverted"\n'
    checked = parse_study(tomllib.loads(whole + arms + check), beside=ROOT).check
    assert [str(expectation) for expectation in checked.expectations][1] == "lesions >= inverted on cam_in_lung"
    assert editor.startswith("#:schema ")


def test_every_shipped_study_is_named() -> None:
    missing = [path.stem for path in shipped_studies() if f"`{path.stem}`" not in PAGE]
    assert missing == []
