from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from imil_sim.stats import (
    Components,
    Pair,
    Resplit,
    benjamini_hochberg,
    compare,
    components_of,
    holm,
    over_seeds,
    slope_weights,
    summarise,
    weighted,
)

LABELS = np.arange(60) % 2


def study(arms: int = 4, seeds: int = 6, step: float = 0.3) -> NDArray[np.float64]:
    """(arms, seeds, images, 2): arm k separates the classes ``step`` better than arm k - 1; seeds and images matter."""
    rng = np.random.default_rng(17)
    sign = 2 * LABELS - 1
    skill = 0.6 + step * np.arange(arms)[:, None, None] + 0.1 * rng.normal(size=(arms, seeds, 1))
    latent = sign * skill + rng.normal(size=len(LABELS)) + 0.6 * rng.normal(size=(arms, seeds, len(LABELS)))
    positive = 1 / (1 + np.exp(-latent))
    return np.stack([1 - positive, positive], axis=-1)


def of(metric: str, arms: int = 4, seeds: int = 6, step: float = 0.3) -> Components:
    return components_of(metric, LABELS, study(arms, seeds, step))


# ------------------------------------------------------------------------------------------------------------ two arms


@pytest.mark.parametrize("metric", ["auroc", "accuracy", "brier", "ece_top_label", "ece_positive"])
def test_every_planned_pair_is_compared_in_its_order_with_three_labelled_intervals(metric: str) -> None:
    known = of(metric)
    found = compare(known, [(3, 0), Pair(1, 0), (2, 1)])
    assert [(c.arm, c.reference) for c in found] == [(3, 0), (1, 0), (2, 1)]
    for c in found:
        difference = known.values[c.arm] - known.values[c.reference]
        for estimate in (c.a, c.b, c.c):
            assert estimate.value == pytest.approx(difference.mean(), abs=1e-12)
            assert estimate.low < estimate.value < estimate.high
            assert (estimate.n_seeds, estimate.n_images) == (6, 60)
        assert c.b.p == pytest.approx(scipy.stats.ttest_1samp(difference, 0).pvalue, rel=1e-9)
        assert c.a.se >= c.b.se
        assert c.primary is c.a
        assert c.mde > c.a.se * 2.8


def test_turning_a_pair_round_turns_the_sign_and_nothing_else() -> None:
    known = of("auroc")
    there, back = compare(known, [(1, 0), (0, 1)])
    assert there.a.p == pytest.approx(back.a.p, rel=1e-9)
    assert (there.a.low, there.a.high) == pytest.approx((-back.a.high, -back.a.low), abs=1e-12)
    assert there.p_superior == pytest.approx(1 - back.p_superior)
    assert there.mde == pytest.approx(back.mde, rel=1e-9)


def test_superior_means_better_whichever_way_the_metric_runs() -> None:
    # Arm 3 is far the best: its Brier score is the lower one, its AUROC the higher one.
    (area,), (score,) = compare(of("auroc"), [(3, 0)]), compare(of("brier"), [(3, 0)])
    assert area.a.value > 0 > score.a.value
    assert area.p_superior == score.p_superior == 1


def test_p_values_are_adjusted_for_all_pairs_of_the_call() -> None:
    known, pairs = of("auroc"), [(1, 0), (2, 0), (3, 0)]
    planned, explored = compare(known, pairs), compare(known, pairs, adjustment="benjamini-hochberg")
    raw = [c.a.p for c in planned]
    assert [c.p_adjusted for c in planned] == pytest.approx(holm(raw).tolist())
    assert [c.p_adjusted for c in explored] == pytest.approx(benjamini_hochberg(raw).tolist())
    assert {c.adjustment for c in explored} == {"benjamini-hochberg"}
    assert raw[1] < planned[1].p_adjusted


def test_a_pair_is_analysed_alone_whatever_the_other_arms_do() -> None:
    shown = study()
    (alone,) = compare(components_of("auroc", LABELS, shown[:2]), [(1, 0)])
    assert compare(components_of("auroc", LABELS, shown), [(1, 0)])[0].a == alone.a


def test_fewer_than_five_seeds_have_no_inference_a_and_say_why() -> None:
    (four,), (five,) = compare(of("accuracy", seeds=4), [(1, 0)]), compare(of("accuracy", seeds=5), [(1, 0)])
    assert math.isnan(four.a.low)
    assert "at least 5 seeds" in four.a.why_absent
    assert "not 4" in four.a.why_absent
    assert math.isnan(four.mde)
    assert math.isnan(four.p_adjusted)
    assert not four.b.why_absent
    assert not four.c.why_absent
    assert not five.a.why_absent


