"""Sessions and runs: oracles that replay sessions, the session that a run leaves, and how far the two agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from imil_sim.errors import SessionError, listed, several
from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import ImageIndex, Oracle, image_sha256
from imil_sim.feedback.registry import recipes_of
from imil_sim.sessions.session import (
    MOST_LINE,
    MOST_REASON,
    Header,
    Session,
    SessionAnswer,
    id_problem,
    name_problem,
    standing_answer,
)
from imil_sim.study.record import Answer, Consultation
from imil_sim.study.spec import FeedbackSpec, lines

FEWEST_RANKED = 3
"""Of fewer shared images there is no rank correlation."""
CUT = " [shortened]"
"""Stands at the end of words that were longer than a session holds."""

# ------------------------------------------------------------------------------------ oracles with recorded answers


@runtime_checkable
class ParticularOracle(Protocol):
    """What an oracle may offer beside `Oracle.answer`, if it does not fit every image set or grid."""

    def misfits(self, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
        """Why it cannot be asked about these images on this grid; empty where it can. Looked at before training."""
        ...


@runtime_checkable
class RecordedOracle(ParticularOracle, Protocol):
    """What an oracle may offer beside `Oracle.answer`, if its answers were recorded."""

    @property
    def answerable(self) -> frozenset[str] | None:
        """Ids of the only images it may be asked about; None: whichever. Others are not selected, however wrong.

        It speaks for the oracles in its options too.
        """
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the record, without keeping it from being used."""
        ...


@runtime_checkable
class AttendedOracle(Protocol):
    """What an oracle may offer beside `Oracle.answer`, if it is a person, whose own session says more than a run's."""

    def attended(self, grid: Grid) -> Session | None:
        """What the person answered on that grid; None: nothing yet.

        Raises:
            OracleError: the folder of the answers cannot be used.
            SessionError: what lies there is no session.
        """
        ...


def within(oracle: Oracle) -> Iterator[Oracle]:
    """The oracle, and every one that it asks, and so on inwards; each made anew."""
    yield oracle
    for recipe in recipes_of(oracle):
        yield from within(recipe.make())


def answerable_by(oracle: Oracle) -> frozenset[str] | None:
    """Ids of the images that the oracle, and every oracle that it asks, may be asked about; None: whichever."""
    if isinstance(oracle, RecordedOracle):
        return oracle.answerable
    inner = [answerable_by(recipe.make()) for recipe in recipes_of(oracle)]
    bounds = [images for images in inner if images is not None]
    return frozenset.intersection(*bounds) if bounds else None


def unanswerable(oracle: Oracle, ids: Iterable[str]) -> frozenset[str]:
    """Those of ``ids`` that the oracle must not be asked about; none, unless one says which images it can answer."""
    answerable = answerable_by(oracle)
    return frozenset() if answerable is None else frozenset(ids) - answerable


