"""An annotation session: a person's answers to the questions of a consultation, each on disk before the next image.

The session file is the only state. Every answer is read from it and written to it, so that several windows, several
servers and a crash at any moment leave one session, and nothing in it twice.

What was chosen and not saved yet, a draft, is kept in a file beside the session, so that a server that ends takes
nothing along. It is not kept in the browser: a page of the next start has another address, and storage of a browser
goes by address.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from imil_sim.annotate.questions import AskedImage, Questions
from imil_sim.errors import SessionError, UsageError, listed
from imil_sim.io import replace_file
from imil_sim.sessions import Session, SessionAnswer, SessionFolder, standing_answer
from imil_sim.sessions.files import append_answer, line_of, write_session
from imil_sim.sessions.session import MOST_INSTRUCTIONS, MOST_REASON, Header, ImageId, Sha256
from imil_sim.sessions.untrusted import read_untrusted
from imil_sim.study.spec import Spec, lines

MOST_DRAFTS = 64
"""Of a session; the oldest go first."""

_BRING_BACK = (
    "Was the folder unmounted, moved or emptied? Bring it back and save again. To begin a new session in the "
    "folder that is there now, end imil-sim annotate and run it again."
)


class Given(Spec):
    """One answer as the reader gives it, or has not finished it."""

    cells: tuple[int, ...] | None = Field(description="Numbers of the cells, ascending; null: the image is skipped.")
    reason: Annotated[str, StringConstraints(max_length=MOST_REASON)] = ""
    seconds: Annotated[float, Field(ge=0, le=10**7)] | None = None
    replaces: str | None = Field(None, description="Version of the answer that it replaces; null: there was none.")

    @model_validator(mode="after")
    def _cells_ascend(self) -> Given:
        if self.cells is not None and list(self.cells) != sorted(set(self.cells)):
            raise ValueError("cells must be ascending numbers, each once")
        return self


class _Draft(Spec):
    """What was chosen on one image, before one heat map."""

    image_id: ImageId
    cam_sha256: Sha256
    given: Given


class _Drafts(Spec):
    format: Literal["imil-sim drafts"] = "imil-sim drafts"
    version: Literal[1] = 1
    drafts: tuple[_Draft, ...] = ()
    """The one that was changed last at the end."""


class Stale(Exception):
    """Another window answered meanwhile; nothing was written."""

    def __init__(self, there: SessionAnswer | None) -> None:
        super().__init__("answered meanwhile")
        self.there = there


def version(answer: SessionAnswer | None) -> str | None:
    """16 hex digits that no other answer has; None where there is no answer."""
    return None if answer is None else hashlib.sha256(line_of(answer)).hexdigest()[:16]


@dataclass
class AnnotationSession:
    """The annotation session of one reader, with the questions of one consultation."""

    questions: Questions
    folder: SessionFolder
    role: str = ""
    """What the reader is: radiologist, resident, ...; empty: unknown."""
    path: Path = field(init=False)
    """The session."""
    _folder: os.stat_result = field(init=False, repr=False)
    """The folder of answers at the start; another one in its place gets no new session."""
    _is_begun: bool = field(init=False, default=False, repr=False)
    """Whether the session was there once; it is not begun a second time."""

    def __post_init__(self) -> None:
        self.path = self.folder.path(self.questions.grid)
        self._folder = self.path.parent.stat()
        _ = self._header(), self.session()  # what is wrong is said before anybody answers

    def session(self) -> Session | None:
        """The session as it stands; None where nothing has been answered.

        Raises:
            UsageError: it belongs to another role, other classes or another image set, or answers about other pixels or
                labels of these images.
            SessionError: what lies there is no session; or the session or its folder is gone.
        """
        session = self._found()
        if session and (misfit := self._misfit(session)):
            raise UsageError(f"{self.path} {misfit}")
        return session

    def _misfit(self, session: Session) -> str:
        """Why these questions cannot be answered in that session; empty where they can."""
        header, sheet, images = session.header, self.questions.sheet, self.questions.images
        if self.role and header.role not in ("", self.role):
            return (
                f'is the session of a reader whose role is "{header.role}", not "{self.role}"; leave --role out to go '
                "on with it, or name another folder or reader in the study"
            )
        if header.class_names not in ((), sheet.class_names):
            return (
                f"was recorded with the classes {', '.join(header.class_names)}, these questions have "
                f"{', '.join(sheet.class_names)}; name another folder or reader in the study"
            )
        another_size = header.film_size not in (None, images[0].image.shape)
        if another_size or header.set_fingerprint not in (None, sheet.set.fingerprint):
            return (
                "holds answers about another image set, or about images of another size, than these questions (image "
                f'set "{sheet.set.name}"); they are kept: name another reader or folder in the study'
            )
        if others := [image.image_id for image in images if _is_of_another(session, image)]:
            return (
                f"holds answers about other pixels or another label of {len(others)} of these images, the first "
                f'"{others[0]}"; they are kept: name another folder or reader in the study'
            )
        return ""

    def _found(self) -> Session | None:
        try:
            folder = self.path.parent.stat()
        except OSError as error:
            raise self._gone(error) from error
        session = self.folder.session(self.questions.grid)
        if session is None and (self._is_begun or not os.path.samestat(folder, self._folder)):
            found = "session is gone" if self._is_begun else "folder is another one than at the start"
            raise SessionError(f"{self.path}: the {found}. {_BRING_BACK}")
        self._is_begun = session is not None
        return session

    def _gone(self, error: OSError) -> SessionError:
        return SessionError(f"the folder {self.path.parent} cannot be opened: {error.strerror}. {_BRING_BACK}")

    def warnings(self) -> tuple[str, ...]:
        """What the reader should know of the session before going on with it."""
        session = self.session()
        if session:
            return session.warnings
        if self.path.exists():
            return (f"session {self.path} is empty, its writer was stopped before the first line; it is begun anew",)
        return ()

    def answers(self) -> tuple[SessionAnswer | None, ...]:
        """What the oracle would find now, image by image; None where it would still wait."""
        session = self.session()
        return tuple(self._standing(session, image) for image in self.questions.images)

    def save(self, number: int, given: Given) -> SessionAnswer:
        """The answer to the question with that index, on disk when this returns.

        The same answer given twice is one answer.

        Raises:
            Stale: what it is to replace is not what is there.
            SessionError: it cannot be written; the session is as it was.
            UsageError: a cell lies outside the grid; or as `session`.
        """
        image = self._asked_for(number, given)
        with self._alone():
            session = self._begun()
            there = self._standing(session, image)
            if version(there) == given.replaces:
                there = self._write(session, image, given)
            elif there is None or (there.cells, there.reason) != (given.cells, given.reason):
                raise Stale(there)
            with suppress(SessionError):  # the answer is on disk; a draft that stays belongs to another version of it
                self._put_draft(image, None)
            return there

    def drafts(self) -> tuple[Given | None, ...]:
        """What was chosen and not saved, image by image; a draft that cannot be read is none."""
        found = {(draft.image_id, draft.cam_sha256): draft.given for draft in self._read_drafts()}
        return tuple(found.get((image.image_id, image.cam_sha256)) for image in self.questions.images)

    def keep_draft(self, number: int, given: Given) -> bool:
        """Keep what was chosen and not saved, in place of what was kept before; without cells nothing is.

        Gives whether it was kept: a draft that was begun on another answer than the one that is there is not, lest one
        that arrives late outlives the answer that it became.

        Raises:
            SessionError: it cannot be written.
            UsageError: a cell lies outside the grid; or as `session`.
        """
        image = self._asked_for(number, given)
        with self._alone():
            if version(self._standing(self.session(), image)) != given.replaces:
                return False
            self._put_draft(image, None if given.cells is None else given)
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Within it nobody else saves into the folder: two servers may serve one reader."""
        try:
            opened = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._gone(error) from error
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)

    @property
    def _drafts(self) -> Path:
        return self.path.with_name(f".{self.path.stem}.drafts.json")

    def _read_drafts(self) -> tuple[_Draft, ...]:
        """None where the file cannot be read: a draft is a convenience, and keeps nobody from answering."""
        try:
            return _Drafts.model_validate_json(read_untrusted(self._drafts), strict=True).drafts
        except (SessionError, ValidationError):
            return ()

    def _put_draft(self, image: AskedImage, given: Given | None) -> None:
        """Have that draft, or none, for the image; without any draft the file is gone."""
        about, drafts = (image.image_id, image.cam_sha256), self._read_drafts()
        kept = [draft for draft in drafts if (draft.image_id, draft.cam_sha256) != about]
        if given is not None:
            kept.append(_Draft(image_id=image.image_id, cam_sha256=image.cam_sha256, given=given))
        if kept == list(drafts):
            return
        try:
            if kept:
                content = _Drafts(drafts=tuple(kept[-MOST_DRAFTS:])).model_dump_json().encode()
                replace_file(self._drafts, content)  # a draft outlives this process, not a loss of power
            else:
                self._drafts.unlink(missing_ok=True)
        except OSError as error:
            why = f"{self._drafts} cannot be written: {error.strerror}; what was not saved is not kept"
            raise SessionError(why) from error

    def _asked_for(self, number: int, given: Given) -> AskedImage:
        """The image with that index, once the cells are known to lie on its grid."""
        most = self.questions.grid.rows * self.questions.grid.cols
        if given.cells and not 1 <= given.cells[0] <= given.cells[-1] <= most:
            raise UsageError(f"cells are numbers from 1 to {most}, not {given.cells[0]} to {given.cells[-1]}")
        return self.questions.images[number]

    def _standing(self, session: Session | None, image: AskedImage) -> SessionAnswer | None:
        found = standing_answer(session, image.image_id, image.cam_sha256) if session else None
        # An answer that does not say about which pixels is none; the oracle would name it and end the run.
        return found if found and (found.image_sha256, found.label) == (image.image_sha256, image.label) else None

    def _header(self) -> Header:
        """Of a session that is begun now.

        Raises:
            UsageError: the role, or a name that the questions give, cannot stand in a session.
        """
        sheet, image = self.questions.sheet, self.questions.images[0].image
        try:
            return Header(
                reader=self.folder.reader,
                role=self.role,
                date=datetime.date.today(),
                set_name=sheet.set.name,
                set_fingerprint=sheet.set.fingerprint,
                film_size=(image.shape[0], image.shape[1]),
                class_names=sheet.class_names,
                grid=sheet.grid,
                states=(sheet.state,),
                instructions=self.questions.instructions,
                source="imil-sim annotate",
            )
        except ValidationError as error:
            raise UsageError(f"the session of {self.folder.reader} cannot be begun:{listed(lines(error))}") from error

    def _begun(self) -> Session:
        """The session with this consultation in its header."""
        session = self.session()
        if session is None:
            header = self._header()
            write_session(self.path, Session(header), new=True)
            self._is_begun = True
            return Session(header)
        if changed := self._changed(session):
            session = Session(session.header.model_copy(update=changed), session.answers)
            write_session(self.path, session)
        return session

    def _changed(self, session: Session) -> dict[str, object]:
        """What changes in an older header: a state and a role more; the name of the set is unknown where it differs."""
        sheet, header, changed = self.questions.sheet, session.header, dict[str, object]()
        if (text := self.questions.instructions) not in header.instructions:
            changed["instructions"] = f"{header.instructions}\n\n{text}".strip()[:MOST_INSTRUCTIONS]
        if self.role and not header.role:
            changed["role"] = self.role
        if sheet.state not in header.states and (header.states or not session.answers):
            changed["states"] = (*header.states, sheet.state)
        if header.set_name not in ("", sheet.set.name):
            changed["set_name"] = ""
        return changed

    def _write(self, session: Session, image: AskedImage, given: Given) -> SessionAnswer:
        consultation = self._consultation(session)
        answer = SessionAnswer(
            order=max((other.order for other in session.answers), default=0) + 1,
            consultation=consultation,
            image_id=image.image_id,
            image_sha256=image.image_sha256,
            label=image.label,
            predicted=image.predicted,
            confidence=image.confidence,
            cam_sha256=image.cam_sha256,
            abstained=given.cells is None,
            cells=given.cells,
            reason=given.reason,
            seconds=given.seconds,
        )
        old = [other for other in session.about(image.image_id) if other.consultation == consultation]
        if not old:
            append_answer(self.path, answer)
        else:
            kept = tuple(other for other in session.answers if other not in old)
            write_session(self.path, Session(session.header, (*kept, answer)))
        return answer

    def _consultation(self, session: Session) -> int:
        """Which consultation of the session this is, from 1."""
        states = session.header.states
        if self.questions.sheet.state in states:
            return states.index(self.questions.sheet.state) + 1
        return max((answer.consultation for answer in session.answers), default=1)


def _is_of_another(session: Session, image: AskedImage) -> bool:
    """Whether an answer about the image is known to be about other pixels, or another label."""
    return any(
        answer.image_sha256 not in (None, image.image_sha256) or answer.label not in (None, image.label)
        for answer in session.about(image.image_id)
    )
