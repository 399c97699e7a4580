"""`import imil_sim`: what a notebook has of it, and what it costs before it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import imil_sim as im
from imil_sim import api
from imil_sim.cli.app import main
from imil_sim.errors import StudyError, UsageError
from imil_sim.output.report import StudyResults

TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": 2,
    "reference": "baseline",
    "images": {"source": "phantom", "size": 32, "train": 16, "test": 6},
    "model": {"name": "resnet10"},
    "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.01},
    "feedback": {"imil_epoch": 1, "num_outliers": 3},
    "arms": {"baseline": {}, "lesions": {"feedback": {"oracle": "lesions"}}},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api") / "runs"


@pytest.fixture(scope="module")
def found(store: Path) -> StudyResults:
    return im.run(TINY, store=store)


def test_the_import_loads_nothing_heavy() -> None:
    heavy = ("torch", "pandas", "matplotlib", "numpy", "pydantic", "distributed", "cv2")
    code = f"import sys, imil_sim; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert all(callable(getattr(im, name)) for name in im.__all__ if name != "__version__")
    assert all(callable(getattr(api, name)) for name in api.DOORS)
    with pytest.raises(AttributeError, match="load_studdy"):
        im.load_studdy  # noqa: B018  # looking at it is what is tested


def test_a_study_is_a_name_a_path_a_dictionary_or_itself(tmp_path: Path) -> None:
    assert im.load_study("ci").name == "ci"
    study = im.load_study(TINY)
    assert im.load_study(study) is study
    assert im.load_study(study, seeds=1).seeds == (0,)
    with pytest.raises(UsageError):
        im.load_study(study, seeds=3)
    with pytest.raises(StudyError):
        im.load_study({**TINY, "sedes": 3})


def test_a_plan_counts_what_a_run_then_trains(found: StudyResults, store: Path) -> None:
    assert im.plan(TINY, store=store.with_name("none")).summary()["epochs_to_train"] == 6  # 2 seeds x (2 + 1)
    assert im.plan(TINY, store=store).summary()["epochs_to_train"] == 0
    assert found.statuses == {"done"}


def test_results_and_differences_are_the_files_of_the_report(found: StudyResults, store: Path, tmp_path: Path) -> None:
    study = store.parent / "tiny.toml"
    study.write_text(TOML)
    with pytest.raises(SystemExit):
        main(["report", str(study), "--store", str(store), "--out", str(tmp_path / "cli")])
    page = im.write_report(found, tmp_path / "api")
    names = {path.relative_to(tmp_path / "cli") for path in (tmp_path / "cli").rglob("*") if path.is_file()}
    assert {path.relative_to(page.parent) for path in page.parent.rglob("*") if path.is_file()} == names
    for name in names - {Path("timings.csv")}:
        assert (tmp_path / "cli" / name).read_bytes() == (page.parent / name).read_bytes(), name
    table = im.results(TINY, store=store)
    written = pd.read_csv(page.parent / "results.csv")
    assert table["auroc"].tolist() == written["auroc"].tolist()
    assert set(table["test_set"]) == {"main"}
    assert (
        im.differences(found)["difference"].tolist()
        == pd.read_csv(page.parent / "differences.csv")["difference"].tolist()
    )


def test_the_accuracy_of_every_run_follows_from_its_predictions(found: StudyResults) -> None:
    shown = im.predictions(found)
    assert len(shown) == 4 * 6
    np.testing.assert_allclose(shown["p_normal"] + shown["p_TB"], 1, rtol=1e-6)
    right = (shown["label"] == shown["predicted"]).groupby([shown["arm"], shown["seed"]]).mean()
    table = im.results(found).set_index(["arm", "seed"])["accuracy"]
    assert right.to_dict() == table.to_dict()


def test_a_study_compared_with_itself_differs_in_nothing(found: StudyResults) -> None:
    rows = im.compare(found, found).rows
    assert (rows["difference"].dropna() == 0).all()
    assert len(rows["difference"].dropna())


TOML = """
name = "tiny"
seeds = 2
reference = "baseline"
images = { source = "phantom", size = 32, train = 16, test = 6 }
model.name = "resnet10"
training = { epochs = 2, batch_size = 8, learning_rate = 0.01 }
feedback = { imil_epoch = 1, num_outliers = 3 }
[arms.baseline]
[arms.lesions]
feedback.oracle = "lesions"
"""
