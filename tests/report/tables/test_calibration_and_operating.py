from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.report.tables import calibration as module
from imil_sim.report.tables.calibration import PART, chosen_threshold
from imil_sim.stats import metrics, null_ece

LABELS = [0, 0, 1, 1]
SCORES = [0.1, 0.4, 0.35, 0.8]
"""Confidences 0.9, 0.6, 0.65, 0.8; right, right, wrong, right."""


def test_calibration_worked_out_by_hand(hand_made: Any, made: Any) -> None:
    analysis = hand_made({"baseline": [SCORES], "other": [None]}, LABELS)
    table = made(PART, analysis)["calibration"]
    arm, top, null_top, positive, null_positive, gap, nll, brier = table.rows[0]
    assert arm == "baseline"
    # Bins end at 9/15 and 10/15, so every confidence has a bin to itself: 0.1, 0.4, 0.65 and 0.2 over four images.
    assert float(top) == pytest.approx(1.35 / 4, abs=6e-4)
    # The probabilities 0.35 and 0.4 share a bin (5/15, 6/15], where one of two came true: 0.1, |1 - 0.75| and 0.2.
    assert float(positive) == pytest.approx(0.55 / 4, abs=6e-4)
    assert gap in ("−0.012", "−0.013")  # mean confidence 0.7375, accuracy 0.75
    assert nll == f"{-np.log([0.9, 0.6, 0.35, 0.8]).mean():.3f}"
    assert brier == f"{(0.01 + 0.16 + 0.65**2 + 0.04) / 4:.3f}"
    assert null_top == f"{null_ece([0.9, 0.6, 0.65, 0.8]):.3f}"
    assert null_positive == f"{null_ece(SCORES):.3f}"
    assert table.rows[1][1:] == (None,) * 7


def test_the_gap_of_an_overconfident_model_is_above_0(hand_made: Any, made: Any) -> None:
    analysis = hand_made({"baseline": [[0.99, 0.01, 0.99, 0.01]]}, LABELS)
    ((*_, gap, _, _),) = made(PART, analysis)["calibration"].rows
    assert gap == "+0.490"


def test_of_many_seeds_the_null_is_of_the_first_ones(
    hand_made: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_NULLS", 1)
    analysis = hand_made({"baseline": [SCORES, [0.5, 0.5, 0.5, 0.5]]}, LABELS)
    table = made(PART, analysis)["calibration"]
    assert table.rows[0][2] == f"{null_ece([0.9, 0.6, 0.65, 0.8]):.3f}"


def test_three_classes_have_no_positive_one(hand_made: Any, made: Any) -> None:
    shown = [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]]
    analysis = hand_made({"baseline": [shown]}, [0, 1, 2, 0], classes=("a", "b", "c"))
    tables = made(PART, analysis)
    calibrated = tables["calibration"]
    assert calibrated.rows[0][3:5] == (None, None)
    assert calibrated.rows[0][5] == "−0.050"  # all confidences 0.7, three of four right
    assert list(tables) == ["calibration"]


def test_the_operating_point_worked_out_by_hand(hand_made: Any, made: Any) -> None:
    # In training 0.2 lies below every TB image and 0.3 is one: the threshold is half-way, where the test image of 0.35
    # is found and so is the normal one of 0.4.
    training = [0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9]
    analysis = hand_made({"baseline": [SCORES], "other": [None]}, LABELS, training=training)
    table = made(PART, analysis)["operating"]
    assert table.rows[0] == ("baseline", "0.500", "1.000", "0.250", "1.000", "0.500")
    assert table.rows[1] == ("other", *[None] * 5)
    without = hand_made({"baseline": [SCORES]}, LABELS)
    table = made(PART, without)["operating"]
    assert table.rows[0] == ("baseline", "0.500", "1.000", None, None, None)


def test_thresholds_worked_out_by_hand() -> None:
    assert chosen_threshold([0, 0, 1, 1], [0.1, 0.3, 0.6, 0.9]) == pytest.approx(0.45)
    assert chosen_threshold([0, 1, 0, 1], [0.1, 0.2, 0.7, 0.8]) == pytest.approx(0.75)  # as good as 0.15, nearer 0.5
    assert chosen_threshold([1, 1, 0, 0], [0.1, 0.3, 0.6, 0.9]) == 0.5  # worse than guessing everywhere
    assert chosen_threshold([0, 1], [0.7, 0.7]) == 0.5
    assert math.isnan(chosen_threshold([1, 1], [0.2, 0.7]))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=12), st.floats(0, 1))
def test_no_threshold_is_better_on_the_training_images(images: list[tuple[bool, int]], other: float) -> None:
    truth, scores = np.array([f[0] for f in images]), np.array([f[1] for f in images]) / 20

    def worth(threshold: float) -> float:
        return metrics.sensitivity(truth, scores, threshold) + metrics.specificity(truth, scores, threshold)

    chosen = chosen_threshold(truth, scores)
    if truth.any() and not truth.all():
        assert worth(other) <= max(worth(chosen), 1) + 1e-12  # 1 is what guessing is worth
