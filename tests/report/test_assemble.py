from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imil_sim.report.analysis import Analysis, analyse
from imil_sim.report.assemble import assemble
from imil_sim.report.document import Document, Table
from imil_sim.report.parts import GROUPS
from imil_sim.report.results import results_table, run_row

ARMS = {"baseline": 0.0, "mixup": 0.05, "placebo": 0.0, "lesions": 0.1, "random-cells": 0.0}
SWEEPS = {"n": {"base": "lesions", "vary": {"feedback": {"num_outliers": [5, 20]}}}}
PER_SEED = {"split": {"method": "per-seed"}}


def frames(analysis: Analysis) -> dict[str, pd.DataFrame]:
    return {
        name: results_table(
            run_row(run.arm, run.record, (run.predictions or {}).get(name))
            for run in analysis.runs.values()
            if run.record
        )
        for name in analysis.sets
    }


def report(analysis: Analysis) -> Document:
    return assemble(analysis, frames(analysis))


def tables(document: Document) -> list[Table]:
    return [part for section in document.sections for part in section.parts if isinstance(part, Table)]


def absent(table: Table) -> bool:
    return any(cell is None or cell != cell for row in table.rows for cell in row)


@pytest.mark.parametrize(
    "given",
    [
        {"seeds": 1},
        {"seeds": 2, "missing": [("mixup", 0), ("mixup", 1)], "failed": {("baseline", 0): "no memory"}},
        {"seeds": 5, "study": PER_SEED},
        {"seeds": 5, "sweeps": SWEEPS, "groups": True, "test_sets": {"other_set": 20}},
        {"seeds": 2, "missing": [(arm, seed) for arm in ARMS for seed in (0, 1)]},
    ],
)
def test_wherever_a_number_is_absent_a_note_says_why(synthetic: Any, given: dict[str, Any]) -> None:
    document = report(analyse(*synthetic(ARMS, images=40, **given)))
    said = re.compile(r"dash|^No |^Nothing|Not available", re.IGNORECASE)
    silent = [t.name for t in tables(document) if absent(t) and not any(said.search(note) for note in t.notes)]
    assert silent == []
    names = [table.name for table in tables(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)


def test_groups_come_in_reading_order(synthetic: Any) -> None:
    analysis = analyse(*synthetic(ARMS, seeds=2, images=40, sweeps=SWEEPS, test_sets={"other": 20}))
    document = report(analysis)
    assert [section.anchor for section in document.sections] == list(GROUPS)
    parts = {section.anchor: section.parts for section in document.sections}
    names = [part.name for part in parts["comparisons"]]
    assert {"forest-auroc", "differences"} <= {*names}
    assert any("other" in name for name in names)
    assert document.title == "A study whose truth is known"


def test_the_first_screen_has_the_answer_the_plot_and_a_table_of_at_most_ten_rows(synthetic: Any) -> None:
    arms = {**ARMS, **{f"oracle-{i}": 0.0 for i in range(12)}}
    comparisons = [["lesions", "baseline"], ["lesions", "random-cells"]]
    analysis = analyse(*synthetic(arms, seeds=5, images=40, study={"comparisons": comparisons}))
    document = report(analysis)
    assert len(document.statements) == 1
    plot, table = document.lead
    assert plot.name == "forest-auroc"
    assert isinstance(table, Table)
    names = [row[0] for row in table.rows]
    assert len(names) == 10
    assert names[:2] == ["baseline", "lesions"]  # what is planned comes first, and the reference before it
    assert names[-1] == "lesions − random-cells"
    (planned, random_cells) = analysis.sets["main"].planned["auroc"]
    by_name = {row[0]: row for row in table.rows}
    assert by_name["lesions"][-1] == planned.p_adjusted
    assert by_name["lesions − random-cells"][-1] == random_cells.p_adjusted
    assert by_name["baseline"][2] == analysis.sets["main"].arms["auroc"][0].mean
    assert by_name["mixup"][-2:] == (None, None)


def test_a_study_without_any_run_still_has_a_report(synthetic: Any) -> None:
    missing = [(arm, seed) for arm in ARMS for seed in (0, 1)]
    document = report(analyse(*synthetic(ARMS, seeds=2, images=40, missing=missing)))
    assert [section.anchor for section in document.sections] == ["feedback", "provenance"]


def test_the_order_in_which_runs_are_read_changes_nothing(synthetic: Any) -> None:
    study, runs = synthetic(ARMS, seeds=3, images=40, groups=True, failed={("lesions", 1): "no memory"})
    shuffled = [runs[i] for i in np.random.default_rng(0).permutation(len(runs))]
    assert repr(report(analyse(study, shuffled))) == repr(report(analyse(study, runs)))


def test_fifty_arms_stand_in_every_table_of_arms(synthetic: Any) -> None:
    arms = {"baseline": 0.0, **{f"oracle-{i}": 0.0 for i in range(49)}}
    document = report(analyse(*synthetic(arms, seeds=2, images=20)))
    rows = {table.name: len(table.rows) for table in tables(document)}
    assert rows["arms"] == rows["seeds"] == rows["calibration"] == rows["arm-definitions"] == 50
    assert rows["differences"] == 5 * rows["feedback"] == 5 * 49
    assert rows["agreement"] == 12 * 11 / 2
    assert all(len(note) < 1200 for table in tables(document) for note in table.notes)
