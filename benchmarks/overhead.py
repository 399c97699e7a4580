"""What the engine itself costs: a study of 200 stages of 0.1 s each, beside their sum.

    python -m benchmarks.overhead [--smoke]

Ten seeds of a trunk, a branch for the baseline and 18 branches for feedback arms, each stage a nap instead of training
(`benchmarks.sleeping`). All else is done as in a real study: 180 consultations, 190 evaluations, 190 records, every
state, overlay and prediction stored, flushed to the disk and checked when read, in this process and on two Dask
workers. Seconds are those of the clock on the wall, from the first step asked for until the last run is on record;
start-up is not counted. What is left after the naps is counted as overhead of the stages, whatever it was spent on.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.sleeping import NAP, SleepingConfig
from benchmarks.verdict import SMOKE_WARNING, heading, line, machine
from imil_sim.engine.cluster import DaskExecutor, local_client
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import keep
from imil_sim.engine.run import Executor, LocalExecutor, carry_out
from imil_sim.engine.steps import StepRunner
from imil_sim.engine.store import Store
from imil_sim.study.study import Study, read_study
from imil_sim.training.numerics import environment

CPU = torch.device("cpu")
WORKERS = 2
ARMS = 18
"""Feedback arms: with the trunk and the baseline's branch, 20 stages a seed."""

STUDY = """
name = "naps"
seeds = {seeds}
images = {{ source = "phantom", size = 16, train = 4, test = 4 }}
model.name = "resnet10"
training.epochs = 10
feedback = {{ imil_epoch = 7, grid_size = 5, num_outliers = 2 }}
[arms.baseline]
"""
ARM = '[arms.random-{count}]\nfeedback = {{ oracle = "random-cells", options.count = {count} }}\n'


def study_of(folder: Path, seeds: int) -> Study:
    """A study of 20 stages a seed."""
    path = folder / "naps.toml"
    arms = "".join(ARM.format(count=count) for count in range(1, ARMS + 1))
    path.write_text(STUDY.format(seeds=seeds) + arms, encoding="utf-8")
    return read_study(path)


@contextmanager
def executor_of(study: Study, store: Path, workers: int) -> Iterator[Executor]:
    """Executor in this process, or those of so many worker processes."""
    config = SleepingConfig(
        store=str(store),
        beside=str(study.beside),
        device="cpu",
        checkpoint_minutes=study.checkpoint_minutes,
        oracle_seconds=60.0,
        environment=environment(CPU),
    )
    if not workers:
        yield LocalExecutor(config.step_runner().carry_out)
        return
    with local_client(workers, "cpu", 1) as client:
        yield DaskExecutor(client, config)


def seconds_of(study: Study, store: Path, workers: int) -> float:
    """Seconds the study takes on an empty store."""
    library = ImageLibrary(study.beside, store)
    planner = StepRunner(library, Store(store), CPU, study.beside)
    arms, runs = zip(*study.runs(), strict=True)
    failures: list[BaseException] = []
    with executor_of(study, store, workers) as executor:
        began = time.perf_counter()
        for position, ended in carry_out(runs, [planner.trunk(run) for run in runs], executor):
            if ended.error is not None:
                failures.append(ended.error)
            keep(arms[position], runs[position], ended, library, planner.store, CPU)
        spent = time.perf_counter() - began
    if failures:
        raise SystemExit(f"{len(failures)} of {len(runs)} runs failed, the first with: {failures[0]}")
    return spent


def stages_in(store: Path) -> int:
    """Stages the store holds."""
    return len(list((store / "stages").iterdir()))


def main(asked: list[str]) -> int:
    """Print the table; 2 for a wrong call."""
    if asked not in ([], ["--smoke"]):
        print("usage: python -m benchmarks.overhead [--smoke]", file=sys.stderr)
        return 2
    if asked:
        print(SMOKE_WARNING)
    print(machine())
    print(heading(f"stages of {NAP} s"))
    for workers in (0, WORKERS):
        with tempfile.TemporaryDirectory() as place:
            store = Path(place) / "store"
            spent = seconds_of(study_of(Path(place), seeds=2 if asked else 10), store, workers)
            print("\n".join(lines(workers, stages_in(store), spent)), flush=True)
    return 0


def lines(workers: int, count: int, spent: float) -> list[str]:
    """The lines about so many stages, which took ``spent`` seconds with so many worker processes (0: this one)."""
    where = f"{workers} workers" if workers else "this process"
    at_once = max(workers, 1)
    naps = count * NAP / at_once
    return [
        line(f"{where}: the sum of {count} stages{f', / {workers}' if workers else ''}, s", naps),
        line(f"{where}: the study, s", spent),
        line(f"{where}: the study / the sum of its stages", spent / naps),
        line(f"{where}: overhead a stage, ms of a process", 1000 * (spent - naps) * at_once / count, digits=0),
    ]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
