"""What stands in the cells that were not chosen: black, as in the paper, or something less conspicuous.

A fill is a part (entry-point group ``imil_sim.fills``): a function marked with `fill`. Black and grey cells have edges
and a brightness that no image has; the other fills are there to ask whether that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim import registry
from imil_sim.registry import summary

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


@dataclass(frozen=True, slots=True)
class Fill:
    """A way to fill the cells that were not chosen."""

    make: Callable[[NDArray[np.uint8], Surroundings, np.random.Generator], NDArray[np.uint8] | int]
    """Of an image (height, width), what surrounds it, and a generator: a picture of that shape, or one grey value."""
    done: str
    """What is done with the cells, for the reader: ``blacked out``."""

    @property
    def help(self) -> str:
        """One line about it."""
        return summary(self.make)


def fill(done: str) -> Callable[[Callable[..., NDArray[np.uint8] | int]], Fill]:
    """Declares a function to be a `Fill`."""
    return lambda make: Fill(make, done)


def blackout(image: NDArray[np.uint8], keep: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image with every pixel outside ``keep`` set to raw 0 (Rao et al. 2024, section 3.1, "blackout").

    Shapes and errors as in `filled`. Keeping every pixel gives an equal image.
    """
    return filled(image, keep, 0)


def filled(image: NDArray[np.uint8], keep: NDArray[np.bool_], filling: NDArray[np.uint8] | int) -> NDArray[np.uint8]:
    """A new image: ``image`` where ``keep`` is True, ``filling`` everywhere else; no argument is modified.

    ``image`` is (height, width) or (height, width, 3) and ``keep`` (height, width); or both are (n, height, width) for
    many at once. ``filling`` is one grey value, or a picture of the image's shape: a mean, noise, a blur, another one.

    Raises:
        ValueError: the shapes differ, ``image`` or ``filling`` is not uint8, or ``keep`` is not boolean.
    """
    coloured = image.ndim == 3 and image.shape[2] == 3 and keep.ndim == 2
    if image.dtype != np.uint8 or keep.dtype != np.bool_ or image.shape[: 2 if coloured else None] != keep.shape:
        raise ValueError(
            "an image of uint8 and a boolean mask of the same shape are needed, not "
            f"{image.dtype} {image.shape} and {keep.dtype} {keep.shape}"
        )
    if isinstance(filling, np.ndarray) and (filling.dtype != np.uint8 or filling.shape != image.shape):
        raise ValueError(f"the filling is {filling.dtype} {filling.shape}, the image uint8 {image.shape}")
    return np.where(keep[..., None] if coloured else keep, image, np.asarray(filling, dtype=np.uint8))


def guided(
    name: str,
    image: NDArray[np.uint8],
    keep: NDArray[np.bool_],
    around: Surroundings,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """A new image (height, width): ``image`` where ``keep`` is True, and the installed fill of that name elsewhere.

    No argument is modified.

    Raises:
        PartError: no such fill is installed.
        ValueError: shapes or types differ, as `filled`.
    """
    return filled(image, keep, registry.load("fills", name).make(image, around, rng))


def brightness(images: Iterable[NDArray[np.uint8]]) -> Brightness:
    """The brightness of all pixels of the images, exact: grey values are counted, not summed up as floats."""
    counts = np.zeros(256, dtype=np.int64)
    for image in images:  # one by one: the set may be larger than memory
        counts += np.bincount(image.ravel(), minlength=256)
    grey = np.arange(256)
    mean = float((counts * grey).sum() / counts.sum())
    return Brightness(mean, float(np.sqrt((counts * (grey - mean) ** 2).sum() / counts.sum())))


@fill("blacked out")
def black(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> int:
    """Raw 0: the paper's blackout."""
    return 0


@fill("filled with the mean grey of the training images")
def mean(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> int:
    """The mean grey of the training images."""
    return round(around.brightness().mean)


@fill("filled with noise")
def noise(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each pixel drawn from a normal distribution with the mean and deviation of the training images."""
    return _grey(rng.normal(*around.brightness(), image.shape))


@fill("blurred")
def blur(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image itself, blurred (Gaussian, a sixteenth of its height)."""
    blurred = cv2.GaussianBlur(image.astype(np.float64), (0, 0), BLUR * image.shape[0])
    return _grey(np.asarray(blurred, dtype=np.float64))


@fill("filled from another image of the same class")
def guided_cutmix(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The same cells of another training image of the same class, so that the label stays true.

    CutMix (Yun et al. 2019) with the clinician's cells in place of a random rectangle.
    """
    return around.partner(rng)


@fill("mixed with another image of the same class")
def guided_mixup(image: NDArray[np.uint8], around: Surroundings, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The mean of the image and of another training image of the same class.

    MixUp (Zhang et al. 2018) at a blend of one half, outside the clinician's cells.
    """
    return _grey((image.astype(np.float64) + around.partner(rng)) / 2)


def _grey(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The nearest grey values."""
    grey: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grey
