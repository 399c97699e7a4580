"""Draws docs/phantom.png: a row of normal phantoms, a row of TB phantoms, and the latter with their outlines.

Run from the root of the checkout: ``python docs/make_phantom_sheet.py``.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.images.phantom import Image, image

SIZE = 192
COLUMNS = 6
LUNG_COLOUR, LESION_COLOUR = (120, 200, 60), (60, 60, 250)  # OpenCV's order: blue, green, red


def outlined(one: Image) -> NDArray[np.uint8]:
    """The image in colour, (size, size, 3), with the outlines of its lungs and lesions."""
    picture = cv2.cvtColor(one.pixels, cv2.COLOR_GRAY2BGR)
    for mask, colour in ((one.lung, LUNG_COLOUR), (one.lesion, LESION_COLOUR)):
        edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, edges, -1, colour, 1)
    return np.asarray(picture, np.uint8)


def sheet() -> NDArray[np.uint8]:
    """The three rows, in colour; gray levels in steps of four, which the eye does not see and the file's size does."""
    normal = [image(0, "train", 2 * i, SIZE, diseased=False, marker="L") for i in range(COLUMNS)]
    sick = [image(0, "train", 2 * i + 1, SIZE, diseased=True, marker="R") for i in range(COLUMNS)]
    plain = [np.hstack([cv2.cvtColor(one.pixels, cv2.COLOR_GRAY2BGR) for one in row]) for row in (normal, sick)]
    return np.vstack([*plain, np.hstack([outlined(one) for one in sick])]) // 4 * 4


if __name__ == "__main__":
    cv2.imwrite(str(Path(__file__).with_name("phantom.png")), sheet(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
