"""Runs of a training of one's own: the folder they are recorded in, and the study that it makes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from imil_sim.engine.results import RunResult, provenance
from imil_sim.engine.store import RECORD, write_arrays
from imil_sim.errors import DataError, StudyError, UsageError, listed
from imil_sim.io import make_folder, replace_file
from imil_sim.sessions.files import write_session
from imil_sim.study.record import Predictions, RunRecord
from imil_sim.study.spec import NAME_PATTERN, RunSpec, content_key, lines
from imil_sim.study.study import OWN, Study
from imil_sim.training.numerics import find_device

if TYPE_CHECKING:
    from imil_sim.callback import IMIL

BASELINE = "baseline"
"""The arm that the others are compared with, where there is one of that name; else the first without feedback."""


def record_run(
    folder: str | Path,
    *,
    arm: str,
    seed: int,
    ids: Sequence[str],
    labels: ArrayLike,
    probabilities: ArrayLike,
    study: str = "own",
    imil: IMIL | None = None,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Record one run of a training of one's own: what it predicts of the test images, and what its oracle was asked.

    The folder of all runs is then a study: `write_report`, `results`, `differences`, `compare` and `check` take it as
    they take a study's name. Recorded again, a run takes the place of the earlier one.

    Args:
        folder: of the study's runs; made where it is missing.
        arm: what was done; runs of one arm differ in their seed.
        seed: of the run.
        ids: one id a test image, the same images in every run.
        labels: (n,), the true class of each.
        probabilities: (n, classes); or (n,), that of the second of two classes.
        study: what the report calls it.
        imil: what consulted in the run; none for a run without feedback.
        class_names: one name a class; those of ``imil``, or numbers, otherwise.

    Returns:
        The folder of the run, with ``record.json``, ``predictions-main.npz`` and, where an oracle answered,
        ``session.jsonl``, which can be replayed.

    Raises:
        UsageError: a name or number is none that a study can hold.
        DataError: predictions, labels and ids do not fit together.
    """
    shown = _predictions(ids, labels, probabilities)
    classes = shown.probabilities.shape[1]
    names = tuple(class_names or (imil.class_names if imil else map(str, range(classes))))
    if len(names) != classes:
        raise DataError(f"{classes} columns of probabilities, but {len(names)} class names: {', '.join(names)}")
    spec = _spec(arm, seed, imil)
    fingerprint = hashlib.sha256(repr((shown.ids, shown.labels.tolist())).encode()).hexdigest()
    record = RunRecord(
        run_key=content_key([study, arm, seed, hashlib.sha256(shown.probabilities.tobytes()).hexdigest()]),
        status="done",
        spec=spec,
        data={"main": fingerprint} | ({"train": imil.images.index.fingerprint} if imil else {}),
        n_train=len(imil.images.ids) if imil else 0,
        n_test={"main": len(shown.ids)},
        class_names=names,
        consultations=imil.consultations if imil else (),
        environment=provenance(find_device("cpu")),
        study=study,
    )
    place = Path(folder) / arm / f"seed-{seed}"
    make_folder(place)
    write_arrays(place / "predictions-main.npz", shown.to_arrays())
    if imil is not None and imil.consultations:
        write_session(place / "session.jsonl", imil.session(f"study {study}, arm {arm}, seed {seed}"))
    replace_file(place / RECORD, record.model_dump_json(indent=1).encode())
    return place


def _spec(arm: str, seed: int, imil: IMIL | None) -> RunSpec:
    """What is known of the run's settings: its feedback."""
    if not re.fullmatch(NAME_PATTERN, arm):
        raise UsageError(f'arm "{arm}": a name is letters, digits, "_", "-" and ".", without spaces')
    feedback = imil.feedback.model_dump(mode="json") if imil else None
    last = imil.feedback.imil_epoch[-1] if imil else 0
    fields = {"images": {"source": OWN}, "training": {"epochs": last + 1}, "feedback": feedback}
    try:
        return RunSpec.model_validate_json(json.dumps({"arm": fields, "seed": seed}))
    except ValidationError as error:
        raise UsageError(f"arm {arm}, seed {seed}: {'; '.join(lines(error))}") from error


