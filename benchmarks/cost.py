"""What one call of the program costs: a process of its own, from nothing to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

WATCHED = """
import resource, sys
from imil_sim.cli.app import main
try:
    main(sys.argv[1:])
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call took."""

    processor: float
    """Seconds."""
    wall: float
    """Seconds."""
    megabytes: float
    """The most that it ever held."""
    printed: str


def cost_of(arguments: Sequence[str]) -> Cost:
    """The cost of `imil-sim` with these arguments, on one thread.

    Raises:
        SystemExit: the call failed; with what it said.
    """
    command = [sys.executable, "-c", WATCHED, *arguments]
    began = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    wall = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    processor, megabytes = map(float, done.stderr.split()[-2:])
    return Cost(processor, wall, megabytes, done.stdout)
