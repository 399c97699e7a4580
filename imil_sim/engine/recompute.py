"""Doing runs of the record over again, somewhere else, and comparing the bytes.

What moves a number and stands in no key poisons a store: nothing in it is damaged, and yet it is wrong. This finds it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.execute import Ended
from imil_sim.engine.results import keep, recorded, tell_the_same
from imil_sim.engine.run import Halts, Performed, perform
from imil_sim.engine.stages import Lineage, run_key
from imil_sim.engine.steps import StepRunner
from imil_sim.engine.store import KINDS, RECORD, Damage, Kind, Store
from imil_sim.errors import ImilSimError, RunError, StoreError
from imil_sim.seeds import stream
from imil_sim.study.record import RunRecord


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

    Args:
        store: whose records are tried.
        library: of the images; paths in the records are looked for as it does.
        device: to train on.
        beside: where weights files are looked for.
        number: of runs to compare.
        seed: of the draw.
        progress: told how many runs have been compared.

    Raises:
        StoreError: the store cannot be read.
    """
    done = {key: record for key in store.keys("runs") if (record := _done(store, key)) is not None}
    compared = 0
    for position in stream(seed, "verify").permutation(len(done)):
        if compared == number:
            return
        key = list(done)[position]
        result = _over_again(store, done, key, library, device, beside)
        compared += not result.passed_over
        progress("doing runs over", compared, number)
        yield result


def _done(store: Store, key: str) -> RunRecord | None:
    found = recorded(store, key)
    return found[0] if found and found[0].status == "done" else None


def _over_again(
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
        trunk = _trunk(store, record, step_runner)
        if trunk is None:
            return Recomputed(key, passed_over="the states it went through are no longer in the store")
        peers = [other.spec for other in done.values() if set(other.stages) & set(record.stages)]
        try:
            performed = _performed(step_runner, record, trunk, Halts(peers))
            keep("", run, Ended(performed, None, {}), library, fresh, device)
        except RunError as error:
            return Recomputed(key, failed=str(error))
        return _compared(store, fresh, key)


def _trunk(store: Store, record: RunRecord, step_runner: StepRunner) -> Lineage | None:
    """The untrained state the run began with: that of its trunk, or one of its own where nothing was shared."""
    try:
        began = store.manifest("stages", record.stages[-1]).trunk
    except (Damage, StoreError, IndexError):
        return None
    shared = step_runner.trunk(record.spec)
    return next((t for t in (shared, shared.apart(record.spec.arm)) if t.trunk == began), None)


def _performed(step_runner: StepRunner, record: RunRecord, trunk: Lineage, halts: Halts) -> Performed:
    """The run's story, told again.

    Raises:
        RunError: it ends otherwise this time.
    """
    steps = perform(record.spec, trunk, halts)
    outcome: Any = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            performed: Performed = end.value
            return performed
        done = step_runner.carry_out(step)
        if isinstance(done.error, RunError):
            raise done.error
        outcome = done.outcome


def _compared(store: Store, fresh: Store, key: str) -> Recomputed:
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


def _alike(store: Store, fresh: Store, kind: Kind, key: str) -> bool:
    """Whether both stores hold the same bytes; of two records, whether they tell the same."""
    try:
        one, other = (dict(s.inspect(kind, key).files) for s in (store, fresh))
    except Damage:
        return False
    if kind == "runs":
        del one[RECORD], other[RECORD]
        records = [recorded(s, key) for s in (store, fresh)]
        if None in records or not tell_the_same(records[0][0], records[1][0]):  # type: ignore[index]
            return False
    return one == other
