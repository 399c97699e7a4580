from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from imil_sim.errors import AwaitsAnswers, OracleError, OracleFailure
from imil_sim.feedback import Feedback, Grid, Oracle, Question, ask, ask_together, make_oracle
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

    with pytest.raises(OracleFailure) as caught:
        ask(Scripted(raises), QUESTION, np.random.default_rng(0))
    words = "mask.png: is damaged" if isinstance(error, OracleError) else "KeyError: 'lung'"
    assert str(caught.value) == f'oracle Scripted failed on image "{QUESTION.image_id}": {words}'
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 1


def test_the_failure_of_an_oracle_inside_another_is_one_chain_of_installed_names(tmp_path: Path) -> None:
    (tmp_path / "ada-3x5.jsonl").write_text("{}\n")
    ada = {"oracle": "human", "options": {"reader": "ada", "folder": str(tmp_path)}}
    with pytest.raises(OracleFailure) as caught:
        ask(make_oracle("consensus", {"readers": ["lesions", ada]}), QUESTION, np.random.default_rng(0))
    words = str(caught.value)
    assert words.startswith('oracle "consensus" failed on ')
    assert ': oracle "human" failed on image ' in words
    assert not re.search("Consensus|Human|Error|Failure", words), words


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


# ------------------------------------------------------------------------------------------- a whole consultation

QUESTIONS = sample_questions(grids=[Grid(3, 5)])[:3]


@dataclass(frozen=True)
class Together(Scripted):
    """Sees all questions at once; answers with the number of them."""

    returns: Callable[[list[Feedback]], object] = list

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> Sequence[Feedback]:
        return self.returns([Feedback(q.image_id, CELLS, note=f"one of {len(questions)}") for q in questions])


def together(oracle: Oracle, questions: Sequence[Question] = QUESTIONS, **limits: float) -> list[str]:
    rngs = [np.random.default_rng(i) for i in range(len(questions))]
    return [feedback.note for feedback in ask_together(oracle, questions, rngs, **limits)]


def test_who_looks_at_all_questions_is_handed_all_of_them() -> None:
    assert together(Together(lambda q: None)) == ["one of 3"] * 3
    assert together(Together(lambda q: None), seconds=60) == ["one of 3"] * 3
    assert together(Together(lambda q: None), []) == []


def test_everybody_else_is_asked_one_by_one_with_the_generator_of_the_question() -> None:
    @dataclass(frozen=True)
    class Drawing:
        def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
            return Feedback(question.image_id, CELLS, note=str(rng.random()))

    assert together(Drawing()) == [str(np.random.default_rng(i).random()) for i in range(3)]


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (lambda answers: answers[:2], "one Feedback a question, in their order, not 2 answers"),
        (lambda answers: None, "not a NoneType"),
        (lambda answers: answers[::-1], "the answer is about image"),
        (lambda answers: [None] * 3, "must return a Feedback"),
    ],
)
def test_what_is_not_one_answer_a_question_is_refused(returns: Callable[..., object], message: str) -> None:
    with pytest.raises(OracleFailure, match=message):
        together(Together(lambda q: None, returns))


def test_all_are_asked_before_it_is_said_who_is_awaited() -> None:
    def waits(question: Question) -> Feedback:
        if question is QUESTIONS[1]:
            return Feedback(question.image_id, CELLS)
        raise AwaitsAnswers(f"image {question.image_id}")

    with pytest.raises(
        AwaitsAnswers, match=f"2 of 3 questions are not answered yet, the first: image {QUESTIONS[0].image_id}"
    ):
        together(Scripted(waits))


def test_the_time_for_a_consultation_is_that_of_its_answers() -> None:
    with pytest.raises(OracleFailure, match=r"no answer about the 3 images of a consultation.* within 0\.06 seconds"):
        together(Together(lambda q: None, lambda answers: time.sleep(30)), seconds=0.02)
