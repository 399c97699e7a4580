"""From how a run ended to its record in the store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from imil_sim.engine.arrays import read_arrays, write_arrays
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.execute import Ended
from imil_sim.engine.run import Performed, provenance
from imil_sim.engine.stages import run_key
from imil_sim.engine.steps import STAGE, TRAIN, parse_history
from imil_sim.engine.store import RECORD, Store
from imil_sim.errors import AwaitsAnswers
from imil_sim.study.record import EpochRow, Predictions, RunRecord, TrainingPredictions
from imil_sim.study.spec import RunSpec


@dataclass(frozen=True, slots=True)
class RunResult:
    """One expected run of a study and what is there of it."""

    arm: str
    seed: int
    record: RunRecord
    folder: Path
    """The run's entry in the store."""
    changed: tuple[str, ...] = ()
    """Images about which another answer was given than in the results that these take the place of; else none."""

    @property
    def name(self) -> str:
        """Of its files: ``ARM-seedN``."""
        return f"{self.arm.replace('/', '_')}-seed{self.seed}"

    def stage(self, key: str) -> Path:
        """The store's entry of one of the run's stages, whether or not it is still there."""
        return self.folder.parent.parent / "stages" / key

    def predictions(self, test_set: str = "main") -> Predictions | None:
        """What the final model says of a test set; None for a run that did not end."""
        path = self.folder / f"predictions-{test_set}.npz"
        done = self.record.status == "done" and path.is_file()
        return Predictions.from_arrays(read_arrays(path)) if done else None

    def training(self) -> TrainingPredictions | None:
        """What the final model says of its training images; None for a run that did not end."""
        path = self.folder / f"predictions-{TRAIN}.npz"
        done = self.record.status == "done" and path.is_file()
        return TrainingPredictions.from_arrays(read_arrays(path)) if done else None

    def cams(self, number: int) -> NDArray[np.uint8] | None:
        """The CAMs (k, height, width), 0 to 255, shown at the consultation with that number (from 1)."""
        path = self.folder / "interactions.npz"
        return read_arrays(path).get(f"cams-{number}") if path.is_file() else None


def keep(arm: str, run: RunSpec, ended: Ended, library: ImageLibrary, store: Store, device: torch.device) -> RunResult:
    """The run's result, its record written to the store; a record that says the same already is left as it is."""
    images = library.of_run(run)
    fields: dict[str, Any] = {
        "run_key": run_key(run, images.fingerprints, device),
        "spec": run,
        "data": images.fingerprints,
        "n_train": len(images.train),
        "n_test": {name: len(test.images) for name, test in images.tests.items()},
        "class_names": images.train.class_names,
        "environment": provenance(device),
        "seconds": {kind: round(seconds, 3) for kind, seconds in ended.seconds.items()},
    }
    if ended.performed is None:
        status = "waiting" if isinstance(ended.error, AwaitsAnswers) else "failed"
        questions = ended.error.questions if isinstance(ended.error, AwaitsAnswers) else ""
        record = RunRecord.model_validate(
            {**fields, "status": status, "reason": str(ended.error), "questions": questions}
        )
    else:
        record = RunRecord.model_validate(
            {
                **fields,
                "status": "done",
                "stages": tuple(state.key for state in ended.performed.states),
                "consultations": tuple(answer.consultation for answer in ended.performed.consultations),
                "history": _history(store, ended.performed),
            }
        )
    return RunResult(arm, run.seed, *_put(store, record, ended.performed))


def recorded(store: Store, key: str) -> tuple[RunRecord, Path] | None:
    """The record of a run and the folder of its entry; None where the store holds none.

    A record of another version is set aside: the run is told anew.
    """
    text = store.read("runs", key, lambda folder: (folder / RECORD).read_bytes())
    if text is None:
        return None
    try:
        return RunRecord.model_validate_json(text), store.root / "runs" / key
    except ValidationError:
        store.set_aside("runs", key)
        return None


def recorded_segments(store: Store, key: str) -> tuple[tuple[int, str], ...]:
    """The segments (see `Lineage`) of the state a run of that key has reached; empty where there is none on record.

    For a plan, which counts and trains nothing: unlike `recorded` it leaves the checksums unread.
    """
    try:
        record = from_json((store.root / "runs" / key / RECORD).read_bytes())
        (*_, last) = record["stages"]
        about = from_json((store.root / "stages" / last / STAGE).read_bytes())
        return tuple((int(end), str(overlay)) for end, overlay in about["segments"])
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged: a run would make it anew
        return ()


def _history(store: Store, performed: Performed) -> tuple[EpochRow, ...]:
    key = performed.states[-1].key
    history = store.needed("stages", key, lambda folder: (folder / "history.csv").read_text(encoding="utf-8"))
    return parse_history(history)


def _put(store: Store, record: RunRecord, performed: Performed | None) -> tuple[RunRecord, Path, tuple[str, ...]]:
    """The record and the folder of its entry, written unless the store holds one that tells the same; what changed."""
    held = recorded(store, record.run_key)
    if held is not None and tell_the_same(held[0], record):
        return *held, ()
    if held is not None and held[0].status == "done" and record.status != "done":
        return record, held[1], ()  # what failed now went well before: the failure is reported, the record is kept
    changed = () if held is None else _answered_otherwise(held[0], record)
    if held is not None:  # other answers than before, or a failure that was mended
        store.discard("runs", record.run_key)

    def write(place: Path) -> None:
        (place / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        for name, arrays in _arrays(store, performed).items():
            write_arrays(place / f"{name}.npz", arrays)

    return record, store.put("runs", record.run_key, write), changed


def _answered_otherwise(held: RunRecord, record: RunRecord) -> tuple[str, ...]:
    """Images of which the oracle said one thing in a record, and another in a later one."""

    def answers(of: RunRecord) -> dict[tuple[int, str], tuple[int, ...] | None]:
        return {(n, a.image_id): a.cells for n, c in enumerate(of.consultations) for a in c.answers}

    before, now = answers(held), answers(record)
    return tuple(dict.fromkeys(image for n, image in now if (n, image) in before and before[n, image] != now[n, image]))


def _arrays(store: Store, performed: Performed | None) -> Mapping[str, Mapping[str, NDArray[Any]]]:
    """The arrays that stand beside the record, by file name."""
    if performed is None:
        return {}
    files = {
        f"predictions-{name}": store.needed("evaluations", key, _arrays_in)
        for name, key in performed.evaluations.items()
    }
    shown = {
        f"cams-{number}": store.needed("cams", answer.cams, _arrays_in)["predicted"]
        for number, answer in enumerate(performed.consultations, 1)
    }
    files["interactions"] = {name: np.round(cams * 255).astype(np.uint8) for name, cams in shown.items()}
    return files


def _arrays_in(folder: Path) -> dict[str, NDArray[Any]]:
    return read_arrays(folder / "arrays.npz")


def tell_the_same(one: RunRecord, other: RunRecord) -> bool:
    """Whether two records tell the same, leaving aside how long it took, where it ran, and how it was staged."""
    beside = {"seconds", "environment", "stages"}
    return one.model_dump(exclude=beside) == other.model_dump(exclude=beside)
