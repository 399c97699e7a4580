"""A selection: images in the order of their names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.selection import Candidates, strategy


@strategy("These images come first in the alphabet.")
def alphabetical(candidates: Candidates) -> NDArray[np.intp]:
    """All images by name."""
    return candidates.all_by()
