"""Sessions at the rim: those that ``run`` leaves behind with ``record = true``, and those that runs replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic_core import from_json

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.engine.steps import STAGE
from imil_sim.errors import OracleError, SessionError, listed
from imil_sim.feedback import Grid, make_oracle
from imil_sim.io import make_folder
from imil_sim.report.tables.feedback import Replayed
from imil_sim.sessions import Session
from imil_sim.sessions.files import write_session
from imil_sim.sessions.recorded import AttendedOracle, divergence, recorded_session, within
from imil_sim.study.spec import FeedbackSpec
from imil_sim.study.study import Study


def write_sessions(study: Study, results: Sequence[RunResult], library: ImageLibrary, folder: Path) -> list[Path]:
    """One session for every run that is done and consulted: ``ARM-seedN.jsonl``. Repeated, it gives equal bytes.

    Raises:
        SessionError: some cannot be written; all of them are named, and the others are there.
    """
    written: list[Path] = []
    problems: list[str] = []
    for result in (result for result in results if result.record.status == "done"):
        try:
            session = _recorded_by(study, result, library)
            if session is not None:
                _make(folder)
                path = folder / f"{result.name}.jsonl"
                write_session(path, session)
                written.append(path)
        except SessionError as error:
            problems.append(f"{result.arm}, seed {result.seed}: {error}")
    if problems:
        raise SessionError(f"{len(problems)} sessions were not written; the report was:{listed(problems)}")
    return written


def _make(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError as error:
        raise SessionError(f"folder {folder} cannot be made: {error.strerror}; move what is there away") from error


def _recorded_by(study: Study, result: RunResult, library: ImageLibrary) -> Session | None:
    """What the oracle of a run was asked and answered.

    Raises:
        SessionError: a session cannot hold it.
    """
    record, feedback = result.record, result.record.spec.arm.feedback
    if feedback is None or not record.consultations:
        return None
    readers = dict.fromkeys(session.header.reader for session in _replayed(feedback))
    replaying = f", replaying {', '.join(readers)}" if readers else ""
    return recorded_session(
        feedback,
        record.consultations,
        library.image_index(record.spec.arm.images),
        [result.cams(number) for number in range(1, len(record.consultations) + 1)],
        _states(result),
        f"study {study.name}, arm {result.arm}, seed {result.seed}{replaying}",
        attended_session(feedback),
        record.spec.arm.images.size,
    )


def attended_session(feedback: FeedbackSpec) -> Session | None:
    """The session of the person who answered; None where an oracle did.

    Raises:
        SessionError: it has gone, or is no session any more.
    """
    try:
        oracle = make_oracle(feedback.oracle, feedback.options)
        if not isinstance(oracle, AttendedOracle):
            return None
        attended = oracle.attended(Grid(*feedback.grid_size))
    except OracleError as error:
        raise SessionError(str(error)) from error
    if attended is None:
        raise SessionError(f"the answers that {feedback.oracle} was given have gone; put them back, or replay the run")
    return attended


def replayed_runs(results: Sequence[RunResult]) -> Iterator[Replayed]:
    """How far the questions of runs are the recorded ones, where a session was replayed that is still there."""
    sessions: dict[str, list[Session]] = {}
    for result in results:
        feedback = result.record.spec.arm.feedback
        if feedback is not None and result.record.status == "done":
            if result.arm not in sessions:
                sessions[result.arm] = _replayed(feedback)
            for session in sessions[result.arm]:
                compared = divergence(session, result.record.consultations)
                yield Replayed(result.arm, result.seed, session.header.reader, compared)


def _replayed(feedback: FeedbackSpec) -> list[Session]:
    """The sessions that an oracle, and whoever it asks, replays; none where one has gone since."""
    with suppress(OracleError):
        oracles = within(make_oracle(feedback.oracle, feedback.options))
        found = [getattr(oracle, "recorded", None) for oracle in oracles]
        return [session for session in found if isinstance(session, Session)]
    return []


def _states(result: RunResult) -> list[str]:
    """Key of the state of training at each consultation; none where the store no longer holds the states."""
    by_epoch: dict[int, str] = {}
    for key in result.record.stages:
        try:
            by_epoch[int(from_json((result.stage(key) / STAGE).read_bytes())["epoch"])] = key
        except (OSError, ValueError, KeyError, TypeError):
            return []
    return [by_epoch[consultation.epoch] for consultation in result.record.consultations]
