from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.report.figures.reliability import reliability, reliability_bins
from imil_sim.stats import metrics

CONFIDENCE = [0.55, 0.65, 0.75, 0.85, 0.95, 0.95, 1.0]
HIT = [1, 0, 1, 1, 1, 0, 1]


def test_bins_by_hand() -> None:
    counts, said, came = reliability_bins(HIT, CONFIDENCE)
    assert np.flatnonzero(counts).tolist() == [8, 9, 11, 12, 14]
    assert counts[[8, 9, 11, 12, 14]].tolist() == [1, 1, 1, 1, 3]
    assert said[[8, 14]] == pytest.approx([0.55, 2.9 / 3])
    assert came[[8, 9, 14]] == pytest.approx([1, 0, 2 / 3])
    assert np.isnan(said[0])
    assert np.isnan(came[0])
    gap = (counts * np.abs(said - came))[counts > 0].sum() / counts.sum()
    assert gap == pytest.approx(2.40 / 7)  # the error these bins stand for


def test_the_first_bin_is_closed() -> None:
    assert reliability_bins([0, 1], [0.0, 1.0], bins=2).counts.tolist() == [1, 1]
    assert reliability_bins([0, 1], [0.5, 0.5], bins=2).counts.tolist() == [2, 0]


def test_a_panel_pools_the_seeds_and_leaves_out_what_is_missing(seen: Any) -> None:
    labels = np.array([0, 1])
    runs = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.2, 0.8]], [[np.nan] * 2] * 2])
    picture = reliability(labels, np.stack([runs, np.full_like(runs, np.nan)]), ["done", "missing"], name="r", bins=10)
    diagram, counts = seen.figure.axes[:2]
    # Confidences 0.9, 0.8, 0.6, 0.8: hit, hit, miss, hit.
    heights = [bar.get_height() for bar in counts.patches]
    assert heights == [0, 0, 0, 0, 0, 1, 0, 2, 1, 0]
    points = next(line for line in diagram.lines if line.get_marker() == "o")
    assert np.asarray(points.get_xdata()) == pytest.approx([0.6, 0.8, 0.9])
    assert np.asarray(points.get_ydata()).tolist() == [0, 1, 1]
    assert picture.table is not None
    whole = picture.table.rows[0]
    assert whole[:5] == ("done", "all", 4, pytest.approx(3.1 / 4), 0.75)
    errors = [  # 0.15 and 0.40
        metrics.ece_top_label(labels, run, 10) for run in runs[:2]
    ]
    assert whole[5] == pytest.approx(np.mean(errors))
    # By chance: |coin - p| is 2 p (1 - p) on average, each image alone in its bin here.
    chance = [(2 * 0.9 * 0.1 + 2 * 0.8 * 0.2) / 2, (2 * 0.6 * 0.4 + 2 * 0.8 * 0.2) / 2]
    assert whole[6] == pytest.approx(np.mean(chance))
    assert picture.table.rows[-1][:3] == ("missing", "all", 0)
    assert "ECE 0.275\nby chance 0.325" in seen.words
    assert "0.275 (done; 0.325 by chance)" in picture.alt


def test_the_positive_convention_looks_at_the_probability_of_class_1(seen: Any) -> None:
    probabilities = np.array([[[[0.9, 0.1], [0.2, 0.8]]]])
    picture = reliability(np.array([0, 1]), probabilities, ["a"], name="r", convention="positive", bins=10)
    assert [bar.get_height() for bar in seen.figure.axes[1].patches] == [1, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    assert "positive convention" in picture.alt
    with pytest.raises(ValueError, match="3 classes"):
        reliability(np.array([0]), np.full((1, 1, 1, 3), 1 / 3), ["a"], name="r", convention="positive")
