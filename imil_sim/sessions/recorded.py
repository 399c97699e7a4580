"""Oracles that do not fit every image set and grid, as those whose answers were recorded.

What they offer beside `Oracle.answer` is optional. The oracles in an oracle's options are looked at too: a noisy reader
of a session can answer about the images of that session.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import ImageIndex, Oracle, image_sha256
from imil_sim.feedback.registry import recipes_of
from imil_sim.sessions.session import Session, SessionAnswer, id_problem, name_problem


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
        """What the user should be told of the record before a study runs."""
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
    """Ids of the only images that the oracle, and whoever it asks, may be asked about; None: whichever.

    Of several that it asks, those that all of them may be asked about: whom it asks about which image is its own
    affair.
    """
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
    found = tuple(dict.fromkeys(told for several in parts for told in several))
    answerable = answerable_by(oracle)
    if not found and answerable is not None and answerable.isdisjoint(images.labels):
        return (f"there is no image in the set {images.name} about which all whom it asks have a recorded answer",)
    return found


def warnings_of(oracle: Oracle) -> tuple[str, ...]:
    """What the user should be told of the records that the oracle needs, before a study runs."""
    found = (part.warnings for part in within(oracle) if isinstance(part, RecordedOracle))
    return tuple(dict.fromkeys(told for several in found for told in several))


def unnameable(images: ImageIndex) -> tuple[str, ...]:
    """Which images and classes no session can name, and why; empty where it can name all of them."""
    problems = [
        *(f"class {name!r:.80} {problem}" for name in images.class_names if (problem := name_problem(name))),
        *(f"image {image_id!r:.80} {problem}" for image_id in images.labels if (problem := id_problem(image_id))),
    ]
    return tuple(problems)


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
            told = f"{count} of {len(session.answers)} answers were recorded without {what}"
            found.append(f"{told}; imil-sim import --study writes it down")
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
