"""Provenance: the study, the runs that are not in its numbers, and what each arm is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from imil_sim.errors import several
from imil_sim.report.analysis import MAIN, Analysis, ReportedRun, Status
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import table_of
from imil_sim.study.record import RunRecord
from imil_sim.study.spec import ArmSpec
from imil_sim.study.study import OWN
from imil_sim.text import MINUS, capital, ranges

STATUSES: tuple[Status, ...] = ("done", "failed", "waiting", "missing")

OF_ARMS = ("augmentation.name", "feedback.oracle")
"""Fields that stand with the arms even where these are alike."""

SHOWN_DIGITS = 16
"""Of a fingerprint; the records have all of it."""


def build(data: ReportData) -> Iterator[Table]:
    """What all arms have in common stands with the study, in what they differ with the arms."""
    fields = fields_of(data.analysis.study.arms)
    alike = [name for name in map(str, fields.columns) if name not in OF_ARMS and _alike(fields, name)]
    yield _study(data.analysis, fields[alike])
    yield from _runs(data.analysis)
    yield _arms(data.analysis, fields.drop(columns=alike))


def _study(analysis: Analysis, fields: pd.DataFrame) -> Table:
    """What the study file says, which runs are there, on what and with what they were made."""
    study = analysis.study
    records = [run.record for run in analysis.runs.values() if run.record and run.status == "done"]
    counts = Counter(run.status for run in analysis.runs.values())
    what = {"Study": f"{study.name}: {study.title}" if study.title else study.name}
    for name in fields:
        part, field = str(name).split(".", 1)
        what[part] = f"{what[part]}; " if part in what else ""
        what[part] += f"{field} {fields[name].dropna().iloc[0]}"
    what |= {
        "Images by part": _values({"training": record.n_train, **record.n_test} for record in records),
        "Classes": _values({"": ", ".join(record.class_names)} for record in records if record.class_names),
        "Seeds": f"{len(study.seeds)}: {ranges(study.seeds)}",
        "Reference arm": study.reference,
        "Planned comparisons": "; ".join(f"{arm} {MINUS} {reference}" for arm, reference in study.comparisons),
        "Sweeps": "; ".join(f"{s.name} ({several(len(s.levels), 'level')})" for s in study.sweeps),
        "Runs": f"{len(analysis.runs)} expected: {', '.join(f'{counts[status]} {status}' for status in STATUSES)}",
        "Epochs": "" if study.own else _epochs(records),
        "Environment": _values(record.environment for record in records),
        "Data fingerprints": _values({k: v[:SHOWN_DIGITS] for k, v in record.data.items()} for record in records),
    }
    said = {capital(key.replace("_", " ")): value for key, value in what.items() if value}
    note = f"The runs were made in different environments, which may move numbers: {analysis.environments}."
    return table_of(
        "study", "The study and where its numbers come from",
        {Column("What"): list(said), Column("Value"): list(said.values())}, [note] if analysis.environments else [],
    )  # fmt: skip


def _epochs(records: Sequence[RunRecord]) -> str:
    """Of all runs together, and the states of training they share."""
    states = len({key for record in records for key in record.stages})
    epochs = sum(record.spec.arm.training.epochs for record in records)
    return f"{epochs} in {len(records)} runs, which share {states} states of training"


def _runs(analysis: Analysis) -> Iterator[Table]:
    """Failed, waiting and missing runs with their reasons, and done ones that cannot be used; equal ones in a row."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for (arm, seed), run in analysis.runs.items():
        for reason in _reasons(analysis, run):
            found.setdefault((arm, run.status, reason), []).append(seed)
    order = sorted(found, key=lambda key: STATUSES.index(key[1]) or len(STATUSES))  # the unusable ones last
    columns: dict[Column, list[Any]] = {
        Column("Arm"): [arm for arm, _, _ in order],
        Column("Status"): [status for _, status, _ in order],
        Column("Seeds"): [ranges(found[key]) for key in order],
        Column("Runs"): [len(found[key]) for key in order],
        Column("Reason"): [why for *_, why in order],
    }
    if order:
        yield table_of("runs", "Runs that failed, wait, are missing, or cannot be used", columns)


def _reasons(analysis: Analysis, run: ReportedRun) -> Iterator[str]:
    """Why a run is not in the numbers of a test set; nothing where it is in all of them."""
    if run.record is None:
        yield "no record: not run, or not to its end"
    elif run.status != "done":
        yield run.record.reason or "no reason on record"
    for name, of in run.predictions.items():
        where = "" if name == "main" else f"on the test set {name} "
        broken = int((~np.isfinite(of.probabilities).all(axis=1)).sum())
        found = analysis.sets.get(name)
        if broken:
            yield f"{where}the predictions of {broken} of {len(of.ids)} images are not numbers"
        elif found and run.arm in found.incomparable:
            place = analysis.place(run.arm), analysis.seeds.index(run.seed)
            if all(np.isnan(components.values[place]) for components in found.components.values()):
                yield f"{where}not comparable: {found.incomparable[run.arm]}"


