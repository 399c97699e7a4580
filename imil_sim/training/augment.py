"""The baseline augmentations, each applied to every training batch.

MixUp (Zhang et al. 2018, eq. 1) and CutMix (Yun et al. 2019, eq. 1) are torchvision's; CutOut (DeVries & Taylor 2017)
is the few lines below: one square an image, its centre anywhere, what falls outside the image cut off, filled with
black before normalisation, as IMIL's blackout is.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from imil_sim.seeds import stream, torch_seed
from imil_sim.study.spec import AugmentationSpec
from imil_sim.training.numerics import drawing_from
from imil_sim.training.vision import v2

DEFAULT_ALPHA = {"mixup": 0.2, "cutmix": 1.0}
"""Of the Beta distribution both blend weights are drawn from."""


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


def augment_pixels(spec: AugmentationSpec, pixels: Tensor, *, seed: int, epoch: int, batch: int) -> Tensor:
    """The raw batch (n, height, width), uint8, as the augmentation leaves it; CutOut acts here, the others do not."""
    if spec.name != "cutout":
        return pixels
    side = max(1, round(spec.square * pixels.shape[-1]))
    return cutout(pixels, side, stream(seed, "augment", epoch, batch))


def augment_batch(
    spec: AugmentationSpec, images: Tensor, labels: Tensor, classes: int, *, seed: int, epoch: int, batch: int
) -> tuple[Tensor, Tensor]:
    """Images (n, 3, height, width) and targets as the augmentation leaves them.

    Targets are the labels (n,) unless MixUp or CutMix blends them to (n, classes). The blend weight is one a batch,
    and each image is blended with its neighbour in the (already shuffled) batch.
    """
    if spec.name not in DEFAULT_ALPHA:
        return images, labels
    blend = v2.MixUp if spec.name == "mixup" else v2.CutMix
    transform = blend(num_classes=classes, alpha=spec.alpha or DEFAULT_ALPHA[spec.name])
    with drawing_from(torch_seed(seed, "augment", epoch, batch), torch.device("cpu")):
        mixed, targets = transform(images, labels)
    return mixed, targets
