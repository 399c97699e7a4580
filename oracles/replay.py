"""A recorded session, replayed: the same image gets the answer that its reader once gave.

What it simulates: the reader of the session, a person or another oracle, reading again.
What it may know: the recorded answer about the image, and nothing else.
What it needs: `session`, a session file (docs/sessions.md): an absolute path, or one relative to IMIL_SIM_DATA or to
the current folder. `imil-sim run` writes one for every run of a study with `record = true`; `imil-sim import` makes one
from outlines that were drawn with another program.
Options beside that:
`strict` (true): the image's pixels, its label and the grid must be those of the record, and all images of the session
must be in the set; anything else ends the study before it trains. With `strict = false` an image is known by its id.
Recorded cells are then re-cut to another grid by area, and what was drawn is laid under the grid itself; a cell is
chosen where at least `threshold` of it is covered, and the best-covered always.
`missing`, what to do about an image that the session has no answer about: "fail" ends the run; "skip" abstains;
"fallback" asks the oracle named in `fallback`; "restrict" keeps such images from being asked about at all, so that the
outliers are the surest mispredictions among the recorded images.
An image that was answered at several consultations gets the answer given before the very same heat-map (of several such
the one of the same consultation, else the last), and where there is none, the last one. An abstention is an answer, and
stays one.
Where it is wrong: the reader saw another model's heat-map and prediction, unless the run is the recorded one; how far
the questions differ the report says (coverage, divergence).
Source: the recorded feedback of Rao et al. 2024, section 3.2, made replayable.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.errors import DataError, OracleError, SessionError, UsageError, listed
from imil_sim.feedback import Feedback, Grid, ImageIndex, OracleRecipe, Question, Share, Together, resolve
from imil_sim.sessions import (
    Session,
    SessionAnswer,
    answerable_by,
    cells_on,
    read_session,
    session_misfits,
    standing_answer,
)

MOST_NAMED = 5


@dataclass(frozen=True)
class Replay(Together):
    """Gives the answers of a recorded session."""

    session: str
    """The session file."""
    strict: bool = True
    """Whether pixels, label and grid must be those of the record."""
    missing: Literal["fail", "skip", "fallback", "restrict"] = "fail"
    """What to do about an image without a recorded answer."""
    fallback: OracleRecipe | None = None
    """Who is asked about an image without a recorded answer, with ``missing = "fallback"``."""
    threshold: Share = 0.1
    """Share of a cell of another grid that must be covered, in (0, 1]."""

    def __post_init__(self) -> None:
        if (self.fallback is not None) != (self.missing == "fallback"):
            raise ValueError('missing = "fallback" and the oracle in fallback go together: give both, or neither')
        _ = self.recorded  # what is wrong with the file is said before anything runs

    @cached_property
    def recorded(self) -> Session:
        """The session, read once."""
        try:
            return read_session(resolve(self.session, None))
        except SessionError as error:
            raise OracleError(f"replay: {error}") from error
        except DataError as error:
            raise OracleError(f"replay: session {error}") from error

    @property
    def answerable(self) -> frozenset[str] | None:
        """The images of the session with ``missing = "restrict"``, and those of the fallback; otherwise whichever."""
        others = frozenset[str]() if self.fallback is None else answerable_by(self.fallback.make())
        if others is None or self.missing not in ("restrict", "fallback"):
            return None
        return self.recorded.image_ids | others

    @property
    def warnings(self) -> tuple[str, ...]:
        """What reading the session warned of."""
        return self.recorded.warnings

    def misfits(self, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
        """Why the session does not belong to the images of the study."""
        return session_misfits(self.recorded, images, grid, strict=self.strict)

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The recorded answers; ``rngs`` are for the oracle that is asked about the rest.

        Raises:
            OracleError: an image has no recorded answer, or is another one than the recorded image; all at once.
        """
        found = {question.image_id: self._found(question) for question in questions}
        self._check(questions, found)
        rest = [i for i, question in enumerate(questions) if found[question.image_id] is None]
        others = iter(self._others([questions[i] for i in rest], [rngs[i] for i in rest]))
        return [
            next(others) if (answer := found[question.image_id]) is None else self._replayed(question, answer)
            for question in questions
        ]

    def _found(self, question: Question) -> SessionAnswer | None:
        """The recorded answer to the question: before the same heat-map, at this consultation if it can be."""
        return standing_answer(self.recorded, question.image_id, question.cam_sha256, question.consultation)

    def _check(self, questions: Sequence[Question], found: dict[str, SessionAnswer | None]) -> None:
        missing = [f'image "{image_id}"' for image_id, answer in found.items() if answer is None]
        if missing and self.missing == "fail":
            named = ", ".join(missing[:MOST_NAMED]) + (", ..." if len(missing) > MOST_NAMED else "")
            raise OracleError(
                f"replay: {self.session} has no answer about {len(missing)} of {len(questions)} images: {named}; "
                'choose what to do about them with missing = "skip", "fallback" or "restrict"'
            )
        if self.strict:
            problems = [
                f'image "{question.image_id}": {difference}'
                for question in questions
                if (answer := found[question.image_id]) is not None
                for difference in self._differences(question, answer)
            ]
            if problems:
                raise OracleError(
                    f"replay: {self.session} was recorded about something else:{listed(problems)}\n"
                    "With strict = false it is replayed all the same"
                )

    def _differences(self, question: Question, answer: SessionAnswer) -> list[str]:
        """In what the question is another one than was recorded, in words for a note or a message."""
        recorded, found = self.recorded, []
        if answer.image_sha256 is not None and answer.image_sha256 != question.image_sha256:
            found.append("recorded on other pixels")
        elif answer.image_sha256 is None and self.strict:
            found.append("recorded without the SHA-256 of its pixels")
        if answer.label is not None and answer.label != question.label:
            found.append(f"recorded with label {answer.label}")
        elif answer.label is None and self.strict:
            found.append("recorded without its label")
        if recorded.grid != question.grid:
            found.append(f"recorded on a grid of {recorded.grid.rows} x {recorded.grid.cols}")
        return found

    def _others(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> Sequence[Feedback]:
        if not questions or self.fallback is None:
            return [Feedback.abstain(question, "no recorded answer about this image") for question in questions]
        return self.fallback.answers(questions, rngs)

    def _replayed(self, question: Question, answer: SessionAnswer) -> Feedback:
        try:
            cells = cells_on(question.grid, self.recorded.grid, answer, self.threshold)
        except UsageError as error:
            raise OracleError(f'replay: {self.session}: image "{question.image_id}": {error}') from error
        if cells is None:
            return Feedback.abstain(question, answer.reason or "the recorded reader skipped the image")
        remarks = [text for text in (answer.reason, *self._differences(question, answer)) if text]
        return Feedback(question.image_id, cells, note="; ".join(remarks))
