from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imil_sim.report.analysis import Analysis, analyse
from imil_sim.report.results import DIFFERENCE_COLUMNS, differences_table, write_csv
from imil_sim.stats import metric_names

CONTRACT = [
    "arm", "reference", "metric", "difference", "low_a", "high_a", "low_b", "high_b", "low_c", "high_c", "p", "p_holm",
    "p_superior", "mde",
]  # fmt: skip


def analysed(synthetic: Any, **more: Any) -> Analysis:
    sweep = {"base": "lesions", "vary": {"feedback.num_outliers": [5, 20]}}
    arms = {"baseline": 0.0, "lesions": 0.05, "random-cells": 0.0}
    study, runs = synthetic(arms, 6, 40, sweeps={"outliers": sweep}, test_sets={"other": 12}, **more)
    return analyse(study, runs, metrics=metric_names()[:2])


def test_a_row_is_a_comparison_in_one_metric_on_one_set(synthetic: Any) -> None:
    of = analysed(synthetic)
    table = differences_table(of)
    assert list(table)[: len(CONTRACT)] == CONTRACT
    assert list(table) == list(DIFFERENCE_COLUMNS)
    assert len(table) == 2 * 2 * 3
    row = table.query("arm == 'lesions' and metric == 'accuracy' and test_set == 'other'").iloc[0]
    one = of.sets["other"].planned["accuracy"][0]
    assert (
        row["difference"]
        == one.a.value
        == pytest.approx(
            np.mean(
                of.sets["other"].components["accuracy"].values[1] - of.sets["other"].components["accuracy"].values[0]
            )
        )
    )
    assert tuple(row[DIFFERENCE_COLUMNS.index("low_a") : DIFFERENCE_COLUMNS.index("p")]) == (
        one.a.low, one.a.high, one.b.low, one.b.high, one.c.low, one.c.high,
    )  # fmt: skip
    assert (row["p"], row["p_holm"], row["mde"]) == (one.a.p, one.p_adjusted, one.mde)
    assert (row["reference"], row["family"], row["n_seeds"], row["n_images"]) == ("baseline", "planned", 6, 12)
    assert math.isnan(row["p_bh"])


def test_what_was_not_planned_has_no_holm_p(synthetic: Any) -> None:
    table = differences_table(analysed(synthetic)).set_index("family")
    assert set(table.loc["exploratory", "arm"]) == {"lesions@num_outliers=5"}
    assert table.loc["exploratory", "p_holm"].isna().all()
    assert table.loc["exploratory", "p_bh"].notna().all()
    assert table.loc["planned", "p_bh"].isna().all()


def test_an_interval_that_is_absent_says_why(synthetic: Any) -> None:
    failed = {("lesions", seed): "diverged" for seed in range(3)}
    table = differences_table(analysed(synthetic, failed=failed)).query("arm == 'lesions' and test_set == 'main'")
    assert table["low_a"].isna().all()
    assert table["low_b"].notna().all()
    assert set(table["n_seeds"]) == {3}
    assert table["why_no_interval"].str.contains("at least 5 seeds").all()


def test_it_reads_back_exactly_and_equal_runs_write_equal_bytes(synthetic: Any, tmp_path: Path) -> None:
    table = differences_table(analysed(synthetic))
    write_csv(table, tmp_path / "a.csv")
    write_csv(differences_table(analysed(synthetic)), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    back = pd.read_csv(
        tmp_path / "a.csv", keep_default_na=False, na_values={c: "" for c in table if table[c].dtype == float}
    )
    pd.testing.assert_frame_equal(back, table, check_dtype=False, check_exact=True)


def test_no_run_no_row_and_yet_all_columns(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0}, seeds=1, images=4, missing=[("baseline", 0)])
    table = differences_table(analyse(study, runs))
    assert list(table) == list(DIFFERENCE_COLUMNS)
    assert len(table) == 0
