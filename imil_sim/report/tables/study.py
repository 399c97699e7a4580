"""What was studied: the study, where its numbers come from, its arms, and what is estimated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis, Status
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.tables.text import METRIC_NAMES, MINUS, grouped, ranges, told_random
from imil_sim.study.record import RunRecord
from imil_sim.study.spec import ArmSpec, Spec

STATUSES: tuple[Status, ...] = ("done", "failed", "waiting", "missing")

HARDWARE = ("device", "processor", "machine", "system")
"""Of `RunRecord.environment`; all else in it is a version."""

OWN_COLUMN = frozenset({"oracle", "options", "num_outliers", "imil_epoch", "grid_size"})
"""Fields of `FeedbackSpec` with a column each in the table of arms."""

SHOWN_DIGITS = 16
"""Of a fingerprint; the records have all of it."""


def study_table(analysis: Analysis) -> Table:
    """The study and its provenance: what its file says, which runs are there, on what and with what they were made."""
    study, specs = analysis.study, list(analysis.study.arms.values())
    records = [run.record for run in analysis.runs.values() if run.record and run.status == "done"]
    consulting = [arm.feedback for arm in specs if arm.feedback]
    rows: list[tuple[str, Cell]] = [
        ("Study", study.name),
        ("Title", study.title or None),
        ("Images", _in_common([arm.images for arm in specs])),
        *[(f"Test set {name}", told) for name, told in _test_sets(specs).items()],
        ("Images by part", _sizes(records)),
        ("Classes", _one_or_several([", ".join(record.class_names) for record in records if record.class_names])),
        ("Split", _in_common([arm.split for arm in specs])),
        ("Model", _in_common([arm.model for arm in specs])),
        ("Recipe of training", _in_common([arm.training for arm in specs])),
        ("Augmentation", _one_or_several([arm.augmentation.name for arm in specs])),
        ("Feedback", f"in {len(consulting)} of {len(specs)} arms: {_in_common(consulting)}" if consulting else None),
        ("Seeds", f"{len(study.seeds)}: {ranges(study.seeds)}"),
        ("Reference arm", study.reference),
        (
            "Planned comparisons",
            "; ".join(f"{arm} {MINUS} {reference}" for arm, reference in study.comparisons) or None,
        ),
        (
            "Sweeps (exploratory)",
            "; ".join(f"{s.name} ({several(len(s.levels), 'level')})" for s in study.sweeps) or None,
        ),
        ("Runs", _statuses(analysis)),
        ("Epochs", _epochs(records)),
        ("Versions", _environment(records, hardware=False)),
        ("Hardware", _environment(records, hardware=True)),
        ("Fingerprints of the data", _fingerprints(records)),
    ]
    return Table(
        "study",
        "The study and where its numbers come from",
        (Column("What"), Column("As it is")),
        tuple(rows),
        _study_notes(analysis, rows),
    )


def arm_definitions(analysis: Analysis) -> Table:
    """What each arm is: its augmentation, its oracle, and when and about what the oracle is asked."""
    rows = []
    for name in analysis.arms:
        arm = analysis.study.arms[name]
        feedback = arm.feedback
        asked: tuple[Cell, ...] = (None,) * 6
        if feedback:
            fields = type(feedback).model_fields
            rest = {key: getattr(feedback, key) for key in fields if key not in OWN_COLUMN}
            other = {key: value for key, value in rest.items() if value != fields[key].default}
            asked = (
                feedback.oracle,
                _told(feedback.options) if feedback.options else None,
                feedback.num_outliers,
                ", ".join(map(str, feedback.imil_epoch)),
                f"{feedback.grid_size[0]} x {feedback.grid_size[1]}",
                ", ".join(f"{key} {_told(value)}" for key, value in other.items()) or None,
            )
        rows.append((name, arm.augmentation.name, *asked, _role(analysis, name)))
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
    notes = ["A dash: the arm has no feedback, or nothing else than by default."]
    if odd := _beside_feedback(list(analysis.study.arms.values())):
        notes.append(f"The arms differ in {odd} as well; their specs stand in every run's record.")
    return Table("arm-definitions", "The arms", columns, tuple(rows), tuple(notes))


def estimand(analysis: Analysis) -> Table:
    """What the numbers estimate, and what the letters A, B and C mean, in plain words."""
    resplit = any(c.resplit for one in analysis.sets.values() for c in one.components.values())
    new_seeds = "New seeds, and again this test set: would training again show the same on these very images? Paired t."
    if resplit:
        new_seeds = (
            "New seeds with splits of their own: would training again on another split show the same? Paired t with "
            "the variance corrected for splits that share training images (Nadeau and Bengio 2003)."
        )
    resplit_note = " Not available: every seed has its own test images." if resplit else ""
    rows: tuple[tuple[Cell, ...], ...] = (
        (
            "What is estimated",
            "The mean over seeds of an arm's metric minus that of the arm it is compared with, the two runs of a seed "
            "being a pair.",
        ),
        (
            "Why in pairs",
            "All arms of one seed share split, initial weights and batch order, and all runs are tested on the same "
            "images: what they have in common cancels in the difference.",
        ),
        (
            "A" if resplit else "A (primary)",
            "New seeds and new patients: would somebody who trains again and tests on other patients of the same kind "
            "find it too? Obuchowski-Rockette with seeds as readers, degrees of freedom of Hillis. Needs at least five "
            f"seeds.{resplit_note}",
        ),
        ("B (primary)" if resplit else "B", new_seeds),
        (
            "C",
            "New patients, and again these trained models: would these very models show the same on other patients? "
            "Obuchowski-Rockette with fixed seeds; of one seed DeLong (AUROC) or the exact McNemar (accuracy)."
            f"{resplit_note}",
        ),
        ("Metrics", _metrics(analysis)),
        (
            "p and Holm p",
            "Two-sided, of no difference, from the primary inference; Holm's is adjusted for all planned comparisons "
            "within the metric. Exploratory comparisons are adjusted after Benjamini and Hochberg and only suggest.",
        ),
        (
            "P(better)",
            "P(A > B) of the arm against the one it is compared with: the share of seeds in which it is the better of "
            "the two, ties counting one half.",
        ),
        (
            "MDE",
            "Minimum detectable effect: the smallest true difference that inference A would have told from 0 with 80% "
            "power, given the spread found here, before the correction for several comparisons; the first sentences "
            "of the report give it after that correction.",
        ),
        ("sd", "Standard deviation over seeds, with n − 1; of one seed there is none."),
        ("IQM", "Interquartile mean over seeds: the mean of the middle half."),
    )
    return Table(
        "estimand",
        "What is estimated, and what the intervals are about",
        (Column("Term"), Column("Meaning")),
        rows,
        ("All intervals are 95% intervals. An interval that cannot be known is absent, with the reason; never zero.",),
    )


# ------------------------------------------------------------------------------------------------------------ values


def statuses(analysis: Analysis) -> dict[Status, int]:
    """How many expected runs there are of each status, those without any included."""
    counts = Counter(run.status for run in analysis.runs.values())
    return {status: counts[status] for status in STATUSES}


def _statuses(analysis: Analysis) -> str:
    told = ", ".join(f"{count} {status}" for status, count in statuses(analysis).items())
    return f"{len(analysis.runs)} expected: {told}"


def _metrics(analysis: Analysis) -> str:
    """The primary metric and the others, as they were worked out."""
    worked_out = [list(of.components) for of in analysis.sets.values()] or [list(METRIC_NAMES)]
    primary, *others = (METRIC_NAMES[metric] for metric in worked_out[0])
    return f"Primary {primary}" + (f"; secondary {'; '.join(others)}." if others else ".")


def _in_common(parts: Sequence[Spec]) -> str | None:
    """``epochs 100; learning_rate 0.001 or 0.01 (by arm)``: every field of a part, with the values it takes.

    An oracle's options stand in the table of arms.
    """
    found: dict[str, dict[str, None]] = {}
    for part in parts:
        for key, value in part.model_dump(mode="json", exclude={"options"}).items():
            if value is not None and value != {}:
                found.setdefault(key, {})[_told(value, " x " if key == "grid_size" else ", ")] = None
    told = [f"{key} {' or '.join(values)}{' (by arm)' if len(values) > 1 else ''}" for key, values in found.items()]
    return "; ".join(told) or None


def _told(value: Any, between: str = ", ") -> str:
    """A value of a spec as text; of an absolute path only the last part, since the rest is the machine's."""
    value = _placeless(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple) and all(isinstance(v, int | str) for v in value):
        return between.join(map(str, value))
    return str(value) if isinstance(value, str | int) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _placeless(value: Any) -> Any:
    if isinstance(value, str):
        for flavour in (PurePosixPath, PureWindowsPath):
            if flavour(value).is_absolute():
                return flavour(value).name
        return value
    if isinstance(value, Mapping):
        return {key: _placeless(inner) for key, inner in value.items()}
    return [_placeless(inner) for inner in value] if isinstance(value, list | tuple) else value


