"""Findings: what the runs of a study came to, small enough to be kept beside the code; kept, they are a baseline.

A baseline is a JSON file with a line a run. Floats in it read back exactly. It holds every number of results.csv, the
probabilities of every test image, the losses of every epoch and a digest of every consultation, so that a comparison
can say not only that a number moved but where the run first went another way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from imil_sim.errors import UsageError, listed
from imil_sim.io import readable_by
from imil_sim.report.analysis import ReportedRun, Status
from imil_sim.report.files import write_whole
from imil_sim.report.results import TEXT, run_row
from imil_sim.study.problems import lines
from imil_sim.study.record import Consultation, Predictions
from imil_sim.study.spec import ArmSpec, Spec, canonical, content_key
from imil_sim.study.study import Study

FORMAT: Literal["imil-sim baseline"] = "imil-sim baseline"
VERSION: Literal[1] = 1
"""Of the file; a change that an older reader would misread raises it."""

MOVES_NOTHING = frozenset({"imil-sim", "pandas", "python"})
"""Entries of an environment that cannot move a number, or are what is being tested."""

SHOWN = 8
"""So many differences between two studies are named."""


class ImageList(Spec):
    """The images of one test set."""

    ids: tuple[str, ...]
    labels: tuple[int, ...]
    """Class numbers, in the order of the ids."""


class SetFindings(Spec):
    """What one run came to on one test set."""

    images: int
    """Place among `Findings.images`."""
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


class RunFindings(Spec):
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
    sets: dict[str, SetFindings] = Field(default_factory=dict)
    """By test set, ``main`` first; empty unless the run is done."""


class Findings(Spec):
    """What all runs of a study came to, and where."""

    study: str
    arms: dict[str, str]
    """Fingerprint of every arm's spec, by its name."""
    seeds: tuple[int, ...]
    environment: dict[str, str]
    """Versions and hardware."""
    images: tuple[ImageList, ...]
    runs: tuple[RunFindings, ...]

    @cached_property
    def by_run(self) -> Mapping[tuple[str, int], RunFindings]:
        """The runs by arm and seed."""
        return {(run.arm, run.seed): run for run in self.runs}


class Change(NamedTuple):
    """An entry of the environment that is not what it was; empty where there was, or is, none."""

    name: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.name} {self.before or 'unknown'}, now {self.now or 'unknown'}"


# ------------------------------------------------------------------------------------------------------------- making


