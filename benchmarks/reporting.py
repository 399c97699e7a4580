"""What a report costs: seconds and memory of `imil-sim report` for a study of 50 arms x 30 seeds x 1,000 test images.

    python -m benchmarks.reporting [--smoke]

The store is filled with records and predictions that are made up (a latent score for every image, seed and arm), under
the keys of a real study; then the real command makes the report, in a process of its own that starts from nothing.
Seconds are those of the processor (one thread) and of the clock on the wall; megabytes are the most that the process
ever held.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.cost import cost_of
from benchmarks.verdict import SMOKE_WARNING, machine
from imil_sim.engine.data import ImageLibrary, RunImages
from imil_sim.engine.results import provenance
from imil_sim.engine.stages import run_key
from imil_sim.engine.store import RECORD, Store, write_arrays
from imil_sim.study.record import Answer, Consultation, EpochRow, Predictions, RunRecord, TrainingPredictions
from imil_sim.study.spec import RunSpec
from imil_sim.study.study import Study, read_study

SECONDS_TARGET, MEGABYTES_TARGET = 60.0, 2000.0

STUDY = """
name = "wide"
seeds = {seeds}
images = {{ source = "phantom", size = 32, train = 40, test = {images} }}
model.name = "resnet10"
feedback = {{ num_outliers = 20, fill_up = "least-confident-correct" }}
[arms.baseline]
[arms.placebo]
feedback = {{ oracle = "abstain", reorder = true }}
"""

ARM = """[arms.random-{cells}]
feedback = {{ oracle = "random-cells", options.count = {cells}, grid_size = 8 }}
"""


def write_study(folder: Path, arms: int, seeds: int, images: int) -> Path:
    """The study's file: a baseline, a placebo, and so many arms of random cells that there are ``arms``."""
    path = folder / "wide.toml"
    path.write_text(STUDY.format(seeds=seeds, images=images) + "".join(ARM.format(cells=c) for c in range(1, arms - 1)))
    return path


def fill(root: Path, study: Study) -> None:
    """A store with a record of every run of the study, and made-up predictions beside it."""
    store, device = Store(root, lambda entry: None), torch.device("cpu")
    library = ImageLibrary(study.beside, root)
    rng = np.random.default_rng(0)
    seen: NDArray[np.float64] | None = None
    for number, (_, run) in enumerate(study.runs()):
        images = library.of_run(run)
        test = images.tests["main"].images
        if seen is None:
            seen = rng.normal(size=len(test))
        latent = 2 * test.labels - 1 + seen + rng.normal(size=len(test))
        positive = expit(latent)
        record = record_of(run, run_key(run, images.fingerprints, device), images, number)
        arrays = dict(arrays_of(images, positive))

        def write(place: Path, record: RunRecord = record, arrays: dict[str, Any] = arrays) -> None:
            (place / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
            for name, of in arrays.items():
                write_arrays(place / f"{name}.npz", of)

        store.put("runs", record.run_key, write)


def record_of(run: RunSpec, key: str, images: RunImages, number: int) -> RunRecord:
    """The record of a run that is done, with twenty answers where it has feedback."""
    return RunRecord(
        run_key=key,
        status="done",
        spec=run,
        data=images.fingerprints,
        n_train=len(images.train),
        n_test={name: len(test.images) for name, test in images.tests.items()},
        class_names=images.train.class_names,
        consultations=tuple(consultations(run, images, number)),
        history=tuple(EpochRow(epoch=e, loss=1 / e, accuracy=1 - 1 / (e + 1)) for e in range(1, 101)),
        environment=provenance(torch.device("cpu")),
        seconds={"train": 1.0, "consult": 0.1, "evaluate": 0.2},
    )


def consultations(run: RunSpec, images: RunImages, number: int) -> Iterator[Consultation]:
    """One, about the first training images, if the run has feedback."""
    feedback = run.arm.feedback
    if feedback is None:
        return
    told = [(i, images.train.ids[i], int(images.train.labels[i])) for i in range(feedback.num_outliers)]
    cells = feedback.options.get("count")
    chosen = None if cells is None else tuple(range(1, int(cells) + 1))
    yield Consultation(
        epoch=70,
        grid=feedback.grid_size,
        requested=feedback.num_outliers,
        n_mispredictions=feedback.num_outliers,
        n_excluded=0,
        n_filled_up=0,
        answers=tuple(
            Answer(
                image_id=name, label=label, predicted=1 - label, confidence=0.99 - 0.01 * i, mispredicted=True,
                cells=chosen, reason="" if chosen else "abstains", effect="replaced" if chosen else "none",
            )
            for i, name, label in told
        ),
    )  # fmt: skip


def arrays_of(images: RunImages, positive: NDArray[np.float64]) -> Iterator[tuple[str, Any]]:
    """What stands beside a record, by file name."""
    test, train = images.tests["main"].images, images.train
    shown = np.stack([1 - positive, positive], axis=1)
    yield "predictions-main", Predictions(
        ids=test.ids, labels=np.array(test.labels), probabilities=shown, lungs_hidden=1 - shown, lungs_only=shown,
        cam_in_lung=positive, lung_share=np.full(len(test), 0.3), lung_estimated=np.zeros(len(test), np.bool_),
        pointing=np.where(test.labels == 1, positive > 0.5, np.nan), attributes=dict(test.attributes),
        cam_rows=np.arange(8), cams=np.zeros((8, *test.shape), np.uint8),
    ).to_arrays()  # fmt: skip
    fit = np.linspace(0, 1, len(train))
    yield "predictions-train", TrainingPredictions(np.array(train.labels), np.stack([1 - fit, fit], 1)).to_arrays()
    yield "interactions", {"cams-1": np.zeros((20, *train.shape), np.uint8)}


def main() -> int:
    """Print the figures; 1 where a target is missed."""
    smoke = "--smoke" in sys.argv[1:]
    arms, seeds, images = (5, 6, 40) if smoke else (50, 30, 1000)
    if smoke:
        print(SMOKE_WARNING)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = write_study(Path(folder), arms, seeds, images)
        fill(Path(folder) / "store", read_study(path))
        out = Path(folder) / "report"
        made = cost_of(["report", str(path), "--store", str(Path(folder) / "store"), "--out", str(out)])
        pages = sum(file.stat().st_size for file in out.rglob("*.html")) / 1e6
    print(
        f"{arms} arms x {seeds} seeds x {images} images: {made.processor:.1f} s of the processor, {made.wall:.1f} s on"
    )
    print(f"the wall, {made.megabytes:.0f} MB held, a page of {pages:.1f} MB")
    good = made.wall < SECONDS_TARGET and made.megabytes < MEGABYTES_TARGET
    print(f"targets: under {SECONDS_TARGET:.0f} s and {MEGABYTES_TARGET:.0f} MB: {'met' if good else 'missed'}")
    return 0 if good or smoke else 1


if __name__ == "__main__":
    raise SystemExit(main())
