"""The library under the command line: what a notebook does, and that importing it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

import imil_sim as im
from imil_sim.errors import UsageError
from imil_sim.output.export import explained
from imil_sim.report.sweeps import swept_values

STUDY: dict[str, Any] = {
    "name": "small",
    "seeds": 1,
    "images": {"source": "phantom", "size": 32, "train": 8, "test": 4},
    "model": {"name": "shufflenet_v2_x0_5"},
    "training": {"epochs": 3, "batch_size": 4},
    "feedback": {"imil_epoch": 1, "num_outliers": 8, "fill_up": "least-confident-correct"},
    "arms": {"baseline": {}, "lesions": {"feedback": {"oracle": "lesions"}}},
    "sweeps": {"epoch": {"base": ["lesions"], "vary": {"feedback.imil_epoch": [1, 2]}}},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api") / "store"


@pytest.fixture(scope="module")
def results(store: Path) -> im.StudyResults:
    return im.run(STUDY, store=store)


def test_a_study_is_planned_run_and_read_back(store: Path, results: im.StudyResults) -> None:
    assert results.reused == 0
    assert im.plan(STUDY, store=store).summary()["epochs_to_train"] == 0
    assert im.run(STUDY, store=store).reused == len(results.runs) == 3
    table = im.results(STUDY, store=store)
    pd.testing.assert_frame_equal(table, im.results(results))
    by_arm = table.set_index("arm")["feedback.imil_epoch"]
    assert by_arm.isna()["baseline"]
    assert sorted(by_arm.dropna()) == [1, 2]  # the base arm carries its value too
    assert set(table["test_set"]) == {"main"}
    assert "auroc" in table


def test_predictions_have_a_row_an_image(results: im.StudyResults) -> None:
    shown = im.predictions(results)
    assert len(shown) == 3 * 4
    assert not shown.duplicated(["arm", "seed", "test_set", "image_id"]).any()
    of_classes = shown.filter(regex="^p_")
    np.testing.assert_allclose(of_classes.sum(axis=1), 1)
    likeliest = of_classes.idxmax(axis=1).str.removeprefix("p_")
    assert (likeliest == shown["predicted"]).all()
    right = (shown["label"] == shown["predicted"]).groupby(shown["arm"]).mean()
    accuracy = im.results(results).set_index("arm")["accuracy"]
    assert right.to_dict() == accuracy.to_dict()


def test_a_study_is_compared_with_itself_and_with_its_baseline(results: im.StudyResults, tmp_path: Path) -> None:
    rows = im.compare(results, results).rows
    assert (rows["difference"] == 0).all()
    assert im.check(results, tmp_path / "baseline.json", update=True).passed
    assert im.check(results, tmp_path / "baseline.json").passed
    with pytest.raises(UsageError):
        im.check(results, tmp_path / "none.json")


# -------------------------------------------------------------------------------------------------------------- export


def test_an_export_needs_no_imil_sim_to_be_read(store: Path, results: im.StudyResults, tmp_path: Path) -> None:
    im.export(STUDY, tmp_path, store=store)
    epochs = pd.read_csv(tmp_path / "epochs.csv")
    for _, curve in epochs.groupby(["arm", "seed"]):  # each epoch once, though runs share their trunks
        assert list(curve["epoch"]) == [1, 2, 3]
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    assert list(predictions["image_id"]) == list(im.predictions(results)["image_id"])
    answers = pd.read_csv(tmp_path / "answers.csv")
    asked = pd.read_csv(tmp_path / "results.csv").set_index("arm")["n_outliers_asked"]
    assert answers.groupby("arm").size().to_dict() == asked[asked > 0].to_dict()
    maps = np.load(tmp_path / "cams" / "lesions-seed0.npz")
    assert len(maps["main_ids"]) == len(maps["main_cams"])
    assert maps["consultation1_cams"].shape[0] == asked["lesions"]
    for path in (tmp_path / "weights").glob("*"):
        assert load_file(path)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*.*")} == {0}


def test_every_column_of_an_export_is_explained(results: im.StudyResults, tmp_path: Path) -> None:
    im.export(results, tmp_path)
    page = (tmp_path / "README.md").read_text()
    for path in tmp_path.glob("*.csv"):
        for column in pd.read_csv(path).columns:
            meaning = explained(column, swept_values(results.study))
            assert meaning, f"{path.name}: {column}"
            assert f"| `{column}` | {meaning} |" in page


def test_parquet_is_an_option_and_says_what_it_needs(results: im.StudyResults, tmp_path: Path) -> None:
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(UsageError, match="pyarrow"):
            im.export(results, tmp_path, table_format="parquet")
    else:
        im.export(results, tmp_path, table_format="parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "predictions.parquet"), im.predictions(results))


class Recorder:
    """A client of no tracker: everything that is called on it is noted."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def note(*arguments: Any, **named: Any) -> Recorder:
            self.calls.append((name, arguments or named))
            return self

        return note

    def of(self, name: str) -> list[Any]:
        return [arguments for called, arguments in self.calls if called == name]


