"""Putting one question to one oracle, and believing the answer only after looking at it."""

from __future__ import annotations

import numpy as np

from imil_sim.errors import AwaitsAnswers, OracleFailure
from imil_sim.feedback.patience import within
from imil_sim.feedback.question import Feedback, Oracle, Question


def ask(oracle: Oracle, question: Question, rng: np.random.Generator, seconds: float | None = None) -> Feedback:
    """The oracle's answer, checked: about this image, and one cell of the grid for one cell of the answer.

    Args:
        oracle: whom to ask.
        question: what to ask.
        rng: all chance there is.
        seconds: how long to wait for the answer; none: for ever.

    Raises:
        AwaitsAnswers: it is a person who has not answered yet.
        OracleFailure: the oracle raised (its exception is the cause), took too long, or what it returned is not an
            answer.
    """
    name = type(oracle).__name__
    try:
        if seconds is None:
            feedback = oracle.answer(question, rng)
        else:
            feedback = within(seconds, lambda: oracle.answer(question, rng))
    except AwaitsAnswers:
        raise
    except TimeoutError as error:
        raise OracleFailure(
            f'oracle {name} gave no answer about image "{question.image_id}" within {seconds:g} seconds; mend it, or '
            "give it more time with oracle_seconds at the top of the study"
        ) from error
    except (Exception, SystemExit) as error:
        raise OracleFailure(
            f'oracle {name} failed on image "{question.image_id}": {type(error).__name__}: {error}'
        ) from error
    problem = fault(question, feedback)
    if problem:
        raise OracleFailure(f'oracle {name} gave no valid answer on image "{question.image_id}": {problem}')
    return feedback


def fault(question: Question, feedback: object) -> str:
    """What is wrong with ``feedback`` as an answer to ``question``; empty where nothing is."""
    if not isinstance(feedback, Feedback):
        return f"answer() must return a Feedback, not a {type(feedback).__name__}"
    if feedback.image_id != question.image_id:
        return f'the answer is about image "{feedback.image_id}"'
    texts: tuple[object, ...] = (feedback.reason, feedback.note)
    if not all(isinstance(text, str) for text in texts):
        return "reason and note must be text"
    if feedback.cells is None:
        return "" if feedback.reason else "it abstained without a reason; use Feedback.abstain(question, reason)"
    if feedback.reason:
        return "it gave cells and a reason to abstain; a remark on an answer goes into note"
    try:
        question.grid.check(feedback.cells)
    except ValueError as error:
        return str(error)
    return ""
