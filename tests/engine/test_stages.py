"""Keys: whatever can move a number is in them, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.engine import stages
from imil_sim.engine.stages import Evaluate, Lineage, run_key, trunk_key
from imil_sim.images.image_set import ImageSet, MaskSet
from imil_sim.study.spec import RunSpec

CPU = torch.device("cpu")


def run(seed: int = 0, **arm: Mapping[str, Any]) -> RunSpec:
    return RunSpec.model_validate({"arm": {"images": {"source": "phantom"}, **arm}, "seed": seed})


def image_set() -> ImageSet:
    rng = np.random.default_rng(0)
    masks = {"lesion": MaskSet(np.zeros((4, 8, 8), np.bool_), np.ones(4, np.bool_))}
    pixels = rng.integers(0, 256, (4, 8, 8)).astype(np.uint8)
    return ImageSet("images", tuple("abcd"), pixels, np.array([0, 1, 0, 1]), ("normal", "TB"), masks)


def key(spec: RunSpec | None = None, images: ImageSet | None = None, beside: Path = Path()) -> str:
    return trunk_key(spec or run(), images or image_set(), CPU, beside)


# -------------------------------------------------------------------------------------------------------- a trunk


@pytest.mark.parametrize(
    "spec",
    [
        run(seed=1),
        run(training={"learning_rate": 0.002}),
        run(training={"batch_size": 32}),
        run(training={"optimizer": "adam"}),
        run(training={"momentum": 0.9}),
        run(training={"weight_decay": 0.1}),
        run(training={"precision": "bf16"}),
        run(model={"name": "resnet18"}),
        run(model={"weights": "DEFAULT"}),
        run(augmentation={"name": "mixup"}),
        run(augmentation={"name": "mixup", "alpha": 0.4}),
        run(augmentation={"name": "cutout", "square": 0.5}),
    ],
    ids=lambda spec: str(spec.model_dump(exclude_defaults=True, exclude={"arm": {"images"}})),
)
def test_whatever_moves_training_moves_the_trunk(spec: RunSpec) -> None:
    assert key(spec) != key()


def test_a_pixel_a_label_an_id_or_an_order_moves_the_trunk() -> None:
    images = image_set()
    pixels = images.pixels.copy()
    pixels[2, 3, 3] ^= 1
    others = [
        replace(images, pixels=pixels),
        replace(images, labels=np.array([0, 1, 1, 1])),
        replace(images, ids=("a", "b", "c", "e")),
        replace(images, class_names=("TB", "normal")),
        images.take([0, 1, 3, 2]),
        images.take([0, 1, 2]),
    ]
    assert len({key(images=other) for other in [images, *others]}) == len(others) + 1


def test_revision_environment_and_the_content_of_a_weights_file_move_the_trunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = key()
    monkeypatch.setattr(stages, "TRAINING_REVISION", stages.TRAINING_REVISION + 1)
    assert key() != plain
    monkeypatch.undo()
    monkeypatch.setattr(stages.numerics, "environment", lambda device: {"torch": "another"})
    assert key() != plain
    monkeypatch.undo()
    (tmp_path / "one.pth").write_bytes(b"one")
    (tmp_path / "same.pth").write_bytes(b"one")
    (tmp_path / "two.pth").write_bytes(b"two")
    one, same, two = (key(run(model={"weights": f"{name}.pth"}), beside=tmp_path) for name in ("one", "same", "two"))
    assert one == same != two


def test_what_training_cannot_see_moves_nothing() -> None:
    images = image_set()
    unseen = replace(images, name="elsewhere", masks={}, attributes={"sex": ("f",) * 4}, notices=("converted",))
    assert key(images=unseen) == key()
    asked = {"oracle": "lesions", "imil_epoch": 5}
    assert key(run(training={"epochs": 20}, feedback=asked)) == key()
    assert key(run(images={"source": "phantom", "seed": 5}, split={"seed": 9})) == key()  # their content counts


# ------------------------------------------------------------------------------------------------------ its states


def test_equal_overlays_meet_whoever_gave_the_answers() -> None:
    trunk = Lineage("trunk").trained(70, "")
    assert trunk.trained(100, "o").key == trunk.trained(100, "o").key
    assert trunk.trained(80, "o").trained(100, "o") == trunk.trained(100, "o")
    assert trunk.trained(100, "") == Lineage("trunk").trained(100, "")


def test_states_that_came_about_differently_have_different_keys() -> None:
    start = Lineage("trunk")
    states = [
        start,
        start.trained(70, ""),
        start.trained(71, ""),
        start.trained(70, "").trained(100, ""),
        start.trained(70, "").trained(100, "o"),
        start.trained(71, "").trained(100, "o"),
        start.trained(70, "").trained(100, "p"),
        start.trained(70, "").trained(90, "o"),
        start.trained(70, "").trained(90, "o").trained(100, "p"),
        start.trained(70, "").trained(90, "p").trained(100, "o"),
        Lineage("another").trained(70, ""),
    ]
    assert len({state.key for state in states}) == len(states)
    assert [start.epoch, states[1].epoch, states[8].epoch] == [0, 70, 100]


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "o", "p"])), min_size=1, max_size=6))
def test_halting_on_the_way_is_not_part_of_a_state(parts: list[tuple[int, str]]) -> None:
    """Training epoch by epoch leads to the state that training segment by segment leads to."""
    whole = step = Lineage("trunk")
    for epochs, overlay in parts:
        until = whole.epoch + epochs
        whole = whole.trained(until, overlay)
        for epoch in range(step.epoch + 1, until + 1):
            step = step.trained(epoch, overlay)
    assert step == whole
    assert step.key == whole.key


def test_keys_are_the_same_for_ever() -> None:
    assert (
        Lineage("trunk", ((70, ""), (100, "overlay"))).key
        == "8b761e934b997f055e046d437f6e54fcb9984319d23ffa106c53cc1761892636"
    )


# ---------------------------------------------------------------------------------------------------------- a run


def test_a_run_is_its_spec_and_the_content_of_its_images_wherever_they_lie() -> None:
    here = run(images={"source": "shenzhen", "path": "here"})
    there = run(images={"source": "shenzhen", "path": "there"})
    prints = {"train": "1", "main": "2"}
    assert run_key(here, prints, CPU) == run_key(there, prints, CPU)
    others = [
        run_key(here, {"train": "1", "main": "3"}, CPU),
        run_key(run(seed=1, images={"source": "shenzhen"}), prints, CPU),
        run_key(run(images={"source": "shenzhen"}, training={"epochs": 99}), prints, CPU),
        run_key(run(images={"source": "shenzhen"}, feedback={"oracle": "lesions"}), prints, CPU),
        run_key(run(images={"source": "shenzhen"}, feedback={"oracle": "all-cells"}), prints, CPU),
    ]
    assert len({run_key(here, prints, CPU), *others}) == len(others) + 1


def test_the_layer_that_is_explained_moves_heat_maps_and_their_run_but_no_training() -> None:
    plain, other = run(), run(model={"name": "resnet10", "cam_layer": "layer2"})
    assert key(other) == key(run(model={"name": "resnet10"}))
    assert "cam_layer" not in plain.arm.placeless
    assert other.arm.placeless != run(model={"name": "resnet10"}).arm.placeless
    state = Lineage("trunk", ((1, ""),))
    assert Evaluate(other, state).key != Evaluate(run(model={"name": "resnet10"}), state).key
