"""Lines of the tables that benchmarks print: what, figure, target, and whether it is met."""

from __future__ import annotations

import platform

import psutil  # type: ignore[import-untyped]  # comes with Dask
import torch

from imil_sim.training.numerics import cpu_count

WIDTH = 66

SMOKE_WARNING = "smoke: sizes at which no figure means anything, only to see that it runs"

LISTENING = 2.0
"""Seconds for which the machine is watched before a benchmark begins."""


def machine() -> str:
    """What is measured on, and how much else it is doing: wall-clock figures of a busy machine mean nothing."""
    busy = psutil.cpu_percent(interval=LISTENING)
    cores = f"{cpu_count()} cores of {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    return f"torch {torch.__version__} on {cores}; other work takes {busy:.0f}% of them" + (
        ": measure again on an idle machine" if busy > 5 else ""
    )


def heading(what: str) -> str:
    """The first line of a table."""
    return f"{what:{WIDTH}}{'figure':>10}{'target':>9}"


def line(what: str, figure: float, target: float | None = None, *, at_most: bool = False, digits: int = 2) -> str:
    """One figure beside its target, at least which it should be (``at_most``: at most); None: there is no target."""
    wanted = "-" if target is None else f"{'<= ' if at_most else ''}{target:g}"
    met = target is None or (figure <= target if at_most else figure >= target)
    verdict = "" if target is None else "  met" if met else "  missed"
    return f"{what:{WIDTH}}{figure:10.{digits}f}{wanted:>9}{verdict}"
