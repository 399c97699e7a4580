"""Recorded sessions: their format, reading and writing, replay, and importers of what other programs drew."""

from imil_sim.sessions.folder import SessionFolder, standing_answer
from imil_sim.sessions.read import read_session
from imil_sim.sessions.recorded import answerable_by, session_misfits, unnameable
from imil_sim.sessions.recut import cells_on
from imil_sim.sessions.session import Session, SessionAnswer

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
]
