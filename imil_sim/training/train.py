"""Training: plain PyTorch, one visible loop, from one completed epoch to another.

A state of training is a `Snapshot`: named tensors and nothing else. `train` depends on its arguments alone, so that
training to epoch 70 and on to 100 gives, bit for bit, what training straight to 100 gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imil_sim.errors import NonFiniteLoss
from imil_sim.images.image_set import ImageSet
from imil_sim.seeds import stream, torch_seed
from imil_sim.study.record import EpochRow
from imil_sim.study.spec import AugmentationSpec, ModelSpec, TrainingSpec
from imil_sim.training import models
from imil_sim.training.augment import Draw, augmentation
from imil_sim.training.numerics import drawing_from
from imil_sim.training.overlay import Overlay, TrainingRows

TRAINING_REVISION = 1
"""Raised whenever the numbers that training gives change; it enters every key, so old states are left alone."""

IMAGENET = (0.449, 0.226)
"""Mean and standard deviation of ImageNet's gray values (the mean of torchvision's three channels)."""


@dataclass(frozen=True)
class Recipe:
    """All that training depends on besides the images and the overlay."""

    model: ModelSpec
    training: TrainingSpec
    augmentation: AugmentationSpec
    seed: int
    beside: Path | None = None
    """Folder of the study file, where a local weights file may lie."""


@dataclass(frozen=True)
class Normalisation:
    """Gray value (0 to 255) to model input: divide by 255, take off ``mean``, divide by ``sd``."""

    mean: float
    sd: float

    @classmethod
    def of(cls, images: ImageSet, model: ModelSpec) -> Normalisation:
        """ImageNet's for torchvision's pretrained weights, else the training images' own (before any blackout)."""
        if model.weights == "DEFAULT":
            return cls(*IMAGENET)
        counts = np.zeros(256, np.int64)  # exact, whatever the order: a histogram of integers
        for image in images.pixels:
            counts += np.bincount(image.ravel(), minlength=256)
        values = np.arange(256) / 255
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        return cls(mean, max(variance**0.5, 1e-3))

    def __call__(self, pixels: Tensor) -> Tensor:
        """(n, height, width) uint8 to (n, 3, height, width) float32, channels last."""
        gray = pixels.float().mul_(1 / (255 * self.sd)).sub_(self.mean / self.sd)
        return gray.unsqueeze(1).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Snapshot:
    """The state of training after ``epoch`` completed epochs."""

    epoch: int
    tensors: Mapping[str, Tensor]
    """On the CPU: ``model.NAME`` and, after the first epoch, ``optimizer.INDEX.NAME``."""


@dataclass(frozen=True)
class Trained:
    """What `train` gives back."""

    snapshot: Snapshot
    history: tuple[EpochRow, ...]
    """One row for each epoch trained in this call."""


def start_model(recipe: Recipe, images: ImageSet, snapshot: Snapshot | None, device: torch.device) -> nn.Module:
    """The model of the snapshot on the device, or an untrained one where there is none."""
    spec = recipe.model
    if snapshot is not None:  # its tensors replace any others: the file they once came from need not be there any more
        spec = spec.model_copy(update={"weights": "none"})
    size, classes = images.shape[1], len(images.class_names)
    model = models.build(spec, classes=classes, size=size, seed=recipe.seed, beside=recipe.beside)
    if snapshot is not None:
        prefix = "model."
        model.load_state_dict({k.removeprefix(prefix): v for k, v in snapshot.tensors.items() if k.startswith(prefix)})
    return model.to(device)


def train(
    recipe: Recipe,
    images: ImageSet,
    overlay: Overlay,
    snapshot: Snapshot | None,
    until: int,
    *,
    device: torch.device,
    on_epoch: Callable[[EpochRow], None] = lambda row: None,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
    checkpoint_due: Callable[[], bool] = lambda: False,
    checkpoint: Callable[[Trained], None] = lambda trained: None,
) -> Trained:
    """The state after ``until`` completed epochs, going on from ``snapshot`` (or from the initial weights).

    Args:
        recipe: model, optimizer, augmentation and seed.
        images: the training images.
        overlay: what consultations have made of them so far.
        snapshot: where to go on from; None: from the beginning.
        until: completed epochs at the end, at least those of the snapshot.
        device: where to train.
        on_epoch: called with each finished epoch; it may read, not write.
        on_batch: called after each batch of an epoch: how many are done, of how many.
        checkpoint_due: asked after every epoch but the last whether to hand the state reached to ``checkpoint``.
        checkpoint: keeps a state on the way.

    Raises:
        ValueError: ``until`` lies before the snapshot, or the overlay does not fit the images.
        NonFiniteLoss: the loss is infinite or not a number; the message names epoch and batch.
    """
    done = snapshot.epoch if snapshot else 0
    if until < done:
        raise ValueError(f"cannot train to epoch {until}: the snapshot has {done} completed epochs")
    model = start_model(recipe, images, snapshot, device)
    optimizer = _optimizer(recipe.training, model)
    if snapshot is not None:
        _restore_optimizer(optimizer, snapshot)
    rows = TrainingRows(images, overlay, device)
    normalise = Normalisation.of(images, recipe.model)
    classes = len(images.class_names)
    history: list[EpochRow] = []
    for epoch in range(done + 1, until + 1):
        with drawing_from(torch_seed(recipe.seed, "dropout", epoch), device):
            order = stream(recipe.seed, "placebo" if overlay.reordered else "order", epoch).permutation(len(rows))
            row = _train_epoch(recipe, model, optimizer, rows, order, normalise, classes, epoch, on_batch)
        history.append(row)
        on_epoch(row)
        if epoch < until and checkpoint_due():
            checkpoint(Trained(Snapshot(epoch, _tensors(model, optimizer)), tuple(history)))
    return Trained(Snapshot(until, _tensors(model, optimizer)), tuple(history))


