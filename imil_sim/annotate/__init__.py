"""The reader at the folder: questions of a waiting run shown to a person, answers written down as a session.

`read_asked` reads a folder of questions, `AnnotationSession` writes the answers, `imil_sim.annotate.server` shows both
in a browser and `imil_sim.annotate.console` in a terminal.
"""

from imil_sim.annotate.drafts import Given
from imil_sim.annotate.questions import Asked, AskedImage, read_asked
from imil_sim.annotate.session import AnnotationSession, Stale

__all__ = ["AnnotationSession", "Asked", "AskedImage", "Given", "Stale", "read_asked"]