def findings_of(study: Study, runs: Sequence[ReportedRun], environment: Mapping[str, str]) -> Findings:
    """The findings of a study that was run.

    Args:
        study: the study.
        runs: every run of it.
        environment: versions and hardware of all runs; what may move a number among it decides whether findings can be
            compared to the bit.
    """
    places: dict[ImageList, int] = {}
    found = tuple(_run(run, places) for run in runs)
    return Findings(
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
    said = arm.model_dump(mode="json", exclude_defaults=True)
    for source in [said["images"], *said.get("test_sets", {}).values()]:
        source.pop("path", None)
    return content_key(said)


def _run(run: ReportedRun, places: dict[ImageList, int]) -> RunFindings:
    record = run.record
    if record is None:
        return RunFindings(arm=run.arm, seed=run.seed, status="missing")
    tested = {} if run.predictions is None else run.predictions
    return RunFindings(
        arm=run.arm,
        seed=run.seed,
        status=run.status,
        reason=record.reason,
        data=record.data,
        consultations=tuple(_digest(consultation) for consultation in record.consultations),
        losses=tuple(row.loss for row in record.history),
        sets={name: _tested(run, predictions, places) for name, predictions in tested.items()},
    )


def _tested(run: ReportedRun, predictions: Predictions, places: dict[ImageList, int]) -> SetFindings:
    assert run.record is not None
    row = run_row(run.arm, run.record, predictions)
    values = {name: float(value) for name, value in row.items() if name not in (*TEXT, "seed") and value is not None}
    images = ImageList(ids=predictions.ids, labels=tuple(predictions.labels.tolist()))
    return SetFindings(
        images=places.setdefault(images, len(places)),
        values={name: value for name, value in values.items() if value == value},
        probabilities=tuple(tuple(p if p == p else None for p in of) for of in predictions.probabilities.tolist()),
    )


def _digest(of: Consultation) -> ConsultationDigest:
    """Whom was asked what, and which cells were chosen; not the words that went with it."""
    asked = [[answer.image_id, answer.predicted, answer.confidence] for answer in of.answers]
    said = [[answer.cells, answer.effect] for answer in of.answers]
    return ConsultationDigest(
        epoch=of.epoch, questions=content_key([of.grid, asked])[:16], answers=content_key(said)[:16]
    )


# -------------------------------------------------------------------------------------------------- keeping, reading


def write_baseline(findings: Findings, path: Path) -> None:
    """Keep findings as a baseline, whole or not at all; equal findings give equal bytes.

    Raises:
        UsageError: the place cannot be written.
    """
    content = findings.model_dump(mode="json")
    lines = [f' "{key}": {_json(value)}' for key, value in _headed(content).items()]
    with readable_by("everybody"):  # it goes into a repository, and holds no image
        write_whole(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def _headed(content: Mapping[str, object]) -> dict[str, object]:
    """The content of the file, the checksum of the findings included."""
    return {"format": FORMAT, "version": VERSION, "checksum": content_key(content), **content}


def _json(value: object) -> str:
    """As JSON; of a list of tables each on a line of its own, so that a diff shows which run moved."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {canonical(part)}" for part in value) + "\n ]"
    return canonical(value)


def read_baseline(path: Path, remedy: str) -> Findings:
    """The findings that a file keeps.

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
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f'{path} is no baseline: it does not begin with "format": "{FORMAT}". {remedy}')
    if (version := content.get("version")) != VERSION:
        raise UsageError(
            f"the baseline {path} has format version {version}, and this imil-sim reads version {VERSION}. {remedy}"
        )
    kept = {key: value for key, value in content.items() if key not in ("format", "version", "checksum")}
    try:
        findings = Findings.model_validate_json(json.dumps(kept), strict=True)
    except ValidationError as error:
        raise UsageError(f"the baseline {path} is damaged: {lines(error)[0]}. {remedy}") from error
    if content.get("checksum") != content_key(findings.model_dump(mode="json")) or not _sound(findings):
        raise UsageError(
            f"the baseline {path} was changed after it was written, by hand or in a merge: its checksum does not fit. "
            + remedy
        )
    return findings


def _sound(findings: Findings) -> bool:
    """Whether what the lists promise each other is there."""
    sizes = [len(images.ids) for images in findings.images if len(images.ids) == len(images.labels)]
    tested = [tested for run in findings.runs for tested in run.sets.values()]
    return len(sizes) == len(findings.images) and all(
        0 <= of.images < len(sizes) and len(of.probabilities) == sizes[of.images] for of in tested
    )


def check_of_study(study: Study, baseline: Findings, remedy: str) -> None:
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
        unlike.append(f"its seeds are {_listed(baseline.seeds)}, those of the study {_listed(study.seeds)}")
    if unlike:
        more = [f"and {len(unlike) - SHOWN} more"] if len(unlike) > SHOWN else []
        raise UsageError(
            f'the baseline is not of study "{study.name}" as it stands now:{listed([*unlike[:SHOWN], *more])}\n{remedy}'
        )


def _listed(seeds: Sequence[int]) -> str:
    shown = ", ".join(str(seed) for seed in seeds[:SHOWN])
    return shown + (f", ... ({len(seeds)})" if len(seeds) > SHOWN else "")


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Change, ...]:
    """In what two environments differ that may move a number; empty: the same runs come out alike to the bit.

    Versions of what computes or draws count, the device, the number of threads, and the processor: kernels are chosen
    by its instruction sets, its maker and its caches, and two models with equal ones are rarely told apart for certain.
    The versions of Python, of pandas (it only lays out tables) and of imil-sim, which is what is being tested, do not.
    """
    names = sorted((before.keys() | now.keys()) - MOVES_NOTHING)
    found = (Change(name, before.get(name, ""), now.get(name, "")) for name in names)
    return tuple(change for change in found if change.before != change.now)
