from __future__ import annotations

import math

import numpy as np
import pytest

from imil_sim.report.readers import components, reader_agreement
from imil_sim.study.record import Answer, Consultation


def consultation(**cells: tuple[int, ...] | None) -> Consultation:
    """On a grid of 2 x 2: the cells chosen for each image."""
    answers = tuple(
        Answer(
            image_id=name, label=1, predicted=0, confidence=0.9, mispredicted=True, cells=chosen,
            reason="" if chosen is not None else "unsure", note="", estimated_masks=(), effect="none",
        )
        for name, chosen in cells.items()
    )  # fmt: skip
    return Consultation(
        epoch=1, grid=(2, 2), requested=9, n_mispredictions=9, n_excluded=0, n_filled_up=0, answers=answers
    )


def test_agreement_worked_out_by_hand() -> None:
    found = reader_agreement(
        {
            "one": [[consultation(a=(1, 2), b=(1,), c=())]],
            "two": [[consultation(a=(2, 3), b=(1,), c=())]],
            "three": [[consultation(a=(1, 2), b=None)]],
        }
    )
    assert found.images.tolist() == [[3, 3, 1], [3, 3, 1], [1, 1, 1]]
    # a: one cell in common of two each; b: the same; c: neither chose any, and says nothing
    assert found.dice[0, 1] == (0.5 + 1) / 2
    assert found.dice[0, 2] == 1.0
    # 12 cells, 3 yes of each, 10 the same: (10/12 - (1/16 + 9/16)) / (1 - 10/16)
    assert found.kappa[0, 1] == found.kappa[1, 0] == pytest.approx((10 / 12 - 10 / 16) / (6 / 16))
    assert found.answered_by_all == 1
    # a alone: votes 2, 3, 1, 0 of 3; half of all are yes
    assert found.fleiss == pytest.approx((2 / 3 - 1 / 2) / (1 / 2))


def test_only_the_same_question_is_compared() -> None:
    first, second = consultation(a=(1,)), consultation(b=(2,))
    found = reader_agreement({"one": [[first, second], [first]], "two": [[second, first], [first]]})
    assert found.images[0, 1] == 1  # a of the second run; elsewhere the consultations asked about other images
    nothing = reader_agreement({"one": [[first]], "two": [[second]]})
    assert nothing.answered_by_all == 0
    assert math.isnan(nothing.fleiss)
    assert math.isnan(nothing.dice[0, 1])
    with pytest.raises(ValueError, match="two readers at least"):
        reader_agreement({"one": [[first]]})


def test_components_worked_out_by_hand() -> None:
    # Readers differ by 2, seeds by 1 and 3 around their mean, nothing else.
    found = components(np.array([[0.0, 1.0, 5.0], [2.0, 3.0, 7.0]]))
    assert (found.reader, found.seed, found.residual) == pytest.approx((2.0, 7.0, 0.0))
    # One value moved by 6: residuals 1, 1, -2 and their negatives; 12 / 2 = 6.
    moved = components(np.array([[0.0, 1.0, 11.0], [2.0, 3.0, 7.0]]))
    assert moved.residual == pytest.approx(6.0)
    assert moved.reader == 0.0  # both readers' mean is 4: less scatter than the residual alone makes


def test_components_are_those_the_values_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, (300, 1)) + rng.normal(0, 2, (1, 300)) + rng.normal(0, 1, (300, 300))
    found = components(values)
    assert (found.reader, found.seed, found.residual) == pytest.approx((9, 4, 1), rel=0.2)


@pytest.mark.parametrize("values", [np.zeros((1, 5)), np.zeros((5, 1)), np.full((2, 2), np.nan), np.zeros(4)])
def test_too_little_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two of each at least"):
        components(values)
