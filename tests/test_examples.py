"""An example in a docstring or in the README runs, and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
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
    (example,) = [block for block in python_blocks(ROOT / "README.md") if "class UpperZones" in block]
    (tmp_path / "upper_zones.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    oracle = importlib.import_module("upper_zones").UpperZones(rows=1)
    monkeypatch.delitem(sys.modules, "upper_zones")
    check_oracle(oracle)
    (question, *_) = sample_questions()
    cells = oracle.answer(question, np.random.default_rng(0)).cells
    assert cells[0].all()
    assert not cells[1:].any()


STUDY = """{
    "name": "tiny",
    "seeds": 2,
    "images": {"source": "phantom", "size": 32, "train": 12, "test": 6},
    "model": {"name": "resnet10"},
    "training": {"epochs": 2, "batch_size": 6},
    "feedback": {"imil_epoch": 1, "num_outliers": 3},
    "arms": {"baseline": {}, "lesions": {"feedback": {"oracle": "lesions"}}},
}"""
"""What stands for the study "demo" where an example trains it."""


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in python_blocks(ROOT / page) if "import imil_sim as im" in block]
    assert blocks
    for block in blocks:
        exec(compile(re.sub(r'"demo"(?=[,)])', STUDY, block), page, "exec"), {})


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text())["cells"]
    space: dict[str, Any] = {}
    with plt.rc_context({"backend": "agg"}):
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), space)
        plt.close("all")
    assert len(cells) <= 24
    assert (tmp_path / "tutorial-report" / "report.html").is_file()
    assert set(space["primary"]["arm"]) == {"lesions", "random-cells"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "library"), [("plain_pytorch", "torch"), ("with_lightning", "lightning"), ("with_keras", "keras")]
)
def test_a_script_of_examples_ends_with_a_report(name: str, library: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")
    script = ROOT / "examples" / f"{name}.py"
    run = f"import runpy; from tests.undrawn import leave_figures_undrawn as l; l(); runpy.run_path({str(script)!r})"
    done = subprocess.run(
        [sys.executable, "-c", run], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "report" / "report.html").is_file()
    for path in (tmp_path / "results").glob("lung-fields/*/record.json"):
        (consultation,) = json.loads(path.read_text())["consultations"]
        assert {answer["effect"] for answer in consultation["answers"]} >= {"replaced"}
