"""One run, from the first epoch to the record: train, consult, train on, test once.

This is the story of the harness, top to bottom. `perform` does nothing itself: it yields one step after another and is
sent back what came of it, so that the same story is told by one process, by the workers of a cluster, or by a plan
that only counts.
"""

from __future__ import annotations

import platform
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from imil_sim.engine.stages import Lineage
from imil_sim.engine.steps import Consult, Consulted, Evaluate, Step, Train
from imil_sim.study.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Performed:
    """What a run has been through."""

    states: tuple[Lineage, ...]
    """Every state of training it halted at, the final one last."""
    consultations: tuple[Consulted, ...]
    evaluations: dict[str, str]
    """Key of the predictions on each test set, by its name."""


def perform(run: RunSpec, trunk: Lineage, waypoints: Iterable[int]) -> Generator[Step, Any, Performed]:
    """The steps of a run, one after the other.

    Args:
        run: what to do.
        trunk: the untrained state.
        waypoints: completed epochs at which training halts, because other runs may want to fork there.
    """
    states: list[Lineage] = [trunk]
    consulted: list[Consulted] = []
    overlay, answered = "", frozenset[str]()
    halts = sorted(waypoints)
    last = run.arm.training.epochs

    def train_to(until: int) -> Generator[Step, Any, None]:
        for epoch in [h for h in halts if states[-1].epoch < h < until] + [until]:
            states.append((yield Train(run, states[-1], overlay, epoch)))

    for number, epoch in enumerate(run.arm.feedback.imil_epoch if run.arm.feedback else (), 1):
        yield from train_to(epoch)
        answer: Consulted = yield Consult(run, states[-1], number, overlay, answered)
        overlay, answered = answer.overlay, answer.answered
        consulted.append(answer)
    yield from train_to(last)
    evaluations = yield Evaluate(run, states[-1])
    return Performed(tuple(states[1:]), tuple(consulted), evaluations)


def consultation_epochs(runs: Iterable[RunSpec]) -> set[int]:
    """The epochs at which any of the runs consults: where a shared trunk has to halt."""
    return {epoch for run in runs if run.arm.feedback for epoch in run.arm.feedback.imil_epoch}


def provenance(device: torch.device) -> dict[str, str]:
    """Versions and hardware, for a record."""
    packages = ("imil-sim", "torch", "torchvision", "numpy", "opencv-python", "scikit-image", "captum")
    return {
        **{name: _version(name) for name in packages},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # another distribution brings the same module (opencv-python-headless)
        return "unknown"
