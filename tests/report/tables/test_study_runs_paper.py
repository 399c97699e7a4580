from __future__ import annotations

from typing import Any

import pytest

from imil_sim.report.analysis import analyse
from imil_sim.report.document import Table
from imil_sim.report.tables import paper, study
from imil_sim.report.tables.feedback import Replayed
from imil_sim.report.tables.paper import TABLE_1, table_1
from imil_sim.sessions.recorded import Divergence

SCORES = [0.1, 0.4, 0.35, 0.8]
SHENZHEN = {"images": {"source": "shenzhen", "size": 64}}


def as_dict(table: Table) -> dict[Any, Any]:
    return {row[0]: row[1] for row in table.rows}


def test_the_study_says_what_was_run_and_on_what(synthetic: Any, made: Any) -> None:
    arms = {"baseline": 0.0, "mixup": 0.0, "lesions": 0.0}
    of = synthetic(
        arms, seeds=[0, 1, 2, 7], images=40, test_sets={"other": 20}, missing=[("mixup", 7)],
        failed={("lesions", 1): "no memory"}, environments={"mixup": {"torch": "2.14.0"}},
        tables={"mixup": {"augmentation": {"name": "mixup"}, "training": {"learning_rate": 0.01}}},
    )  # fmt: skip
    analysis = analyse(*of)
    tables = made(study.PART, analysis)
    shown = as_dict(tables["study"])
    assert shown["Runs"] == "12 expected: 10 done, 1 failed, 0 waiting, 1 missing"
    assert shown["Seeds"] == "4: 0-2, 7"
    assert shown["Planned comparisons"] == "mixup − baseline; lesions − baseline"
    assert shown["Training"].startswith("epochs 6; batch_size ")
    assert "num_outliers 20; imil_epoch 3; grid_size 4, 4; " in shown["Feedback"]
    assert shown["Images by part"] == "training 300; main 40; other 20"
    assert "source phantom" in shown["Test sets"]
    assert "torch 2.13.0 (7 runs) or 2.14.0 (3 runs)" in shown["Environment"]
    assert shown["Epochs"].startswith("60 in 10 runs")
    assert shown["Data fingerprints"] == "train train-300; main main-40; other other-20"
    assert len(tables["study"].notes) == 1  # other environments
    arms_table = tables["arm-definitions"]
    assert [column.heading for column in arms_table.columns] == [
        "Arm", "training.learning_rate", "augmentation.name", "feedback.oracle", "Part in the study"
    ]  # fmt: skip
    assert arms_table.rows[1] == ("mixup", "0.01", "mixup", None, None)


def test_where_the_images_lie_on_this_machine_is_not_said(hand_made: Any, made: Any) -> None:
    source = {"source": "folder", "path": "/home/someone/images", "size": 64}
    shown = as_dict(made(study.PART, hand_made({"baseline": [SCORES]}, [0, 0, 1, 1], images=source))["study"])
    assert "path images" in shown["Images"]
    assert "someone" not in str(shown)


def test_the_arms_with_their_part_in_the_study(synthetic: Any, made: Any) -> None:
    arms = {"baseline": 0.0, "placebo": 0.0, "lesions": 0.0, "random-cells": 0.0}
    sweeps = {"n": {"base": "lesions", "vary": {"feedback": {"num_outliers": [5]}}}}
    table = made(study.PART, analyse(*synthetic(arms, seeds=1, images=20, sweeps=sweeps)))["arm-definitions"]
    headings = [column.heading for column in table.columns]
    rows = {row[0]: dict(zip(headings, row, strict=True)) for row in table.rows}
    assert rows["baseline"]["feedback.oracle"] is None
    assert rows["random-cells"]["feedback.options"] == "like lesions"
    assert rows["lesions@num_outliers=5"]["feedback.num_outliers"] == "5"
    assert {name: row["Part in the study"] for name, row in rows.items()} == {
        "baseline": "reference", "placebo": "placebo", "lesions": None, "random-cells": "random cells for lesions",
        "lesions@num_outliers=5": "sweep n",
    }  # fmt: skip


