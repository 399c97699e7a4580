from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.errors import UsageError
from imil_sim.images.phantom import PhantomSource
from imil_sim.report import results
from imil_sim.report.results import arm_summary, results_table, run_row, timings_row, write_csv
from imil_sim.stats import metric_names
from imil_sim.study.record import Answer, Consultation, EpochRow, Predictions, RunRecord
from imil_sim.study.spec import ArmSpec, RunSpec

ARM = ArmSpec(images=PhantomSource(source="phantom"))
CONTRACT = [
    "arm", "seed", "status", "accuracy", "auroc", "ece_top_label", "ece_positive", "brier", "sensitivity",
    "specificity", "n_outliers_asked", "n_outliers_replaced", "run_key",
]  # fmt: skip


def answer(cells: tuple[int, ...] | None, effect: Literal["replaced", "appended", "none"]) -> Answer:
    return Answer(
        image_id="image", label=1, predicted=0, confidence=0.9, mispredicted=True, cells=cells, effect=effect,
        reason="" if cells is not None else "no lung found",
    )  # fmt: skip


def consultation(*answers: Answer, requested: int = 6, n_mispredictions: int = 4) -> Consultation:
    return Consultation(
        epoch=70, grid=(2, 2), requested=requested, n_mispredictions=n_mispredictions, n_excluded=0, n_filled_up=0,
        answers=answers,
    )  # fmt: skip


FOUR_ANSWERS = consultation(
    answer((1, 2), "replaced"), answer(None, "none"), answer((), "none"), answer((1, 2, 3, 4), "none")
)


def record(
    seed: int = 0, status: Literal["done", "failed", "waiting"] = "done", reason: str = "", **fields: Any
) -> RunRecord:
    history = (
        EpochRow(epoch=1, loss=0.7, accuracy=0.5),
        EpochRow(epoch=2, loss=0.1, accuracy=0.875),
    )
    given = {"history": history, "n_train": 400, **fields}
    return RunRecord(run_key="0123abc", status=status, reason=reason, spec=RunSpec(arm=ARM, seed=seed), **given)


def predictions(**fields: Any) -> Predictions:
    scores = np.array([0.1, 0.4, 0.6, 0.3, 0.7, 0.9])
    shown = np.stack([1 - scores, scores], axis=1)
    hidden = shown[:, ::-1].copy()
    hidden[0] = math.nan
    of = Predictions(
        ids=tuple(f"image-{i}" for i in range(6)),
        labels=np.array([0, 0, 0, 1, 1, 1]),
        probabilities=shown,
        lungs_hidden=hidden,
        lungs_only=np.where(np.isnan(hidden), math.nan, shown),
        cam_in_lung=np.array([math.nan, 0.6, 0.5, 0.4, 0.3, 0.2]),
        lung_share=np.array([math.nan, 0.2, 0.25, 0.4, 0.3, 0.4]),
        lung_estimated=np.array([False, True, True, False, False, False]),
        pointing=np.array([math.nan] * 3 + [1.0, 0.0, 1.0]),
        attributes={"marker": ("agrees", "agrees", "disagrees", "disagrees", "agrees", "")},
        cam_rows=np.array([0, 3]),
        cams=np.zeros((2, 4, 4), np.uint8),
    )
    return dataclasses.replace(of, **fields)


# ------------------------------------------------------------------------------------------------------------ rows


def test_a_row_by_hand() -> None:
    row = run_row("IMIL", record(seed=3, consultations=(FOUR_ANSWERS,)), predictions())
    assert list(row)[: len(CONTRACT)] == CONTRACT
    assert (row["arm"], row["seed"], row["status"], row["run_key"]) == ("IMIL", 3, "done", "0123abc")
    assert row["accuracy"] == pytest.approx(4 / 6)
    assert row["auroc"] == pytest.approx(7 / 9)  # .3 loses to .4 and .6
    assert row["brier"] == pytest.approx((0.01 + 0.16 + 0.36 + 0.49 + 0.09 + 0.01) / 6)
    assert row["sensitivity"] == pytest.approx(2 / 3)
    assert row["specificity"] == pytest.approx(2 / 3)
    assert row["train_accuracy"] == 0.875
    assert (row["n_train"], row["n_test"]) == (400, 6)
    assert row["attention_ratio"] == pytest.approx((3 + 2 + 1 + 1 + 0.5) / 5)
    assert (row["cam_in_lung"], row["n_attention"]) == (pytest.approx(0.4), 5)
    assert (row["pointing"], row["n_pointing"]) == (pytest.approx(2 / 3), 3)
    assert row["auroc_lungs_only"] == pytest.approx(4 / 6)
    assert row["auroc_lungs_hidden"] == pytest.approx(2 / 6)
    assert (row["n_lungs"], row["n_lungs_estimated"]) == (5, 2)


