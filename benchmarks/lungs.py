"""Dice of the estimated lungs against the 566 drawn masks of the Shenzhen set, and the time an image takes.

    IMIL_SIM_DATA=../shared/data python -m benchmarks.lungs

The numbers in `imil_sim/images/lungs.py` were chosen on the images with even file numbers; the odd ones were measured
with these. Dice is counted over the images with an estimate; images without one are counted apart, never as zero.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from imil_sim.images.lungs import estimate_lungs


@dataclass(frozen=True, slots=True)
class Outcome:
    """One image's estimate against its drawn mask."""

    number: int
    """In the file name: 1 to 662."""
    dice: float
    """In [0, 1]; nan where the estimate is an abstention."""
    reason: str
    """Of the abstention; empty otherwise."""
    milliseconds: float
    """Of the faster of two calls: the other one's excess is what else the machine was doing."""


def measure(mask_path: Path) -> Outcome:
    """The outcome for the image that belongs to a drawn mask."""
    image_path = mask_path.parents[1] / "CXR_png" / mask_path.name.replace("_mask", "")
    image, drawn = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in (image_path, mask_path))
    if image is None or drawn is None:
        raise SystemExit(f"{image_path} or {mask_path} cannot be read as an image")
    image, truth = image.astype(np.uint8, copy=False), drawn > 127
    times = []
    for _ in range(2):
        start = time.perf_counter()
        estimate = estimate_lungs(image)
        times.append(1000 * (time.perf_counter() - start))
    mask = estimate.mask
    dice = float("nan") if mask is None else 2 * float((mask & truth).sum()) / float(mask.sum() + truth.sum())
    return Outcome(int(mask_path.name.split("_")[1]), dice, estimate.reason, min(times))


def line(name: str, outcomes: list[Outcome]) -> str:
    """One row of the table."""
    dice = np.array([outcome.dice for outcome in outcomes])
    spent = np.array([outcome.milliseconds for outcome in outcomes])
    found = dice[~np.isnan(dice)]
    return (
        f"{name:<6}{len(dice):>6}{found.mean():>8.4f}{np.median(found):>8.4f}{found.min():>7.2f}"
        f"{(found < 0.8).sum():>6}{(found < 0.6).sum():>6} ({(found < 0.6).mean():.2%})"
        f"{len(dice) - len(found):>8}{np.median(spent):>8.1f}{spent.max():>8.1f}"
    )


def main() -> None:
    """Print the table and every abstention."""
    folder = os.environ.get("IMIL_SIM_DATA")
    if not folder:
        sys.exit("IMIL_SIM_DATA is not set; set it to the folder that holds shenzhen/masks and shenzhen/CXR_png")
    paths = sorted((Path(folder) / "shenzhen" / "masks").glob("*_mask.png"))
    if not paths:
        sys.exit(f"{folder}/shenzhen/masks holds no *_mask.png; is IMIL_SIM_DATA the right folder?")
    cv2.setNumThreads(1)
    measure(paths[0])  # the drawn outlines are prepared once a process, outside the timing
    outcomes = [measure(path) for path in paths]
    print("images      n    mean  median    min  <0.8  <0.6         abstain  ms med  ms max")
    print(line("even", [outcome for outcome in outcomes if outcome.number % 2 == 0]))
    print(line("odd", [outcome for outcome in outcomes if outcome.number % 2]))
    print(line("all", outcomes))
    for outcome in outcomes:
        if outcome.reason:
            print(f"abstained on {outcome.number}: {outcome.reason}")


if __name__ == "__main__":
    main()