def test_one_seed_leaves_delong_for_the_auroc_and_mcnemar_for_the_accuracy() -> None:
    labels = np.repeat([0, 1], 5)
    a = [0.1, 0.3, 0.35, 0.4, 0.8, 0.35, 0.6, 0.7, 0.9, 0.95]
    b = [0.2, 0.4, 0.5, 0.6, 0.7, 0.3, 0.45, 0.65, 0.7, 0.8]
    scores = np.array([[a], [b]])
    shown = np.stack([1 - scores, scores], axis=-1)
    (area,) = compare(components_of("auroc", labels, shown), [(0, 1)])
    assert (area.c.statistic, area.c.p) == pytest.approx((1.668115, 0.095293), abs=5e-7)
    assert area.c.method == "DeLong"
    assert "one seed" in area.b.why_absent
    (share,) = compare(components_of("accuracy", labels, shown), [(0, 1)])
    assert share.c.value == pytest.approx(0.2)  # the negative at .6 and the positive at .45 put right: two against none
    assert "McNemar" in share.c.method
    assert share.c.p == pytest.approx(0.5)


def test_identical_curves_differ_by_nothing_and_without_an_interval() -> None:
    shown = study(arms=1, seeds=1)
    (found,) = compare(components_of("auroc", LABELS, np.concatenate([shown, shown])), [(1, 0)])
    assert (found.c.statistic, found.c.p) == (0, 1)
    assert math.isnan(found.c.low)
    assert "nothing varied" in found.c.why_absent


def test_a_perfect_auroc_has_no_standard_error_and_warns() -> None:
    shown = study(arms=2)
    shown[1, 2] = np.stack([1 - LABELS, LABELS], axis=-1)
    known = components_of("auroc", LABELS, shown)
    (found,) = compare(known, [(1, 0)])
    for estimate in (found.a, found.b, found.c):
        (warning,) = estimate.warnings
        assert "1 of 12 runs" in warning
        assert "too narrow" in warning
    assert not compare(components_of("auroc", LABELS, study(arms=2)), [(1, 0)])[0].a.warnings
    shown[1] = shown[1, 2]
    perfect = summarise(components_of("auroc", LABELS, shown), 1)
    assert perfect.mean == 1
    assert "is no certainty" in perfect.a.why_absent
    assert "6 of 6 runs" in perfect.c.warnings[0]


def test_a_missing_run_takes_its_seed_out_of_the_pair_and_is_told() -> None:
    shown = study()
    shown[1, 2] = np.nan
    known = components_of("accuracy", LABELS, shown)
    hit, whole = compare(known, [(1, 0), (2, 0)])
    (expected,) = compare(components_of("accuracy", LABELS, np.delete(shown, 2, axis=1)), [(1, 0)])
    assert hit.a.n_seeds == 5
    assert hit.a.p == pytest.approx(expected.a.p, rel=1e-9)
    assert "1 of 6 seeds is left out" in hit.b.warnings[0]
    assert whole.a.n_seeds == 6
    shown[1] = np.nan
    (nothing,) = compare(components_of("accuracy", LABELS, shown), [(1, 0)])
    assert math.isnan(nothing.a.value)
    assert all(e.why_absent for e in (nothing.a, nothing.b, nothing.c))
    assert "6 of 6 seeds" in nothing.a.warnings[0]


def test_an_undefined_metric_is_no_missing_run() -> None:
    known = components_of("auroc", np.zeros(60, int), study())
    (found,) = compare(known, [(1, 0)])
    for estimate in (found.a, found.b, found.c):
        assert "a class has no test image" in estimate.why_absent
        assert not estimate.warnings
    assert math.isnan(summarise(known, 0).mean)


def test_a_split_per_seed_leaves_nadeau_and_bengios_t_alone() -> None:
    values = np.array([[0.80, 0.82, 0.79, 0.85, 0.81], [0.84, 0.83, 0.84, 0.86, 0.85]])
    (found,) = compare(Components.of_splits("accuracy", values, Resplit(530, 132)), [(1, 0)])
    assert found.primary is found.b
    assert found.b.p == over_seeds(values[1] - values[0], resplit=Resplit(530, 132)).p
    assert found.p_adjusted == found.b.p
    for estimate in (found.a, found.c):
        assert "a split of its own" in estimate.why_absent
    values[0, 1] = np.nan
    (less,) = compare(Components.of_splits("accuracy", values, Resplit(530, 132)), [(1, 0)])
    assert less.b.n_seeds == 4
    assert "1 of 5 seeds" in less.b.warnings[0]


