"""One run, from the first epoch to the record: train, consult, train on, test once.

This is the story of the harness, top to bottom. `perform` does nothing itself: it yields one step after another and is
sent back what came of it, so that the same story is told by one process, by the workers of a cluster, or by a plan
that only counts.
"""

from __future__ import annotations

import platform
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
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


class Halts:
    """Where training halts in the runs of one trunk, because runs that are still the same part or end there.

    On the trunk training halts wherever any of the runs consults or ends. A branch can only be shared by runs that
    consulted whenever it forked, so only their epochs count there. Where training halts is thus a function of the state
    alone: a stage begins at the same state whichever run asks for it.
    """

    def __init__(self, runs: Iterable[RunSpec]) -> None:
        self._paths = {
            (run.arm.feedback.imil_epoch if run.arm.feedback else (), run.arm.training.epochs) for run in runs
        }
        self._known: dict[tuple[int, ...], tuple[int, ...]] = {}

    def after(self, forks: tuple[int, ...]) -> tuple[int, ...]:
        """The epochs, ascending, at which training halts after the overlay has changed at each epoch of ``forks``."""
        if forks not in self._known:
            met = [(*epochs, end) for epochs, end in self._paths if set(forks).issubset(epochs)]
            self._known[forks] = tuple(sorted({epoch for path in met for epoch in path}))
        return self._known[forks]


def halts_of(runs: Sequence[RunSpec], trunks: Sequence[Lineage]) -> dict[Lineage, Halts]:
    """By trunk, where the runs that begin with it halt; ``trunks`` holds the untrained state of each run."""
    together: dict[Lineage, list[RunSpec]] = {}
    for run, trunk in zip(runs, trunks, strict=True):
        together.setdefault(trunk, []).append(run)
    return {trunk: Halts(those) for trunk, those in together.items()}


def perform(run: RunSpec, trunk: Lineage, halts: Halts) -> Generator[Step, Any, Performed]:
    """The steps of a run, one after the other.

    Args:
        run: what to do.
        trunk: the untrained state.
        halts: where training halts, because other runs may want to fork there.
    """
    states: list[Lineage] = [trunk]
    consulted: list[Consulted] = []
    overlay, answered = "", frozenset[str]()
    last = run.arm.training.epochs

    def train_to(until: int) -> Generator[Step, Any, None]:
        forks = states[-1].trained(until, overlay).forks
        for epoch in [h for h in halts.after(forks) if states[-1].epoch < h < until] + [until]:
            states.append((yield Train(run, states[-1], overlay, epoch)))

    for number, epoch in enumerate(run.arm.feedback.imil_epoch if run.arm.feedback else (), 1):
        yield from train_to(epoch)
        answer: Consulted = yield Consult(run, states[-1], number, overlay, answered)
        overlay, answered = answer.overlay, answer.answered
        consulted.append(answer)
    yield from train_to(last)
    evaluations = yield Evaluate(run, states[-1])
    return Performed(tuple(states[1:]), tuple(consulted), evaluations)


def provenance(device: torch.device) -> dict[str, str]:
    """Versions and hardware, for a record."""
    packages = ("imil-sim", "torch", "torchvision", "numpy", "opencv-python", "scikit-learn", "pandas", "captum")
    return {
        **{name: _version(name) for name in packages},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "system": platform.system(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


@cache
def _processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def _version(package: str) -> str:
    """Of an installed package; looked up once, since every record asks for it."""
    try:
        return version(package)
    except PackageNotFoundError:  # another distribution brings the same module (opencv-python-headless)
        return "unknown"
