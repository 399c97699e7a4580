"""Provenance: the study, the runs that are not in its numbers, what each arm is, and what is estimated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis, ReportedRun, Status
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import MINUS, frame_of, ranges, table_of, told_random
from imil_sim.study.record import RunRecord
from imil_sim.study.spec import FeedbackSpec, Spec

STATUSES: tuple[Status, ...] = ("done", "failed", "waiting", "missing")

HARDWARE = ("device", "processor", "machine", "system")
"""Of `RunRecord.environment`; all else in it is a version."""

OWN_COLUMN = frozenset({"oracle", "options", "num_outliers", "imil_epoch", "grid_size"})
"""Fields of `FeedbackSpec` with a column each in the table of arms."""

SHOWN_DIGITS = 16
"""Of a fingerprint; the records have all of it."""


def build(data: ReportData) -> Iterator[Table]:
    """Where the numbers come from, the runs that are not in them, what each arm is, and what is estimated."""
    yield _study(data.analysis)
    yield from _runs(data.analysis)
    yield _arms(data.analysis)
    yield _terms(data.analysis)


def _study(analysis: Analysis) -> Table:
    """What the study file says, which runs are there, on what and with what they were made."""
    study, specs = analysis.study, list(analysis.study.arms.values())
    records = [run.record for run in analysis.runs.values() if run.record and run.status == "done"]
    consulting = [arm.feedback for arm in specs if arm.feedback]
    test_sets = dict.fromkeys(name for arm in specs for name in arm.test_sets)
    counts = Counter(run.status for run in analysis.runs.values())
    what: dict[str, str | None] = {
        "Study": f"{study.name}: {study.title}" if study.title else study.name,
        "Images": _in_common([arm.images for arm in specs]),
        **{f"Test set {name}": _in_common([arm.test_sets[name] for arm in specs if name in arm.test_sets])
           for name in test_sets},
        "Images by part": _alternatives(map(_sizes, records)),
        "Classes": _alternatives(", ".join(record.class_names) for record in records if record.class_names),
        "Split": _in_common([arm.split for arm in specs]),
        "Model": _in_common([arm.model for arm in specs]),
        "Training": _in_common([arm.training for arm in specs]),
        "Augmentation": _alternatives(arm.augmentation.name for arm in specs),
        "Feedback": f"in {len(consulting)} of {len(specs)} arms: {_in_common(consulting)}" if consulting else None,
        "Seeds": f"{len(study.seeds)}: {ranges(study.seeds)}",
        "Reference arm": study.reference,
        "Planned comparisons": "; ".join(f"{arm} {MINUS} {reference}" for arm, reference in study.comparisons),
        "Sweeps": "; ".join(f"{s.name} ({several(len(s.levels), 'level')})" for s in study.sweeps),
        "Runs": f"{len(analysis.runs)} expected: {', '.join(f'{counts[status]} {status}' for status in STATUSES)}",
        "Epochs": _epochs(records) if records else None,
        "Versions": _environment(records, hardware=False),
        "Hardware": _environment(records, hardware=True),
        "Data fingerprints": _fingerprints(records),
    }  # fmt: skip
    columns = (Column("What"), Column("Value"))
    notes = []
    if analysis.environments:
        notes.append(f"The runs were made in different environments, which may move numbers: {analysis.environments}.")
    frame = frame_of([row for row in what.items() if row[1]], columns)
    return table_of("study", "The study and where its numbers come from", columns, frame, notes)


def _runs(analysis: Analysis) -> Iterator[Table]:
    """Failed, waiting and missing runs with their reasons, and done ones that cannot be used; equal ones in a row."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for (arm, seed), run in analysis.runs.items():
        for reason in [_why_not_done(run)] if run.status != "done" else _why_unused(analysis, run):
            found.setdefault((arm, run.status, reason), []).append(seed)
    order = sorted(found, key=lambda key: STATUSES.index(key[1]) or len(STATUSES))  # the unusable ones last
    columns = (Column("Arm"), Column("Status"), Column("Seeds"), Column("Runs"), Column("Reason"))
    rows = [(arm, status, ranges(of := found[arm, status, why]), len(of), why) for arm, status, why in order]
    if rows:
        caption = "Runs that failed, wait, are missing, or cannot be used"
        yield table_of("runs", caption, columns, frame_of(rows, columns))


