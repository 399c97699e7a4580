"""Putting questions to an oracle, and checking every answer before it is used."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import numpy as np

from imil_sim import registry
from imil_sim.errors import AwaitsAnswers, ImilSimError, OracleFailure
from imil_sim.feedback.question import ConsultationOracle, Feedback, Oracle, Question

T = TypeVar("T")

INTERRUPTIONS = 5
"""How often a thread that does not come back is interrupted, in case it catches whatever is raised in it."""


def ask(oracle: Oracle, question: Question, rng: np.random.Generator, seconds: float | None = None) -> Feedback:
    """The oracle's answer, checked: about this image, and one cell of the grid for one cell of the answer.

    Args:
        oracle: which oracle answers.
        question: what to ask.
        rng: all chance there is.
        seconds: how long to wait for the answer; none: for ever.

    Raises:
        AwaitsAnswers: it is a person who has not answered yet.
        OracleFailure: the oracle raised (its exception is the cause), took too long, or what it returned is not an
            answer.
    """
    about = f'image "{question.image_id}"'
    return _checked(oracle, question, _given(oracle, about, lambda: oracle.answer(question, rng), seconds))


def ask_together(
    oracle: Oracle, questions: Sequence[Question], rngs: Sequence[np.random.Generator], seconds: float | None = None
) -> tuple[Feedback, ...]:
    """The oracle's answers to the questions of one consultation, in their order, each checked as `ask` does.

    A `ConsultationOracle` is handed all of them at once, every other one by one.

    Args:
        oracle: which oracle answers.
        questions: those of one consultation.
        rngs: all chance there is, one generator a question.
        seconds: how long to wait for each answer; none: for ever.

    Raises:
        AwaitsAnswers: a person has not answered all of them yet; all were asked.
        OracleFailure: as `ask`; or there is not one answer a question.
    """
    if questions and isinstance(oracle, ConsultationOracle):
        return _asked_at_once(oracle, questions, rngs, seconds)
    answers: list[Feedback] = []
    awaited: list[str] = []
    for question, rng in zip(questions, rngs, strict=True):
        try:
            answers.append(ask(oracle, question, rng, seconds))
        except AwaitsAnswers as error:
            awaited.append(str(error))
    if awaited:
        raise AwaitsAnswers(
            f"{len(awaited)} of {len(questions)} questions are not answered yet, the first: {awaited[0]}"
        )
    return tuple(answers)


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; it runs in a thread of its own.

    A thread that runs Python code and does not come back is interrupted. One that is stuck outside of Python (a
    connection that nobody closes) cannot be, and stays behind, asleep, until the process ends.

    Raises:
        TimeoutError: it took longer.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # handed over to the thread that waits
            outcome.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return outcome.result()
    for _ in range(INTERRUPTIONS):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Interrupted))
        thread.join(0.1)
        if not thread.is_alive():
            break
    raise TimeoutError


class Interrupted(BaseException):
    """Raised in the thread that took too long; not an `Exception`, so that few would catch it."""


def _asked_at_once(
    oracle: ConsultationOracle,
    questions: Sequence[Question],
    rngs: Sequence[np.random.Generator],
    seconds: float | None,
) -> tuple[Feedback, ...]:
    about = f'the {len(questions)} images of a consultation, the first "{questions[0].image_id}"'
    timeout = None if seconds is None else seconds * len(questions)
    given: object = _given(oracle, about, lambda: oracle.answer_all(tuple(questions), tuple(rngs)), timeout)
    if not isinstance(given, Sequence) or len(given) != len(questions):
        count = f"{len(given)} answers" if isinstance(given, Sequence) else f"a {type(given).__name__}"
        raise OracleFailure(
            f"{_called(oracle)} gave no valid answer on {about}: answer_all() must return one Feedback a question, in "
            f"their order, not {count}"
        )
    return tuple(_checked(oracle, question, feedback) for question, feedback in zip(questions, given, strict=True))


def _given(oracle: Oracle, about: str, work: Callable[[], T], seconds: float | None) -> T:
    try:
        return work() if seconds is None else within(seconds, work)
    except AwaitsAnswers:
        raise
    except TimeoutError as error:
        raise OracleFailure(
            f"{_called(oracle)} gave no answer about {about} within {seconds:g} seconds; mend it, or "
            "give it more time with oracle_seconds at the top of the study"
        ) from error
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, ImilSimError) else f"{type(error).__name__}: "  # our errors speak for themselves
        raise OracleFailure(f"{_called(oracle)} failed on {about}: {kind}{error}") from error


def _called(oracle: Oracle) -> str:
    name = registry.name_of("oracles", type(oracle))
    return f'oracle "{name}"' if name else f"oracle {type(oracle).__name__}"


def _checked(oracle: Oracle, question: Question, feedback: Feedback) -> Feedback:
    if problem := _fault(question, feedback):
        raise OracleFailure(f'{_called(oracle)} gave no valid answer on image "{question.image_id}": {problem}')
    return feedback


def _fault(question: Question, feedback: object) -> str:
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
