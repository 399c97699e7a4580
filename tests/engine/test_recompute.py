"""Doing runs over: equal bytes are found equal, and a number that moved without its key is caught."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import device

from imil_sim.engine import results as module
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import Recomputed, recompute
from imil_sim.engine.store import Store, read_arrays, write_arrays


def done_over(lab: Any, number: int, seed: int = 0) -> list[Recomputed]:
    library = ImageLibrary(lab.store.parent, lab.store)
    return list(recompute(Store(lab.store), library, device("cpu"), lab.store.parent, number, seed))


def test_runs_come_out_with_the_bytes_they_had(warm: Any) -> None:
    before = sorted(path for path in warm.lab.store.rglob("*") if "images" not in path.parts)
    found = done_over(warm.lab, 9)
    assert {run.key for run in found} == {result.record.run_key for result in warm.results.values()}
    for run in found:
        assert (run.missing, run.differing, run.failed, run.passed_over) == (0, (), "", "")
        assert run.equal >= 4  # states, evaluation, record, ...
    assert sorted(path for path in warm.lab.store.rglob("*") if "images" not in path.parts) == before


def test_the_draw_follows_its_seed(warm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_done_over", lambda store, done, key, *others: Recomputed(key))
    draws = [[run.key for run in done_over(warm.lab, 1, seed)] for seed in range(9)]
    assert draws == [[run.key for run in done_over(warm.lab, 1, seed)] for seed in range(9)]
    assert all(len(draw) == 1 for draw in draws)
    assert len({draw[0] for draw in draws}) > 1


def test_a_number_that_moved_without_its_key_is_caught(warm: Any, lab: Any) -> None:
    shutil.copytree(warm.lab.store, lab.store)
    store = Store(lab.store)
    key = warm.results["baseline", 0].record.run_key
    for other in set(store.keys("runs")) - {key}:
        store.discard("runs", other)
    for evaluation in store.keys("evaluations"):
        arrays = read_arrays(store.root / "evaluations" / evaluation / "arrays.npz")
        arrays["probabilities"] = np.nextafter(arrays["probabilities"], 1)
        store.discard("evaluations", evaluation)
        store.put("evaluations", evaluation, lambda place, arrays=arrays: write_arrays(place / "arrays.npz", arrays))
    (run,) = done_over(lab, 1)
    assert [entry.split("/")[0] for entry in run.differing] == ["evaluations"] * 2  # test and training images
    assert run.equal >= 2


def test_what_was_made_with_other_images_is_passed_over_and_what_was_pruned_is_named(warm: Any, lab: Any) -> None:
    shutil.copytree(warm.lab.store, lab.store)
    store = Store(lab.store)
    keys = store.keys("runs")
    for evaluation in store.keys("evaluations"):
        store.discard("evaluations", evaluation)
    text = (store.root / "runs" / keys[0] / "record.json").read_text()
    store.discard("runs", keys[0])
    other = text.replace('"train": 16', '"train": 12')
    assert other != text

    def write(place: Path) -> None:
        (place / "record.json").write_text(other)

    store.put("runs", keys[0], write)
    found = {run.key: run for run in done_over(lab, 9)}
    assert "images, packages or device were others" in found.pop(keys[0]).passed_over
    assert [run.missing for run in found.values()] == [2, 2]
