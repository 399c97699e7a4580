"""`Progress`: what shows how a study gets on."""

from __future__ import annotations

import warnings


class Progress:
    """Shows nothing but warnings; a subclass shows what it likes. Called from the thread that runs the study.

    `imil_sim.cli.console` draws bars on a terminal, and prints lines in a log.
    """

    def count(self, what: str, done: int, total: int, note: str = "") -> None:
        """Show that so many of something are done: images loaded, entries checked, runs, epochs."""

    def say(self, line: str) -> None:
        """Show that a run has ended, and how."""

    def warn(self, message: str) -> None:
        """Say what may spoil the results, or is not as it was; a Python warning unless a subclass shows it."""
        warnings.warn(message, stacklevel=2)


QUIET = Progress()
"""For notebooks and tests."""