def test_no_unfinished_run_is_dropped(synthetic: Any, hand_made: Any, made: Any) -> None:
    arms = {"baseline": 0.0, "mixup": 0.0, "cutout": 0.0}
    analysis = analyse(
        *synthetic(
            arms, seeds=4, images=20, missing=[("cutout", s) for s in (0, 1, 2)],
            failed={("mixup", 0): "no memory", ("mixup", 3): "no memory"}, waiting={("mixup", 1): "Dr. A"},
        )
    )  # fmt: skip
    table = made(study.PART, analysis)["runs"]
    assert [row[:4] for row in table.rows] == [
        ("mixup", "failed", "0, 3", 2), ("mixup", "waiting", "1", 1), ("cutout", "missing", "0-2", 3)
    ]  # fmt: skip
    assert [row[4] for row in table.rows[:2]] == ["no memory", "Dr. A"]
    assert "runs" not in made(study.PART, hand_made({"baseline": [SCORES]}, [0, 0, 1, 1]))


def test_a_run_that_gives_no_numbers_is_listed(hand_made: Any, made: Any) -> None:
    broken = [0.1, float("nan"), 0.3, 0.4]
    (row,) = made(study.PART, hand_made({"baseline": [SCORES, broken]}, [0, 0, 1, 1]))["runs"].rows
    assert row == ("baseline", "done", "1", 1, "the predictions of 1 of 4 images are not numbers")


def test_the_flags_about_table_1_are_true_of_its_numbers() -> None:
    fractions = {round(k / 132, 3) for k in range(133)}
    assert not fractions & {row.accuracy for row in TABLE_1}
    above = [row.method for row in TABLE_1 if row.ece > 1 - row.accuracy]
    assert above == ["Baseline", "IMIL, resident 1", "IMIL, resident 2", "IMIL, resident 3"]
    assert max(row.accuracy for row in TABLE_1) - TABLE_1[0].accuracy == pytest.approx(0.042)


def test_our_arms_stand_beside_the_papers(synthetic: Any, made: Any) -> None:
    arms = {"baseline": 0.0, "cutmix": 0.0, "placebo": 0.0, "lesions": 0.0, "slow": 0.0, "both": 0.0}
    tables = {
        "slow": {"training": {"learning_rate": 0.0001}},
        "both": {"augmentation": {"name": "mixup"}, "feedback": {"oracle": "lesions"}},
    }
    sweeps = {"n": {"base": "lesions", "vary": {"feedback": {"num_outliers": [5]}}}}
    analysis = analyse(*synthetic(arms, seeds=2, images=40, tables=tables, sweeps=sweeps, failed={("cutmix", 0): "x"}))
    assert made(paper.PART, analysis) == {}
    own = table_1(analysis)
    assert [row[0] for row in own.rows] == list(arms)
    ours = synthetic(
        arms, seeds=2, images=40, tables=tables, sweeps=sweeps, failed={("cutmix", 0): "x"}, study=SHENZHEN
    )
    analysis = analyse(*ours)
    table = made(paper.PART, analysis)["paper"]
    assert own.rows[0][1:] == table.rows[0][5:]
    assert [row[0] for row in table.rows[:7]] == [row.method for row in TABLE_1]
    assert [(row[0], row[4]) for row in table.rows[7:]] == [
        ("Placebo, nothing replaced", "placebo"), ("IMIL, oracle lesions", "lesions")
    ]  # fmt: skip
    replayed = [Replayed("lesions", seed, reader, Divergence(1, 1, 1, None)) for seed in (0, 1) for reader in "ab"]
    assert table_1(analysis, replayed).rows[-1][0] == "IMIL, oracle lesions, sessions of a and b"
    assert table_1(analysis, replayed[::2]).rows[-1][0] == "IMIL, oracle lesions, session of a"
    assert [row[4] for row in table.rows[:4]] == ["baseline", "cutmix", None, None]
    assert table.rows[0][1:4] == (0.804, 0.832, 0.2)
    accuracy = analysis.sets["main"].components["accuracy"].values
    first, second = accuracy[analysis.place("baseline")]
    assert str(table.rows[0][5]).startswith(f"{(first + second) / 2:.3f} (")
    assert table.rows[1][5] == f"{accuracy[analysis.place('cutmix'), 1]:.3f}"
    unlike = next(note for note in table.notes if note.startswith("Not comparable"))
    assert "training.learning_rate 0.001 or 0.0001 (paper: 0.001)" in unlike
    assert "40 test images (paper: 132)" in unlike
    assert "Without a place in the paper's table: slow, both." in table.notes


def test_all_items_of_claim_are_there(synthetic: Any, made: Any) -> None:
    analysis = analyse(*synthetic({"baseline": 0.0}, seeds=1, images=20, test_sets={"montgomery": 20}))
    table = made(study.CLAIM, analysis)["claim"]
    assert [row[0] for row in table.rows] == list(range(1, 43))
    assert all(row[2] or row[3] for row in table.rows)
    assert "montgomery" in str(table.rows[31][2])
