"""The ten-arm study by `imil-sim run`, beside a Lightning script that trains every arm from scratch.

    python -m benchmarks.against_lightning [--lightning FOLDER] [--smoke]

Both take the same images, model, recipe, epochs, arms and seeds (`benchmarks.ten_arms`) on the same machine, one after
the other, each with its own defaults; Lightning's script is `benchmarks.lightning_baseline`. Seconds are those of the
clock on the wall for the whole process, from nothing to the last result: Python's start, imports, drawing the images,
the report (the images are drawn for Lightning beforehand, which is not counted). Lightning trains one run after the
other, all of the same length, so that its first few stand for all. The machine should have nothing else to do.

FOLDER is where Lightning was installed (`make config` does so, into .lightning): it is no part of the tested packages.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.ten_arms import FEEDBACK_ARMS, LARGER, SMOKE, Size, write_study
from benchmarks.verdict import SMOKE_WARNING, heading, line, machine
from imil_sim.images.phantom import PhantomSource, phantom

TARGET = 6.0
"""Times faster, each as its user would run it: imil-sim in bf16 as in the shipped studies, Lightning's defaults."""
RUNS = 2
"""Runs measured of Lightning; the rest is extrapolated."""


def write_images(path: Path, size: Size) -> None:
    """The study's images and masks as plain arrays, as the Lightning script wants them."""
    images = phantom(PhantomSource(source="phantom", size=size.pixels, train=size.train, test=size.test))
    assert images.parts is not None
    parts = {
        name: images.take([i for i, part in enumerate(images.parts) if part == name]) for name in ("train", "test")
    }
    arrays = {f"{name}_pixels": part.pixels for name, part in parts.items()}
    labels = {f"{name}_labels": part.labels for name, part in parts.items()}
    masks = {name: mask.values for name, mask in parts["train"].masks.items()}
    np.savez(path, **arrays, **labels, **masks)  # type: ignore[arg-type]


def seconds_of(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of a process.

    Raises:
        SystemExit: it failed; with what it said.
    """
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"python -m {' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began


def ours(place: Path, size: Size, precision: str) -> float:
    """Seconds of `imil-sim run` on an empty store, one worker a core."""
    study = write_study(place, size, precision="bf16" if precision == "bf16" else "fp32", name=f"ten-arms-{precision}")
    command = ["imil_sim", "run", str(study), "--store", str(place / f"store-{precision}")]
    return seconds_of([*command, "--out", str(place / f"report-{precision}")], {})


def theirs(place: Path, size: Size, lightning: Path, *options: str) -> float:
    """Seconds of the whole study by the Lightning script, extrapolated from its first runs."""
    told = place / "seconds.json"
    what = {"epochs": size.epochs, "imil-epoch": size.imil_epoch, "outliers": size.outliers, "seeds": size.seeds}
    given = {**what, "model": size.model, "runs": RUNS}
    words = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    command = ["benchmarks.lightning_baseline", str(place / "images.npz"), str(told), *words, *options]
    path = os.pathsep.join([str(lightning.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])])
    whole = seconds_of(command, {"PYTHONPATH": path})
    runs = json.loads(told.read_text(encoding="utf-8"))
    return whole - sum(runs) + size.seeds * (FEEDBACK_ARMS + 1) * sum(runs) / len(runs)


def main() -> int:
    """Print the table; 2 where Lightning is not there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against_lightning")
    parser.add_argument("--lightning", type=Path, default=Path(".lightning"), help="folder Lightning is installed in")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, only to see that it runs")
    asked = parser.parse_args()
    if not (asked.lightning / "lightning").is_dir():
        print(
            f"Lightning is not in {asked.lightning}; `make config` installs it into .lightning, or: python -m pip "
            "install --no-deps --target .lightning --requirement benchmarks/requirements-lightning.txt",
            file=sys.stderr,
        )
        return 2
    size = SMOKE if asked.smoke else LARGER
    if asked.smoke:
        print(SMOKE_WARNING)
    print(machine())
    print(heading(f"{size.seeds * (FEEDBACK_ARMS + 1)} runs of {size.epochs} epochs, seconds of the whole process"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_images(place / "images.npz", size)
        fp32 = ours(place, size, "fp32")
        print(line("imil-sim, fp32", fp32, digits=1), flush=True)
        bf16 = ours(place, size, "bf16")
        print(line("imil-sim, bf16", bf16, digits=1), flush=True)
        whole = theirs(place, size, asked.lightning)
        print(line(f"Lightning, its defaults (fp32), from {RUNS} runs", whole, digits=1), flush=True)
        bare = theirs(place, size, asked.lightning, "--lean")
        print(line(f"Lightning without extras, from {RUNS} runs", bare, digits=1))
    print(heading("times faster"))
    print(line("imil-sim in bf16 beside Lightning's defaults", whole / bf16, TARGET))
    print(line("imil-sim in fp32 beside Lightning's defaults", whole / fp32, TARGET))
    print(line("imil-sim in bf16 beside Lightning without extras", bare / bf16))
    print(line("imil-sim in fp32 beside Lightning without extras", bare / fp32))
    print("extras: logger, a checkpoint an epoch, progress bar and model summary, which Lightning has on by default")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