def _why_not_done(run: ReportedRun) -> str:
    if run.record is None:
        return "there is no record of it: it was not run, or not to its end"
    return run.record.reason or "no reason is on record"


def _why_unused(analysis: Analysis, run: ReportedRun) -> Iterator[str]:
    """Why a run that is done is not in the numbers of a test set; nothing where it is."""
    for name, of in (run.predictions or {}).items():
        where = "" if name == "main" else f"on the test set {name} "
        broken = int((~np.isfinite(of.probabilities).all(axis=1)).sum())
        found = analysis.sets.get(name)
        if broken:
            yield f"{where}the predictions of {broken} of {len(of.ids)} images are not numbers"
        elif found and run.arm in found.incomparable:
            place = analysis.place(run.arm), analysis.seeds.index(run.seed)
            if all(np.isnan(components.values[place]) for components in found.components.values()):
                yield f"{where}not comparable: {found.incomparable[run.arm]}"


def _arms(analysis: Analysis) -> Table:
    """What each arm is: its augmentation, its oracle, and when and about what the oracle is asked."""
    columns = (
        Column("Arm"),
        Column("Augmentation"),
        Column("Oracle", explained="the simulated clinician; none: an arm without feedback"),
        Column("Its options"),
        Column("Outliers", explained="images asked about at each consultation, at most"),
        Column("After epoch", explained="completed epochs before each consultation"),
        Column("Grid", explained="rows x columns"),
        Column("Else", explained="what is not as by default"),
        Column("Part in the study"),
    )
    specs = analysis.study.arms
    rows = [
        (name, specs[name].augmentation.name, *_asked(specs[name].feedback), _role(analysis, name))
        for name in analysis.arms
    ]
    unlike = [
        part for part in ("images", "test_sets", "split", "model", "training")
        if len({str(getattr(arm, part)) for arm in specs.values()}) > 1
    ]  # fmt: skip
    notes = [f"The arms differ in {', '.join(unlike)} as well; see the records of the runs."] if unlike else []
    return table_of(
        "arm-definitions", "The arms", columns, frame_of(rows, columns), notes,
        dash="no feedback, or nothing else than by default",
    )  # fmt: skip


def _asked(feedback: FeedbackSpec | None) -> tuple[Cell, ...]:
    if not feedback:
        return (None,) * 6
    fields = type(feedback).model_fields
    other = {
        key: value for key, field in fields.items()
        if key not in OWN_COLUMN and (value := getattr(feedback, key)) != field.default
    }  # fmt: skip
    return (
        feedback.oracle,
        _shown(feedback.options) if feedback.options else None,
        feedback.num_outliers,
        ", ".join(map(str, feedback.imil_epoch)),
        f"{feedback.grid_size[0]} x {feedback.grid_size[1]}",
        ", ".join(f"{key} {_shown(value)}" for key, value in other.items()) or None,
    )


def _role(analysis: Analysis, arm: str) -> Cell:
    swept = [s.name for s in analysis.study.sweeps if any(lv.arm == arm and lv.arm != lv.base for lv in s.levels)]
    roles = {
        "reference": arm == analysis.study.reference,
        "placebo: the noise floor of a fork": arm == analysis.placebo,
        told_random(analysis, arm) if arm in analysis.random_cells.values() else "": True,
        f"level of the sweep {', '.join(swept)}": bool(swept),
    }
    return "; ".join(role for role, played in roles.items() if role and played) or None


