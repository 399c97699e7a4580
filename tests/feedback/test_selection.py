from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.feedback.selection import confident_mispredictions, softmax

# Seven films: what the model says, and the truth.
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
    selection = confident_mispredictions(LOGITS, LABELS, IDS, limit=3)
    assert [IDS[i] for i in selection.indices] == ["c", "b", "f"]
    np.testing.assert_allclose(selection.confidence, [0.9, 0.8, 0.8])
    assert selection.predicted.tolist() == [0, 1, 1]
    assert (selection.n_mispredictions, selection.shortage, selection.n_filled_up, selection.n_excluded) == (4, 0, 0, 0)


def test_a_shortage_is_told_and_not_padded() -> None:
    selection = confident_mispredictions(LOGITS, LABELS, IDS, limit=6)
    assert [IDS[i] for i in selection.indices] == ["c", "b", "f", "d"]
    assert (selection.n_mispredictions, selection.shortage, selection.n_filled_up) == (4, 2, 0)


def test_a_shortage_is_filled_with_the_least_sure_correct_ones_on_request() -> None:
    selection = confident_mispredictions(LOGITS, LABELS, IDS, limit=6, fill_up="least-confident-correct")
    assert [IDS[i] for i in selection.indices] == ["c", "b", "f", "d", "g", "a"]
    assert (selection.shortage, selection.n_filled_up) == (0, 2)
    everything = confident_mispredictions(LOGITS, LABELS, IDS, limit=10, fill_up="least-confident-correct")
    assert (len(everything.indices), everything.shortage, everything.n_filled_up) == (7, 3, 3)


def test_nothing_is_filled_where_nothing_is_short() -> None:
    selection = confident_mispredictions(LOGITS, LABELS, IDS, limit=2, fill_up="least-confident-correct")
    assert [IDS[i] for i in selection.indices] == ["c", "b"]
    assert selection.n_filled_up == 0


def test_excluded_images_are_not_asked_about_and_counted_apart() -> None:
    selection = confident_mispredictions(
        LOGITS, LABELS, IDS, limit=4, exclude={"c", "f", "g", "not here"}, fill_up="least-confident-correct"
    )
    assert [IDS[i] for i in selection.indices] == ["b", "d", "a", "e"]
    # g is excluded too, but was predicted right: no misprediction is lost with it
    assert (selection.n_mispredictions, selection.n_excluded, selection.n_filled_up) == (2, 2, 2)


def test_where_the_softmax_has_saturated_the_margin_decides() -> None:
    logits = np.array([[0.0, 800.0], [0.0, 1000.0], [0.0, 900.0]])
    selection = confident_mispredictions(logits, np.zeros(3, dtype=np.int64), ("x", "y", "z"), limit=3)
    assert selection.confidence.tolist() == [1, 1, 1]
    assert selection.indices.tolist() == [1, 2, 0]


def test_no_mistakes_are_no_questions() -> None:
    selection = confident_mispredictions(LOGITS[[0, 4]], LABELS[[0, 4]], ("a", "e"), limit=5)
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
    ids = [f"film-{i}" for i in range(n)]
    excluded = data.draw(st.sets(st.sampled_from(ids)))
    order = data.draw(st.permutations(range(n)))
    before = logits.copy()

    def choose(at: list[int]) -> list[str]:
        selection = confident_mispredictions(
            logits[at], labels[at], [ids[i] for i in at], limit, excluded,
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
        confident_mispredictions(logits, labels, ids, limit)