def _train_epoch(
    recipe: Recipe,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rows: TrainingRows,
    order: NDArray[np.int64],
    normalise: Normalisation,
    classes: int,
    epoch: int,
    on_batch: Callable[[int, int], None],
) -> EpochRow:
    model.train()
    augment = augmentation(recipe.augmentation)
    bf16 = recipe.training.precision == "bf16"
    parts = batches(order, recipe.training.batch_size)
    losses: list[Tensor] = []
    hits: list[Tensor] = []
    for number, indices in enumerate(parts):
        draw = Draw(recipe.seed, epoch, number)
        labels = rows.labels(indices)
        inputs = normalise(augment.pixels(rows.pixels(indices), draw))
        inputs, targets = augment.images(inputs, labels, classes, draw)
        stepped = step(model, optimizer, inputs, targets, bf16=bf16)
        losses.append(stepped.loss)
        hits.append((stepped.logits.argmax(1) == labels).sum())
        on_batch(number + 1, len(parts))
    loss = torch.stack(losses).cpu()  # looked at once an epoch: a look at every batch would make a GPU wait
    finite = torch.isfinite(loss)
    if not bool(finite.all()):
        bad = int(finite.int().argmin())
        raise NonFiniteLoss(
            f"the loss of batch {bad + 1} in epoch {epoch} is {float(loss[bad])}; lower training.learning_rate"
            + (' or set training.precision = "fp32"' if bf16 else "")
        )
    sizes = torch.tensor([len(indices) for indices in parts])
    mean_loss = float((loss.double() * sizes).sum() / sizes.sum())
    return EpochRow(epoch=epoch, loss=mean_loss, accuracy=int(torch.stack(hits).sum()) / len(order))


class Stepped(NamedTuple):
    """What one step of training saw before it changed the weights; both detached."""

    logits: Tensor
    """(n, classes)"""
    loss: Tensor
    """Mean cross-entropy of the batch, a scalar in float32."""


def step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor, *, bf16: bool) -> Stepped:
    """One step: forward (in bf16 autocast where asked for), backward, update; model and optimizer are changed."""
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=bf16):
        logits = model(inputs)
    loss = functional.cross_entropy(logits.float(), targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return Stepped(logits.detach(), loss.detach())


def batches(order: NDArray[np.int64], size: int) -> list[Tensor]:
    """The rows of ``order`` in batches of ``size``; a last batch of a single image joins the one before.

    Batch normalisation cannot take a variance over one image whose feature map is one pixel.
    """
    ends = [*range(size, len(order), size), len(order)]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    return [torch.from_numpy(order[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _optimizer(spec: TrainingSpec, model: nn.Module) -> torch.optim.Optimizer:
    rate, decay = spec.learning_rate, spec.weight_decay
    if spec.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=spec.momentum, weight_decay=decay)
    kind = torch.optim.Adam if spec.optimizer == "adam" else torch.optim.AdamW
    return kind(model.parameters(), lr=rate, weight_decay=decay)


def _tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": v for name, v in state.items() if isinstance(v, Tensor)}
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, snapshot: Snapshot) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, value in snapshot.tensors.items():
        if not key.startswith("optimizer."):
            continue
        _, index, name = key.split(".", 2)
        parameter = parameters[int(index)]
        # A copy, since the optimizer goes on counting in the tensors it is given; and one that is laid out in memory as
        # the parameter is, as it was before it was stored.
        own = torch.empty_like(parameter, dtype=value.dtype) if value.shape == parameter.shape else value.clone()
        state.setdefault(int(index), {})[name] = own.copy_(value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
