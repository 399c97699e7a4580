"""A fill: white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.fill import Surroundings, fill


@fill("whited out")
def white(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> int:
    """Raw 255."""
    return 255
