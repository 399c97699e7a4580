from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from imil_sim.errors import NonFiniteLoss
from imil_sim.images.image_set import ImageSet
from imil_sim.study.record import EpochRow
from imil_sim.study.spec import ModelSpec
from imil_sim.training import train as room
from imil_sim.training.overlay import Overlay
from imil_sim.training.train import (
    IMAGENET,
    Normalisation,
    Recipe,
    Snapshot,
    Trained,
    batches,
    step,
    train,
)

CPU = torch.device("cpu")
Make = Callable[..., Recipe]


def trained(recipe: Recipe, images: ImageSet, until: int, start: Snapshot | None = None, **options: Any) -> Trained:
    return train(recipe, images, options.pop("overlay", Overlay()), start, until, device=CPU, **options)


def stored(snapshot: Snapshot, folder: Path) -> Snapshot:
    """The snapshot after a trip through a file, as it goes from one stage to the next."""
    save_file(dict(snapshot.tensors), folder / "state.safetensors")
    return Snapshot(snapshot.epoch, load_file(folder / "state.safetensors"))


def equal(one: Snapshot, other: Snapshot) -> bool:
    """Whether two states hold the same names, types, shapes and bytes."""

    def bits(snapshot: Snapshot) -> dict[str, tuple[object, ...]]:
        return {k: (v.dtype, v.shape, v.numpy().tobytes()) for k, v in snapshot.tensors.items()}

    return one.epoch == other.epoch and bits(one) == bits(other)


# ------------------------------------------------------------------------------------------------- a fork is the run


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "sgd", "augmentation": "none", "weight_decay": 0.01},
        {"optimizer": "sgd", "augmentation": "mixup", "momentum": 0.9},
        {"optimizer": "adam", "augmentation": "cutmix", "learning_rate": 0.001},
        {"optimizer": "adamw", "augmentation": "cutout", "learning_rate": 0.001, "weight_decay": 0.01},
        {"optimizer": "adam", "augmentation": "mixup", "learning_rate": 0.001, "precision": "bf16"},
        {"optimizer": "sgd", "augmentation": "none", "momentum": 0.9, "model": "mobilenet_v3_small"},  # dropout
    ],
    ids=lambda options: "-".join(str(value) for value in options.values()),
)
def test_a_run_that_was_interrupted_equals_one_trained_straight_through(
    options: dict[str, Any], recipe: Make, images: ImageSet, tmp_path: Path
) -> None:
    made = recipe(**options)
    straight = trained(made, images, 4)
    half = trained(made, images, 2)
    resumed = trained(made, images, 4, stored(half.snapshot, tmp_path))
    assert equal(resumed.snapshot, straight.snapshot)
    assert half.history + resumed.history == straight.history
    assert not equal(half.snapshot, straight.snapshot)


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.9), ("adam", 0.0)])
def test_a_resumption_that_forgets_the_optimizer_is_found_out(
    optimizer: str, momentum: float, recipe: Make, images: ImageSet
) -> None:
    made = recipe(optimizer=optimizer, momentum=momentum, learning_rate=0.001)
    first = trained(made, images, 1).snapshot
    forgetful = replace(first, tensors={k: v for k, v in first.tensors.items() if k.startswith("model.")})
    assert len(forgetful.tensors) < len(first.tensors)
    assert not equal(trained(made, images, 2, forgetful).snapshot, trained(made, images, 2).snapshot)


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"optimizer": "adam"}], ids=["momentum", "adam"])
def test_a_branch_under_an_overlay_leaves_its_trunk_as_it_was(
    options: dict[str, Any], recipe: Make, images: ImageSet
) -> None:
    made = recipe(**options)
    trunk = trained(made, images, 1).snapshot
    overlay = Overlay().replace(0, np.zeros(images.shape, np.uint8))
    branch = trained(made, images, 2, trunk, overlay=overlay).snapshot
    assert not equal(branch, trained(made, images, 2, trunk).snapshot)
    assert equal(trunk, trained(made, images, 1).snapshot)


