"""Oracles that do not fit every image set and grid, as those whose answers were recorded.

What they offer beside `Oracle.answer` is optional. The oracles in an oracle's options are looked at too: a noisy reader
of a session can answer about the films of that session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import Oracle, film_sha256
from imil_sim.feedback.recipe import recipes_of
from imil_sim.feedback.session import Session, SessionAnswer, id_problem, name_problem


@dataclass(frozen=True, slots=True)
class Films:
    """The whole image set that a study draws its questions from."""

    name: str
    fingerprint: str
    """`ImageSet.training_fingerprint` of the whole set: over ids, pixels, labels and class names."""
    class_names: tuple[str, ...]
    labels: Mapping[str, int]
    """True class by id."""
    film: Callable[[str], NDArray[np.uint8]]
    """(height, width): the film of that id at the study's size."""


@runtime_checkable
class ParticularOracle(Protocol):
    """What an oracle may offer beside `Oracle.answer`, if it does not fit every image set or grid."""

    def misfits(self, films: Films, grid: Grid) -> tuple[str, ...]:
        """Why it cannot be asked about these films on this grid; empty where it can. Looked at before training."""
        ...


@runtime_checkable
class RecordedOracle(ParticularOracle, Protocol):
    """What an oracle may offer beside `Oracle.answer`, if its answers were recorded."""

    @property
    def answerable(self) -> frozenset[str] | None:
        """Ids of the only films it may be asked about; None: whichever. Others are not selected, however wrong.

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
    """Ids of the only films that the oracle, and whoever it asks, may be asked about; None: whichever.

    Of several that it asks, those that all of them may be asked about: whom it asks about which film is its own affair.
    """
    if isinstance(oracle, RecordedOracle):
        return oracle.answerable
    inner = [answerable_by(recipe.make()) for recipe in recipes_of(oracle)]
    bounds = [films for films in inner if films is not None]
    return frozenset.intersection(*bounds) if bounds else None


def unanswerable(oracle: Oracle, ids: Iterable[str]) -> frozenset[str]:
    """Those of ``ids`` that the oracle must not be asked about; none, unless one says which films it can answer."""
    answerable = answerable_by(oracle)
    return frozenset() if answerable is None else frozenset(ids) - answerable


def misfits(oracle: Oracle, films: Films, grid: Grid) -> tuple[str, ...]:
    """Why the oracle, or one that it asks, cannot be asked about these films on this grid; empty where they can."""
    parts = (part.misfits(films, grid) for part in within(oracle) if isinstance(part, ParticularOracle))
    found = tuple(dict.fromkeys(told for several in parts for told in several))
    answerable = answerable_by(oracle)
    if not found and answerable is not None and answerable.isdisjoint(films.labels):
        return (f"there is no film in the set {films.name} about which all whom it asks have a recorded answer",)
    return found


def warnings_of(oracle: Oracle) -> tuple[str, ...]:
    """What the user should be told of the records that the oracle needs, before a study runs."""
    found = (part.warnings for part in within(oracle) if isinstance(part, RecordedOracle))
    return tuple(dict.fromkeys(told for several in found for told in several))


def unnameable(films: Films) -> tuple[str, ...]:
    """Which films and classes no session can name, and why; empty where it can name all of them."""
    problems = [
        *(f"class {name!r:.80} {problem}" for name in films.class_names if (problem := name_problem(name))),
        *(f"film {image_id!r:.80} {problem}" for image_id in films.labels if (problem := id_problem(image_id))),
    ]
    return tuple(problems)


_STRICT = "strict = true asks for all of this; with strict = false a film is known by its id, on whichever grid"


def session_misfits(session: Session, films: Films, grid: Grid, *, strict: bool) -> tuple[str, ...]:
    """Why a session does not belong to these films, a line each; empty where it does.

    Strictly: every film of it must be there, with the same pixels and label, and the grid must be the recorded one.
    Otherwise one film of it must be there.
    """
    known = [answer.image_id in films.labels for answer in session.answers]
    if not strict:
        if session.answers and not any(known):
            return (f"none of its {len(known)} films is in the set {films.name}; was it recorded on another set?",)
        return ()
    header = session.header
    found: list[str] = []
    if session.grid != grid:
        found.append(f"line 1: recorded on a grid of {_by(session.grid)}, asked about on {_by(grid)}")
    if header.class_names and header.class_names != films.class_names:
        found.append(
            f"line 1: recorded with the classes {', '.join(header.class_names)}, the set {films.name} has "
            f"{', '.join(films.class_names)}"
        )
    unhashed = sum(answer.image_sha256 is None for answer in session.answers)
    unlabelled = sum(answer.label is None for answer in session.answers)
    for count, what in ((unhashed, "the SHA-256 of their film"), (unlabelled, "their film's label")):
        if count:
            told = f"{count} of {len(session.answers)} answers were recorded without {what}"
            found.append(f"{told}; imil-sim import --study writes it down")
    found += [
        f'{session.place(number)}: film "{answer.image_id}" {problem}'
        for number, answer in enumerate(session.answers)
        for problem in _film_misfits(answer, films)
    ]
    return (_STRICT, *found) if found else ()


def _film_misfits(answer: SessionAnswer, films: Films) -> Iterator[str]:
    """What is wrong with what an answer says of its film, whatever set the header names."""
    label = films.labels.get(answer.image_id)
    if label is None:
        yield f"is not in the set {films.name}"
        return
    if answer.image_sha256 not in (None, film_sha256(films.film(answer.image_id))):
        yield "has other pixels than it was recorded with; were the set and its size the same?"
    if answer.label not in (None, label):
        yield f"has label {label}, and was recorded with {answer.label}"


def _by(grid: Grid) -> str:
    return f"{grid.rows} x {grid.cols}"
