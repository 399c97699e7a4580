"""`Baseline`: what the runs of a study came to, in a JSON file small enough to be kept beside the code.

The file has a line a run, and floats in it read back exactly. It holds every number of results.csv, the probabilities
of every test image, the losses of every epoch and a digest of every consultation, so that a comparison can say not only
that a number moved but where the run first went another way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from imil_sim.errors import UsageError, listed
from imil_sim.io import readable_by
from imil_sim.report.analysis import ReportedRun, Status
from imil_sim.report.results import TEXT, run_row, write_whole
from imil_sim.study.record import Consultation, Predictions
from imil_sim.study.spec import ArmSpec, Spec, canonical, content_key, lines
from imil_sim.study.study import Study

FORMAT: Literal["imil-sim baseline"] = "imil-sim baseline"
VERSION: Literal[1] = 1
"""Of the file; a change that an older reader would misread raises it."""

MOVES_NOTHING = frozenset({"imil-sim", "pandas", "python"})
"""Entries of an environment that cannot move a number, or are what is being tested."""


class ImageList(Spec):
    """The images of one test set."""

    ids: tuple[str, ...]
    labels: tuple[int, ...]
    """Class numbers, in the order of the ids."""


class BaselineSet(Spec):
    """What one run came to on one test set."""

    images: int
    """Place among `Baseline.images`."""
    values: dict[str, float]
    """Every number of its row in results.csv that is known."""
    probabilities: tuple[tuple[float | None, ...], ...]
    """(images, classes); None where the model gave no number."""

    @property
    def shown(self) -> NDArray[np.float64]:
        """The probabilities as an array (images, classes), NaN for none."""
        return np.array(self.probabilities, np.float64)


class ConsultationDigest(Spec):
    """One consultation, as digests: enough to say whether the questions or the answers moved."""

    epoch: int
    questions: str
    answers: str


class BaselineRun(Spec):
    """What one run came to."""

    arm: str
    seed: int
    status: Status
    reason: str = ""
    """Why it failed."""
    data: dict[str, str] = Field(default_factory=dict)
    """Fingerprints of its images, by the name of the set."""
    consultations: tuple[ConsultationDigest, ...] = ()
    losses: tuple[float | None, ...] = ()
    """Mean training loss of every epoch."""
    sets: dict[str, BaselineSet] = Field(default_factory=dict)
    """By test set, ``main`` first; empty unless the run is done."""


class Baseline(Spec):
    """What all runs of a study came to, and where."""

    study: str
    arms: dict[str, str]
    """Fingerprint of every arm's spec, by its name."""
    seeds: tuple[int, ...]
    environment: dict[str, str]
    """Versions and hardware."""
    images: tuple[ImageList, ...]
    runs: tuple[BaselineRun, ...]

    @cached_property
    def by_run(self) -> Mapping[tuple[str, int], BaselineRun]:
        """The runs by arm and seed."""
        return {(run.arm, run.seed): run for run in self.runs}


# ------------------------------------------------------------------------------------------------------------- making


def baseline_of(study: Study, runs: Sequence[ReportedRun], environment: Mapping[str, str]) -> Baseline:
    """What the runs of a study came to.

    Args:
        study: the study.
        runs: every run of it.
        environment: versions and hardware of all runs; it decides whether they can be compared to the bit.
    """
    places: dict[ImageList, int] = {}
    found = tuple(_run(run, places) for run in runs)
    return Baseline(
        study=study.name,
        arms={name: fingerprint(arm) for name, arm in study.arms.items()},
        seeds=study.seeds,
        environment=dict(environment),
        images=tuple(places),
        runs=found,
    )


def fingerprint(arm: ArmSpec) -> str:
    """SHA-256 of what the study file says of an arm, without the places of images.

    Defaults are left out: a field that a later version adds changes no fingerprint, and a default that changes shows in
    the numbers, which is where it should.
    """
    content = arm.model_dump(mode="json", exclude_defaults=True)
    for source in [content["images"], *content.get("test_sets", {}).values()]:
        source.pop("path", None)
    return content_key(content)


def _run(run: ReportedRun, places: dict[ImageList, int]) -> BaselineRun:
    record = run.record
    if record is None:
        return BaselineRun(arm=run.arm, seed=run.seed, status="missing")
    return BaselineRun(
        arm=run.arm,
        seed=run.seed,
        status=run.status,
        reason=record.reason,
        data=record.data,
        consultations=tuple(_digest(consultation) for consultation in record.consultations),
        losses=tuple(row.loss for row in record.history),
        sets={name: _tested(run, predictions, places) for name, predictions in run.predictions.items()},
    )


