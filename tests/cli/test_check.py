"""``imil-sim check``: passes, catches each broken twin for its own reason, and explains what it cannot do."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from imil_sim import api, loop
from imil_sim.cli.app import main
from imil_sim.engine import steps
from imil_sim.feedback import Feedback
from imil_sim.report.baseline import read_baseline, write_baseline
from imil_sim.training import train
from imil_sim.training.overlay import Overlay
from imil_sim_oracles.lesions import Lesions

STUDY = """
name = "small"
seeds = 1
images = { source = "phantom", size = 32, train = 12, test = 6 }
model.name = "shufflenet_v2_x0_5"   # a state of it is small, and every state goes to disk
training = { epochs = 3, batch_size = 6, optimizer = "adam", learning_rate = 0.001 }
feedback = { imil_epoch = 1, num_outliers = 12, fill_up = "least-confident-correct" }

[arms.baseline]
[arms.abstain]
feedback.oracle = "abstain"
[arms.lesions]
feedback.oracle = "lesions"

[check]
equivalence.auroc = 1
expectations = [
    "abstain == baseline on predictions",
    "lesions != baseline on predictions",
    "lesions >= baseline on n_outliers_replaced by 12",
]
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study, its baseline, and a baseline made in another environment."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "small.toml").write_text(STUDY)
    file = folder / "baseline.json"
    with pytest.raises(SystemExit) as stopped:
        main(["check", str(folder / "small.toml"), "--baseline", str(file), "--update", "--workers", "0"])
    assert stopped.value.code == 0
    elsewhere = read_baseline(file, "")
    environment = {**elsewhere.environment, "torch": "1.0"}
    write_baseline(elsewhere.model_copy(update={"environment": environment}), folder / "elsewhere.json")
    return folder