def _predictions(ids: Sequence[str], labels: ArrayLike, probabilities: ArrayLike) -> Predictions:
    """The predictions on one test set, with nothing known of where the model looked."""
    names, true = tuple(map(str, ids)), _array(labels)
    shown = _array(probabilities).astype(np.float64)
    if shown.ndim == 1:
        shown = np.stack([1 - shown, shown], axis=1)
    count = len(names)
    if shown.ndim != 2 or true.shape != (count,) or len(shown) != count or len(set(names)) != count:
        raise DataError(
            f"{count} ids, {len(set(names))} of them different, labels of shape {true.shape} and probabilities of "
            f"{shown.shape}: one of each for every test image"
        )
    if not np.issubdtype(true.dtype, np.integer) or not ((true >= 0) & (true < shown.shape[1])).all():
        raise DataError(f"labels are whole numbers from 0 to {shown.shape[1] - 1}, one a class")
    if not ((shown >= 0) & (shown <= 1)).all() or not np.allclose(shown.sum(axis=1), 1, atol=1e-3):
        raise DataError("probabilities lie in [0, 1] and add up to 1 over the classes; give softmax, not logits")
    unknown, none = np.full(count, np.nan), np.full_like(shown, np.nan)
    return Predictions(
        ids=names,
        labels=true.astype(np.int64),
        probabilities=shown / shown.sum(axis=1, keepdims=True),
        lungs_hidden=none,
        lungs_only=none,
        cam_in_lung=unknown,
        lung_share=unknown,
        lung_estimated=np.zeros(count, np.bool_),
        pointing=unknown,
        attributes={},
        cam_rows=np.zeros(0, np.int64),
        cams=np.zeros((0, 0, 0), np.uint8),
    )


def _array(given: ArrayLike) -> NDArray[Any]:
    return np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)


def recorded_runs(folder: Path) -> tuple[Study, list[RunResult]]:
    """The study that a folder of recorded runs makes, and its runs.

    The arms are compared with the one called ``baseline``, or with the first without feedback.

    Raises:
        StudyError: there is no such run.
        DataError: a record cannot be read, or the runs belong to several studies.
    """
    found, problems = [], []
    for path in sorted(folder.glob(f"*/seed-*/{RECORD}")):
        try:
            record = RunRecord.model_validate_json(path.read_bytes())
            found.append(RunResult(path.parent.parent.name, record.spec.seed, record, path.parent))
        except (OSError, ValidationError) as error:
            problems.append(f"{path}: {lines(error)[0] if isinstance(error, ValidationError) else error.strerror}")
    if problems:
        raise DataError(f"{len(problems)} records cannot be read; record these runs again:{listed(problems)}")
    if not found:
        raise StudyError(f"{folder} holds no study: name a study file, or a folder of runs that record_run wrote")
    names = sorted({result.record.study for result in found})
    if len(names) != 1:
        raise DataError(f"{folder} holds runs of {len(names)} studies: {', '.join(names)}; give each its own folder")
    specs = {result.arm: result.record.spec.arm for result in found}
    unfed = [arm for arm, spec in specs.items() if spec.feedback is None]
    reference = BASELINE if BASELINE in specs else next(iter([*unfed, *specs]))
    arms = {reference: specs[reference], **specs}
    study = Study.model_construct(
        name=names[0],
        arms=arms,
        reference=reference,
        seeds=tuple(sorted({result.seed for result in found})),
        comparisons=tuple((arm, reference) for arm in arms if arm != reference),
        beside=folder,
    )
    return study, sorted(found, key=lambda result: (list(arms).index(result.arm), result.seed))
