"""A person's folder: the folder where the answers of one reader lie, one session for each grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from imil_sim.errors import DataError, OracleError, SessionError
from imil_sim.feedback.grid import Grid
from imil_sim.sessions.read import read_session
from imil_sim.sessions.session import Session, SessionAnswer
from imil_sim.study.paths import resolve

READER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"


@dataclass(frozen=True)
class SessionFolder:
    """Who answers, and where the answers are written; `imil-sim annotate` writes there, the oracle `human` reads."""

    reader: str
    """Name of the person: letters, digits, ``_`` and ``-``."""
    folder: str
    """As the study writes it: an absolute path, or one relative to IMIL_SIM_DATA or to the current folder."""

    def __post_init__(self) -> None:
        if not re.fullmatch(READER_PATTERN, self.reader):
            raise ValueError(f"reader is a name of letters, digits, _ and -, 63 at most, not {self.reader!r}")

    @property
    def place(self) -> Path:
        """The folder.

        Raises:
            OracleError: it is not there, or is a file.
        """
        try:
            place = resolve(self.folder, None)
        except DataError as error:
            raise OracleError(f"the answers of {self.reader}: folder {error}") from error
        if not place.is_dir():
            raise OracleError(
                f'the answers of {self.reader}: "{self.folder}" is a file; name the folder that is to hold the answers'
            )
        return place

    def name(self, grid: Grid) -> str:
        """The session's file as the study names it, the same text on every machine: ``FOLDER/READER-4x4.jsonl``."""
        return f"{self.folder.rstrip('/')}/{self._file(grid)}"

    def path(self, grid: Grid) -> Path:
        """The session's file, whether it is there yet or not.

        Raises:
            OracleError: as `place`.
        """
        return self.place / self._file(grid)

    def session(self, grid: Grid) -> Session | None:
        """What the reader has answered on that grid; None where nobody has begun.

        Raises:
            OracleError: as `place`; or the session there was recorded on another grid than its name says.
            SessionError: what lies there is no session, or a link that leads nowhere.
        """
        path = self.path(grid)
        try:
            if not path.stat().st_size:  # somebody was killed before the first line
                return None
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.is_symlink():
                return None
            raise SessionError(
                f"session {path} cannot be read: {error.strerror}; if it is a link, bring back the file that it leads "
                "to, or remove the link to begin a new session"
            ) from error
        session = read_session(path)
        if session.grid != grid:
            raise OracleError(
                f"{self.name(grid)}, line 1: was recorded on a grid of {session.grid.rows} x {session.grid.cols}; "
                "rename the file after its grid"
            )
        return session

    def _file(self, grid: Grid) -> str:
        return f"{self.reader}-{grid.rows}x{grid.cols}.jsonl"


def standing_answer(
    session: Session, image_id: str, cam_sha256: str | None, consultation: int | None = None
) -> SessionAnswer | None:
    """The answer about an image that holds before that heat-map (None: unknown); None where there is none.

    Of several, from several consultations, the one given before the very same heat-map; of several such the one of
    that ``consultation``, where it is given, else the last of them; where there is no such heat-map, the last of all.
    """
    answers = session.about(image_id)
    same = [answer for answer in answers if answer.cam_sha256 == cam_sha256]
    then = [answer for answer in same if answer.consultation == consultation]
    return max(then or same or answers, key=lambda answer: (answer.consultation, answer.order), default=None)