def _test_sets(arms: Sequence[ArmSpec]) -> dict[str, str | None]:
    """The further test sets by name."""
    sources: dict[str, list[Spec]] = {}
    for arm in arms:
        for name, source in arm.test_sets.items():
            sources.setdefault(name, []).append(source)
    return {name: _in_common(found) for name, found in sources.items()}


def _sizes(records: Sequence[RunRecord]) -> str | None:
    told = []
    for record in records:
        tests = ", ".join(f"{n} of the test set {name}" for name, n in record.n_test.items())
        told.append(f"{record.n_train} for training, {tests}")
    return _one_or_several(told)


def _one_or_several(texts: Iterable[str]) -> str | None:
    return " or ".join(dict.fromkeys(texts)) or None


def _epochs(records: Sequence[RunRecord]) -> str | None:
    if not records:
        return None
    epochs = sum(record.spec.arm.training.epochs for record in records)
    states = len({key for record in records for key in record.stages})
    return f"{epochs} in the runs that are done, which went through {states} different states of training between them"


def _environment(records: Sequence[RunRecord], *, hardware: bool) -> str | None:
    names = {name for record in records for name in record.environment}
    wanted = [n for n in HARDWARE if n in names] if hardware else sorted(names - set(HARDWARE))
    told = []
    for name in wanted:
        counts = Counter(record.environment.get(name, "unknown") for record in records)
        values = ", ".join(f"{v} ({several(n, 'run')})" if len(counts) > 1 else v for v, n in sorted(counts.items()))
        told.append(f"{name} {values}")
    return "; ".join(told) or None


