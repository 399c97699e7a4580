from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.feedback.selection import Selection, select, share_outside, softmax
from imil_sim.registry import names
from imil_sim.study.spec import FeedbackSpec

# Seven images: what the model says, and the truth.
LOGITS = np.array(
    [
        [0.0, math.log(3)],  # a: TB at 0.75, true
        [0.0, math.log(4)],  # b: TB at 0.80, wrong
        [math.log(9), 0.0],  # c: normal at 0.90, wrong
        [0.0, 0.0],  # d: a tie, so normal at 0.50, wrong
        [math.log(99), 0.0],  # e: normal at 0.99, true
        [0.0, math.log(4)],  # f: TB at 0.80, wrong, as sure as b
        [0.1, 0.0],  # g: normal at 0.525, true
    ]
)
LABELS = np.array([1, 0, 1, 1, 0, 0, 0])
IDS = ("a", "b", "c", "d", "e", "f", "g")


def test_softmax_worked_out_by_hand() -> None:
    np.testing.assert_allclose(softmax(LOGITS[:3]), [[0.25, 0.75], [0.2, 0.8], [0.9, 0.1]], atol=1e-15)


def test_softmax_of_huge_logits_is_still_a_probability() -> None:
    huge = np.array([[1e30, 0.0, -1e30], [-2e4, -2e4, -2e4]], dtype=np.float32)
    np.testing.assert_allclose(softmax(huge), [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert softmax(huge).dtype == np.float64


def test_the_surest_mistakes_worked_out_by_hand() -> None:
    selection = select("confident-mispredictions", LOGITS, LABELS, IDS, limit=3)
    assert [IDS[i] for i in selection.indices] == ["c", "b", "f"]
    np.testing.assert_allclose(selection.confidence, [0.9, 0.8, 0.8])
    assert selection.predicted.tolist() == [0, 1, 1]
    assert (selection.n_mispredictions, selection.shortage, selection.n_filled_up, selection.n_excluded) == (4, 0, 0, 0)


def test_a_shortage_is_told_and_not_padded() -> None:
    selection = select("confident-mispredictions", LOGITS, LABELS, IDS, limit=6)
    assert [IDS[i] for i in selection.indices] == ["c", "b", "f", "d"]
    assert (selection.n_mispredictions, selection.shortage, selection.n_filled_up) == (4, 2, 0)


def test_a_shortage_is_filled_with_the_least_sure_correct_ones_on_request() -> None:
    selection = select("confident-mispredictions", LOGITS, LABELS, IDS, limit=6, fill_up="least-confident-correct")
    assert [IDS[i] for i in selection.indices] == ["c", "b", "f", "d", "g", "a"]
    assert (selection.shortage, selection.n_filled_up) == (0, 2)
    everything = select("confident-mispredictions", LOGITS, LABELS, IDS, limit=10, fill_up="least-confident-correct")
    assert (len(everything.indices), everything.shortage, everything.n_filled_up) == (7, 3, 3)


def test_nothing_is_filled_where_nothing_is_short() -> None:
    selection = select("confident-mispredictions", LOGITS, LABELS, IDS, limit=2, fill_up="least-confident-correct")
    assert [IDS[i] for i in selection.indices] == ["c", "b"]
    assert selection.n_filled_up == 0


def test_excluded_images_are_not_asked_about_and_counted_apart() -> None:
    selection = select(
        "confident-mispredictions",
        LOGITS,
        LABELS,
        IDS,
        limit=4,
        exclude={"c", "f", "g", "not here"},
        fill_up="least-confident-correct",
    )
    assert [IDS[i] for i in selection.indices] == ["b", "d", "a", "e"]
    # g is excluded too, but was predicted right: no misprediction is lost with it
    assert (selection.n_mispredictions, selection.n_excluded, selection.n_filled_up) == (2, 2, 2)


def test_where_the_softmax_has_saturated_the_margin_decides() -> None:
    logits = np.array([[0.0, 800.0], [0.0, 1000.0], [0.0, 900.0]])
    selection = select("confident-mispredictions", logits, np.zeros(3, dtype=np.int64), ("x", "y", "z"), limit=3)
    assert selection.confidence.tolist() == [1, 1, 1]
    assert selection.indices.tolist() == [1, 2, 0]


def test_no_mistakes_are_no_questions() -> None:
    selection = select("confident-mispredictions", LOGITS[[0, 4]], LABELS[[0, 4]], ("a", "e"), limit=5)
    assert (selection.indices.shape, selection.indices.dtype) == ((0,), np.int64)
    assert (selection.n_mispredictions, selection.shortage) == (0, 5)


@given(st.data(), st.integers(1, 25), st.integers(2, 4), st.integers(1, 12), st.booleans())
def test_the_choice_is_the_sorted_one_and_the_order_of_the_set_does_not_matter(
    data: st.DataObject, n: int, classes: int, limit: int, fill: bool
) -> None:
    # Few values, so that ties of every kind happen.
    rows = st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), min_size=classes, max_size=classes)
    logits = np.array(data.draw(st.lists(rows, min_size=n, max_size=n)), dtype=np.float32)
    labels = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    ids = [f"image-{i}" for i in range(n)]
    excluded = data.draw(st.sets(st.sampled_from(ids)))
    order = data.draw(st.permutations(range(n)))
    before = logits.copy()

    def choose(at: list[int]) -> list[str]:
        selection = select(
            "confident-mispredictions", logits[at], labels[at], [ids[i] for i in at], limit, excluded,
            "least-confident-correct" if fill else "none",
        )  # fmt: skip
        assert len(selection.indices) + selection.shortage == limit
        return [ids[at[i]] for i in selection.indices]

    probabilities = softmax(logits)

    def rank(i: int) -> tuple[float, float, str]:
        best, second = sorted(logits[i].tolist(), reverse=True)[:2]
        return probabilities[i, logits[i].argmax()], best - second, ids[i]

    wrong = [i for i in range(n) if logits[i].argmax() != labels[i] and ids[i] not in excluded]
    right = [i for i in range(n) if logits[i].argmax() == labels[i] and ids[i] not in excluded]
    wrong.sort(key=lambda i: (-rank(i)[0], -rank(i)[1], rank(i)[2]))
    right.sort(key=rank)
    expected = ([*wrong[:limit], *right] if fill else wrong)[:limit]
    assert choose(list(range(n))) == [ids[i] for i in expected]
    assert choose(order) == [ids[i] for i in expected]
    assert (logits == before).all()