@pytest.fixture
def check(good: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``check("--junit", "j.xml")``: the check of the study against its baseline, or another one of the folder."""
    monkeypatch.setenv("COLUMNS", "100")

    def checked(*options: str, baseline: str = "baseline.json") -> Any:
        file = good / baseline
        return call("check", str(good / "small.toml"), "--baseline", str(file), "--workers", "0", *options)

    return checked


def failures(here: Path) -> list[tuple[str, str, str]]:
    """(arm or expectation, check, reason) of every failure in the file j.xml."""
    tree = ElementTree.parse(here / "j.xml")
    return [
        (case.get("classname", "").removeprefix("small."), case.get("name", ""), failure.get("message", ""))
        for case in tree.iter("testcase")
        for failure in case.iter("failure")
    ]


def test_the_code_as_it_is_passes_and_leaves_nothing_behind(
    check: Any, here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    before = set(here.iterdir())
    called = check("--junit", "j.xml", "--summary", "s.md")
    assert called.code == 0, called
    assert called.out.splitlines()[-3:] == [
        "3 runs, compared with the baseline to the bit: none differs.", "3 of 3 expectations hold.", "small: passed",
    ]  # fmt: skip
    assert set(here.iterdir()) - before == {here / "j.xml", here / "s.md"}
    assert list(elsewhere.iterdir()) == []
    assert failures(here) == []
    assert "imil-sim check small: passed" in (here / "s.md").read_text()


# ------------------------------------------------------------------------------------------------------- broken twins


def pointing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that answers the cells that do not matter."""
    answer = Lesions.answer

    def inverted(self: Lesions, question: Any, rng: Any) -> Feedback:
        given = answer(self, question, rng)
        return given if given.cells is None else replace(given, cells=~given.cells)

    monkeypatch.setattr(Lesions, "answer", inverted)


def blacking_out_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blackout that gives the image back as it was."""
    monkeypatch.setattr(loop.Filling, "__call__", lambda self, row, keep: np.array(self._images.pixels[row]))


def forgetting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that trains on the answers for one epoch and on the original images from then on."""

    def forgetful(recipe: Any, images: Any, overlay: Overlay, start: Any, until: int, **how: Any) -> train.Trained:
        if not overlay.key:
            return train.train(recipe, images, overlay, start, until, **how)
        first = train.train(recipe, images, overlay, start, start.epoch + 1, **how)
        rest = train.train(recipe, images, Overlay(), first.snapshot, until, **how)
        return train.Trained(rest.snapshot, (*first.history, *rest.history))

    monkeypatch.setattr(steps, "train", forgetful)


def shuffling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arms with feedback see their batches in another order than the baseline."""

    def shuffled(recipe: Any, images: Any, overlay: Overlay, *rest: Any, **how: Any) -> train.Trained:
        return train.train(recipe, images, replace(overlay, reordered=bool(overlay.key)), *rest, **how)

    monkeypatch.setattr(steps, "train", shuffled)


def losing_momentum(monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimizer that begins anew wherever training is taken up again."""
    monkeypatch.setattr(train, "_restore_optimizer", lambda optimizer, snapshot: None)


FED_BACK = {"lesions"}
LOSS, ANSWERS = "exact: training loss", "exact: consultations"


@pytest.mark.parametrize(
    ("broken", "arms", "row", "reason", "caught_elsewhere"),
    [
        (pointing_away, FED_BACK, ANSWERS, "the same questions were answered otherwise after epoch 1", []),
        (blacking_out_nothing, FED_BACK, LOSS, "the loss first differs in epoch 2 of 3",
         ["lesions != baseline on predictions"]),
        (forgetting, FED_BACK, LOSS, "the loss first differs in epoch 3 of 3", []),
        (shuffling, FED_BACK, LOSS, "the loss first differs in epoch 2 of 3", []),
        (losing_momentum, {"baseline", "abstain", *FED_BACK}, LOSS, "the loss first differs in epoch 2 of 3", []),
    ],
)  # fmt: skip
def test_each_broken_twin_is_caught_for_its_own_reason(
    broken: Callable[[pytest.MonkeyPatch], None],
    arms: set[str],
    row: str,
    reason: str,
    caught_elsewhere: list[str],
    check: Any,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch)
    called = check("--junit", "j.xml", "--store", "store")
    assert called.code == 1, called
    found = failures(here)
    assert {where for where, _, _ in found if where != "expectation"} == arms
    said = [message for where, name, message in found if (where, name) == ("lesions", row)]
    assert [message.startswith(reason) for message in said] == [True], found
    assert f"lesions, {row.removeprefix('exact: ')}: {reason}" in called.out
    # In another environment, where bits may move, only what is expected of the arms is left to catch it.
    again = check("--junit", "j.xml", "--store", "store", baseline="elsewhere.json")
    assert [name for where, name, _ in failures(here) if where == "expectation"] == caught_elsewhere
    assert again.code == (1 if caught_elsewhere else 0)
    assert "3 of 3 runs were in the store already: the code that is checked did not make them." in again.out
    assert "The environment is not the baseline's (torch 1.0, now " in again.out


# ------------------------------------------------------------------------------------------------- what it cannot do


@pytest.fixture
def training_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with a baseline is known before anything is trained."""

    def trained(*_: Any, **others: Any) -> None:
        raise AssertionError("a study was run")

    monkeypatch.setattr(api, "run", trained)


@pytest.mark.usefixtures("training_is_a_fault")
def test_a_baseline_that_is_missing_or_anothers_is_named_before_anything_is_trained(
    call: Any, here: Path, good: Path
) -> None:
    asked = ("check", str(good / "small.toml"), "--baseline")
    called = call(*asked, "b.json")
    assert called.code == 2
    assert "imil-sim: there is no baseline b.json. Write one from code that is known to be good" in called.err
    assert f"imil-sim check {good / 'small.toml'} --baseline b.json --update" in called.err
    called = call("check", "tiny.toml", "--baseline", str(good / "baseline.json"))
    assert called.code == 2
    assert 'the baseline is not of study "tiny" as it stands now:' in called.err
    (here / "bare.toml").write_text(STUDY.partition("[check]")[0])
    called = call("check", "bare.toml", "--baseline", str(good / "elsewhere.json"))
    assert called.code == 2
    assert "was made in another environment (torch 1.0, now " in called.err
    (here / "cut.json").write_bytes((good / "baseline.json").read_bytes()[:-99])
    assert "cut.json is no baseline: it is not JSON" in call(*asked, "cut.json").err
    (here / "file").touch()
    called = call(*asked, str(good / "baseline.json"), "--junit", "file/j.xml")
    assert called.code == 2
    assert "--junit file/j.xml: " in called.err
    assert "file is a file, not a folder; name another place" in called.err
    assert "--summary .: that is a folder; name a file" in call(*asked, "b.json", "--summary", ".").err


def test_nothing_is_written_as_a_baseline_that_fails_by_itself(
    call: Any, here: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = read_baseline(good / "baseline.json", "")
    monkeypatch.setattr(api, "run", lambda *_, **others: SimpleNamespace(findings=measured, reused=0, stored=()))
    line = "abstain != baseline on predictions"
    (here / "wrong.toml").write_text(STUDY.replace('"lesions != baseline on predictions"', f'"{line}"'))
    called = call("check", "wrong.toml", "--baseline", "new.json", "--update")
    assert called.code == 1
    assert f"expectation: {line}: they are equal to the bit with seed 0" in called.out
    assert "no baseline was written" in called.out
    assert not (here / "new.json").exists()
    (here / "small.toml").write_text(STUDY)
    assert call("check", "small.toml", "--baseline", "new.json", "--update").code == 0
    assert (here / "new.json").read_bytes() == (good / "baseline.json").read_bytes()


def test_an_interrupted_check_ends_with_130(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **others: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(api, "run", interrupted)
    assert check().code == 130