def test_mlflow_gets_a_run_a_run(results: im.StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Recorder()
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(**{
        name: getattr(client, name) for name in ("set_experiment", "start_run", "log_params", "log_metrics")
    }))  # fmt: skip
    im.export(results, tmp_path, trackers=["mlflow"])
    assert client.of("set_experiment") == [("small",)]
    assert len(client.of("start_run")) == 3
    (baseline, *_) = (parameters for (parameters,) in client.of("log_params"))
    assert (baseline["arm"], baseline["seed"], baseline["training.epochs"]) == ("baseline", 0, 3)
    last = client.of("log_metrics")[3][0]  # after three epochs
    assert last["auroc"] == im.results(results)["auroc"][0]


def test_wandb_gets_a_run_a_run(results: im.StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Recorder()
    run = SimpleNamespace(log=client.log, finish=client.finish, summary=SimpleNamespace(update=client.update))

    def init(**named: Any) -> Any:
        client.calls.append(("init", named))
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    im.export(results, tmp_path, trackers=["wandb"])
    assert [named["config"]["arm"] for named in client.of("init")] == list(im.results(results)["arm"])
    assert len(client.of("log")) == 3 * 3
    assert [summary["accuracy"] for (summary,) in client.of("update")] == list(im.results(results)["accuracy"])
    assert len(client.of("finish")) == 3


def test_tensorboard_gets_event_files(
    results: im.StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Recorder()
    places: list[str] = []

    def writer(place: str) -> Recorder:
        places.append(place)
        return client

    summary = ModuleType("tensorboard.summary")
    vars(summary)["Writer"] = writer
    monkeypatch.setitem(sys.modules, "tensorboard", ModuleType("tensorboard"))
    monkeypatch.setitem(sys.modules, "tensorboard.summary", summary)
    im.export(results, tmp_path, trackers=["tensorboard"])
    assert places[0] == str(tmp_path / "tensorboard" / "baseline-seed0")
    scalars = client.of("add_scalar")
    assert "train/loss" in {tag for tag, _ in scalars}
    assert len(client.of("close")) == 3


def test_a_tracker_that_is_not_installed_is_named(
    results: im.StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match="wandb"):
        im.export(results, tmp_path, trackers=["wandb"])


# -------------------------------------------------------------------------------------------------------------- import


def test_importing_loads_nothing_heavy_until_it_is_needed() -> None:
    code = """
import sys
import imil_sim as im
heavy = {"torch", "torchvision", "matplotlib", "pandas", "numpy", "scipy", "pydantic"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert {"run", "Grid", "grad_cam"} <= set(dir(im))
im.Grid(4, 4)
assert not {"torch", "matplotlib", "pandas"} & set(sys.modules)
im.results
assert "pandas" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_type_checker_sees_the_names_that_there_are() -> None:
    tree = ast.parse(Path(im.__file__).read_text())
    imports = [node for block in tree.body if isinstance(block, ast.If) for node in block.body]
    declared = {
        (node.module, alias.name) for node in imports if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert declared == {(module, name) for name, module in im._MODULES.items()}
    for name in im._MODULES:
        assert getattr(im, name) is not None