@pytest.mark.parametrize(
    ("logits", "labels", "ids", "limit", "message"),
    [
        (LOGITS, LABELS[:3], IDS, 1, "7 rows of logits"),
        (LOGITS, LABELS, IDS[:3], 1, "3 ids"),
        (LOGITS[:, :1], LABELS, IDS, 1, "at least two classes"),
        (LOGITS, LABELS + 1, IDS, 1, "classes 0 to 1"),
        (LOGITS, LABELS, IDS, 0, "limit must be at least 1"),
        (np.where(LOGITS > 2, np.nan, LOGITS), LABELS, IDS, 1, "2 images have a logit that is not finite"),
    ],
)
def test_wrong_arguments_are_named(
    logits: np.ndarray, labels: np.ndarray, ids: tuple[str, ...], limit: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        select("confident-mispredictions", logits, labels, ids, limit)


# ------------------------------------------------------------------------------------------------ other strategies


def chosen(strategy: str, limit: int = 7, seed: int = 0, **options: Any) -> list[str]:
    return [IDS[i] for i in selected(strategy, limit, seed, **options).indices]


def selected(strategy: str, limit: int = 7, seed: int = 0, **options: Any) -> Selection:
    options = {"rng": np.random.default_rng(seed), "outside": never} | options
    return select(strategy, LOGITS, LABELS, IDS, limit, **options)


def never(_: object) -> Any:
    raise AssertionError("only one strategy looks at heat-maps")


def test_every_strategy_worked_out_by_hand() -> None:
    # Wrong: c (TB, 0.90), b and f (normal, 0.80), d (TB, 0.50); right: e 0.99, a 0.75, g 0.525.
    assert chosen("confident-mispredictions") == ["c", "b", "f", "d"]
    assert chosen("highest-loss") == ["c", "b", "f", "d", "g", "a", "e"]
    assert chosen("least-confident") == ["d", "g", "a", "b", "f", "c", "e"]
    assert chosen("class-balanced") == ["c", "b", "f", "d"]  # TB and normal, normal and TB
    assert chosen("class-balanced", exclude={"d"}) == ["c", "b", "f"]


def test_a_class_that_has_no_more_leaves_its_turns() -> None:
    assert chosen("class-balanced", exclude={"b"}) == ["c", "f", "d"]
    assert chosen("class-balanced", exclude={"b", "f"}) == ["c", "d"]
    assert chosen("class-balanced", limit=2) == ["c", "b"]


def test_heat_maps_outside_the_lungs_come_first_and_unknown_ones_last() -> None:
    shares = {"c": 0.2, "b": math.nan, "f": 0.9, "d": 0.2}
    asked: list[list[str]] = []

    def outside(candidates: Selection) -> Any:
        asked.append([IDS[i] for i in candidates.indices])
        return np.array([shares[IDS[i]] for i in candidates.indices])

    assert chosen("cam-outside-lungs", limit=2, outside=outside) == ["f", "c"]
    assert chosen("cam-outside-lungs", outside=outside) == ["f", "c", "d", "b"]  # c before d: the surer of equal ones
    assert asked == [["c", "b", "f", "d"]] * 2


def test_random_images_are_drawn_among_all_and_more_of_them_keep_the_first() -> None:
    drawn = [chosen("random-images", 3, seed) for seed in range(300)]
    assert drawn == [chosen("random-images", 7, seed)[:3] for seed in range(300)]
    counts = np.array([sum(name in order for order in drawn) for name in IDS])
    assert abs(counts - 300 * 3 / 7).max() < 4 * 8.6
    assert "e" not in chosen("random-images", 7, exclude={"e"})


@pytest.mark.parametrize("strategy", names("selections"))
def test_the_order_of_the_set_matters_to_no_strategy(strategy: str) -> None:
    order = np.random.default_rng(5).permutation(7)
    ids = [IDS[i] for i in order]

    def outside(candidates: Selection) -> Any:
        return candidates.confidence.round(1) % 0.2

    def chosen_of(at: Any, of: Any) -> list[str]:
        found = select(strategy, LOGITS[at], LABELS[at], of, 5, rng=np.random.default_rng(1), outside=outside)
        return [of[i] for i in found.indices]

    assert chosen_of(order, ids) == chosen_of(np.arange(7), IDS)


@pytest.mark.parametrize("strategy", names("selections"))
def test_the_counts_are_true_of_every_strategy(strategy: str) -> None:
    options = {"exclude": {"c", "e"}, "fill_up": "least-confident-correct"}
    found = selected(strategy, 4, outside=lambda candidates: np.zeros(len(candidates.indices)), **options)
    taken = {IDS[i] for i in found.indices}
    assert len(taken) == 4
    assert not {"c", "e"} & taken
    assert (found.n_mispredictions, found.n_excluded, found.shortage) == (3, 1, 0)
    assert found.n_filled_up == len(taken & {"a", "g"})
    assert found.predicted.tolist() == [int(LOGITS[i].argmax()) for i in found.indices]
    assert found.confidence.tolist() == [softmax(LOGITS)[i].max() for i in found.indices]


def test_of_more_than_two_classes_the_loss_is_another_order() -> None:
    # The first is taken for the wrong class with more confidence, the second gives its true class less.
    logits = np.array([[3.0, 0.0, -9.0], [1.0, 0.9, -9.0]])
    labels, options = np.array([1, 2]), {"rng": np.random.default_rng(0), "outside": never}
    assert select("confident-mispredictions", logits, labels, ("a", "b"), 2, **options).indices.tolist() == [0, 1]
    assert select("highest-loss", logits, labels, ("a", "b"), 2, **options).indices.tolist() == [1, 0]


def test_the_share_outside_worked_out_by_hand() -> None:
    cam = np.array([[0.5, 0.25], [0.25, 1.0]], dtype=np.float32)
    assert share_outside(cam, np.array([[True, False], [False, False]])) == 0.75
    assert share_outside(cam, np.ones((2, 2), dtype=np.bool_)) == 0.0
    assert math.isnan(share_outside(cam, None))
    assert math.isnan(share_outside(np.zeros((2, 2), dtype=np.float32), np.ones((2, 2), dtype=np.bool_)))


def test_a_study_can_name_every_strategy() -> None:
    field = FeedbackSpec.model_json_schema()["properties"]["selection"]
    assert (field["enum"], field["default"]) == (list(names("selections")), "confident-mispredictions")
