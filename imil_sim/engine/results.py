"""Runs on record: written when they have ended, found again, and done over to compare the bytes."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.run import Ended, Halts, Performed, perform
from imil_sim.engine.stages import TRAIN, Lineage, run_key
from imil_sim.engine.steps import STAGE, StepRunner, parse_history
from imil_sim.engine.store import KINDS, RECORD, Damage, Kind, Store, arrays_in, read_arrays, write_arrays
from imil_sim.errors import AwaitsAnswers, ImilSimError, RunError, StoreError
from imil_sim.seeds import stream
from imil_sim.study.record import Predictions, RunRecord, TrainingPredictions
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
        arrays = self._arrays(test_set)
        return None if arrays is None else Predictions.from_arrays(arrays)

    def training(self) -> TrainingPredictions | None:
        """What the final model says of its training images; None for a run that did not end."""
        arrays = self._arrays(TRAIN)
        return None if arrays is None else TrainingPredictions.from_arrays(arrays)

    def _arrays(self, images: str) -> dict[str, NDArray[Any]] | None:
        path = self.folder / f"predictions-{images}.npz"
        return read_arrays(path) if self.record.status == "done" and path.is_file() else None

    def cams(self, number: int) -> NDArray[np.uint8] | None:
        """The CAMs (k, height, width), 0 to 255, shown at the consultation with that number (from 1)."""
        path = self.folder / "interactions.npz"
        return read_arrays(path).get(f"cams-{number}") if path.is_file() else None


def keep(arm: str, run: RunSpec, ended: Ended, library: ImageLibrary, store: Store, device: torch.device) -> RunResult:
    """The run's result, its record written to the store; a record that says the same already is left as it is."""
    images, performed, error = library.of_run(run), ended.performed, ended.error
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
    if performed is None:
        waiting = isinstance(error, AwaitsAnswers)
        fields |= {"status": "waiting" if waiting else "failed", "reason": str(error)}
        fields |= {"questions": error.questions} if isinstance(error, AwaitsAnswers) else {}
    else:
        history = store.needed("stages", performed.states[-1].key, lambda folder: (folder / "history.csv").read_text())
        fields |= {
            "status": "done",
            "stages": tuple(state.key for state in performed.states),
            "consultations": tuple(answer.consultation for answer in performed.consultations),
            "history": parse_history(history),
        }
    return RunResult(arm, run.seed, *_put(store, RunRecord.model_validate(fields), performed))


def recorded(store: Store, key: str) -> tuple[RunRecord, Path] | None:
    """The record of a run and the folder of its entry; None where the store holds none.

    A record of another version is set aside: the run is recorded anew.
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


def _put(store: Store, record: RunRecord, performed: Performed | None) -> tuple[RunRecord, Path, tuple[str, ...]]:
    """The record and the folder of its entry, written unless the store holds an equal one; what changed."""
    held = recorded(store, record.run_key)
    changed: tuple[str, ...] = ()
    if held is not None:
        if _equal(held[0], record):
            return *held, ()
        if held[0].status == "done" and record.status != "done":
            return record, held[1], ()  # what failed now went well before: the failure is reported, the record is kept
        changed = _answered_otherwise(held[0], record)
        store.discard("runs", record.run_key)  # other answers than before, or a failure that was mended

    def write(place: Path) -> None:
        (place / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if performed is None:
            return
        for name, key in performed.evaluations.items():
            write_arrays(place / f"predictions-{name}.npz", store.needed("evaluations", key, arrays_in))
        shown = {
            f"cams-{number}": store.needed("cams", answer.cams, arrays_in)["predicted"]
            for number, answer in enumerate(performed.consultations, 1)
        }
        bytes_of = {name: np.round(cams * 255).astype(np.uint8) for name, cams in shown.items()}
        write_arrays(place / "interactions.npz", bytes_of)

    return record, store.put("runs", record.run_key, write), changed


def _equal(one: RunRecord, other: RunRecord) -> bool:
    """Whether two records are equal, leaving aside how long it took, where it ran, and how it was staged."""
    beside = {"seconds", "environment", "stages"}
    return one.model_dump(exclude=beside) == other.model_dump(exclude=beside)


def _answered_otherwise(held: RunRecord, record: RunRecord) -> tuple[str, ...]:
    """Images of which the oracle said one thing in a record, and another in a later one."""

    def answers(of: RunRecord) -> dict[tuple[int, str], tuple[int, ...] | None]:
        return {(n, a.image_id): a.cells for n, c in enumerate(of.consultations) for a in c.answers}

    before, now = answers(held), answers(record)
    return tuple(dict.fromkeys(image for n, image in now if (n, image) in before and before[n, image] != now[n, image]))


# ------------------------------------------------------------------------------------------------- versions, hardware


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
    """The processor's own name, where the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # another distribution brings the same module (opencv-python-headless)
        return "unknown"


