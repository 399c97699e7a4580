"""An augmentation: half the images mirrored."""

from __future__ import annotations

import torch
from torch import Tensor

from imil_sim.training.augment import Augmentation, Draw


class Mirror(Augmentation):
    """Each image mirrored left to right, or not, at random."""

    def pixels(self, pixels: Tensor, draw: Draw) -> Tensor:
        """The images, some of them mirrored."""
        turned = torch.from_numpy(draw.rng.random(len(pixels)) < 0.5)
        return torch.where(turned[:, None, None], pixels.flip(-1), pixels)
