"""The ``plan`` verb: numbers for scripts, a picture for people, and neither needs the images to be there."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest

from imil_sim import api
from imil_sim.cli import plan
from imil_sim.engine import study_run as module
from imil_sim.study.study import parse_study

RUN = ("run", "tiny.toml", "--workers", "0")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step takes a second, and there are two processes: nothing here depends on the machine."""
    monkeypatch.setattr(module, "time_steps", lambda arm, device: 1.0)
    monkeypatch.setattr(module, "cpu_count", lambda: 2)


def numbers(called: Any) -> dict[str, Any]:
    assert called.code == 0, called
    found: dict[str, Any] = json.loads(called.out)
    return found


def test_json_holds_what_scripts_rely_on(here: Path, call: Any) -> None:
    assert numbers(call("plan", "tiny.toml", "--json")) == {
        "study": "tiny", "arms": 2, "seeds": 2, "runs": 4, "stages": 6,
        "epochs_straight": 8, "epochs_shared": 6, "epochs_in_store": 0, "epochs_to_train": 6,
        "saving": pytest.approx(8 / 6), "images_seen": True,
        "seconds_of_work": 12.0,  # six epochs of 16 images in batches of 8
        "seconds_estimated": 6.0, "processes": 2,
    }  # fmt: skip
    one = numbers(call("plan", "tiny.toml", "--json", "--seeds", "1"))
    assert (one["runs"], one["seeds"], one["epochs_shared"], one["seconds_estimated"]) == (2, 1, 3, 4.0)


def test_after_a_run_everything_is_in_the_store(here: Path, call: Any) -> None:
    assert call(*RUN, "--seeds", "1", "--store", "kept").code == 0
    one = numbers(call("plan", "tiny.toml", "--json", "--seeds", "1", "--store", "kept"))
    assert (one["epochs_shared"], one["epochs_in_store"], one["epochs_to_train"]) == (3, 3, 0)
    assert one["seconds_estimated"] == 0.0
    both = numbers(call("plan", "tiny.toml", "--json", "--store", "kept"))
    assert (both["epochs_shared"], both["epochs_in_store"], both["epochs_to_train"]) == (6, 3, 3)
    assert numbers(call("plan", "tiny.toml", "--json", "--store", "other"))["epochs_in_store"] == 0
    said = call("plan", "tiny.toml", "--seeds", "1", "--store", "kept").out
    assert "1-2: baseline (in the store)" in said
    assert "2-2: lesions (in the store)" in said
    assert "left to train                    0" in said


def test_the_picture_shows_trunk_branches_formula_and_time(here: Path, call: Any) -> None:
    called = call("plan", "tiny.toml")
    assert called.code == 0
    assert called.out.splitlines() == [
        "tiny: 4 runs, 2 arms x 2 seeds",
        "                            epochs                                              ",
        "every run by itself              8                                              ",
        "every different epoch once       6  1.33 times fewer; 6 stages                  ",
        "in the store                     0                                              ",
        "left to train                    6  about 6 s on 2 processes (12 s of work), by ",
        "                                    steps timed just now                        ",
        "",
        "resnet10 x 2 seeds",
        "2 + 1 = 3 epochs instead of 4",
        "├── 1-2: baseline",
        "└── 2-2: lesions",
        "",
        "Branches whose answers turn out equal are trained once: the epochs are a bound ",
        "from above.",
    ]


SWEEPS = """
[sweeps.all]
base = "lesions"
vary.feedback.num_outliers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
vary.feedback.imil_epoch = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28]
[sweeps.rates]
base = "baseline"
vary.training.learning_rate = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4]
"""


@pytest.mark.parametrize("columns", [80, 50])
def test_thousands_of_runs_can_be_read(here: Path, call: Any, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    text = (here / "tiny.toml").read_text().replace("seeds = 2", "seeds = 20").replace("epochs = 2\n", "epochs = 30\n")
    (here / "large.toml").write_text(text + SWEEPS)
    monkeypatch.setenv("COLUMNS", str(columns))
    called = call("plan", "large.toml")
    assert called.code == 0, called
    lines = called.out.splitlines()
    assert lines[0] == "tiny: 3,100 runs, 155 arms x 20 seeds"
    assert max(map(len, lines)) <= columns
    assert len(lines) < 100 * 80 / columns
    words = " ".join(called.out.replace("│", " ").split())  # as they read without the guides
    assert "resnet10, training.learning_rate = 0.1 x 20 seeds 30 epochs └── 1-30: baseline@learning_rate=0.1 " in words
    assert re.search(r"├── 3-30 x 10: .*lesions@num_outliers=2,imil_epoch=2, .* \d more ├── 5-30 x 10: ", words)
    assert "more kinds of branch" in words
    assert "and 2 more trees Branches whose answers turn out equal" in words


def test_without_the_images_epochs_are_counted_and_the_store_is_not_looked_at(
    here: Path, call: Any, images: Path
) -> None:
    seen = numbers(call("plan", "images.toml", "--json", "--seeds", "1"))
    assert call("run", "images.toml", "--workers", "0", "--seeds", "1").code == 0
    assert numbers(call("plan", "images.toml", "--json", "--seeds", "1"))["epochs_to_train"] == 0
    images.rename(here / "elsewhere")
    unseen = numbers(call("plan", "images.toml", "--json", "--seeds", "1"))
    same = ("runs", "stages", "epochs_straight", "epochs_shared", "saving")
    assert [unseen[key] for key in same] == [seen[key] for key in same]
    assert (unseen["images_seen"], unseen["epochs_in_store"], unseen["epochs_to_train"]) == (False, 0, 3)
    assert (unseen["seconds_estimated"], unseen["seconds_of_work"]) == (None, None)
    said = " ".join(call("plan", "images.toml").out.split())
    assert "in the store 0 not looked at" in said
    assert "unknown how long without the images" in said
    assert '"images" was not found' in said
    assert "1-2: baseline" in said


def test_a_study_that_is_wrong_is_no_plan(here: Path, call: Any) -> None:
    with (here / "tiny.toml").open("a") as study:
        study.write("[arms.other]\nfeedback.oracle = 'lesion'\n")
    called = call("plan", "tiny.toml", "--json")
    assert (called.code, called.out) == (2, "")
    assert 'oracle "lesion" is not installed' in called.err


def test_too_many_models_are_not_timed(here: Path, call: Any) -> None:
    with (here / "tiny.toml").open("a") as study:
        sizes = list(range(3, 13))
        study.write(f"[sweeps.s]\nbase = 'baseline'\nvary.training.batch_size = {sizes}\n")
    assert numbers(call("plan", "tiny.toml", "--json"))["seconds_estimated"] is None
    assert "too many models to time" in " ".join(call("plan", "tiny.toml").out.split())


def test_the_examples_in_the_module_are_true() -> None:
    results = doctest.testmod(plan)
    assert (results.failed, results.attempted) == (0, 1)


def test_runs_are_planned_as_the_study_unfolds_them(here: Path) -> None:
    study = parse_study(
        {"name": "s", "seeds": 1, "images": {"source": "phantom", "size": 32, "train": 8, "test": 4},
         "model": {"name": "resnet10"}, "training": {"epochs": 1}, "arms": {"a": {}, "b": {}}},
        beside=here,
    )  # fmt: skip
    found = api.plan(study, store=here / "store")
    assert (found.arms, found.plan.runs, found.plan.epochs_shared) == (("a", "b"), 2, 1)
