from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.report.analysis import analyse
from imil_sim.report.tables.attention import PART

LABELS = [0] * 10 + [1] * 10
SCORES = [0.1] * 8 + [0.9] * 2 + [0.9] * 9 + [0.1]
"""Eight of ten normal images and nine of ten TB images are right."""


def test_a_model_that_is_right_without_lungs_is_remarked_on(hand_made: Any, made: Any) -> None:
    scores = {"baseline": [SCORES], "other": [None]}
    suspect = made(PART, hand_made(scores, LABELS, hidden=SCORES))["attention"]
    # Of 100 pairs 72 are in order and 26 tie: 0.85.
    assert suspect.rows[0] == ("baseline", None, 0, None, 0, "0.850", "0.850", None, 20)
    assert suspect.rows[1] == ("other", *[None] * 8)
    sound = made(PART, hand_made(scores, LABELS, hidden=[0.5] * 20))["attention"]
    assert sound.rows[0][6] == "0.500"
    assert len(suspect.notes) == len(sound.notes) + 1


def test_attention_is_the_mean_over_runs(synthetic: Any, made: Any) -> None:
    analysis = analyse(*synthetic({"baseline": 0.0}, seeds=3, images=40))
    (row,) = made(PART, analysis)["attention"].rows
    ratio = []
    for run in analysis.runs.values():
        assert run.predictions is not None
        of = run.predictions["main"]
        ratio.append(np.nanmean(of.cam_in_lung / of.lung_share))
    assert row[1] == f"{np.mean(ratio):.2f} ({np.std(ratio, ddof=1):.2f})"
    assert (row[2], row[4], row[8]) == (36, 20, 36)


def test_groups_worked_out_by_hand(hand_made: Any, made: Any) -> None:
    # Of ten F images (six normal, four TB) all are right; of ten M images seven.
    sex = tuple("F" * 6 + "M" * 4 + "F" * 4 + "M" * 6)
    table = made(PART, hand_made({"baseline": [SCORES]}, LABELS, attributes={"sex": sex, "site": ("",) * 20}))["groups"]
    assert [row[:5] for row in table.rows] == [
        ("baseline", "sex", "worst", None, "0.700"),
        ("baseline", "sex", "F", 10, "1.000"),
        ("baseline", "sex", "M", 10, "0.700"),
    ]
    # M: two of four normal images are right and five of six TB images: 10 pairs in order, 12 tie, of 24.
    assert [float(str(row[5])) for row in table.rows] == [
        pytest.approx(16 / 24, abs=6e-4),
        1.0,
        pytest.approx(16 / 24, abs=6e-4),
    ]


def test_without_attributes_there_are_no_groups(hand_made: Any, made: Any) -> None:
    assert list(made(PART, hand_made({"baseline": [SCORES]}, LABELS))) == ["attention"]


def test_a_group_with_one_class_has_no_auroc(hand_made: Any, made: Any) -> None:
    ill = tuple(np.where(np.array(LABELS) == 1, "yes", "no").tolist())
    table = made(PART, hand_made({"baseline": [SCORES], "other": [None]}, LABELS, attributes={"cough": ill}))["groups"]
    assert table.rows[:3] == (
        ("baseline", "cough", "worst", None, "0.800", None),
        ("other", "cough", "worst", None, None, None),
        ("baseline", "cough", "no", 10, "0.800", None),
    )
