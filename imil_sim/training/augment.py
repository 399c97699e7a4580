"""The baseline augmentations, each applied to every training batch.

MixUp (Zhang et al. 2018, eq. 1) and CutMix (Yun et al. 2019, eq. 1) are torchvision's; CutOut (DeVries & Taylor 2017)
is the few lines below: one square an image, its centre anywhere, what falls outside the image cut off, filled with
black before normalisation, as IMIL's blackout is.

Each is a part (entry-point group ``imil_sim.augmentations``): a class below `Augmentation`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imil_sim import registry
from imil_sim.seeds import stream, torch_seed
from imil_sim.study.spec import AugmentationSpec
from imil_sim.training.numerics import drawing_from
from imil_sim.training.vision import v2


class Draw(NamedTuple):
    """All chance there is for one batch."""

    seed: int
    """Of the run."""
    epoch: int
    """From 1."""
    batch: int
    """From 0."""

    @property
    def rng(self) -> np.random.Generator:
        """A generator, always the same one for the batch."""
        return stream(self.seed, "augment", self.epoch, self.batch)

    def by_torch(self) -> contextlib.AbstractContextManager[None]:
        """A context in which torch's own generators stand where this batch has them."""
        return drawing_from(torch_seed(self.seed, "augment", self.epoch, self.batch), torch.device("cpu"))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Every batch as it is."""

    spec: AugmentationSpec

    def pixels(self, pixels: Tensor, draw: Draw) -> Tensor:
        """The raw batch (n, height, width), uint8, before normalisation; the argument is not modified."""
        return pixels

    def images(self, images: Tensor, labels: Tensor, classes: int, draw: Draw) -> tuple[Tensor, Tensor]:
        """Normalised images (n, 3, height, width) and targets: labels (n,), or shares of the classes (n, classes)."""
        return images, labels


class CutOut(Augmentation):
    """One black square an image (DeVries & Taylor 2017)."""

    def pixels(self, pixels: Tensor, draw: Draw) -> Tensor:
        """The images with their squares."""
        return cutout(pixels, max(1, round(self.spec.square * pixels.shape[-1])), draw.rng)


class MixUp(Augmentation):
    """Each image blended with its neighbour in the batch (Zhang et al. 2018)."""

    def images(self, images: Tensor, labels: Tensor, classes: int, draw: Draw) -> tuple[Tensor, Tensor]:
        """Images and targets, blended with one weight a batch."""
        return _blended(v2.MixUp(num_classes=classes, alpha=self.spec.alpha or 0.2), images, labels, draw)


class CutMix(Augmentation):
    """A rectangle of each image taken from its neighbour in the batch (Yun et al. 2019)."""

    def images(self, images: Tensor, labels: Tensor, classes: int, draw: Draw) -> tuple[Tensor, Tensor]:
        """Images with one rectangle a batch, and targets blended by its area."""
        return _blended(v2.CutMix(num_classes=classes, alpha=self.spec.alpha or 1.0), images, labels, draw)


def _blended(transform: Any, images: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    with draw.by_torch():
        mixed, targets = transform(images, labels)
    return mixed, targets


def augmentation(spec: AugmentationSpec) -> Augmentation:
    """The installed augmentation of that spec.

    Raises:
        PartError: there is none of its name, or it cannot be imported.
    """
    made: Augmentation = registry.load("augmentations", spec.name)(spec)
    return made


def cutout(pixels: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """The images with one black square of ``side`` pixels each; the argument is not modified.

    Args:
        pixels: (n, height, width), uint8.
        side: of the square, pixels, at least 1.
        rng: where the centres are drawn, uniformly over the pixels of the image.
    """
    height, width = pixels.shape[1:]
    result = pixels.clone()
    centres = rng.integers((height, width), size=(len(pixels), 2))
    for image, (row, col) in zip(result, centres.tolist(), strict=True):
        top, left = row - side // 2, col - side // 2
        image[max(top, 0) : top + side, max(left, 0) : left + side] = 0
    return result
