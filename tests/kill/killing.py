"""The kill test: a study whose process group is killed at random moments, and resumed, ends with the same bytes.

``python tests/kill/killing.py --kills 30`` runs it in full; the suite runs a short one. Each kill has a fresh store:
the study is started, killed with SIGKILL (half of the times at a random moment, half in the middle of a write to the
store), and run again to its end. Then the table, the predictions and every state of training must equal those of an
undisturbed run, and nothing may be left over in the store: no half-written entry, no claim, no checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

STUDY = """
name = "killed"
seeds = 1
checkpoint_minutes = 0.001    # a checkpoint after every epoch
images = { source = "phantom", size = 32, train = 40, test = 10, marker_train = 0.9, marker_test = 0.5 }
model.name = "resnet10"
training = { epochs = 8, batch_size = 16, learning_rate = 0.01 }
feedback = { imil_epoch = [3, 5], num_outliers = 4 }
[arms.baseline]
[arms.mixup]
augmentation.name = "mixup"
[arms.lesions]
feedback.oracle = "lesions"
[arms.random]
feedback = { oracle = "random-cells", options.like = "lesions" }
"""


@dataclass(frozen=True)
class Place:
    """Where one study runs."""

    folder: Path
    workers: int

    def start(self) -> subprocess.Popen[bytes]:
        """The study as a process group of its own."""
        (self.folder / "killed.toml").write_text(STUDY, encoding="utf-8")
        command = [
            str(Path(__file__).parents[1] / "undrawn.py"),
            "run",
            "killed.toml",
            "--store",
            "store",
            "--out",
            "out",
        ]
        return subprocess.Popen(
            [sys.executable, *command, "--workers", str(self.workers)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def contents(self) -> dict[str, bytes]:
        """Everything that must be equal."""
        store = self.folder / "store"
        kept = [p for kind in ("stages", "overlays", "evaluations") for p in store.glob(f"{kind}/*/*") if p.is_file()]
        kept += list(store.glob("runs/*/*.npz"))
        return {
            "results.csv": (self.folder / "out" / "results.csv").read_bytes(),
            **{str(path.relative_to(store)): path.read_bytes() for path in sorted(kept)},
        }

    def leftovers(self) -> list[str]:
        """What should not be in the store of a finished study."""
        store = self.folder / "store"
        names = ("tmp", "claims", "checkpoints", "damaged")
        return [str(path.relative_to(store)) for name in names for path in store.glob(f"{name}/*")]


def kill(process: subprocess.Popen[bytes], place: Path, moment: float, *, in_a_write: bool) -> bool:
    """Kill the process group after ``moment`` seconds, or in the first write after them; False if it had ended."""
    until = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    while in_a_write and process.poll() is None and not any((place / "store" / "tmp").glob("*")):
        time.sleep(0.0005)
    ended = process.poll() is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return not ended


def killed_and_resumed(folder: Path, moment: float, *, in_a_write: bool, workers: int) -> tuple[Place, bool]:
    """The place of a study that was killed and then run to its end, and whether the kill came before the end."""
    folder.mkdir()
    place = Place(folder, workers)
    hit = kill(place.start(), folder, moment, in_a_write=in_a_write)
    process = place.start()
    if process.wait() != 0:
        raise AssertionError(f"the study that was killed after {moment:.2f} s does not end well: {process.returncode}")
    return place, hit


def main() -> int:
    """Run the kill test in full; 0 where every killed study ended as the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "undisturbed").mkdir()
        undisturbed = Place(root / "undisturbed", 0)
        began = time.monotonic()
        if undisturbed.start().wait() != 0:
            print("the undisturbed study does not end well")
            return 1
        took = time.monotonic() - began
        expected = undisturbed.contents()
        print(f"undisturbed: {took:.1f} s, {len(expected)} files, left over: {undisturbed.leftovers() or 'nothing'}")
        wrong = hits = tried = 0
        while hits < asked.kills:
            workers, in_a_write = (2 if hits % 5 == 4 else 0), hits % 2 == 1
            moment = chance.uniform(0.2, 0.9) * took
            folder = root / f"kill-{tried}"
            place, hit = killed_and_resumed(folder, moment, in_a_write=in_a_write, workers=workers)
            same, left = place.contents() == expected, place.leftovers()
            wrong += not same or bool(left)
            hits, tried = hits + hit, tried + 1
            how = "in a write" if in_a_write else "at any moment"
            print(
                f"kill {hits}: after {moment:.2f} s, {how}, {workers} workers: "
                f"{'the same bytes' if same else 'OTHER BYTES'}, left over: {left or 'nothing'}"
                + ("" if hit else " (it had ended before, which does not count)"),
                flush=True,
            )
        print(f"{tried - wrong} of {tried} studies ended as the undisturbed one; {hits} were killed on their way")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
