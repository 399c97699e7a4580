"""Faults 21 to 28 inside one process: what happens to a study, and what does not.

The faults that take processes and a cluster (16 to 20, and 21 where a worker dies of it) are in test_cluster.py.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from imil_sim.engine import steps
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.engine.stages import Step, StepResult, run_key, trunk_key
from imil_sim.engine.steps import StepRunner
from imil_sim.errors import DataError
from imil_sim.feedback import Feedback, Oracle, Question, make_oracle
from imil_sim.report.analysis import unlike_environments
from imil_sim.study.record import RunRecord
from imil_sim.training import numerics

BARE = """
name = "tiny"
seeds = 1
images = { source = "phantom", size = 32, train = 16, test = 6 }
model.name = "resnet10"
training = { epochs = 5, batch_size = 8, learning_rate = 0.01 }
"""

TWICE = """
[arms.twice]
feedback = { oracle = "random-cells", options.count = 8, imil_epoch = [1, 3], num_outliers = 3, mode = "append" }
"""

ONCE = """
[arms.once]
feedback = { oracle = "random-cells", options.count = 8, imil_epoch = [3], num_outliers = 3, mode = "append" }
"""

Results = Mapping[tuple[str, int], RunResult]


def bits(results: Results) -> dict[tuple[str, int], Any]:
    """All that two equal commands must have equal: the record without its times, and the bytes of every array."""
    return {
        name: (
            result.record.model_dump(exclude={"seconds", "stages"}),
            {path.name: path.read_bytes() for path in sorted(result.folder.glob("*.npz"))},
        )
        for name, result in results.items()
    }


def statuses(results: Results) -> dict[str, str]:
    return {arm: result.record.status for (arm, _), result in results.items()}


# --------------------------------------------------------------------------------------- 21: what does not fit


@pytest.mark.parametrize("error", [MemoryError("no room"), torch.OutOfMemoryError("CUDA out of memory")])
def test_fault_21_out_of_memory_is_tried_three_times_and_then_the_stage_is_named(
    warm: Any, lab: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real, tried = steps.train, 0

    def train(recipe: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal tried
        if recipe.training.weight_decay:
            tried += 1
            raise error
        return real(recipe, *arguments, **options)

    monkeypatch.setattr(steps, "train", train)
    results = lab.carry_out(lab.study("[arms.large]\ntraining.weight_decay = 0.1" + warm.arms))
    assert tried == steps.ATTEMPTS == 3
    assert statuses(results) == {"large": "failed", "baseline": "done", "lesions": "done", "random": "done"}
    reason = results["large", 0].record.reason
    assert reason == f"training from epoch 0 to 3 ran out of memory 3 times ({error}); use a smaller batch_size"
    del results["large", 0]
    assert bits(results) == bits(warm.results)


# ------------------------------------------------------------------------- 22 to 24: however it came about


def test_fault_22_a_run_that_is_interrupted_after_every_epoch_ends_with_the_bytes_of_one_that_is_not(
    lab: Any, tmp_path: Path
) -> None:
    study = lab.study(TWICE, top=BARE)
    straight = lab.carry_out(study)
    broken = type(lab)(tmp_path / "broken", checkpoint_minutes=1e-9)
    begun = 0

    def interrupt(count: int) -> None:
        if count == begun + 2:  # the first of the two is in a checkpoint, the second is lost
            raise KeyboardInterrupt

    broken.epoch_trained = interrupt
    interruptions = 0
    while True:
        begun = broken.epochs
        try:
            results = broken.carry_out(study)
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert bits(results) == bits(straight)
    assert interruptions >= lab.epochs - 2
    assert broken.epochs == lab.epochs + interruptions  # one epoch is lost each time, and none beside it
    assert not list((broken.store / "checkpoints").iterdir())
    assert entries(broken.store) == entries(lab.store)


def entries(store: Path) -> set[str]:
    """What a store holds, but for the images that every store has."""
    return {str(path.relative_to(store)) for path in store.glob("*/*") if path.parent.name != "images"}


def test_fault_23_a_fork_equals_the_straight_run_also_after_several_consultations(lab: Any, tmp_path: Path) -> None:
    study = lab.study(TWICE + ONCE, top=BARE)
    straight = type(lab)(tmp_path / "straight")
    assert bits(straight.carry_out(study, sharing=False)) == bits(lab.carry_out(study))
    assert (straight.epochs, lab.epochs) == (10, 9)


class Shuffled:
    """Carries out the steps that wait in any order, drawn at random."""

    def __init__(self, step_runner: StepRunner, rng: np.random.Generator) -> None:
        self._runner, self._rng = step_runner, rng
        self._waiting: list[Step] = []

    def submit(self, step: Step, priority: int) -> None:
        self._waiting.append(step)

    def completed(self) -> StepResult:
        return self._runner.carry_out(self._waiting.pop(int(self._rng.integers(len(self._waiting)))))

    def close(self) -> None:
        pass


def test_fault_24_whatever_the_order_of_the_steps_the_bytes_are_the_same(warm: Any, lab: Any) -> None:
    lab.executor = lambda step_runner: Shuffled(step_runner, np.random.default_rng(3))
    assert bits(lab.carry_out(warm.study)) == bits(warm.results)
    assert lab.epochs == warm.lab.epochs


# ----------------------------------------------------------------------------------------------- 25: divergence

WILD = "[arms.wild]\ntraining.learning_rate = 1e30\n"


def test_fault_25_a_run_that_diverges_is_recorded_and_not_trained_again(warm: Any, lab: Any) -> None:
    lab.checkpoint_minutes = 1e-9
    first = lab.carry_out(lab.study(WILD + warm.arms))
    assert statuses(first) == {"wild": "failed", "baseline": "done", "lesions": "done", "random": "done"}
    reason = first["wild", 0].record.reason
    assert re.match(r"the loss of batch \d in epoch \d is (nan|inf); lower training\.learning_rate", reason)
    assert not (lab.store / "checkpoints").is_dir() or not list((lab.store / "checkpoints").iterdir())

    again = type(lab)(lab.store)
    second = again.carry_out(again.study(WILD + warm.arms + WILD.replace("wild", "same")))
    assert again.stages == []
    assert statuses(second)["same"] == "failed"
    assert {second[arm, 0].record.reason for arm in ("wild", "same")} == {reason}

    for entry in (lab.store / "failures").iterdir():  # how to have it tried again
        shutil.rmtree(entry)
    third = again.carry_out(again.study(WILD + warm.arms))
    assert again.stages == [(0, 3)]
    assert third["wild", 0].record.reason == reason


# ------------------------------------------------------------------------------------- 26: another environment


@pytest.mark.parametrize("moved", ["torch", "numpy", "torchvision", "threads", "device", "kernels"])
def test_fault_26_another_library_thread_count_or_device_gives_other_keys(
    warm: Any, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    ((_, run), *_) = warm.study.runs()
    cpu = torch.device("cpu")
    images = ImageLibrary(warm.study.beside, warm.lab.store).of_run(run)

    def keys() -> tuple[str, str]:
        return trunk_key(run, images.train, cpu, warm.study.beside), run_key(run, images.fingerprints, cpu)

    before, known = keys(), numerics.environment(cpu)
    assert moved in known
    assert keys() == before
    monkeypatch.setattr(numerics, "environment", lambda device: {**known, moved: "another"})
    assert not set(keys()) & set(before)


def test_fault_26_runs_of_different_environments_in_one_comparison_are_said(warm: Any) -> None:
    records = [result.record for result in warm.results.values()]
    assert unlike_environments(records) == ""
    older = {**records[0].environment, "torch": "2.0", "captum": "0.7"}
    mixed = [records[0].model_copy(update={"environment": older}), *records[1:]]
    now = records[0].environment
    assert unlike_environments(mixed) == (
        f"captum 0.7 (1 run), {now['captum']} (2 runs); torch 2.0 (1 run), {now['torch']} (2 runs)"
    )
    failed = RunRecord.model_validate({**mixed[0].model_dump(), "status": "failed"})
    assert unlike_environments([failed, *records[1:]]) == ""  # it is in no comparison


# --------------------------------------------------------------------------------------- 27: oracles that fail


@dataclass(frozen=True)
class Answers:
    """Answers as the function does."""

    how: Callable[[Question], object]

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return self.how(question)  # type: ignore[return-value]


def spin(question: Question) -> object:
    """For ever, and catches whatever an ordinary program catches."""
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def leave(question: Question) -> object:
    raise SystemExit("enough")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (spin, r'oracle Answers gave no answer about image "train-\d+" within 0.2 seconds; .*oracle_seconds'),
        (lambda question: time.sleep(5), r'gave no answer about image "train-\d+" within 0.2 seconds'),
        (lambda question: 1 / 0, r'oracle Answers failed on image "train-\d+": ZeroDivisionError'),
        (leave, r'oracle Answers failed on image "train-\d+": SystemExit: enough'),
        (lambda question: Feedback(question.image_id, np.ones((2, 2), np.bool_)), "gave no valid answer"),
    ],
)
def test_fault_27_an_oracle_that_hangs_raises_or_answers_in_the_wrong_shape_ends_its_branch_only(
    warm: Any, monkeypatch: pytest.MonkeyPatch, how: Callable[[Question], object], reason: str
) -> None:
    broken: Oracle = Answers(how)
    monkeypatch.setattr(
        steps, "make_oracle", lambda name, options: broken if name == "broken" else make_oracle(name, options)
    )
    lab = warm.again()
    lab.oracle_seconds = 0.2
    results = lab.carry_out(lab.study('[arms.broken]\nfeedback.oracle = "broken"\n' + warm.arms))
    assert statuses(results) == {"broken": "failed", "baseline": "done", "lesions": "done", "random": "done"}
    assert re.search(reason, results["broken", 0].record.reason)
    assert lab.epochs == 0  # the trunk and the other branches are as they were
    del results["broken", 0]
    assert bits(results) == bits(warm.results)


# -------------------------------------------------------------------------------------------- 28: altered images

FOLDER = """
name = "images"
seeds = 2
images = { source = "folder", path = "images", size = 32 }
split = { test = 4 }
model.name = "resnet10"
training = { epochs = 2, batch_size = 8, learning_rate = 0.01 }
[arms.baseline]
"""


@pytest.fixture
def images(lab: Any) -> Path:
    """Eight images a class, beside the store."""
    folder = Path(lab.store.parent) / "images"
    for number in range(16):
        draw(folder / ("clear" if number < 8 else "opaque") / f"image{number:02d}.png", number)
    return folder


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 256, (32, 32)).astype(np.uint8)
    assert cv2.imwrite(str(path), noise)


@pytest.mark.parametrize("how", ["altered", "gone"])
def test_fault_28_an_image_file_that_is_altered_in_the_middle_of_a_study_stops_it_and_is_named(
    lab: Any, images: Path, how: str
) -> None:
    def alter(count: int) -> None:
        if count == 1:
            image = images / "opaque" / "image11.png"
            image.unlink() if how == "gone" else draw(image, 99)

    lab.epoch_trained = alter
    study = lab.study("", top=FOLDER)
    with pytest.raises(DataError, match=r"altered while the study was running: image11\.png\. The study stops"):
        lab.carry_out(study)
    assert lab.stages == [(0, 2)]  # the stage at hand was trained on what was read; the next one was not begun


def test_fault_28_an_image_file_that_is_only_touched_stops_nothing(lab: Any, images: Path) -> None:
    lab.epoch_trained = lambda count: os.utime(images / "opaque" / "image11.png")
    results = lab.carry_out(lab.study("", top=FOLDER))
    assert statuses(results) == {"baseline": "done"}
    assert lab.epochs == 4
