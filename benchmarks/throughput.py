"""What the training loop costs beside the bare step: images per second of both, and what bf16 gains.

    python -m benchmarks.throughput [CASE ...]

The loop is `imil_sim.training.train.train` as a stage calls it: gathering, overlay, normalising, the step, the counts.
The bare step is forward, backward and update on one batch that is ready. Both run in one process, on one thread, with
deterministic kernels and channels last, and take turns step by step, so that both see the same machine. Times are
seconds of the processor, not of the clock on the wall: other work on the machine is not counted against either.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import ctypes
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from imil_sim.images.image_set import ImageSet
from imil_sim.study.spec import AugmentationSpec, ModelSpec, TrainingSpec
from imil_sim.training.models import build
from imil_sim.training.numerics import deterministic
from imil_sim.training.overlay import Overlay
from imil_sim.training.train import Normalisation, Recipe, train

Precision = Literal["fp32", "bf16"]
CPU = torch.device("cpu")
LOOP_TARGET = 0.95
"""Of the bare step's images per second."""
BF16_TARGET = 1.6
"""Of the images per second in fp32, on a processor that multiplies in bf16."""
WARM_UP = 2
"""Steps at the beginning that are not counted: kernels are prepared, memory is fetched."""
BATCHES = 4
"""Of an epoch."""
REPLACED = 20
"""Images of the overlay, as after a consultation of the paper."""


@dataclass(frozen=True)
class Case:
    """A model at a size, and how many steps are measured."""

    model: str
    size: int
    batch: int
    steps: int

    @property
    def name(self) -> str:
        """What the case is called on the command line."""
        return f"{self.model}-{self.size}"


CASES = (
    Case("resnet18", 64, batch=64, steps=22),
    Case("resnet18", 96, batch=64, steps=14),
    Case("resnet50", 224, batch=16, steps=10),  # the paper's batch of 64 would take minutes and several GB
)


@dataclass
class Turns:
    """An observer of training that takes a bare step after every step of the loop, and times both, in seconds."""

    bare_step: dict[Precision, Callable[[], None]]
    loop: list[float] = field(default_factory=list)
    bare: dict[Precision, list[float]] = field(default_factory=dict)
    since: float | None = None

    def __call__(self, done: int, total: int) -> None:
        """StudyResults by the loop that a batch is finished."""
        if self.since is not None:
            self.loop.append(time.process_time() - self.since)
            for precision, one in self.bare_step.items():
                began = time.process_time()
                one()
                self.bare.setdefault(precision, []).append(time.process_time() - began)
        self.since = time.process_time()


def images_of(case: Case) -> ImageSet:
    """Noise of the case's size, enough for an epoch."""
    rng = np.random.default_rng(0)
    count = case.batch * BATCHES
    pixels = rng.integers(0, 256, (count, case.size, case.size), dtype=np.uint8)
    ids = tuple(f"{i:04}" for i in range(count))
    return ImageSet("noise", ids, pixels, np.arange(count, dtype=np.int64) % 2, ("normal", "TB"))


def bare_step(case: Case, images: ImageSet, precision: Precision) -> Callable[[], None]:
    """One forward-backward-update of a model of its own, on a batch that lies ready."""
    spec = ModelSpec(name=case.model)
    model = build(spec, classes=2, size=case.size, seed=0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    inputs = Normalisation.of(images, spec)(torch.from_numpy(images.pixels[: case.batch].copy()))
    labels = torch.from_numpy(images.labels[: case.batch].copy())

    def take() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(inputs)
        functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return take


def take_turns(case: Case, precision: Precision, beside: tuple[Precision, ...]) -> Turns:
    """The times of the loop in one precision and of bare steps in others, without the warm-up."""
    images = images_of(case)
    overlay = Overlay()
    for row in range(0, REPLACED * 3, 3):
        overlay = overlay.replace(row, np.zeros(images.shape, np.uint8))
    turns = Turns({other: bare_step(case, images, other) for other in beside})
    training = TrainingSpec(batch_size=case.batch, precision=precision)
    recipe = Recipe(ModelSpec(name=case.model), training, AugmentationSpec(), seed=0)
    epochs = -(-(case.steps + WARM_UP + 1) // BATCHES)
    with deterministic():
        train(recipe, images, overlay, None, epochs, device=CPU, on_batch=turns)
    kept = slice(WARM_UP, WARM_UP + case.steps)
    return Turns({}, turns.loop[kept], {name: times[kept] for name, times in turns.bare.items()})


def ratio(slow: list[float], fast: list[float]) -> float:
    """The median of the ratios of neighbouring steps: how many times faster ``fast`` is."""
    return median(s / f for s, f in zip(slow, fast, strict=True))


def keep_memory() -> None:
    """Memory that is freed stays with the process, where the C library is glibc.

    Otherwise it goes back to the system now and then and has to be fetched again, page by page, by whichever side comes
    next: 7% of a step of resnet50, drawn by lot.
    """
    if platform.libc_ver()[0] == "glibc":
        library, trim_threshold, mmap_max = ctypes.CDLL(None), -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_max, 0)


def has_bf16() -> bool:
    """Whether the processor multiplies in bf16 (as far as torch can tell)."""
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def table_row(what: str, figure: float, target: float | None, *speeds: float) -> str:
    """A line of the table."""
    verdict = "-" if target is None else "met" if figure >= target else "missed"
    rates = "".join(f"{speed:10.1f}" for speed in speeds)
    return f"{what:34}{rates}{figure:9.3f}{'-' if target is None else target:>9}  {verdict}"


def measure(case: Case) -> list[str]:
    """The lines of the table for one case."""
    single = take_turns(case, "fp32", ("fp32",))
    double = take_turns(case, "bf16", ("bf16", "fp32"))
    label = f"{case.model} {case.size} px, batch {case.batch}"
    lines = []
    for precision, turns in (("fp32", single), ("bf16", double)):
        bare = turns.bare[precision]  # type: ignore[index]
        speeds = (case.batch / median(turns.loop), case.batch / median(bare))
        lines.append(table_row(f"{label}, {precision}", ratio(bare, turns.loop), LOOP_TARGET, *speeds))
    gain = ratio(double.bare["fp32"], double.loop)  # a bare step in fp32 against the whole loop: a lower bound
    speeds = (case.batch / median(double.loop), case.batch / median(double.bare["fp32"]))
    lines.append(table_row(f"{label}, bf16/fp32", gain, BF16_TARGET if has_bf16() else None, *speeds))
    return lines


def main(asked: list[str]) -> int:
    """Print the table of the cases asked for, all where none is named; 2 for a name that is none."""
    known = {case.name: case for case in CASES}
    if unknown := [name for name in asked if name not in known]:
        print(f"no case is called {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    keep_memory()
    processor = "multiplies in bf16" if has_bf16() else "does not multiply in bf16, as far as torch can tell"
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; the processor {processor}")
    print(f"{'images per second of CPU time':34}{'loop':>10}{'bare':>10}{'ratio':>9}{'target':>9}")
    for name in asked or known:
        for line in measure(known[name]):
            print(line, flush=True)
    print("bf16/fp32: the loop in bf16 beside the bare step in fp32, a lower bound of what bf16 gains the loop")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
