"""A sitting: one person's answers to the questions of a consultation, each on disk before the next film shows.

The session is the only state. Every answer is read from it and written to it, so that several windows, several servers
and a crash at any moment leave one session, and nothing in it twice.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from imil_sim.annotate.asked import Asked, AskedFilm
from imil_sim.errors import UsageError
from imil_sim.feedback import Desk, Session, SessionAnswer, SessionError, standing_answer
from imil_sim.feedback.session import Header
from imil_sim.feedback.session_write import append_answer, line_of, write_header, write_session
from imil_sim.study.spec import Spec

MOST_REASON = 10_000
INSTRUCTIONS = (
    "The model gave a wrong class to this film and was sure of it. Choose the cells that matter for the true class; "
    "prefer a single connected region. All other cells will be blacked out in training. No cell chosen says that "
    "nothing on the film matters. Skip a film that you do not want to answer. If you like, say why: the model was "
    "focused on ... so I switched the focus towards ..."
)
"""What the reader is told; it stands on the page, and word by word in the session."""


class Given(Spec):
    """One answer as the reader gives it."""

    cells: tuple[int, ...] | None = Field(description="Numbers of the cells, ascending; null: the film is skipped.")
    reason: Annotated[str, StringConstraints(max_length=MOST_REASON)] = ""
    seconds: Annotated[float, Field(ge=0, le=10**7)] | None = None
    replaces: str | None = Field(None, description="Version of the answer that it replaces; null: there was none.")

    @model_validator(mode="after")
    def _cells_ascend(self) -> Given:
        if self.cells is not None and list(self.cells) != sorted(set(self.cells)):
            raise ValueError("cells must be ascending numbers, each once")
        return self


class Stale(Exception):
    """Another window answered meanwhile; nothing was written."""

    def __init__(self, there: SessionAnswer | None) -> None:
        super().__init__("answered meanwhile")
        self.there = there


def version(answer: SessionAnswer | None) -> str | None:
    """16 hex digits that no other answer has; None where there is no answer."""
    return None if answer is None else hashlib.sha256(line_of(answer)).hexdigest()[:16]


@dataclass(frozen=True)
class Sitting:
    """The desk of a reader with the questions of one consultation on it."""

    asked: Asked
    desk: Desk

    def __post_init__(self) -> None:
        _ = self.session()  # what is wrong with the desk is told before anybody answers

    @property
    def path(self) -> Path:
        """The session."""
        return self.desk.path(self.asked.grid)

    def session(self) -> Session | None:
        """The session as it stands; None where nothing has been answered.

        Raises:
            UsageError: it belongs to other classes, or answers about other pixels or labels of these films.
            OracleError: there is no such desk.
            SessionError: what lies there is no session.
        """
        session = self.desk.session(self.asked.grid)
        if session and session.header.class_names not in ((), self.asked.class_names):
            raise UsageError(
                f"{self.path} was recorded with the classes {', '.join(session.header.class_names)}, these questions "
                f"have {', '.join(self.asked.class_names)}; name another folder or reader in the study"
            )
        if session and (others := [film.image_id for film in self.asked.films if _is_of_another(session, film)]):
            raise UsageError(
                f"{self.path} holds answers about other pixels or another label of {len(others)} of these films, the "
                f'first "{others[0]}"; they are kept: name another folder or reader in the study'
            )
        return session

    def answers(self) -> tuple[SessionAnswer | None, ...]:
        """What the oracle would find now, film by film; None where it would still wait."""
        session = self.session()
        return tuple(self._standing(session, film) for film in self.asked.films)

    def save(self, number: int, given: Given) -> SessionAnswer:
        """The answer to the question with that index, on disk when this returns.

        The same answer given twice is one answer.

        Raises:
            Stale: what it is to replace is not what is there.
            SessionError: it cannot be written; the session is as it was.
            UsageError: a cell lies outside the grid; or as `session`.
        """
        film, most = self.asked.films[number], self.asked.grid.rows * self.asked.grid.cols
        if given.cells and not 1 <= given.cells[0] <= given.cells[-1] <= most:
            raise UsageError(f"cells are numbers from 1 to {most}, not {given.cells[0]} to {given.cells[-1]}")
        with _alone(self.desk.place):
            session = self._begun()
            there = self._standing(session, film)
            if version(there) != given.replaces:
                if there is not None and _says(there) == (given.cells, given.reason):
                    return there
                raise Stale(there)
            return self._write(session, film, given, there)

    def _standing(self, session: Session | None, film: AskedFilm) -> SessionAnswer | None:
        found = standing_answer(session, film.image_id, film.cam_sha256) if session else None
        # An answer that does not say about which pixels is none; the oracle would name it and end the run.
        return found if found and (found.image_sha256, found.label) == (film.image_sha256, film.label) else None

    def _begun(self) -> Session:
        """The session with this consultation in its header."""
        asked, session = self.asked, self.session()
        if session is None:
            header = Header(
                reader=self.desk.reader,
                date=datetime.date.today(),
                set_name=asked.set_name,
                set_fingerprint=asked.set_fingerprint,
                film_size=(asked.films[0].film.shape[0], asked.films[0].film.shape[1]),
                class_names=asked.class_names,
                grid=asked.grid.shape,
                states=(asked.state,),
                instructions=INSTRUCTIONS,
                source="imil-sim annotate",
            )
            write_header(self.path, header)
            return Session(header)
        if changed := self._changed(session):
            session = Session(session.header.model_copy(update=changed), session.answers)
            write_session(self.path, session)
        return session

    def _changed(self, session: Session) -> dict[str, object]:
        """What these questions make of an older header: one state more, and unknown where it says something else."""
        asked, header, changed = self.asked, session.header, dict[str, object]()
        if asked.state not in header.states and (header.states or not session.answers):
            changed["states"] = (*header.states, asked.state)
        if header.set_fingerprint not in (None, asked.set_fingerprint):
            changed["set_fingerprint"] = None
        if header.set_name not in ("", asked.set_name):
            changed["set_name"] = ""
        if header.film_size not in (None, asked.films[0].film.shape):
            changed["film_size"] = None
        return changed

    def _write(self, session: Session, film: AskedFilm, given: Given, there: SessionAnswer | None) -> SessionAnswer:
        consultation = self._consultation(session)
        answer = SessionAnswer(
            order=max((other.order for other in session.answers), default=0) + 1,
            consultation=consultation,
            image_id=film.image_id,
            image_sha256=film.image_sha256,
            label=film.label,
            predicted=film.predicted,
            confidence=film.confidence,
            cam_sha256=film.cam_sha256,
            abstained=given.cells is None,
            cells=given.cells,
            reason=given.reason,
            seconds=given.seconds,
        )
        old = [other for other in session.about(film.image_id) if other.consultation == consultation]
        if not old:
            append_answer(self.path, answer)
        else:
            kept = tuple(other for other in session.answers if other not in old)
            write_session(self.path, Session(session.header, (*kept, answer)))
        return answer

    def _consultation(self, session: Session) -> int:
        """Which consultation of the session this is, from 1."""
        states = session.header.states
        if self.asked.state in states:
            return states.index(self.asked.state) + 1
        return max((answer.consultation for answer in session.answers), default=1)


def _is_of_another(session: Session, film: AskedFilm) -> bool:
    """Whether an answer about the film is known to be about other pixels, or another label."""
    return any(
        answer.image_sha256 not in (None, film.image_sha256) or answer.label not in (None, film.label)
        for answer in session.about(film.image_id)
    )


def _says(answer: SessionAnswer) -> tuple[tuple[int, ...] | None, str]:
    return answer.cells, answer.reason


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Within it nobody else saves into the folder: two servers may serve one reader."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SessionError(f"{folder} cannot be opened: {error.strerror}; the answer was not kept") from error
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
