"""An image source: bright stripes, upright in one class and level in the other."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from imil_sim.images.image_set import ImageSet, Pictures
from imil_sim.images.source import DrawnSource


class Stripes(DrawnSource):
    """Noisy stripes."""

    count: int = Field(24, ge=8, description="How many images; a third of them test.")

    def draw(self) -> Pictures:
        """The stripes of each image, with noise of its own."""
        wave = np.broadcast_to(np.arange(self.size) // 4 % 2 * 90, (self.size, self.size))
        noise = np.random.default_rng(0).integers(0, 160, (self.count, self.size, self.size))
        upright = np.arange(self.count)[:, None, None] % 2
        return Pictures((noise + np.where(upright, wave, wave.T)).astype(np.uint8), {})

    def image_set(self, pictures: Pictures) -> ImageSet:
        """Every third image is a test image."""
        numbers = range(self.count)
        return ImageSet(
            name="stripes",
            ids=tuple(f"stripes-{number:02}" for number in numbers),
            pixels=pictures.pixels,
            labels=np.arange(self.count) % 2,
            class_names=("level", "upright"),
            parts=tuple("test" if number // 2 % 3 == 0 else "train" for number in numbers),
        )
