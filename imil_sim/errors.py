"""The tree of exceptions: everything imil-sim raises on purpose.

ImilSimError            the root; the command line prints its message and exits
├── UsageError          a wrong call, study or option                  exit 2
│   ├── StudyError      the study file is wrong
│   ├── PartError       a part (oracle, model, metric, ...) is unknown, claimed twice or broken
│   └── OracleError     an oracle is unknown, or its options are wrong
├── DataError           images, masks or tables that cannot be used    exit 2
│   ├── MissingData     what a study names is not on this machine
│   └── SessionError    recorded or imported answers that cannot be used
├── RunError            one run failed; the others go on               exit 1
│   ├── NonFiniteLoss   training diverged
│   ├── OracleFailure   an oracle raised, or answered in the wrong shape
│   ├── OutOfMemory     a step did not fit, several times
│   ├── WorkerLost      the process that carried out a step died, several times
│   └── AwaitsAnswers   a person has not answered yet; the run waits       exit 3
├── StoreError          the store cannot be read or written            exit 2
└── ClusterError        the Dask cluster has gone, or cannot be used   exit 2

Each message says what was asked, what was found, and what to do.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


class ImilSimError(Exception):
    """The root of all errors raised on purpose; its text is one message for the user."""

    exit_code = 2


class UsageError(ImilSimError):
    """A wrong call, study file or option."""


class StudyError(UsageError):
    """A study file that cannot be read or does not make sense."""


class PartError(UsageError):
    """A part that is unknown, claimed twice, or cannot be imported; see `imil_sim.registry`."""

    def __init__(self, message: str, kind: str, name: str) -> None:
        super().__init__(message)
        self.kind, self.name = kind, name


class OracleError(UsageError):
    """An oracle that is unknown, claimed twice, or given wrong options."""

    def __init__(self, message: str, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        """What is wrong with each of its options."""


class DataError(ImilSimError):
    """Images, masks or tables that cannot be used; lists every faulty file at once."""


class MissingData(DataError):
    """A file or folder that a study names is not on this machine."""


class SessionError(DataError):
    """A recorded session, or a file to import one from, that cannot be used; names the lines."""


class RunError(ImilSimError):
    """One run failed; recorded with its reason while the other runs go on."""

    exit_code = 1


class NonFiniteLoss(RunError):
    """The training loss became infinite or not a number."""


class OracleFailure(RunError):
    """An oracle raised, or gave an answer that is not one."""


class OutOfMemory(RunError):
    """A step did not fit into memory, however often it was tried."""


class WorkerLost(RunError):
    """The process that carried out a step died, however often it was tried."""


class AwaitsAnswers(RunError):
    """A person has not answered yet: the run waits, the questions lie on disk, the other runs go on."""

    exit_code = 3

    def __init__(self, message: str, questions: str = "") -> None:
        super().__init__(message)
        self.questions = questions
        """Entry of the store that holds them, ``questions/KEY``; empty while nobody has put them there."""


class StoreError(ImilSimError):
    """The store cannot be read or written."""


class ClusterError(ImilSimError):
    """The Dask cluster has gone, or cannot be used."""


MOST_LISTED = 20
"""Of more names than this a message lists only the near ones."""
NEAR, MEANT = 0.6, 0.65
"""Likeness (difflib's ratio) from which on a name is listed among the near ones, and is asked about."""


def did_you_mean(asked: str, known: Iterable[str], otherwise: str = "") -> str:
    """``Known: a, b, c. Did you mean "b"?`` for the end of a message; the question only where one is near.

    Args:
        asked: the name that is not known.
        known: those that are.
        otherwise: what to do where none is near: a sentence that stands in place of the question.

    >>> did_you_mean("lesion", ["all-cells", "lesions"])
    'Known: all-cells, lesions. Did you mean "lesions"?'
    >>> did_you_mean("role", ["folder", "reader"], "Leave it out.")
    'Known: folder, reader. Leave it out.'
    """
    names = sorted(known)
    if not names:
        return "None is known."
    near = difflib.get_close_matches(asked, names, n=5, cutoff=NEAR)
    if len(names) <= MOST_LISTED:
        found = f"Known: {', '.join(names)}."
    else:
        found = (
            f"Of {len(names)} known names near ones are: {', '.join(near)}." if near else f"Known: {len(names)} names."
        )
    if difflib.get_close_matches(asked, near[:1], cutoff=MEANT):
        return f'{found} Did you mean "{near[0]}"?'
    return f"{found} {otherwise}".rstrip()


def shown(text: str) -> str:
    r"""The text as a line that a terminal, or the header of a session, may have: what would steer it is spelled out.

    Any kind of space stays: screenshots have a narrow no-break space in their names on some systems.

    >>> shown("a\x1b[31mb\n\u202ec é\u00a0d")
    'a\\x1b[31mb\\n\\u202ec é\xa0d'
    """
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"  # any kind of space
        else character.encode("unicode_escape").decode()
        for character in text
    )


def several(count: int, one: str, many: str = "") -> str:
    """How many there are of something; ``many`` where that is not ``one`` with an s.

    >>> several(1, "image"), several(2, "image"), several(0, "image is", "images are")
    ('1 image', '2 images', '0 images are')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(problems: Iterable[str]) -> str:
    """All problems of one input as one message, a line each."""
    return "".join(f"\n  - {problem}" for problem in problems)


def gathered(problems: Iterable[tuple[str, str]]) -> list[str]:
    """Lines ``place, place: what is wrong``, each wrong said once, from (place, what is wrong) in any number.

    >>> gathered([("arms.a", "too late"), ("seeds", "none"), ("arms.b", "too late"), ("arms.a", "too late")])
    ['arms.a, arms.b: too late', 'seeds: none']
    """
    places: dict[str, dict[str, None]] = {}
    for place, wrong in problems:
        places.setdefault(wrong, {})[place] = None
    return [f"{', '.join(at)}: {wrong}" for wrong, at in places.items()]
