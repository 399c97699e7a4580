from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.report.figures import DoseLine, dose_response
from imil_sim.stats import Estimate


def estimate(value: float, half: float | None = 0.01) -> Estimate:
    known = {"low": value - half, "high": value + half} if half is not None else {"why_absent": "too few seeds"}
    return Estimate(value=value, random_factors="seeds", method="by hand", n_seeds=6, n_images=9, **known)  # type: ignore[arg-type]


def line(base: str = "lesions", slope: float = 0.005) -> DoseLine:
    values = (estimate(0.01), estimate(0.015), estimate(0.02, None))
    return DoseLine(base, (5.0, 10.0, 40.0), values, estimate(slope, 0.002))


def test_doublings_stand_on_a_logarithmic_axis_and_slopes_in_the_caption(seen: Any) -> None:
    picture = dose_response(
        [line(), line("random", 0)], "auroc", name="d", field="feedback.num_outliers", reference="base",
        per="doubling", placebo=estimate(0, 0.004),
    )  # fmt: skip
    (axes,) = seen.figure.axes
    first = next(drawn for drawn in axes.lines if drawn.get_marker() == "s")
    steps = np.diff(np.asarray(first.get_xdata()))
    assert steps[1] == pytest.approx(2 * steps[0])
    assert np.asarray(first.get_ydata()).tolist() == [0.01, 0.015, 0.02]
    intervals = axes.collections[0].get_segments()
    assert [segment[:, 1].tolist() for segment in intervals[:2]] == [[0, 0.02], pytest.approx([0.005, 0.025])]
    (band,) = axes.patches
    assert (band.get_y(), band.get_height()) == pytest.approx((-0.004, 0.008))
    assert (
        "Slope per doubling: lesions +0.0050 [+0.0030, +0.0070]; random 0.0000 [−0.0020, +0.0020]." in picture.caption
    )
    assert "lesions goes from +0.010 at 5 to +0.020 at 40" in picture.alt
    assert picture.table is not None
    assert picture.table.rows[2] == ("lesions", "40", 0.02, pytest.approx(np.nan, nan_ok=True),
                                     pytest.approx(np.nan, nan_ok=True), 6, "too few seeds")  # fmt: skip
    assert [row[1] for row in picture.table.rows[-2:]] == ["slope", "slope"]


def test_levels_too_close_to_be_read_are_not_written(seen: Any) -> None:
    levels = tuple(float(level) for level in range(100, 200))
    many = DoseLine("a", levels, tuple(estimate(0.01) for _ in levels))
    dose_response([many], "accuracy", name="d", field="epoch", reference="base", per="unit")
    written = [int(text) for text, _, _ in seen.texts if text.isdigit()]
    assert written[-1] == 199
    assert 8 < len(written) < 20


def test_levels_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        dose_response(
            [DoseLine("a", (0.0, 1.0), (estimate(0), estimate(0)))], "auroc", name="d", field="f", reference="b",
            per="doubling",
        )  # fmt: skip
    with pytest.raises(ValueError, match="ascending"):
        DoseLine("a", (2.0, 1.0), (estimate(0), estimate(0)))


def test_named_points_stand_side_by_side_under_their_names(seen: Any) -> None:
    labels = ("one-of-20", "two-of-10", "four-of-5")
    all_three = DoseLine("lesions", (0.0, 1.0, 2.0), tuple(estimate(v) for v in (0.0, 0.01, 0.04)), estimate(0.003))
    unfinished = DoseLine("random", (0.0, 2.0), (estimate(0), estimate(0.01)))
    picture = dose_response(
        [all_three, unfinished], "auroc", name="d", field="the points of loops", reference="base", per="unit",
        labels=labels, unit="consultation",
    )  # fmt: skip
    (axes,) = seen.figure.axes
    ticks = [
        (float(place), text.get_text()) for place, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    ]
    assert ticks == [(0.0, "one-of-20"), (1.0, "two-of-10"), (2.0, "four-of-5")]
    gaps = [np.diff(np.asarray(drawn.get_xdata())).tolist() for drawn in axes.lines if drawn.get_marker() != "None"]
    assert gaps == [pytest.approx([1, 1]), pytest.approx([2])]
    assert "Slope per consultation: lesions +0.0030 [−0.0070, +0.0130]." in picture.caption
    assert "order of the study file" in picture.caption
    assert "random goes from 0.000 at one-of-20 to +0.010 at four-of-5" in picture.alt
    assert picture.table is not None
    assert [row[:3] for row in picture.table.rows] == [
        ("lesions", "one-of-20", 0.0), ("lesions", "two-of-10", 0.01), ("lesions", "four-of-5", 0.04),
        ("random", "one-of-20", 0), ("random", "four-of-5", 0.01), ("lesions", "slope", 0.003),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="there are 2 named points"):
        dose_response([all_three], "auroc", name="d", field="f", reference="b", per="unit", labels=labels[:2])


def test_the_caption_speaks_of_intervals_only_where_there_are_some() -> None:
    def caption(*halves: float | None) -> str:
        bare = DoseLine("a", (1.0, 2.0), tuple(estimate(0.01, half) for half in halves))
        return dose_response([bare], "auroc", name="d", field="f", reference="b", per="unit").caption

    assert caption(None, None) == "Differences in AUROC from b over f, without intervals; the table says why."
    assert caption(None, 0.1) == "Differences in AUROC from b over f, with 95% intervals."