def test_counts_of_consultations_are_summed_and_the_kinds_of_answer_stay_apart() -> None:
    second = consultation(answer((3,), "appended"), requested=2, n_mispredictions=1)
    row = run_row("IMIL", record(consultations=(FOUR_ANSWERS, second)), predictions())
    counts = {name: row[name] for name in results.COLUMNS if name in results.COUNTS and "n_l" not in name}
    assert counts == {
        "seed": 0, "n_outliers_asked": 5, "n_outliers_replaced": 2, "n_train": 400, "n_test": 6, "n_mispredictions": 5,
        "n_outliers_abstained": 1, "n_nothing": 1, "n_everything": 1, "shortage": 3, "n_attention": 5, "n_pointing": 3,
    }  # fmt: skip


def test_an_arm_without_feedback_asked_nobody_and_never_counted_its_mispredictions() -> None:
    row = run_row("baseline", record(), predictions())
    assert (row["n_outliers_asked"], row["shortage"], row["n_mispredictions"]) == (0, 0, None)


def test_groups_have_columns_and_what_is_missing_is_said() -> None:
    row = run_row("a", record(), predictions())
    assert (row["n_marker_agrees"], row["n_marker_disagrees"], row["n_marker_unknown"]) == (3, 2, 1)
    assert row["accuracy_marker_agrees"] == 1.0
    assert (row["accuracy_marker_disagrees"], row["auroc_marker_disagrees"]) == (0.0, 0.0)
    assert math.isnan(float(row["auroc_marker_unknown"] or 0))
    assert row["worst_accuracy_marker"] is None
    assert row["notes"] == (
        "marker unknown: no AUROC: none of its 1 images is of class 0; "
        "too small to be the worst marker: agrees (3), disagrees (2), unknown (1)"
    )


def test_the_worst_group_of_a_larger_test_set() -> None:
    labels = np.array([0, 1] * 20)
    scores = np.where(labels == 1, 0.9, 0.1)
    scores[:3] = [0.8, 0.2, 0.7]  # three of the twenty images of women are wrong
    grown = predictions(
        ids=tuple(map(str, range(40))), labels=labels, probabilities=np.stack([1 - scores, scores], axis=1),
        lungs_hidden=np.full((40, 2), math.nan), lungs_only=np.full((40, 2), math.nan),
        cam_in_lung=np.full(40, math.nan), lung_share=np.full(40, math.nan), pointing=np.full(40, math.nan),
        lung_estimated=np.zeros(40, bool), attributes={"sex": ("F",) * 20 + ("M",) * 20},
    )  # fmt: skip
    row = run_row("a", record(), grown)
    assert row["worst_accuracy_sex"] == row["accuracy_sex_F"] == pytest.approx(17 / 20)
    assert row["accuracy_sex_M"] == row["auroc_sex_M"] == 1.0
    assert row["worst_auroc_sex"] == row["auroc_sex_F"]
    assert "no pointing: no test image has CAM and lesion mask" in str(row["notes"])
    assert math.isnan(float(row["attention_ratio"] or 0))


def test_attributes_of_many_or_unknown_values_are_skipped_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MOST_GROUPS", 5)
    attributes = {"age": tuple("123456"), "site": ("",) * 6, "finding": tuple("123451")}
    row = run_row("a", record(), predictions(attributes=attributes))
    assert not [column for column in row if "_age" in column or "_site" in column]
    assert row["n_finding_1"] == 2
    assert "not by age: 6 values; " in str(row["notes"])
    assert "not by site: all unknown" in str(row["notes"])


def test_a_group_never_overwrites_a_column() -> None:
    nasty = {"lungs": ("hidden", "only") * 3, "a_b": ("c", "d") * 3, "a": ("b_c", "b_d") * 3}
    row = run_row("a", record(), predictions(attributes=nasty))
    assert row["auroc_lungs_hidden"] == pytest.approx(2 / 6)
    assert "auroc_lungs_hidden_" in row
    assert {"accuracy_a_b_c", "accuracy_a_b_c_"} <= set(row)


