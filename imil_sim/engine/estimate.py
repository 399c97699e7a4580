"""How long a plan will take: a few steps of each different model are timed here and now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from imil_sim.engine.plan import Plan
from imil_sim.study.spec import ArmSpec, RunSpec
from imil_sim.training.models import build
from imil_sim.training.numerics import deterministic
from imil_sim.training.train import step

SECONDS_EACH = 1.5
"""About as long as the steps of one model are timed."""

MOST_KINDS = 8
"""Of more different models nothing is timed: that would take longer than a look at a plan may."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long the training of a plan takes; consultations and tests come on top."""

    work: float
    """Seconds of one process."""
    longest: float
    """Seconds of the longest path: no number of processes is faster."""

    def on(self, processes: int) -> float:
        """Seconds on that many processes."""
        return max(self.work / processes, self.longest)


Timed = Callable[[ArmSpec], float]
"""Seconds of one step of training of an arm."""


def estimate(
    plan: Plan, runs: Sequence[RunSpec], images: Callable[[RunSpec], int | None], timed: Timed
) -> Estimate | None:
    """How long the stages take that the store does not hold; None where there is no telling.

    Args:
        plan: what is to be trained.
        runs: all runs of the study.
        images: how many images a run trains on; none where nobody knows.
        timed: seconds of a step; asked once for each different model, size, batch and precision.
    """
    left = [(stage, runs[stage.runs[0]]) for stage in plan.to_train()]
    kinds = {_kind(run.arm): run.arm for _, run in left}
    if len(kinds) > MOST_KINDS or any(images(run) is None for _, run in left):
        return None
    seconds = {kind: timed(arm) for kind, arm in kinds.items()}
    work = 0.0
    ends: dict[str, float] = {}
    for stage, run in left:
        steps = (images(run) or 0) / run.arm.training.batch_size
        takes = stage.epochs * steps * seconds[_kind(run.arm)]
        work += takes
        ends[stage.key] = ends.get(stage.parent, 0.0) + takes
    return Estimate(work, max(ends.values(), default=0.0))


def _kind(arm: ArmSpec) -> tuple[str, int, int, str]:
    return arm.model.name, arm.images.size, arm.training.batch_size, arm.training.precision


def time_steps(arm: ArmSpec, device: torch.device) -> float:
    """Seconds of one step of training, measured; a batch that would take too long is extrapolated from smaller ones."""
    size, batch = arm.images.size, arm.training.batch_size
    model = build(arm.model.model_copy(update={"weights": "none"}), classes=2, size=size, seed=0).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    def take(count: int) -> float:
        values = torch.linspace(-1, 1, count * 3 * size * size, device=device)  # not zeros: those may be faster
        inputs = values.view(count, 3, size, size).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(count, dtype=torch.int64, device=device)
        began = time.perf_counter()
        step(model, optimizer, inputs, labels, bf16=arm.training.precision == "bf16")
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    with deterministic():
        return extrapolated(batch, take)


def extrapolated(batch: int, take: Callable[[int], float], seconds: float = SECONDS_EACH) -> float:
    """Seconds of a step on ``batch`` images, from steps on as many of them as fit into about ``seconds``.

    Batches of 2, 4, 8, ... images are tried, each twice, since the first of a size prepares its kernels. A step costs
    something by itself (the update) and something for each image; the last two sizes tell both.
    """
    counts, times = [min(2, batch)], []
    while True:
        count = counts[-1]
        first, second = take(count), take(count)
        times.append(min(first, second))
        seconds -= first + second
        if count == batch:
            return times[-1]
        if seconds < 4 * times[-1]:  # two steps of twice the size would not fit
            break
        counts.append(min(2 * count, batch))
    if len(counts) == 1:
        return times[0] * batch / counts[0]
    each = max((times[-1] - times[-2]) / (counts[-1] - counts[-2]), 0.0)
    return times[-1] + each * (batch - counts[-1])