def _arms(analysis: Analysis, fields: pd.DataFrame) -> Table:
    """The fields in which the arms differ, and what each arm is there for."""
    study = analysis.study
    roles: dict[str, list[str]] = {arm: [] for arm in analysis.arms}
    roles[study.reference].append("reference")
    if analysis.placebo:
        roles[analysis.placebo].append("placebo")
    for arm, control in analysis.random_cells.items():
        roles[control].append(f"random cells for {arm}")
    for sweep in study.sweeps:
        for arm in dict.fromkeys(level.arm for level in sweep.levels if level.arm != level.base):
            roles[arm].append(f"sweep {sweep.name}")
    return table_of(
        "arm-definitions", "The arms: fields of the study file in which they differ",
        {
            Column("Arm"): analysis.arms,
            **{Column(str(name)): fields[name] for name in fields},
            Column("Part in the study"): ["; ".join(of) or None for of in roles.values()],
        },
        dash="the arm has no such field, or no part of its own",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ values


def fields_of(arms: Mapping[str, ArmSpec]) -> pd.DataFrame:
    """Every field of the arms' specs as text, a row an arm and a column a field, such as ``training.epochs``."""
    flat = [
        {
            f"{part}.{field}": _shown(value)
            for part, of in arm.model_dump(mode="json").items()
            if arm.images.source != OWN or part == "feedback"  # of a training of one's own no more is known
            for field, value in (of or {}).items()
            if value is not None and value != {}
        }
        for arm in arms.values()
    ]
    return pd.DataFrame(flat, index=list(arms), dtype=object)


def _alike(fields: pd.DataFrame, name: str) -> bool:
    """Whether all arms that have the part of the spec have the same in this field of it."""
    part = [other for other in fields.columns if str(other).split(".")[0] == name.split(".")[0]]
    return bool(fields.loc[fields[part].notna().any(axis=1), name].nunique(dropna=False) == 1)


def _shown(value: Any) -> str:
    """A value of a spec as text; of an absolute path only the last part, since the rest is the machine's."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, str):
        absolute = [path for flavour in (PurePosixPath, PureWindowsPath) if (path := flavour(value)).is_absolute()]
        return absolute[0].name if absolute else value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def _values(rows: Iterable[Mapping[str, object]]) -> str:
    """``torch 2.13.0 (7 runs) or 2.14.0 (3 runs); device cpu``: every value of a key, and how many runs have it."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        for key, value in row.items():
            found.setdefault(key, Counter())[str(value)] += 1
    shown = []
    for key, counts in found.items():
        values = [f"{v} ({several(n, 'run')})" if len(counts) > 1 else v for v, n in sorted(counts.items())]
        shown.append(f"{key} {' or '.join(values)}".strip())
    return "; ".join(shown)


# ------------------------------------------------------------------------------------------------------------- CLAIM


def claim(data: ReportData) -> Iterator[Table]:
    """A map from the CLAIM checklist to this report: where it speaks of each item, and what only the author can say.

    Source: Mongan, Moy and Kahn (2020), Checklist for Artificial Intelligence in Medical Imaging (CLAIM), Radiol.
    Artif. Intell. 2(2), e200029: 42 items, in claim.csv in our own words. Its update (Tejani et al. 2024, Radiol.
    Artif. Intell. 6(4), e240300) says reference standard for ground truth and testing for validation; the numbers are
    those of 2020.
    """
    items = pd.read_csv(Path(__file__).with_name("claim.csv"))
    external = ", ".join(name for name in data.analysis.sets if name != MAIN) or "none"
    yield table_of(
        "claim", "The CLAIM checklist and this report",
        {
            Column("Item"): range(1, len(items) + 1),
            Column("Asks for"): items["asks"],
            Column("In this report"): items["here"].str.replace("{external}", external, regex=False),
            Column("Only the author can say"): items["author"],
        },
        ("CLAIM: Mongan, Moy and Kahn (2020), Radiology: Artificial Intelligence 2(2), e200029, in our words; the "
         "update of 2024 renames and splits some items. A help in filling it in, no claim to meet it.",),
        "nothing to say",
    )  # fmt: skip


PART = TablePart("provenance", build, place=10)
CLAIM = TablePart("provenance", claim, place=90)