def test_failed_and_waiting_runs_keep_a_row_without_metrics() -> None:
    failed = run_row("a", record(status="failed", reason="loss not finite at epoch 3, batch 2"), predictions())
    waiting = run_row("a", record(status="waiting", consultations=(FOUR_ANSWERS,)), None)
    assert failed["reason"] == "loss not finite at epoch 3, batch 2"
    assert list(failed) == list(results.COLUMNS)
    assert all(failed[m] is None for m in (*metric_names(), "train_accuracy", "n_outliers_asked"))
    assert (waiting["status"], waiting["n_outliers_asked"], waiting["accuracy"]) == ("waiting", 4, None)


def test_a_done_run_needs_predictions_that_are_numbers() -> None:
    with pytest.raises(ValueError, match="no predictions were given"):
        run_row("a", record(), None)
    broken = run_row("a", record(), predictions(probabilities=np.full((6, 2), math.nan)))
    assert broken["accuracy"] is None
    assert broken["notes"] == "no metrics: the predictions of 6 of 6 images are not numbers"


def test_three_classes_have_no_positive_one() -> None:
    shown = np.full((6, 3), 1 / 3)
    row = run_row("a", record(), predictions(probabilities=shown, lungs_hidden=shown, lungs_only=shown))
    assert (row["ece_positive"], row["sensitivity"], row["specificity"]) == (None, None, None)
    assert "3 classes have no positive one" in str(row["notes"])
    assert "no auroc: no test image is of class 2" in str(row["notes"])


def test_times_stand_in_a_row_of_their_own() -> None:
    slow, fast = (record(seconds={"train": s, "evaluate": 1.5}, environment={"host": str(s)}) for s in (90.0, 2.0))
    assert run_row("a", slow, predictions()) == pytest.approx(run_row("a", fast, predictions()), nan_ok=True)
    row = timings_row("a", slow)
    assert list(row) == ["arm", "seed", "status", "run_key", "seconds_evaluate", "seconds_train"]
    assert row["seconds_train"] == 90.0


# ---------------------------------------------------------------------------------------------------------- tables