def test_training_to_where_one_is_changes_nothing(recipe: Make, images: ImageSet) -> None:
    snapshot = trained(recipe(), images, 1).snapshot
    again = trained(recipe(), images, 1, snapshot)
    assert equal(again.snapshot, snapshot)
    assert again.history == ()


def test_training_backwards_is_refused(recipe: Make, images: ImageSet) -> None:
    with pytest.raises(ValueError, match="epoch 1: the snapshot has 2"):
        trained(recipe(), images, 1, Snapshot(2, {}))


# --------------------------------------------------------------------------------------------------------- chance


def test_seeds_decide_the_bytes(recipe: Make, images: ImageSet) -> None:
    one = trained(recipe(seed=1), images, 1).snapshot
    assert equal(one, trained(recipe(seed=1), images, 1).snapshot)
    assert not equal(one, trained(recipe(seed=2), images, 1).snapshot)


def test_global_generators_stay_where_they_were_and_do_not_matter(recipe: Make, images: ImageSet) -> None:
    made = recipe(model="mobilenet_v3_small", augmentation="mixup")

    def states() -> tuple[bytes, bytes, object]:
        return torch.get_rng_state().numpy().tobytes(), np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002

    before = states()
    one = trained(made, images, 1).snapshot
    assert states() == before
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        assert equal(one, trained(made, images, 1).snapshot)