def _tested(run: ReportedRun, predictions: Predictions, places: dict[ImageList, int]) -> BaselineSet:
    assert run.record is not None
    row = run_row(run.arm, run.record, predictions)
    values = {name: float(value) for name, value in row.items() if name not in (*TEXT, "seed") and value is not None}
    images = ImageList(ids=predictions.ids, labels=tuple(predictions.labels.tolist()))
    return BaselineSet(
        images=places.setdefault(images, len(places)),
        values={name: value for name, value in values.items() if value == value},
        probabilities=tuple(tuple(p if p == p else None for p in of) for of in predictions.probabilities.tolist()),
    )


def _digest(of: Consultation) -> ConsultationDigest:
    """Whom was asked what, and which cells were chosen; not the words that went with it."""
    asked = [[answer.image_id, answer.predicted, answer.confidence] for answer in of.answers]
    chosen = [[answer.cells, answer.effect] for answer in of.answers]
    return ConsultationDigest(
        epoch=of.epoch, questions=content_key([of.grid, asked])[:16], answers=content_key(chosen)[:16]
    )


# -------------------------------------------------------------------------------------------------- writing, reading


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline, whole or not at all; equal ones give equal bytes.

    Raises:
        UsageError: the place cannot be written.
    """
    content = baseline.model_dump(mode="json")
    headed = {"format": FORMAT, "version": VERSION, "checksum": content_key(content), **content}
    entries = [f' "{key}": {_json(value)}' for key, value in headed.items()]
    with readable_by("everybody"):  # it goes into a repository, and holds no image
        write_whole(path, ("{\n" + ",\n".join(entries) + "\n}\n").encode())


def _json(value: object) -> str:
    """As JSON; of a list of tables each on a line of its own, so that a diff shows which run moved."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {canonical(part)}" for part in value) + "\n ]"
    return canonical(value)


def read_baseline(path: Path, remedy: str) -> Baseline:
    """The baseline in a file.

    Args:
        path: of the file.
        remedy: what somebody without a usable one has to do, a whole sentence.

    Raises:
        UsageError: there is none, or it is none, or another version of imil-sim wrote it, or it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no baseline {path}. {remedy}") from None
    except OSError as error:
        raise UsageError(f"the baseline {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no baseline: it is not JSON ({error}). {remedy}") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise UsageError(f'{path} is no baseline: it does not begin with "format": "{FORMAT}". {remedy}')
    if (version := content.pop("version", None)) != VERSION:
        raise UsageError(
            f"the baseline {path} has format version {version}, and this imil-sim reads version {VERSION}. {remedy}"
        )
    checksum = content.pop("checksum", None)
    try:
        baseline = Baseline.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise UsageError(f"the baseline {path} is damaged: {lines(error)[0]}. {remedy}") from error
    if checksum != content_key(baseline.model_dump(mode="json")):
        raise UsageError(
            f"the baseline {path} was changed after it was written, by hand or in a merge: its checksum does not fit. "
            + remedy
        )
    return baseline


def check_of_study(study: Study, baseline: Baseline, remedy: str) -> None:
    """Check that the baseline is one of this study as its file stands now.

    Raises:
        UsageError: it is of another one; the message says in what they differ.
    """
    theirs, ours = baseline.arms, {name: fingerprint(arm) for name, arm in study.arms.items()}
    unlike = [f'it is of a study called "{baseline.study}"'] if baseline.study != study.name else []
    unlike += [f'it has no arm "{name}"' for name in ours if name not in theirs]
    unlike += [f'it has an arm "{name}" that the study has not' for name in theirs if name not in ours]
    unlike += [f'arm "{name}" was another one' for name in ours if theirs.get(name, ours[name]) != ours[name]]
    if baseline.seeds != study.seeds:
        own, other = (", ".join(map(str, seeds)) for seeds in (baseline.seeds, study.seeds))
        unlike.append(f"its seeds are {own}, those of the study {other}")
    if unlike:
        raise UsageError(f'the baseline is not of study "{study.name}" as it stands now:{listed(unlike)}\n{remedy}')


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """``torch 2.13.0, now 2.14.0``: in what two environments differ that may move a number; empty: in nothing.

    Versions of what computes or draws count, the device, the number of threads, and the processor: kernels are chosen
    by its instruction sets, its maker and its caches. The versions of Python, of pandas (it only lays out tables) and
    of imil-sim, which is what is being tested, do not.
    """
    names = sorted((before.keys() | now.keys()) - MOVES_NOTHING)
    return tuple(
        f"{name} {before.get(name) or 'unknown'}, now {now.get(name) or 'unknown'}"
        for name in names if before.get(name, "") != now.get(name, "")
    )  # fmt: skip
