from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.report.analysis import analyse
from imil_sim.report.tables import attention_table, groups_table, worst_groups_table

LABELS = [0] * 10 + [1] * 10
SCORES = [0.1] * 8 + [0.9] * 2 + [0.9] * 9 + [0.1]
"""Eight of ten normal images and nine of ten TB images are right."""


def test_a_model_that_is_right_without_lungs_is_remarked_on(hand_made: Any, frames: Any) -> None:
    scores = {"baseline": [SCORES], "other": [None]}
    suspect = hand_made(scores, LABELS, hidden=SCORES)
    table = attention_table(suspect, suspect.sets["main"], frames(suspect)["main"])
    # Of 100 pairs 72 are in order and 26 tie: 0.85.
    assert table.rows[0] == ("baseline", None, 0, None, 0, "0.850", "0.850", None, 20)
    assert any(note.startswith("Right for the wrong reason, perhaps") and "(baseline)" in note for note in table.notes)
    assert "No CAM in the lung: no test image has a CAM and a lung mask (baseline)." in table.notes
    assert "No numbers: no run is done (other)." in table.notes
    sound = hand_made(scores, LABELS, hidden=[0.5] * 20)
    table = attention_table(sound, sound.sets["main"], frames(sound)["main"])
    assert table.rows[0][6] == "0.500"
    assert not any("wrong reason" in note for note in table.notes)


def test_attention_is_the_mean_over_runs(synthetic: Any, frames: Any) -> None:
    analysis = analyse(*synthetic({"baseline": 0.0}, seeds=3, images=40))
    frame = frames(analysis)["main"]
    table = attention_table(analysis, analysis.sets["main"], frame)
    (row,) = table.rows
    ratio = frame["attention_ratio"].to_numpy()
    assert row[1] == f"{ratio.mean():.2f} ({ratio.std(ddof=1):.2f})"
    assert (row[2], row[4], row[8]) == (36, 20, 36)
    assert any(note == "Up to 8 lung masks a run were estimated from the image." for note in table.notes)


def test_groups_worked_out_by_hand(hand_made: Any, frames: Any) -> None:
    # Of ten F images (six normal, four TB) all are right; of ten M images seven.
    sex = tuple("F" * 6 + "M" * 4 + "F" * 4 + "M" * 6)
    analysis = hand_made({"baseline": [SCORES]}, LABELS, attributes={"sex": sex, "site": ("",) * 20})
    main, frame = analysis.sets["main"], frames(analysis)["main"]
    groups = groups_table(analysis, main, frame)
    assert groups is not None
    assert [row[:5] for row in groups.rows] == [
        ("baseline", "sex", "F", 10, "1.000"), ("baseline", "sex", "M", 10, "0.700")
    ]  # fmt: skip
    worst = worst_groups_table(analysis, main, frame)
    assert worst is not None
    ((_, attribute, accuracy, worst_accuracy, _, worst_auroc),) = worst.rows
    assert (attribute, accuracy, worst_accuracy) == ("sex", "0.850", "0.700")
    # M: two of four normal images are right and five of six TB images: 10 pairs in order, 12 tie, of 24.
    assert float(str(worst_auroc)) == pytest.approx(16 / 24, abs=6e-4)


def test_without_attributes_there_are_no_groups(hand_made: Any, frames: Any) -> None:
    analysis = hand_made({"baseline": [SCORES]}, LABELS)
    frame = frames(analysis)["main"]
    assert groups_table(analysis, analysis.sets["main"], frame) is None
    assert worst_groups_table(analysis, analysis.sets["main"], frame) is None


def test_a_group_with_one_class_says_why_it_has_no_auroc(hand_made: Any, frames: Any) -> None:
    ill = tuple(np.where(np.array(LABELS) == 1, "yes", "no").tolist())
    analysis = hand_made({"baseline": [SCORES], "other": [None]}, LABELS, attributes={"cough": ill})
    main, frame = analysis.sets["main"], frames(analysis)["main"]
    groups, worst = groups_table(analysis, main, frame), worst_groups_table(analysis, main, frame)
    assert groups is not None
    assert worst is not None
    assert "No AUROC: a class has no image in the group (cough no; cough yes)." in groups.notes
    assert any(note.startswith("No worst AUROC: ") and "(cough)" in note for note in worst.notes)
    assert "No numbers: no run is done (other)." in worst.notes