def _fingerprints(records: Sequence[RunRecord]) -> str | None:
    told = []
    for name in dict.fromkeys(name for record in records for name in sorted(record.data)):
        values = sorted({record.data[name] for record in records if name in record.data})
        told.append(f"{name} {values[0][:SHOWN_DIGITS]}" if len(values) == 1 else f"{name}: {len(values)} different")
    return "; ".join(told) or None


def _role(analysis: Analysis, arm: str) -> Cell:
    roles = []
    if arm == analysis.study.reference:
        roles.append("reference")
    if arm == analysis.placebo:
        roles.append("placebo: the noise floor of a fork")
    if arm in analysis.random_cells.values():
        roles.append(told_random(analysis, arm))
    swept = [s.name for s in analysis.study.sweeps if any(lv.arm == arm and lv.arm != lv.base for lv in s.levels)]
    if swept:
        roles.append(f"level of the sweep {', '.join(swept)}")
    return "; ".join(roles) or None


def _beside_feedback(arms: Sequence[ArmSpec]) -> str:
    """The parts of the spec, besides augmentation and feedback, in which the arms are not all alike."""
    names = ("images", "test_sets", "split", "model", "training")
    unlike = [name for name in names if any(getattr(arm, name) != getattr(arms[0], name) for arm in arms)]
    return ", ".join(unlike)


def _study_notes(analysis: Analysis, rows: Sequence[tuple[str, Cell]]) -> tuple[str, ...]:
    notes = [f"A fingerprint is a hash of images and labels, of which the first {SHOWN_DIGITS} digits are shown."]
    if absent := [what for what, value in rows if value is None]:
        why = "no run is done yet, or the study has none" if not analysis.sets else "the study has none"
        notes += grouped([(what, f"A dash: {why}") for what in absent], len(rows))
    if analysis.environments:
        notes.append(f"The runs were made in different environments, which may move numbers: {analysis.environments}.")
    return tuple(notes)
