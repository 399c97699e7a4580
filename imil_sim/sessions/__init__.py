"""Recorded sessions: their format, reading and writing, replay, and importers of what other programs drew."""

from imil_sim.sessions.files import SessionFolder, read_session, write_session
from imil_sim.sessions.recorded import answerable_by, session_misfits, unnameable
from imil_sim.sessions.session import Session, SessionAnswer, cells_on, standing_answer

__all__ = [
    "Session",
    "SessionAnswer",
    "SessionFolder",
    "answerable_by",
    "cells_on",
    "read_session",
    "session_misfits",
    "standing_answer",
    "unnameable",
    "write_session",
]
