"""A person who answers later: the run waits until the answers are there.

What it simulates: nothing. It is the reader in person. At a consultation the questions are put into the store
(`questions/KEY/`: images and heat-maps), the run is marked *waiting*, and the other runs go on. `imil-sim annotate`
shows the questions to the person and writes the answers down; when all are there, the same command resumes the run.
Every later run that asks about the same image on the same grid gets the same answer: what was recorded once is replayed
for ever. An answer that is changed afterwards is a new answer: the next `run` trains what asked for it anew, and says
so.
What it may know: whatever the person is shown: the image, the true label, the prediction, its confidence, the heat-map.
What it needs: `reader`, the name of the person, and `folder`, where the answers lie: an absolute path, or one relative
to IMIL_SIM_DATA or to the current folder. On a grid of 4 x 4 they are the session `FOLDER/READER-4x4.jsonl`
(docs/sessions.md), each grid its own. An image that was answered at several consultations gets the answer given before
the very same heat-map, and where there is none, the last one. A skipped image is an abstention. An answer about other
pixels under this image's id, or for another label, ends the run and is named.
Where it is wrong: a person who answers an image once would perhaps answer it otherwise beside another heat-map.
Source: the setting of Rao et al. 2024, section 3.2, where residents answered on a grid of 4 x 4.
"""

from __future__ import annotations

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.errors import AwaitsAnswers
from imil_sim.feedback import Feedback, Grid, ImageIndex, OracleError, Question
from imil_sim.sessions import Session, SessionAnswer, SessionFolder, standing_answer, unnameable

SKIPPED = "the reader skipped the image"


@dataclass(frozen=True)
class Human:
    """Gives the answers that a person has written down, and waits for those that are missing."""

    reader: str
    """Name of the person: letters, digits, ``_`` and ``-``; the answers lie in ``READER-ROWSxCOLUMNS.jsonl``."""
    folder: str
    """Where the answers lie."""

    def __post_init__(self) -> None:
        _ = self._answers.place  # a folder that is not there is an error before anything runs

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """What the person answered about this image on this grid; ``rng`` is not used.

        Raises:
            AwaitsAnswers: nothing yet.
            OracleError: what was answered is no answer to this question.
            SessionError: the file of answers is no session.
        """
        session = self._answers.session(question.grid)
        # Whichever consultation asks: a person's later word before the same heat-map is a correction of the earlier.
        found = standing_answer(session, question.image_id, question.cam_sha256) if session else None
        if session is None or found is None:
            name = self._answers.name(question.grid)
            raise AwaitsAnswers(f'image "{question.image_id}" by {self.reader}, in {name}')
        if problem := _misfit(question, session, found):
            where = f"{self._answers.name(question.grid)}, {session.place(session.answers.index(found))}"
            raise OracleError(f'{where}: image "{question.image_id}" {problem}')
        if found.cells is None:
            return Feedback.abstain(question, found.reason or SKIPPED)
        return Feedback(question.image_id, question.grid.cells_from_numbers(found.cells), note=found.reason)

    def misfits(self, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
        """Images and classes that no session can name: nobody could answer about them."""
        return unnameable(images)

    def attended(self, grid: Grid) -> Session | None:
        """What the person has answered on that grid; see `imil_sim.sessions.recorded.AttendedOracle`."""
        return self._answers.session(grid)

    @property
    def _answers(self) -> SessionFolder:
        return SessionFolder(self.reader, self.folder)


def _misfit(question: Question, session: Session, answer: SessionAnswer) -> str:
    """Why what was answered is no answer to this question; empty where it is one."""
    classes = session.header.class_names
    if answer.image_sha256 is None:
        return "was answered without the SHA-256 of its pixels; answer it with imil-sim annotate"
    if answer.image_sha256 != question.image_sha256:
        return (
            f"had other pixels when it was answered: SHA-256 {answer.image_sha256[:16]}..., now "
            f"{question.image_sha256[:16]}...; were the set and its size the same?"
        )
    if classes and classes != question.class_names:
        return f"was answered with the classes {', '.join(classes)}, and now has {', '.join(question.class_names)}"
    if answer.label not in (None, question.label):
        return f"was answered with the label {answer.label}, and now has {question.label}"
    return ""
