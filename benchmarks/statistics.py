"""What the statistics of a large study cost: all comparisons of 50 arms x 30 seeds x 1,000 test images.

    OMP_NUM_THREADS=1 python -m benchmarks.statistics

For each of the five metrics: the components of all runs, 49 planned comparisons with the reference (inferences A, B
and C, Holm, P(A > B), detectable effect), the summaries of all 50 arms and one trend. Seconds are those of the
processor, with one thread, so other work on the machine is not counted; megabytes are the most the process ever held,
predictions included.
"""

from __future__ import annotations

import resource
import time

import numpy as np
from numpy.typing import NDArray

from imil_sim.stats import compare, components_of, null_ece, slope_weights, summarise, weighted

SECONDS_TARGET = 20.0
ARMS, SEEDS, IMAGES = 50, 30, 1000
LABELS = np.arange(IMAGES) % 2
METRICS: tuple[str, ...] = ("auroc", "accuracy", "brier", "ece_top_label", "ece_positive")


def predictions(rng: np.random.Generator) -> NDArray[np.float64]:
    """(arms, seeds, images, 2): runs that are about as good as real ones, and all different."""
    latent = 2 * LABELS - 1 + rng.normal(size=IMAGES) + rng.normal(size=(ARMS, SEEDS, IMAGES))
    positive = 1 / (1 + np.exp(-latent))
    return np.stack([1 - positive, positive], axis=-1)


def analysed(metric: str, shown: NDArray[np.float64]) -> float:
    """Seconds that one metric takes."""
    began = time.process_time()
    of = components_of(metric, LABELS, shown)
    compare(of, [(arm, 0) for arm in range(1, ARMS)])
    for arm in range(ARMS):
        summarise(of, arm)
    weighted(of, slope_weights([{arm: float(arm) for arm in range(ARMS)}]))
    return time.process_time() - began


def main() -> int:
    """Print the figures; 1 where the target is missed."""
    shown = predictions(np.random.default_rng(0))
    total = 0.0
    for metric in METRICS:
        seconds = analysed(metric, shown)
        total += seconds
        print(f"{metric:14} {seconds:5.2f} s", flush=True)
    began = time.process_time()
    null_ece(shown[0, 0].max(axis=1))
    print(f"{'null ECE, 1 run':14} {time.process_time() - began:5.3f} s")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    good = total < SECONDS_TARGET
    print(f"{ARMS} arms x {SEEDS} seeds x {IMAGES} images: {total:.1f} s, {megabytes:.0f} MB", end="  ")
    print("met" if good else "missed")
    print(f"target: under {SECONDS_TARGET:.0f} s on one core")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
