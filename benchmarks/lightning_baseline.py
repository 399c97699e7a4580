"""The ten-arm study as a script that somebody who knows Lightning would write: one training after another.

    python -m benchmarks.lightning_baseline IMAGES.npz SECONDS.json --epochs 100 --imil-epoch 70 --outliers 20 --seeds 2

A LightningModule around torchvision's ResNet, a Dataset, DataLoaders, a Trainer, a callback that holds the
consultation; everything that is not said here is Lightning's own default (threads, precision, workers of the
DataLoader, logger, checkpoints, progress bar). It knows the same images and masks, model, optimizer, batches, epochs,
arms and seeds as the study of `benchmarks.ten_arms`, and it does *less*: no CAMs, no predictions with the lungs hidden,
no records, and its images come ready. Nothing of imil-sim is used but the import of torchvision.

IMAGES.npz: ``train_pixels`` and ``test_pixels`` (n, height, width) uint8, ``train_labels`` and ``test_labels`` (n,),
``lesion`` and ``lung`` (n, height, width), the masks of the training images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from imil_sim.training.vision import models  # torchvision.models, importable beside a CPU-only torch as well

# isort: split
import lightning
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC, BinaryCalibrationError

GRID = 4
BATCH = 64
BLOCKS = {"resnet10": 1, "resnet18": 2}
"""Of each of the four stages."""

Arrays = Mapping[str, NDArray[Any]]
Oracle = Callable[[Arrays, int, np.random.Generator], NDArray[np.bool_]]
"""The cells (4, 4) that matter on the training image of a row."""


class ImageIndex(Dataset[tuple[Tensor, Tensor]]):
    """Images as a classifier takes them: three equal channels, normalised; pixels may be replaced on the way."""

    def __init__(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], mean: float, sd: float) -> None:
        self.pixels = torch.from_numpy(pixels.copy())
        self.labels = torch.from_numpy(labels)
        self.mean, self.sd = mean, sd

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        image = self.pixels[row].float().div(255).sub(self.mean).div(self.sd)
        return image.expand(3, -1, -1), self.labels[row]


class Classifier(lightning.LightningModule):
    """A ResNet of basic blocks with cross-entropy and plain SGD."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.model = models.resnet.ResNet(models.resnet.BasicBlock, [blocks] * 4, num_classes=2)
        self.accuracy, self.auroc, self.ece = BinaryAccuracy(), BinaryAUROC(), BinaryCalibrationError(n_bins=15)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(self.model(images), labels)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Metrics of a batch of test images."""
        images, labels = batch
        positive = self.model(images).softmax(1)[:, 1]
        for name, metric in (("accuracy", self.accuracy), ("auroc", self.auroc), ("ece", self.ece)):
            metric(positive, labels)
            self.log(name, metric, on_step=False, on_epoch=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.001)


class Consultation(lightning.Callback):
    """After ``epoch`` epochs: blacks out, on the surest mispredictions, all that the oracle did not choose."""

    def __init__(
        self, images: ImageIndex, arrays: Arrays, oracle: Oracle, epoch: int, outliers: int, rng: np.random.Generator
    ) -> None:
        self.images, self.arrays, self.oracle = images, arrays, oracle
        self.epoch, self.outliers, self.rng = epoch, outliers, rng

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Ask, if it is time."""
        if trainer.current_epoch + 1 != self.epoch:
            return
        for row in self.surest_mispredictions(module.model):  # type: ignore[arg-type]
            cells = self.oracle(self.arrays, row, self.rng)
            keep = np.kron(cells, np.ones(np.array(self.images.pixels.shape[1:]) // GRID, np.bool_))
            self.images.pixels[row][torch.from_numpy(~keep)] = 0

    def surest_mispredictions(self, model: nn.Module) -> list[int]:
        """Rows of the training images that are predicted wrong, the most confident first."""
        model.eval()
        with torch.no_grad():
            shown = torch.cat([model(images).softmax(1) for images, _ in DataLoader(self.images, batch_size=BATCH)])
        model.train()
        confidence, predicted = shown.max(1)
        wrong = (predicted != self.images.labels).nonzero()[:, 0]
        surest: list[int] = wrong[confidence[wrong].argsort(descending=True)][: self.outliers].tolist()
        return surest


def covered(mask: NDArray[np.bool_], threshold: float) -> NDArray[np.bool_]:
    """The cells of which that share is covered, and the best-covered one."""
    side = np.array(mask.shape) // GRID
    share = mask.reshape(GRID, side[0], GRID, side[1]).mean((1, 3))
    cells: NDArray[np.bool_] = (share >= threshold) | (share == share.max())
    return cells


def lesions(arrays: Arrays, row: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Cells of the lesions; of the lungs on a normal image."""
    return covered(arrays["lesion" if arrays["train_labels"][row] else "lung"][row], 0.1)


def lungs(arrays: Arrays, row: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Cells that are mostly lung."""
    return covered(arrays["lung"][row], 0.6)


def random_cells(count: int) -> Oracle:
    """That many cells, anywhere."""

    def answer(arrays: Arrays, row: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        return rng.permutation(np.arange(GRID * GRID) < count).reshape(GRID, GRID)

    return answer


def random_like_lesions(arrays: Arrays, row: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """As many cells as the lesions cover, anywhere."""
    return random_cells(int(lesions(arrays, row, rng).sum()))(arrays, row, rng)


ARMS: dict[str, tuple[Oracle, float] | None] = {
    "baseline": None,
    "lesions": (lesions, 1),
    "lesions-fewer": (lesions, 0.5),
    "lungs": (lungs, 1),
    "lungs-fewer": (lungs, 0.5),
    "random-like-lesions": (random_like_lesions, 1),
    **{f"random-{count}": (random_cells(count), 1) for count in (1, 2, 4, 8, 12)},
}
"""By name: who is asked, and about which share of the outliers."""


def train_one(arrays: Arrays, arm: str, seed: int, asked: argparse.Namespace, folder: str) -> Mapping[str, float]:
    """Test metrics of one arm and seed, trained from scratch."""
    lightning.seed_everything(seed)
    mean, sd = float(arrays["train_pixels"].mean() / 255), float(arrays["train_pixels"].std() / 255)
    images = ImageIndex(arrays["train_pixels"], arrays["train_labels"], mean, sd)
    test = ImageIndex(arrays["test_pixels"], arrays["test_labels"], mean, sd)
    callbacks: list[lightning.Callback] = []
    if (consulted := ARMS[arm]) is not None:
        oracle, share = consulted
        rng = np.random.default_rng(seed)
        callbacks = [Consultation(images, arrays, oracle, asked.imil_epoch, int(asked.outliers * share), rng)]
    extras: bool | None = False if asked.lean else None  # None: as Lightning has it by default
    trainer = lightning.Trainer(
        max_epochs=asked.epochs,
        callbacks=callbacks,
        default_root_dir=folder,
        logger=extras,
        enable_checkpointing=extras,
        enable_progress_bar=extras,
        enable_model_summary=extras,
    )
    module = Classifier(BLOCKS[asked.model])
    trainer.fit(module, DataLoader(images, batch_size=BATCH, shuffle=True))
    (metrics,) = trainer.test(module, DataLoader(test, batch_size=BATCH), verbose=not asked.lean)
    return metrics


def runs(asked: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Arm and seed of every run."""
    every = [(arm, seed) for seed in range(asked.seeds) for arm in ARMS]
    yield from every[: asked.runs]


def main() -> None:
    """Train every arm and seed; print the metrics and write the seconds of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("seconds", type=Path)
    for name in ("epochs", "imil-epoch", "outliers", "seeds"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--model", choices=list(BLOCKS), default="resnet10")
    parser.add_argument("--runs", type=int, help="only the first so many")
    parser.add_argument("--lean", action="store_true", help="no logger, checkpoints, progress bar and summary")
    asked = parser.parse_args()
    with np.load(asked.images) as file:
        arrays = dict(file)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for arm, seed in runs(asked):
            began = time.perf_counter()
            metrics = train_one(arrays, arm, seed, asked, folder)
            seconds.append(time.perf_counter() - began)
            print(arm, seed, *(f"{name} {value:.3f}" for name, value in metrics.items()), flush=True)
    asked.seconds.write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
