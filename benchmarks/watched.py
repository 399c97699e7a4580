"""`imil-sim`, watched: the real command in a process of its own, and what its steps took.

    python -m benchmarks.watched SPENT.json run STUDY.toml [OPTION ...]

The command does what it always does. It is watched where it gives its runs to the engine
(`imil_sim.engine.run.carry_out`): at that moment the worker processes are there, and have imported what they need.
So the seconds from there until the last run is on record are those without start-up; the seconds of the whole process
are taken from outside.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from imil_sim.cli.app import main as imil_sim
from imil_sim.engine import study_run as command
from imil_sim.engine.run import Executor, carry_out
from imil_sim.engine.stages import Step, StepResult


@dataclass
class Spent:
    """What a run of the command took; seconds are those of the clock on the wall."""

    epochs: int = 0
    """Trained, not found in the store."""
    work: float = 0.0
    """Seconds from the first step asked for until the last run was on record."""
    steps: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each step by its kind (train, consult, evaluate), in the order in which they were done."""
    whole: float = 0.0
    """Seconds of the whole process; filled in from outside."""

    @property
    def epoch(self) -> float:
        """Seconds of an epoch where it was trained, with loading, checking and storing of states."""
        return sum(self.steps["train"]) / self.epochs


class WatchedExecutor:
    """An executor that notes what comes out of another one; see `imil_sim.engine.run.Executor`."""

    def __init__(self, executor: Executor, spent: Spent) -> None:
        self._executor, self._spent = executor, spent
        self._kinds: dict[str, str] = {}

    def submit(self, step: Step, priority: int) -> None:
        """See `Executor.submit`."""
        self._kinds[step.key] = type(step).__name__.lower()
        self._executor.submit(step, priority)

    def completed(self) -> StepResult:
        """See `Executor.completed`."""
        done = self._executor.completed()
        self._spent.epochs += done.epochs
        self._spent.steps.setdefault(self._kinds[done.key], []).append(done.seconds)
        return done

    def close(self) -> None:
        """See `Executor.close`."""
        self._executor.close()


def run_watched(study: Path, store: Path, *options: str) -> Spent:
    """What ``imil-sim run`` of the study spends, in a new process.

    Raises:
        SystemExit: the command failed; with what it said.
    """
    report = store.parent / "spent.json"
    arguments = [str(report), "run", str(study), "--store", str(store), "--out", str(store.parent / "report"), *options]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.watched", *arguments], capture_output=True, text=True, check=False
    )
    whole = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"imil-sim run {study.name} {' '.join(options)} ended with {done.returncode}:\n{done.stderr}")
    return Spent(**{**json.loads(report.read_text(encoding="utf-8")), "whole": whole})


def main(report: Path, arguments: Sequence[str]) -> None:
    """Run the command, write what its steps took, and exit as the command does."""
    spent = Spent()

    def watched(runs: Any, trunks: Any, executor: Executor, *others: Any) -> Any:
        began = time.perf_counter()
        try:
            yield from carry_out(runs, trunks, WatchedExecutor(executor, spent), *others)
        finally:
            spent.work = time.perf_counter() - began

    if getattr(command, "carry_out", None) is not carry_out:
        raise AttributeError("the command gives its runs to the engine in another way: watch it there")
    vars(command)["carry_out"] = watched
    try:
        imil_sim(list(arguments))
    finally:
        report.write_text(json.dumps(asdict(spent)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