# ---------------------------------------------------------------------------------------------------------- done over


@dataclass(frozen=True, slots=True)
class Recomputed:
    """One run of the record and what came of doing it over."""

    key: str
    """Of the run."""
    equal: int = 0
    """Entries that came out with the same bytes."""
    missing: int = 0
    """Entries the store no longer holds."""
    differing: tuple[str, ...] = ()
    """Entries that came out with other bytes, as ``KIND/KEY``."""
    failed: str = ""
    """Why it could not be done over, though it was done before."""
    passed_over: str = ""
    """Why there is nothing to compare here: other images, packages or hardware."""


def recompute(
    store: Store,
    library: ImageLibrary,
    device: torch.device,
    beside: Path,
    number: int,
    seed: int,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Iterator[Recomputed]:
    """Runs that are done, drawn at random, each done over in a fresh store, until ``number`` could be compared.

    What moves a number and stands in no key poisons a store: nothing in it is damaged, and yet it is wrong. This finds
    it.

    Args:
        store: whose records are tried.
        library: of the images; paths in the records are looked for as it does.
        device: to train on.
        beside: where weights files are looked for.
        number: of runs to compare.
        seed: of the draw.
        progress: called with how many runs have been compared.

    Raises:
        StoreError: the store cannot be read.
    """
    records = {key: found[0] for key in store.keys("runs") if (found := recorded(store, key)) is not None}
    done = {key: record for key, record in records.items() if record.status == "done"}
    compared = 0
    for position in stream(seed, "verify").permutation(len(done)):
        if compared == number:
            return
        key = list(done)[position]
        result = _done_over(store, done, key, library, device, beside)
        compared += not result.passed_over
        progress("doing runs over", compared, number)
        yield result


def _done_over(
    store: Store, done: Mapping[str, RunRecord], key: str, library: ImageLibrary, device: torch.device, beside: Path
) -> Recomputed:
    record = done[key]
    run = record.spec
    try:
        if run_key(run, library.of_run(run).fingerprints, device) != key:
            return Recomputed(key, passed_over="its images, packages or device were others than those here")
    except ImilSimError as error:
        return Recomputed(key, passed_over=str(error))
    with tempfile.TemporaryDirectory(prefix="imil-sim-") as folder:
        fresh = Store(Path(folder))
        step_runner = StepRunner(library, fresh, device, beside)
        shared = step_runner.trunk(run)
        trunks = {trunk.trunk: trunk for trunk in (shared, shared.apart(run.arm))}  # or nothing was shared
        try:
            trunk = trunks[store.manifest("stages", record.stages[-1]).trunk]
        except (Damage, StoreError, LookupError):
            return Recomputed(key, passed_over="the states it went through are no longer in the store")
        peers = [other.spec for other in done.values() if set(other.stages) & set(record.stages)]
        try:
            performed = _performed(step_runner, run, trunk, Halts(peers))
        except RunError as error:
            return Recomputed(key, failed=str(error))
        keep("", run, Ended(performed, None, {}), library, fresh, device)
        equal, missing, differing = 0, 0, []
        for kind in KINDS:
            for entry in fresh.keys(kind):
                if not store.holds(kind, entry):
                    missing += 1
                elif _alike(store, fresh, kind, entry):
                    equal += 1
                else:
                    differing.append(f"{kind}/{entry}")
        return Recomputed(key, equal, missing, tuple(differing))


def _performed(step_runner: StepRunner, run: RunSpec, trunk: Lineage, halts: Halts) -> Performed:
    """What the run has been through this time.

    Raises:
        RunError: it ends otherwise.
    """
    steps = perform(run, trunk, halts)
    outcome: object = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            performed: Performed = end.value
            return performed
        result = step_runner.carry_out(step)
        if result.error is not None:
            raise result.error
        outcome = result.outcome


def _alike(store: Store, fresh: Store, kind: Kind, key: str) -> bool:
    """Whether both stores hold the same bytes; of two records, whether they say the same."""
    try:
        one, other = (dict(s.inspect(kind, key).files) for s in (store, fresh))
    except Damage:
        return False
    if kind == "runs":
        del one[RECORD], other[RECORD]
        records = [recorded(s, key) for s in (store, fresh)]
        if None in records or not _equal(records[0][0], records[1][0]):  # type: ignore[index]
            return False
    return one == other
