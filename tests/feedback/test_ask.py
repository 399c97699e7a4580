from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from imil_sim.errors import OracleError, OracleFailure
from imil_sim.feedback import Feedback, Grid, Question, ask
from imil_sim.testing import sample_questions

QUESTION = sample_questions(grids=[Grid(3, 5)])[0]
CELLS = np.eye(3, 5, dtype=np.bool_)


@dataclass(frozen=True)
class Scripted:
    says: Callable[[Question], object]

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return self.says(question)


def test_a_valid_answer_comes_back_as_it_is() -> None:
    given = Feedback(QUESTION.image_id, CELLS, note="a remark")
    assert ask(Scripted(lambda q: given), QUESTION, np.random.default_rng(0)) is given
    abstained = Feedback.abstain(QUESTION, "too dark")
    assert ask(Scripted(lambda q: abstained), QUESTION, np.random.default_rng(0)) is abstained


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (lambda q: CELLS, "must return a Feedback, not a ndarray"),
        (lambda q: None, "must return a Feedback, not a NoneType"),
        (lambda q: Feedback("another", CELLS), 'about image "another"'),
        (lambda q: Feedback(q.image_id, CELLS.T), r"shape \(3, 5\), not an array of bool of shape \(5, 3\)"),
        (lambda q: Feedback(q.image_id, CELLS.astype(float)), "not an array of float64"),
        (lambda q: Feedback(q.image_id, CELLS.tolist()), "not a list"),
        (lambda q: Feedback(q.image_id, None), "abstained without a reason"),
        (lambda q: Feedback(q.image_id, CELLS, reason="unsure"), "cells and a reason to abstain"),
        (lambda q: Feedback(q.image_id, CELLS, note=3), "must be text"),
    ],
)
def test_what_is_no_answer_is_refused(says: Callable[[Question], object], message: str) -> None:
    with pytest.raises(OracleFailure, match=message) as caught:
        ask(Scripted(says), QUESTION, np.random.default_rng(0))
    assert QUESTION.image_id in str(caught.value)
    assert "Scripted" in str(caught.value)


@pytest.mark.parametrize("error", [KeyError("lung"), OracleError("mask.png: is damaged")])
def test_an_oracle_that_raises_fails_with_its_own_words(error: Exception) -> None:
    def raises(question: Question) -> object:
        raise error

    with pytest.raises(OracleFailure, match=str(error)) as caught:
        ask(Scripted(raises), QUESTION, np.random.default_rng(0))
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 1


def test_the_oracle_sees_the_question_and_the_generator_it_was_handed() -> None:
    seen: list[object] = []

    @dataclass(frozen=True)
    class Witness:
        def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
            seen.extend((question, rng))
            return Feedback.abstain(question, "only looking")

    other, rng = dataclasses.replace(QUESTION, image_id="other"), np.random.default_rng(0)
    ask(Witness(), other, rng)
    assert seen[0] is other
    assert seen[1] is rng