def table(accuracies: dict[str, list[float | None]]) -> pd.DataFrame:
    rows = [
        {"arm": arm, "seed": seed, "status": "failed" if value is None else "done", "accuracy": value}
        for arm, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    return results_table(rows)


def test_the_table_has_the_contract_first_then_the_rest_then_the_groups() -> None:
    rows = [run_row("a", record(seed=1), predictions()), run_row("b", record(status="failed"), None)]
    frame = results_table(rows)
    assert list(frame.columns[: len(results.COLUMNS)]) == list(results.COLUMNS)
    assert list(frame.columns[len(results.COLUMNS) :]) == sorted(set(rows[0]) - set(results.COLUMNS))
    assert frame["n_marker_agrees"].dtype == "Int64"
    assert frame["accuracy"].dtype == np.float64
    assert list(frame["arm"]) == ["a", "b"]
    assert list(results_table([]).columns) == list(results.COLUMNS)


def test_summary_by_hand() -> None:
    frame = table({"baseline": [0.70, 0.80, 0.90], "IMIL": [0.75, 0.79, None], "single": [0.5, None, None]})
    summary = arm_summary(frame, "baseline", ["single", "IMIL", "baseline"], seeds=range(4)).set_index("arm")
    assert list(summary.index) == ["single", "IMIL", "baseline"]
    counts = summary[["n_expected", "n_done", "n_failed", "n_waiting", "n_missing"]]
    assert counts.loc["IMIL"].tolist() == [4, 2, 1, 0, 1]
    assert counts.loc["baseline"].tolist() == [4, 3, 0, 0, 1]
    imil, baseline, single = (summary.loc[arm] for arm in ("IMIL", "baseline", "single"))
    assert baseline["accuracy_mean"] == pytest.approx(0.8)
    assert baseline["accuracy_sd"] == pytest.approx(0.1)
    assert imil["accuracy_mean"] == pytest.approx(0.77)
    # Paired: +.05 and -.01, not the difference of the means over different seeds.
    assert imil["accuracy_difference"] == pytest.approx(0.02)
    assert imil["accuracy_difference_sd"] == pytest.approx(math.sqrt(2) * 0.03)
    assert imil["accuracy_pairs"] == 2
    assert single["accuracy_difference"] == pytest.approx(-0.2)
    assert math.isnan(single["accuracy_sd"])
    assert math.isnan(single["accuracy_difference_sd"])
    assert math.isnan(baseline["accuracy_difference"])
    assert math.isnan(imil["auroc_mean"])
    assert imil["auroc_n"] == 0


def test_pairs_go_by_seed_not_by_place() -> None:
    frame = table({"baseline": [0.1, 0.5, 0.9], "IMIL": [0.2, 0.6, 1.0]})
    shuffled = frame.sample(frac=1, random_state=1)
    first, second = (arm_summary(f, "baseline", ["baseline", "IMIL"]) for f in (frame, shuffled))
    assert second["accuracy_difference"][1] == pytest.approx(0.1)
    assert second["accuracy_difference_sd"][1] == pytest.approx(0, abs=1e-12)
    pd.testing.assert_frame_equal(first, second)


def test_an_arm_without_any_run_is_listed_as_missing() -> None:
    summary = arm_summary(table({"baseline": [0.5, 0.6]}), "baseline", ["baseline", "IMIL"])
    assert summary.set_index("arm").loc["IMIL", ["n_expected", "n_done", "n_missing"]].tolist() == [2, 0, 2]


def test_a_summary_drops_no_run_silently() -> None:
    frame = table({"baseline": [0.5, 0.6], "other": [0.5, 0.6]})
    both = ["baseline", "other"]
    twice = pd.concat([frame, frame])
    for runs, reference, order, seeds in (
        (frame, "baseline", ["baseline"], None), (frame, "refrence", both, None), (frame, "baseline", both, [0]),
        (twice, "baseline", both, None),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="not once"):
            arm_summary(runs, reference, order, seeds=seeds)


# ------------------------------------------------------------------------------------------------------------- CSV


def test_csv_reads_back_exactly(tmp_path: Path) -> None:
    rows = [
        run_row("a", record(consultations=(FOUR_ANSWERS,)), predictions()),
        run_row("b", record(status="failed", reason='odd, "quoted"\nreason'), None),
    ]
    write_csv(results_table(rows), tmp_path / "results.csv")
    text = (tmp_path / "results.csv").read_bytes()
    assert b"\r" not in text
    assert text.splitlines()[0].decode().split(",")[: len(CONTRACT)] == CONTRACT
    with (tmp_path / "results.csv").open(newline="") as file:
        back = list(csv.DictReader(file))
    for row, found in zip(rows, back, strict=True):
        for column in (*rows[0], *results.COLUMNS):
            wanted = row.get(column)
            if wanted is None or wanted != wanted:
                assert found[column] == "", column
            else:
                assert type(wanted)(found[column]) == wanted, column  # int("4.0") would be refused


@given(st.lists(st.floats(allow_infinity=False, allow_nan=False), min_size=1))
def test_every_float_is_written_with_the_digits_it_needs(values: list[float]) -> None:
    assert [float(results._cell(np.float64(value))) for value in values] == values


def test_fault_34_formulas_are_neutralised_and_negative_numbers_are_not(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "plain", "a=b"]
    frame = pd.DataFrame({"=name": texts, "difference": [-0.25] * len(texts)})
    write_csv(frame, tmp_path / "x.csv")
    back = pd.read_csv(tmp_path / "x.csv", lineterminator="\n", dtype={"'=name": str})
    assert list(back["'=name"][:4]) == ["'=1+1", "'+1", "'-1", "'@SUM(A1)"]
    assert list(back["'=name"][-2:]) == ["plain", "a=b"]
    assert all(value.startswith("'") for value in back["'=name"][:7])
    assert list(back["difference"]) == [-0.25] * len(texts)


def test_equal_tables_give_equal_bytes_and_leave_nothing_beside(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_csv(table({"a": [0.1, None]}), tmp_path / folder / "results.csv")
    assert (tmp_path / "one" / "results.csv").read_bytes() == (tmp_path / "two" / "results.csv").read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["results.csv"]


def test_a_write_that_fails_leaves_the_old_file_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.csv"
    write_csv(table({"old": [0.5]}), path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("imil_sim.io.os.replace", full)
    with pytest.raises(UsageError, match=r"results\.csv: No space left on device\. .*--out"):
        write_csv(table({"new": [0.6]}), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]