def _terms(analysis: Analysis) -> Table:
    """What the numbers estimate, and what the letters A, B and C mean."""
    resplit = any(c.resplit for one in analysis.sets.values() for c in one.components.values())
    unavailable = " Not available: every seed has its own test images." if resplit else ""
    new_seeds = (
        "New seeds with splits of their own: would training again on another split show the same? Paired t, corrected "
        "for splits that share training images (Nadeau and Bengio 2003)."
        if resplit
        else "New seeds, this test set: would training again show the same on these very images? Paired t."
    )
    terms = {
        "Difference": "Mean over seeds of an arm's metric minus that of the arm it is compared with. The two runs of a "
        "seed are a pair: they share split, initial weights, batch order and test images.",
        "A" if resplit else "A (primary)": "New seeds and new patients: would training again and testing on other "
        "patients of the same kind show the same? Obuchowski-Rockette with seeds as readers, degrees of freedom of "
        f"Hillis; needs five seeds.{unavailable}",
        "B (primary)" if resplit else "B": new_seeds,
        "C": "New patients, these trained models: would these very models show the same on other patients? "
        f"Obuchowski-Rockette with fixed seeds; of one seed DeLong (AUROC) or McNemar (accuracy).{unavailable}",
        "p, Holm p, BH p": "Two-sided, of no difference, from the primary interval; Holm's is adjusted for all planned "
        "comparisons within the metric, Benjamini and Hochberg's for the exploratory ones.",
        "P(better)": "Share of seeds in which the arm is the better of the two, ties counting one half.",
        "MDE": "Minimum detectable effect: the true difference that A would detect with 80% power, given the spread "
        "found here, before the correction for several comparisons.",
        "sd, IQM": "Standard deviation over seeds (n − 1); mean of the middle half of the seeds.",
    }
    columns = (Column("Term"), Column("Meaning"))
    notes = ("An interval that cannot be known is absent, with the reason; never zero.",)
    return table_of("estimand", "What is estimated", columns, frame_of(list(terms.items()), columns), notes)


# ------------------------------------------------------------------------------------------------------------ values


def _in_common(parts: Sequence[Spec]) -> str | None:
    """``epochs 100; learning_rate 0.001 or 0.01 (by arm)``: every field of a part, with the values it takes.

    An oracle's options stand in the table of arms.
    """
    found: dict[str, dict[str, None]] = {}
    for part in parts:
        for key, value in part.model_dump(mode="json", exclude={"options"}).items():
            if value is not None and value != {}:
                found.setdefault(key, {})[_shown(value, " x " if key == "grid_size" else ", ")] = None
    shown = [f"{key} {' or '.join(values)}{' (by arm)' if len(values) > 1 else ''}" for key, values in found.items()]
    return "; ".join(shown) or None


def _shown(value: Any, between: str = ", ") -> str:
    """A value of a spec as text; of an absolute path only the last part, since the rest is the machine's."""
    value = _placeless(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple) and all(isinstance(v, int | str) for v in value):
        return between.join(map(str, value))
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value) if plain else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _placeless(value: Any) -> Any:
    if isinstance(value, str):
        absolute = [path for flavour in (PurePosixPath, PureWindowsPath) if (path := flavour(value)).is_absolute()]
        return absolute[0].name if absolute else value
    if isinstance(value, Mapping):
        return {key: _placeless(inner) for key, inner in value.items()}
    return [_placeless(inner) for inner in value] if isinstance(value, list | tuple) else value


def _alternatives(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))


def _sizes(record: RunRecord) -> str:
    tests = ", ".join(f"{n} of the test set {name}" for name, n in record.n_test.items())
    return f"{record.n_train} for training, {tests}"


def _epochs(records: Sequence[RunRecord]) -> str:
    epochs = sum(record.spec.arm.training.epochs for record in records)
    states = len({key for record in records for key in record.stages})
    return f"{epochs} in the runs that are done, which share {states} states of training"


def _environment(records: Sequence[RunRecord], *, hardware: bool) -> str:
    shown = []
    for name in sorted({name for record in records for name in record.environment if (name in HARDWARE) == hardware}):
        counts = Counter(record.environment.get(name, "unknown") for record in records)
        values = ", ".join(f"{v} ({several(n, 'run')})" if len(counts) > 1 else v for v, n in sorted(counts.items()))
        shown.append(f"{name} {values}")
    return "; ".join(shown)


def _fingerprints(records: Sequence[RunRecord]) -> str:
    """The first digits of the hash of images and labels, by part."""
    shown = []
    for name in dict.fromkeys(name for record in records for name in sorted(record.data)):
        values = {record.data[name] for record in records if name in record.data}
        shown.append(f"{name}: {len(values)} different" if len(values) > 1 else f"{name} {values.pop()[:SHOWN_DIGITS]}")
    return "; ".join(shown)


PART = TablePart("provenance", build, place=10)