def test_a_difference_that_is_the_same_in_every_seed_up_to_rounding_has_no_interval() -> None:
    values = np.array([93, 110, 104, 112, 107]) / 132 + np.array([[0.0], [9 / 132]])
    assert 0 < np.ptp(values[1] - values[0]) < 1e-15
    found = compare(Components.of_splits("accuracy", values, Resplit(530, 132)), [(1, 0)])[0].b
    assert math.isnan(found.low)
    assert math.isnan(found.p)
    assert found.value == pytest.approx(9 / 132)


def test_pairs_that_cannot_be_compared_are_named() -> None:
    known = of("accuracy")
    with pytest.raises(ValueError, match=r"4 arms, 0 to 3; asked for: \[-1, 4\]"):
        compare(known, [(4, 0), (1, -1)])
    with pytest.raises(ValueError, match="its own reference"):
        compare(known, [(1, 1)])
    with pytest.raises(ValueError, match=r"twice are: \[\(1, 0\)\]"):
        compare(known, [(1, 0), (2, 0), (1, 0)])
    assert compare(known, []) == ()


# ------------------------------------------------------------------------------------------------- one arm, many arms


def test_the_summary_of_an_arm_is_that_of_its_seeds() -> None:
    known = of("accuracy", seeds=8)
    found = summarise(known, 1)
    seen = known.values[1]
    assert (found.mean, found.sd) == pytest.approx((seen.mean(), seen.std(ddof=1)))
    assert (found.lowest, found.highest, found.n_seeds) == (seen.min(), seen.max(), 8)
    assert found.iqm == pytest.approx(np.sort(seen)[2:6].mean())
    interval = scipy.stats.ttest_1samp(seen, 0).confidence_interval()
    assert (found.b.low, found.b.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.a.high - found.a.low > found.c.high - found.c.low > found.b.high - found.b.low
    assert all(math.isnan(e.p) for e in (found.a, found.b, found.c))
    nearly = summarise(of("auroc", step=1.5), 1)
    assert nearly.mean + 2 * nearly.a.se > 1
    assert nearly.a.high == 1


def test_the_summary_of_one_seed_has_wilsons_interval_and_no_sd() -> None:
    found = summarise(of("accuracy", seeds=1), 0)
    assert math.isnan(found.sd)
    assert found.c.method == "Wilson"
    assert found.c.value == found.mean
    assert summarise(of("auroc", seeds=1), 0).c.low < found.mean


def test_the_trend_is_the_mean_of_the_seeds_least_squares_slopes() -> None:
    known = of("auroc", arms=4)
    levels = {0: 0.0, 2: 20.0, 1: 10.0, 3: 40.0}
    found = weighted(known, slope_weights([levels]))
    slopes = [np.polyfit([0, 10, 20, 40], known.values[:, seed], 1)[0] for seed in range(6)]
    assert found.b.p == pytest.approx(scipy.stats.ttest_1samp(slopes, 0).pvalue, rel=1e-6)
    assert [e.value for e in found] == pytest.approx([np.mean(slopes)] * 3, rel=1e-9)
    assert [e.random_factors for e in found] == ["seeds and patients", "seeds", "patients"]
    assert found.a.p < 0.01
    assert found.a.se > found.b.se


def test_the_trend_over_two_levels_is_their_difference_over_the_distance() -> None:
    known = of("accuracy")
    (pair,), found = compare(known, [(2, 1)]), weighted(known, slope_weights([{1: 5.0, 2: 10.0}]))
    for slope, difference in zip(found, (pair.a, pair.b, pair.c), strict=True):
        assert slope.p == pytest.approx(difference.p, rel=1e-9)
        assert slope.low == pytest.approx(difference.low / 5, rel=1e-9)


def test_a_trend_needs_levels() -> None:
    with pytest.raises(ValueError, match="two different levels"):
        slope_weights([{0: 1.0, 1: 1.0}])
    with pytest.raises(ValueError, match="asked for"):
        weighted(of("accuracy"), {0: 1.0, 9: 2.0})
    with pytest.raises(ValueError, match="asked for"):
        summarise(of("accuracy"), 4)
