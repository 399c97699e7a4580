"""The runs that are not done, and those that are and say nothing; none is dropped."""

from __future__ import annotations

import numpy as np

from imil_sim.report.analysis import Analysis, ReportedRun
from imil_sim.report.document import Column, Table
from imil_sim.report.tables.study import STATUSES, statuses
from imil_sim.report.tables.text import ranges


def runs_table(analysis: Analysis) -> Table:
    """Failed, waiting and missing runs with their reasons, and done ones that cannot be used; equal ones in a row."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for arm in analysis.arms:
        for seed in analysis.seeds:
            run = analysis.runs[arm, seed]
            for reason in [_why_not_done(run)] if run.status != "done" else _why_unused(analysis, run):
                found.setdefault((arm, run.status, reason), []).append(seed)
    order = sorted(found, key=lambda key: STATUSES.index(key[1]) or len(STATUSES))  # the unusable ones last
    rows = tuple((arm, status, ranges(found[key]), len(found[key]), reason) for key in order
                 for arm, status, reason in [key])  # fmt: skip
    count = ", ".join(f"{number} {status}" for status, number in statuses(analysis).items())
    notes = [f"Of {len(analysis.runs)} expected runs: {count}."]
    if not rows:
        notes.append("Every one of them is in the tables of this report.")
    columns = (Column("Arm"), Column("Status"), Column("Seeds"), Column("Runs"), Column("Reason"))
    return Table("runs", "Runs that failed, wait, are missing, or cannot be used", columns, rows, tuple(notes))


def _why_not_done(run: ReportedRun) -> str:
    if run.record is None:
        return "there is no record of it: it was not run, or not to its end"
    return run.record.reason or "no reason is on record"


def _why_unused(analysis: Analysis, run: ReportedRun) -> list[str]:
    """Why a run that is done is not in the numbers of a test set; empty where it is."""
    told = []
    for name, of in (run.predictions or {}).items():
        where = "" if name == "main" else f"on the test set {name} "
        broken = int((~np.isfinite(of.probabilities).all(axis=1)).sum())
        found = analysis.sets.get(name)
        if broken:
            told.append(f"{where}the predictions of {broken} of {len(of.ids)} images are not numbers")
        elif found and run.arm in found.incomparable:
            place = analysis.place(run.arm), analysis.seeds.index(run.seed)
            if all(np.isnan(components.values[place]) for components in found.components.values()):
                told.append(f"{where}not comparable: {found.incomparable[run.arm]}")
    return told
