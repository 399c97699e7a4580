"""What stands in the cells that were not chosen: black, as in the paper, or something less conspicuous.

A fill is a picture of the image's size, or one grey value, that `imil_sim.feedback.blackout.filled` lays around the
chosen cells. Black and grey cells have edges and a brightness that no image has; the other fills are there to ask
whether that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.blackout import filled

Fill = Literal["black", "mean", "noise", "blur", "guided-cutmix", "guided-mixup"]
"""What fills the cells that were not chosen; see `guided`."""

BLUR = 1 / 16
"""Standard deviation of the blur as a share of the image's height: ribs and lesions go, lungs and heart stay."""


class Brightness(NamedTuple):
    """Mean and standard deviation of grey values, 0 to 255."""

    mean: float
    deviation: float


class Surroundings(NamedTuple):
    """What a fill may be made of, beside the image itself."""

    brightness: Callable[[], Brightness]
    """Of all pixels of the training images; asked for only by the fills that need it."""
    partner: Callable[[np.random.Generator], NDArray[np.uint8]]
    """Draws another training image (height, width) of the image's class."""


def guided(
    fill: Fill,
    image: NDArray[np.uint8],
    keep: NDArray[np.bool_],
    around: Surroundings,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """A new image (height, width): ``image`` where ``keep`` is True, and the fill everywhere else.

    - ``black``: raw 0, the paper's blackout.
    - ``mean``: the mean grey of the training images.
    - ``noise``: each pixel drawn from a normal distribution with the mean and deviation of the training images.
    - ``blur``: the image itself, blurred (Gaussian, a sixteenth of its height).
    - ``guided-cutmix``: the same cells of another training image of the same class, so that the label stays true:
      CutMix (Yun et al. 2019) with the clinician's cells in place of a random rectangle.
    - ``guided-mixup``: the mean of the image and of another training image of the same class: MixUp (Zhang et al. 2018)
      at a blend of one half, outside the clinician's cells.

    No argument is modified; only ``noise``, ``guided-cutmix`` and ``guided-mixup`` draw.

    Raises:
        ValueError: shapes or types differ, as `filled`.
    """
    return filled(image, keep, _FILLINGS[fill](image, around, rng))


def brightness(pixels: NDArray[np.uint8]) -> Brightness:
    """The brightness of all ``pixels`` (n, height, width), exact: grey values are counted, not summed up as floats."""
    counts = np.zeros(256, dtype=np.int64)
    for image in pixels:  # one by one: the set may be larger than memory
        counts += np.bincount(image.ravel(), minlength=256)
    grey = np.arange(256)
    mean = float((counts * grey).sum() / counts.sum())
    return Brightness(mean, float(np.sqrt((counts * (grey - mean) ** 2).sum() / counts.sum())))


def _noise(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> NDArray[np.uint8]:
    return _grey(rng.normal(*around.brightness(), image.shape))


def _blur(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> NDArray[np.uint8]:
    blurred = cv2.GaussianBlur(image.astype(np.float64), (0, 0), BLUR * image.shape[0])
    return _grey(np.asarray(blurred, dtype=np.float64))


def _mixup(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> NDArray[np.uint8]:
    return _grey((image.astype(np.float64) + around.partner(rng)) / 2)


_Filling = Callable[[NDArray[np.uint8], Surroundings, np.random.Generator], NDArray[np.uint8] | int]

_FILLINGS: Mapping[Fill, _Filling] = MappingProxyType(
    {
        "black": lambda image, around, rng: 0,
        "mean": lambda image, around, rng: round(around.brightness().mean),
        "noise": _noise,
        "blur": _blur,
        "guided-cutmix": lambda image, around, rng: around.partner(rng),
        "guided-mixup": _mixup,
    }
)


def _grey(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The nearest grey values."""
    grey: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grey
