"""What planning costs: seconds and memory of `imil-sim plan` for a study of thousands of runs.

    python -m benchmarks.planning [RUNS]

The study is a crossed sweep of 100 arms (consultation epochs x outliers x grids, beside a baseline) with as many seeds
as it takes. The plan is made twice, each time in a process of its own that starts from nothing: as numbers (--json)
and as a picture. The start of Python and torch, the looking at the images and the timing of a few steps are counted in.
Seconds are those of the processor (one thread), so other work on the machine is not counted against it; those of the
clock on the wall stand beside. Megabytes are the most that the process ever held.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.cost import Cost, cost_of

SECONDS_TARGET = 10.0
MEGABYTES_TARGET = 1000.0
ARMS = 100

STUDY = """
name = "large"
seeds = {seeds}
images = {{ source = "phantom", size = 32, train = 40, test = 20 }}
model.name = "resnet10"
[arms.baseline]
[arms.lesions]
feedback.oracle = "lesions"
[arms.lung-fields]
feedback.oracle = "lung-fields"
[sweeps.all]
base = "lesions"
vary.feedback.imil_epoch = [10, 30, 50, 60, 70, 80, 90]
vary.feedback.num_outliers = [1, 2, 5, 10, 20, 40, 80]
vary.feedback.grid_size = [2, 4]
"""
"""97 swept arms beside the one they are made from (which stands for one more), another one, and the baseline."""


def planned(study: Path, *options: str) -> Cost:
    """What the plan of the study costs a process of its own."""
    return cost_of(["plan", str(study), "--store", str(study.parent / "store"), *options])


def main(asked: list[str]) -> int:
    """Print the figures; 1 where a target is missed."""
    seeds = -(-int(asked[0]) // ARMS) if asked else 100
    met = True
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "large.toml"
        study.write_text(STUDY.format(seeds=seeds))
        for what, options in (("as numbers", ["--json"]), ("as a picture", [])):
            took = planned(study, *options)
            runs = f"{json.loads(took.printed)['runs']:,} runs " if options else ""
            good = took.processor < SECONDS_TARGET and took.megabytes < MEGABYTES_TARGET
            met &= good
            figures = f"{took.processor:.1f} s ({took.wall:.1f} s on the wall), {took.megabytes:.0f} MB"
            print(f"{runs}{what}: {figures}  {'met' if good else 'missed'}", flush=True)
    print(f"target: under {SECONDS_TARGET:.0f} s and {MEGABYTES_TARGET:.0f} MB")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
