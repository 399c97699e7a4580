"""The session of a run: what its oracle was asked and answered, in the form in which it can be replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from imil_sim.errors import SessionError, listed
from imil_sim.feedback.question import ImageIndex, image_sha256
from imil_sim.sessions.folder import standing_answer
from imil_sim.sessions.session import MOST_LINE, MOST_REASON, Header, Session, SessionAnswer
from imil_sim.study.record import Answer, RunRecord

CUT = " [shortened]"
"""Stands at the end of words that were longer than a session holds."""


def recorded_session(
    record: RunRecord,
    images: ImageIndex,
    cams: Sequence[NDArray[np.uint8] | None],
    states: Sequence[str],
    source: str,
    attended: Session | None = None,
) -> Session | None:
    """The session of the oracle of a run; None where the run consulted nobody.

    A simulated reader has no date and takes no time, so equal runs leave equal bytes. Of a person the role, the date,
    the instructions and the seconds of each answer are those of the person's own session.

    Args:
        record: of a run that is done.
        images: the whole image set it drew its questions from.
        cams: for each consultation the heat-maps shown (k, height, width), 0 to 255; None where they are not kept.
        states: key of the model's state at each consultation; empty: unknown.
        source: what the session says of where it comes from.
        attended: where the oracle is a person, the session that the answers were taken from.

    Raises:
        SessionError: an id, a name or an answer is none that a session can hold; all of it is told.
    """
    feedback = record.spec.arm.feedback
    if feedback is None or not record.consultations:
        return None
    problems: dict[str, None] = {}
    header: Header | None = None
    try:
        header = Header(
            reader=feedback.oracle if attended is None else attended.header.reader,
            role="oracle" if attended is None else attended.header.role,
            date=None if attended is None else attended.header.date,
            instructions="" if attended is None else attended.header.instructions,
            set_name=images.name,
            set_fingerprint=images.fingerprint,
            film_size=(record.spec.arm.images.size, record.spec.arm.images.size),
            class_names=images.class_names,
            grid=feedback.grid_size,
            states=tuple(states),
            source=source[:MOST_LINE],
        )
    except ValidationError as error:
        problems |= {f"{told}; give it another name in the study or its images": None for told in _told(error)}
    answers: list[SessionAnswer] = []
    order = 0
    for number, (consultation, shown) in enumerate(zip(record.consultations, cams, strict=True), 1):
        for place, answer in enumerate(consultation.answers):
            cam, order = None if shown is None else image_sha256(shown[place]), order + 1
            try:
                seconds = None if attended is None else _seconds(attended, answer, cam)
                answers.append(_recorded(answer, order, number, images, cam, seconds))
            except ValidationError as error:
                problems |= {f"image {answer.image_id[:60]!r}: {told}; {_cure(told)}": None for told in _told(error)}
    if problems or header is None:
        raise SessionError(f"no session can be made of {source}:{listed(list(problems))}")
    return Session(header, tuple(answers))


def _told(error: ValidationError) -> Iterator[str]:
    for found in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in found["loc"])
        yield (f"{where}: " if where else "") + str(found["msg"]).removeprefix("Value error, ")


def _cure(told: str) -> str:
    if told.startswith("image_id"):
        return "give the image another name, or set record = false"
    return "mend what the oracle answers, or set record = false"


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_REASON else f"{text[: MOST_REASON - len(CUT)]}{CUT}"


def _seconds(attended: Session, answer: Answer, cam: str | None) -> float | None:
    """How long the person took for an answer; None where the person's session says otherwise by now."""
    found = standing_answer(attended, answer.image_id, cam)
    return found.seconds if found is not None and found.cells == answer.cells else None


def _recorded(
    answer: Answer, order: int, consultation: int, images: ImageIndex, cam: str | None, seconds: float | None
) -> SessionAnswer:
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
        # An abstention may have a remark beside its reason; an answer has only a remark.
        reason=_shortened("; ".join(text for text in (answer.reason, answer.note) if text)),
        seconds=seconds,
    )
