"""Waiting for an answer, but not for ever.

The answer is worked out in a thread of its own. One that runs in Python and does not come back is interrupted there;
one that is stuck outside of Python (a connection that nobody closes, a library that never returns) cannot be, and
stays behind, asleep, until the process ends. What an oracle writes or starts meanwhile is its own affair.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

INTERRUPTIONS = 5
"""How often a thread that does not come back is interrupted, in case it catches whatever is raised in it."""


class GivenUp(BaseException):
    """Raised in the thread that took too long; not an `Exception`, so that few would catch it."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work`` gives or raises.

    Raises:
        TimeoutError: it took longer.
    """
    outcome = _Outcome(work)
    thread = threading.Thread(target=outcome.come_about, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _interrupt(thread)
        raise TimeoutError
    return outcome.get()


class _Outcome(Generic[T]):
    """What a call gives or raises, once it has been made."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._given: list[T] = []
        self._error: BaseException | None = None

    def come_about(self) -> None:
        try:
            self._given.append(self._work())
        except BaseException as error:  # handed over to the thread that waits
            self._error = error

    def get(self) -> T:
        if self._error is not None:
            raise self._error
        return self._given[0]


def _interrupt(thread: threading.Thread) -> None:
    for _ in range(INTERRUPTIONS):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(GivenUp))
        thread.join(0.1)
        if not thread.is_alive():
            return
