"""The reader at the desk: questions of a waiting run shown to a person, answers written down as a session.

`read_asked` reads a folder of questions, `Sitting` writes the answers, `imil_sim.annotate.server` shows both in a
browser and `imil_sim.annotate.console` in a terminal.
"""

from imil_sim.annotate.asked import Asked, AskedFilm, read_asked
from imil_sim.annotate.drafts import Given
from imil_sim.annotate.sitting import Sitting, Stale

__all__ = ["Asked", "AskedFilm", "Given", "Sitting", "Stale", "read_asked"]
