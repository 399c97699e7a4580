"""Annotation by a person: the questions of a waiting run are shown, and the answers become a session.

`read_questions` reads a folder of questions, `AnnotationSession` writes the answers, `serve` shows both in a browser
and `converse` in a terminal.
"""

from imil_sim.annotate.console import converse
from imil_sim.annotate.questions import AskedImage, Questions, read_questions
from imil_sim.annotate.server import serve
from imil_sim.annotate.session import AnnotationSession, Given, Stale

__all__ = ["AnnotationSession", "AskedImage", "Given", "Questions", "Stale", "converse", "read_questions", "serve"]
