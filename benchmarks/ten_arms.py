"""The study that benchmarks run: ten feedback arms and a baseline on the phantom, consulted after 70 of 100 epochs.

Model and images are small, so that a hundred epochs take seconds; the proportions are the paper's: a consultation about
20 outliers after 70 of 100 epochs, SGD at 0.001, batches of 64. There are always 20 questions, because a shortage of
mispredictions is filled up, and the ten arms answer them differently, so that no branch meets another: how many epochs
are trained is then known beforehand. (`lungs` asks for cells that are mostly lung: with the oracle's own threshold it
would answer as `lesions` does wherever all that is asked about are normal images.)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FEEDBACK_ARMS = 10

STUDY = """
name = "ten-arms"
seeds = {size.seeds}
images = {{ source = "phantom", size = {size.pixels}, train = {size.train}, test = {size.test} }}
model.name = "{size.model}"
[training]
epochs = {size.epochs}
batch_size = 64
learning_rate = 0.001
precision = "{precision}"
[feedback]
imil_epoch = {size.imil_epoch}
num_outliers = {size.outliers}
grid_size = 4
fill_up = "least-confident-correct"
[arms.baseline]
[arms.lesions]
feedback.oracle = "lesions"
[arms.lesions-fewer]
feedback = {{ oracle = "lesions", num_outliers = {fewer} }}
[arms.lungs]
feedback = {{ oracle = "lung-fields", options.threshold = 0.6 }}
[arms.lungs-fewer]
feedback = {{ oracle = "lung-fields", options.threshold = 0.6, num_outliers = {fewer} }}
[arms.random-like-lesions]
feedback = {{ oracle = "random-cells", options.like = "lesions" }}
[arms.random-1]
feedback = {{ oracle = "random-cells", options.count = 1 }}
[arms.random-2]
feedback = {{ oracle = "random-cells", options.count = 2 }}
[arms.random-4]
feedback = {{ oracle = "random-cells", options.count = 4 }}
[arms.random-8]
feedback = {{ oracle = "random-cells", options.count = 8 }}
[arms.random-12]
feedback = {{ oracle = "random-cells", options.count = 12 }}
"""

ONE_MORE = """
[arms.random-14]
feedback = { oracle = "random-cells", options.count = 14 }
"""
"""An eleventh feedback arm, which answers unlike the others."""

EQUALS = 5
ITS_EQUALS = "".join(
    f'[arms.lesions-{n}]\nfeedback = {{ oracle = "lesions", options.threshold = 0.10{n} }}\n' for n in range(EQUALS)
)
"""Five more feedback arms, asked by themselves, that answer as `lesions` does: a cell of the image (8 x 8 pixels) is
never covered by a share between 6/64 and 7/64, so thresholds in between choose the same cells."""


@dataclass(frozen=True)
class Size:
    """How large the study is."""

    train: int = 96
    """ImageIndex, two batches."""
    test: int = 24
    pixels: int = 32
    model: str = "resnet10"
    epochs: int = 100
    imil_epoch: int = 70
    outliers: int = 20
    seeds: int = 2
    """As many as there are workers, so that each has a trunk to train."""

    @property
    def epochs_straight(self) -> int:
        """Epochs if every run is trained by itself, all seeds together."""
        return self.seeds * (FEEDBACK_ARMS + 1) * self.epochs

    @property
    def epochs_shared(self) -> int:
        """Epochs if every different one is trained once: a trunk, then a branch a feedback arm and the baseline's."""
        return self.seeds * (self.imil_epoch + (FEEDBACK_ARMS + 1) * (self.epochs - self.imil_epoch))

    @property
    def bound(self) -> float:
        """How many times less work sharing can make of it."""
        return self.epochs_straight / self.epochs_shared


FULL = Size()
LARGER = Size(pixels=64, model="resnet18")
"""As small as a study can be that somebody would run in earnest: one start of the program does not tell in it."""

SMOKE = Size(train=64, test=4, epochs=10, imil_epoch=7, outliers=4)
"""Enough to see that a benchmark runs; its figures mean nothing."""


def write_study(
    folder: Path, size: Size, *, precision: Literal["fp32", "bf16"] = "fp32", further: str = "", name: str = "ten-arms"
) -> Path:
    """The study's file, made in the folder; ``further`` holds the TOML of arms that come on top of the ten."""
    path = folder / f"{name}.toml"
    path.write_text(STUDY.format(size=size, precision=precision, fewer=size.outliers // 2) + further, encoding="utf-8")
    return path
