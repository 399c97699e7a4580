"""The tree of exceptions: everything imil-sim raises on purpose.

ImilSimError            the root; the command line prints its message and exits
├── UsageError          a wrong call, study or option                  exit 2
│   ├── StudyError      the study file is wrong
│   └── OracleError     an oracle is unknown, or its options are wrong
├── DataError           images, masks or tables that cannot be used    exit 2
├── RunError            one run failed; the others go on               exit 1
│   ├── NonFiniteLoss   training diverged
│   └── OracleFailure   an oracle raised, or answered in the wrong shape
└── StoreError          the store cannot be read or written            exit 2

Each message says what was asked, what was found, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ImilSimError(Exception):
    """The root of all errors raised on purpose; its text is one message for the user."""

    exit_code = 2


class UsageError(ImilSimError):
    """A wrong call, study file or option."""


class StudyError(UsageError):
    """A study file that cannot be read or does not make sense."""


class OracleError(UsageError):
    """An oracle that is unknown, claimed twice, or given wrong options."""


class DataError(ImilSimError):
    """Images, masks or tables that cannot be used; lists every faulty file at once."""


class RunError(ImilSimError):
    """One run failed; recorded with its reason while the other runs go on."""

    exit_code = 1


class NonFiniteLoss(RunError):
    """The training loss became infinite or not a number."""


class OracleFailure(RunError):
    """An oracle raised, or gave an answer that is not one."""


class StoreError(ImilSimError):
    """The store cannot be read or written."""


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """``Known: a, b, c. Did you mean "b"?`` for the end of a message; the question only where one is near."""
    names = sorted(known)
    near = difflib.get_close_matches(asked, names, n=1, cutoff=0.6)
    return f"Known: {', '.join(names)}." + (f' Did you mean "{near[0]}"?' if near else "")


def listed(problems: Iterable[str]) -> str:
    """All problems of one input as one message, a line each."""
    return "".join(f"\n  - {problem}" for problem in problems)
