"""Being told to stop, by Ctrl-C or by a batch system's SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within it SIGINT and SIGTERM raise `KeyboardInterrupt`, whatever the code they meet makes of that.

    Python raises in the middle of whatever runs, and compiled code may lose it: reading tensors answers with a
    `ValueError` about their shape. So what is raised after a signal counts as the interruption it comes from.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
