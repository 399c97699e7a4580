from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from imil_sim.errors import AwaitsAnswers, OracleFailure
from imil_sim.feedback import Feedback, Question, ask
from imil_sim.feedback.ask import within
from imil_sim.testing import sample_questions

QUESTION = sample_questions()[0]


def test_what_comes_in_time_is_given_and_what_is_raised_is_raised() -> None:
    assert within(60, lambda: 7) == 7
    assert within(60, lambda: None) is None
    with pytest.raises(KeyError, match="lung"):
        within(60, lambda: {}["lung"])
    with pytest.raises(SystemExit):
        within(60, lambda: (_ for _ in ()).throw(SystemExit))


def test_what_runs_on_in_python_is_interrupted() -> None:
    """Also where it catches whatever an ordinary program catches."""
    stopped = threading.Event()

    def spin() -> None:
        try:
            while True:
                try:
                    while True:
                        pass
                except Exception:
                    pass
        finally:
            stopped.set()

    before = threading.active_count()
    with pytest.raises(TimeoutError):
        within(0.05, spin)
    assert stopped.wait(30)
    assert threading.active_count() == before


def test_what_is_stuck_outside_of_python_is_left_behind() -> None:
    released = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.05, lambda: released.wait())
    assert time.monotonic() - began < 30
    released.set()


class Slow:
    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        time.sleep(0.3)
        return Feedback.abstain(question, "too late")


class Away:
    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        raise AwaitsAnswers("tomorrow")


class Leaves:
    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        raise SystemExit("enough")


def test_an_oracle_is_given_so_many_seconds_and_may_ask_for_more_of_them() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(OracleFailure, match=r"oracle Slow gave no answer .* within 0\.05 seconds; .*oracle_seconds"):
        ask(Slow(), QUESTION, rng, 0.05)
    assert ask(Slow(), QUESTION, rng, 60).reason == ask(Slow(), QUESTION, rng).reason == "too late"


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_a_person_who_is_away_is_no_failure_and_an_oracle_that_ends_the_program_is_one(seconds: float | None) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(AwaitsAnswers, match="tomorrow"):
        ask(Away(), QUESTION, rng, seconds)
    with pytest.raises(OracleFailure, match=r"oracle Leaves failed .*SystemExit: enough"):
        ask(Leaves(), QUESTION, rng, seconds)
