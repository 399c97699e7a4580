"""`ImageIndex`: what an oracle may know of an image set before it is asked about any of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The whole image set that a study draws its questions from."""

    name: str
    fingerprint: str
    """`ImageSet.training_fingerprint` of the whole set: over ids, pixels, labels and class names."""
    class_names: tuple[str, ...]
    labels: Mapping[str, int]
    """True class by id."""
    image: Callable[[str], NDArray[np.uint8]]
    """(height, width): the image of that id at the study's size."""
