"""A signal stops the program, also where compiled code makes something else of the interruption."""

from __future__ import annotations

import os
import signal

import pytest

from imil_sim.cli.console import stopped_by_signals


def lose(number: signal.Signals) -> None:
    try:
        os.kill(os.getpid(), number)
    except KeyboardInterrupt:
        raise ValueError("could not determine the shape") from None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_turned_into_another_error_stays_one(number: signal.Signals) -> None:
    """As when tensors are read: the interruption is lost, and what it broke is reported in its place."""
    with pytest.raises(KeyboardInterrupt) as caught, stopped_by_signals():
        lose(number)
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_without_a_signal_is_that_error() -> None:
    with pytest.raises(ValueError, match="shape"), stopped_by_signals():
        raise ValueError("could not determine the shape")


def test_the_handlers_that_were_there_are_there_again() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stopped_by_signals():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