def orders(made: Recipe, images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The order of the rows in each of two epochs."""
    seen: list[list[int]] = []
    real = batches

    def spy(order: np.ndarray[Any, Any], size: int) -> list[torch.Tensor]:
        seen.append(order.tolist())
        return real(order, size)

    monkeypatch.setattr(room, "batches", spy)
    trained(made, images, 2)
    monkeypatch.setattr(room, "batches", real)
    return seen


def test_arms_of_one_seed_see_the_images_in_the_same_order(
    recipe: Make, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = orders(recipe(), images, monkeypatch)
    assert [sorted(order) for order in plain] == [list(range(10))] * 2
    assert plain[0] != plain[1]
    for augmentation in ("mixup", "cutmix", "cutout"):
        assert orders(recipe(augmentation=augmentation), images, monkeypatch) == plain
    assert orders(recipe(seed=1), images, monkeypatch) != plain


# ----------------------------------------------------------------------------------------------------------- batches


def test_a_last_batch_of_one_image_joins_the_one_before() -> None:
    assert [batch.tolist() for batch in batches(np.arange(7)[::-1].copy(), 3)] == [[6, 5, 4], [3, 2, 1, 0]]
    assert [batch.tolist() for batch in batches(np.arange(8), 3)] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [batch.tolist() for batch in batches(np.arange(1), 3)] == [[0]]


@given(st.integers(2, 200), st.integers(2, 70))
def test_batches_hold_every_row_once_and_never_a_single_image(rows: int, size: int) -> None:
    parts = batches(np.arange(rows), size)
    assert torch.cat(parts).tolist() == list(range(rows))
    assert all(len(part) == size for part in parts[:-1])
    assert 2 <= len(parts[-1]) <= size + 1


# -------------------------------------------------------------------------------------------------------- one step


def test_a_step_of_gradient_descent_worked_by_hand() -> None:
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    stepped = step(model, optimizer, torch.tensor([[1.0, 2.0]]), torch.tensor([0]), bf16=False)
    # both probabilities are 1/2; the gradient is (probability - target) times the input
    torch.testing.assert_close(stepped.loss, torch.tensor(2.0).log())
    torch.testing.assert_close(stepped.logits, torch.zeros(1, 2))
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[0.05, 0.1], [-0.05, -0.1]]))
    torch.testing.assert_close(model.bias.detach(), torch.tensor([0.05, -0.05]))
    step(model, optimizer, torch.tensor([[1.0, 0.0]]), torch.tensor([0]), bf16=False)  # gradients do not pile up
    shift = 0.1 / (1 + np.exp(0.2))  # logits 0.1 and -0.1
    torch.testing.assert_close(model.bias.detach(), torch.tensor([0.05 + shift, -0.05 - shift], dtype=torch.float32))


def test_bf16_rounds_the_forward_pass_and_keeps_loss_and_weights_in_fp32() -> None:
    model = nn.Linear(1, 2, bias=False)
    model.weight.data = torch.tensor([[1.0], [1 / 3]])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    stepped = step(model, optimizer, torch.tensor([[1.0]]), torch.tensor([0]), bf16=True)
    assert float(stepped.logits[0, 1]) == 171 / 512  # the nearest number of eight digits
    assert stepped.loss.dtype == model.weight.dtype == torch.float32
    torch.testing.assert_close(stepped.loss, torch.tensor(np.log1p(np.exp(171 / 512 - 1)), dtype=torch.float32))


def test_the_loop_takes_the_step_that_a_plain_loop_takes(recipe: Make, images: ImageSet) -> None:
    """The same epoch written out in a few lines of torch; batches of five, where batch normalisation is steady."""
    made = recipe(learning_rate=0.002, batch_size=5)
    model = room.start_model(made, images, None, CPU).train()
    pixels = images.pixels.astype(np.float64) / 255
    gray = torch.from_numpy((pixels - pixels.mean()) / pixels.std()).float()
    inputs = gray[:, None].repeat(1, 3, 1, 1).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(images.labels)
    losses = []
    for rows in batches(room.stream(made.seed, "order", 1).permutation(10), 5):
        loss = nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.002 * gradient
        losses.append(float(loss.detach()) * len(rows))
    result = trained(made, images, 1)
    assert result.history[0].loss == pytest.approx(sum(losses) / 10, abs=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(result.snapshot.tensors[f"model.{name}"], value, rtol=1e-3, atol=1e-4)


# --------------------------------------------------------------------------------------------------- what is reported


def test_observers_are_told_of_every_batch_and_epoch(recipe: Make, images: ImageSet) -> None:
    rows: list[EpochRow] = []
    seen: list[tuple[int, int]] = []
    result = trained(recipe(), images, 2, on_epoch=rows.append, on_batch=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)] * 2
    assert tuple(rows) == result.history
    assert [row.epoch for row in rows] == [1, 2]
    assert all(row.loss > 0 and (row.accuracy * 10).is_integer() for row in rows)


@pytest.mark.parametrize(("precision", "cure"), [("fp32", "learning_rate$"), ("bf16", 'precision = "fp32"$')])
def test_divergence_names_epoch_and_batch(precision: str, cure: str, recipe: Make, images: ImageSet) -> None:
    with pytest.raises(NonFiniteLoss, match=rf"the loss of batch 2 in epoch 1 is .*{cure}"):
        trained(recipe(learning_rate=1e30, precision=precision), images, 2)


# --------------------------------------------------------------------------------------------------- normalisation


def test_normalisation_brings_the_training_images_to_mean_0_and_deviation_1(images: ImageSet) -> None:
    pixels = np.array([[[0, 255], [255, 0]]], np.uint8)
    half = Normalisation.of(replace(images.take([0]), pixels=pixels), ModelSpec())
    assert (half.mean, half.sd) == (0.5, 0.5)
    output = half(torch.from_numpy(pixels))
    assert output.shape == (1, 3, 2, 2)
    assert output.is_contiguous(memory_format=torch.channels_last)
    for channel in output[0]:
        torch.testing.assert_close(channel, torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))
    real = Normalisation.of(images, ModelSpec())(torch.from_numpy(np.array(images.pixels)))
    assert float(real.mean()) == pytest.approx(0, abs=1e-4)
    assert float(real.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_pretrained_weights_bring_their_own_normalisation(images: ImageSet) -> None:
    given = Normalisation.of(images, ModelSpec(weights="DEFAULT"))
    assert (given.mean, given.sd) == IMAGENET


def test_images_of_one_gray_value_can_be_normalised(images: ImageSet) -> None:
    flat = Normalisation.of(replace(images, pixels=np.full_like(images.pixels, 51)), ModelSpec())
    assert flat.mean == pytest.approx(0.2)
    assert flat(torch.full((1, 4, 4), 51, dtype=torch.uint8)).abs().max() < 1e-2
