"""Blackout: what an image looks like when only the cells that matter are left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