def misfits(oracle: Oracle, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
    """Why the oracle, or one that it asks, cannot be asked about these images on this grid; empty where they can."""
    parts = (part.misfits(images, grid) for part in within(oracle) if isinstance(part, ParticularOracle))
    found = tuple(dict.fromkeys(line for part in parts for line in part))
    answerable = answerable_by(oracle)
    if not found and answerable is not None and answerable.isdisjoint(images.labels):
        return (f"there is no image in the set {images.name} about which all whom it asks have a recorded answer",)
    return found


def warnings_of(oracle: Oracle) -> tuple[str, ...]:
    """The warnings of the records that the oracle, and every oracle that it asks, replays."""
    found = (part.warnings for part in within(oracle) if isinstance(part, RecordedOracle))
    return tuple(dict.fromkeys(line for part in found for line in part))


def unnameable(images: ImageIndex) -> tuple[str, ...]:
    """Which images and classes no session can name, and why; empty where it can name all of them."""
    return (
        *(f"class {name!r:.80} {problem}" for name in images.class_names if (problem := name_problem(name))),
        *(f"image {image_id!r:.80} {problem}" for image_id in images.labels if (problem := id_problem(image_id))),
    )


_STRICT = "strict = true asks for all of this; with strict = false an image is known by its id, on whichever grid"


def session_misfits(session: Session, images: ImageIndex, grid: Grid, *, strict: bool) -> tuple[str, ...]:
    """Why a session does not belong to these images, a line each; empty where it does.

    Strictly: every image of it must be there, with the same pixels and label, and the grid must be the recorded one.
    Otherwise one image of it must be there.
    """
    known = [answer.image_id in images.labels for answer in session.answers]
    if not strict:
        if session.answers and not any(known):
            return (f"none of its {len(known)} images is in the set {images.name}; was it recorded on another set?",)
        return ()
    header = session.header
    found: list[str] = []
    if session.grid != grid:
        found.append(f"line 1: recorded on a grid of {_by(session.grid)}, asked about on {_by(grid)}")
    if header.class_names and header.class_names != images.class_names:
        found.append(
            f"line 1: recorded with the classes {', '.join(header.class_names)}, the set {images.name} has "
            f"{', '.join(images.class_names)}"
        )
    unhashed = sum(answer.image_sha256 is None for answer in session.answers)
    unlabelled = sum(answer.label is None for answer in session.answers)
    for count, what in ((unhashed, "the SHA-256 of their image"), (unlabelled, "their image's label")):
        if count:
            without = f"{count} of {len(session.answers)} answers were recorded without {what}"
            found.append(f"{without}; imil-sim import --study writes it down")
    found += [
        f'{session.place(number)}: image "{answer.image_id}" {problem}'
        for number, answer in enumerate(session.answers)
        for problem in _image_misfits(answer, images)
    ]
    return (_STRICT, *found) if found else ()


def _image_misfits(answer: SessionAnswer, images: ImageIndex) -> Iterator[str]:
    """What is wrong with what an answer says of its image, whatever set the header names."""
    label = images.labels.get(answer.image_id)
    if label is None:
        yield f"is not in the set {images.name}"
        return
    if answer.image_sha256 not in (None, image_sha256(images.image(answer.image_id))):
        yield "has other pixels than it was recorded with; were the set and its size the same?"
    if answer.label not in (None, label):
        yield f"has label {label}, and was recorded with {answer.label}"


def _by(grid: Grid) -> str:
    return f"{grid.rows} x {grid.cols}"


# ------------------------------------------------------------------------------------------- the session of a run


def recorded_session(
    feedback: FeedbackSpec,
    consultations: Sequence[Consultation],
    images: ImageIndex,
    cams: Sequence[NDArray[np.uint8] | None],
    states: Sequence[str],
    source: str,
    attended: Session | None = None,
    size: int = 0,
) -> Session:
    """The session of the oracle of a run, which can be replayed.

    A simulated reader has no date and takes no time, so equal runs leave equal bytes. Of a person the role, the date,
    the instructions and the seconds of each answer are those of the person's own session.

    Args:
        feedback: whom the run asked about what.
        consultations: what was asked and answered.
        images: the whole image set it drew its questions from.
        cams: for each consultation the heat-maps shown (k, height, width), 0 to 255; None where they are not kept.
        states: key of the model's state at each consultation; empty: unknown.
        source: what the session says of where it comes from.
        attended: where the oracle is a person, the session that the answers were taken from.
        size: height and width of all images, pixels; 0: unknown, or not the same.

    Raises:
        SessionError: ids, names or answers are none that a session can hold; all of them.
    """
    problems: dict[str, None] = {}
    header: Header | None = None
    try:
        own = Header(reader=feedback.oracle, role="oracle", grid=feedback.grid_size)
        own = own if attended is None else attended.header
        header = Header(
            reader=own.reader,
            role=own.role,
            date=own.date,
            instructions=own.instructions,
            set_name=images.name,
            set_fingerprint=images.fingerprint,
            film_size=(size, size) if size else None,
            class_names=images.class_names,
            grid=feedback.grid_size,
            states=tuple(states),
            source=source[:MOST_LINE],
        )
    except ValidationError as error:
        problems |= {f"{line}; give it another name in the study or its images": None for line in lines(error)}
    answers: list[SessionAnswer] = []
    order = 0
    for number, (consultation, shown) in enumerate(zip(consultations, cams, strict=True), 1):
        for place, answer in enumerate(consultation.answers):
            cam, order = None if shown is None else image_sha256(shown[place]), order + 1
            cure = "give the image another name" if id_problem(answer.image_id) else "mend what the oracle answers"
            try:
                seconds = None if attended is None else _seconds(attended, answer, cam)
                answers.append(_recorded(answer, order, number, images, cam, seconds))
            except ValidationError as error:
                where = f"image {answer.image_id[:60]!r}"
                problems |= {f"{where}: {line}; {cure}, or set record = false": None for line in lines(error)}
    if problems or header is None:
        raise SessionError(f"no session can be made of {source}:{listed(problems)}")
    return Session(header, tuple(answers))


def _seconds(attended: Session, answer: Answer, cam: str | None) -> float | None:
    """How long the person took for an answer; None where the person's session says otherwise by now."""
    found = standing_answer(attended, answer.image_id, cam)
    return found.seconds if found is not None and found.cells == answer.cells else None


def _recorded(
    answer: Answer, order: int, consultation: int, images: ImageIndex, cam: str | None, seconds: float | None
) -> SessionAnswer:
    # An abstention may have a remark beside its reason; an answer has only a remark.
    reason = "; ".join(text for text in (answer.reason, answer.note) if text)
    return SessionAnswer(
        order=order,
        consultation=consultation,
        image_id=answer.image_id,
        image_sha256=image_sha256(images.image(answer.image_id)),
        label=answer.label,
        predicted=answer.predicted,
        confidence=answer.confidence,
        cam_sha256=cam,
        abstained=answer.cells is None,
        cells=answer.cells,
        reason=reason if len(reason) <= MOST_REASON else f"{reason[: MOST_REASON - len(CUT)]}{CUT}",
        seconds=seconds,
    )


# ---------------------------------------------------------------------------------------- coverage and divergence


@dataclass(frozen=True, slots=True)
class Divergence:
    """A session and the questions of a run beside each other; counts are of different images."""

    n_asked: int
    """Images the run asked about."""
    n_recorded: int
    """Images the session has an answer about, abstentions included."""
    n_shared: int
    """Images that are both."""
    rank_correlation: float | None
    """Spearman's, in [-1, 1], of the places of the shared images in the order of asking, there and here."""
    no_rank_correlation: str = ""
    """Why there is none; empty where there is one."""
    by_model: bool = True
    """Whether a model chose the images of the session; that of an imported one somebody marked, in whatever order."""

    @property
    def coverage(self) -> float | None:
        """Share of the images asked about that the session answers, in [0, 1]; None where nothing was asked."""
        return self.n_shared / self.n_asked if self.n_asked else None

    @property
    def overlap(self) -> float | None:
        """Jaccard index of the images asked about and the recorded ones, in [0, 1]; None where there are neither."""
        union = self.n_asked + self.n_recorded - self.n_shared
        return self.n_shared / union if union else None


def divergence(session: Session, consultations: Sequence[Consultation]) -> Divergence:
    """How the images a run asked about differ from those of the session that it replayed.

    Images asked about or recorded several times count once, at their first place. The places of the session are by its
    ``order``; where no model asked, that order is none of asking, and there is no rank correlation.
    """
    asked = list(dict.fromkeys(answer.image_id for consultation in consultations for answer in consultation.answers))
    by_order = sorted(session.answers, key=lambda answer: answer.order)
    recorded = list(dict.fromkeys(answer.image_id for answer in by_order))
    shared = [image for image in asked if image in set(recorded)]
    counts = len(asked), len(recorded), len(shared)
    # The states of a model may have been lost; then what it predicted still says that there was one.
    by_model = bool(session.header.states) or any(
        answer.predicted is not None or answer.cam_sha256 is not None for answer in session.answers
    )
    if not by_model:
        why = "no model asked in the session, so its order is none of asking"
        return Divergence(*counts, None, why, by_model=False)
    if len(shared) < FEWEST_RANKED:
        images = f"only {several(len(shared), 'image is', 'images are')}" if shared else "no image is"
        return Divergence(*counts, None, f"{images} shared, fewer than {FEWEST_RANKED}")
    ranks = np.argsort(np.argsort([recorded.index(image) for image in shared]))
    return Divergence(*counts, float(np.corrcoef(ranks, np.arange(len(shared)))[0, 1]))
