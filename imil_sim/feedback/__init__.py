"""What an oracle needs, and all it needs: the face of imil-sim towards plug-ins.

An oracle is a frozen dataclass whose fields are its options, with one method::

    @dataclass(frozen=True)
    class UpperHalf:
        def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
            cells = np.zeros(question.grid.shape, dtype=np.bool_)
            cells[: question.grid.rows // 2] = True
            return Feedback(question.image_id, cells)

Its package offers it with a line in the entry-point group ``imil_sim.oracles``; `imil_sim.testing.check_oracle` tells
whether it keeps the promises of an oracle.
"""

from imil_sim.errors import OracleError, OracleFailure
from imil_sim.feedback.answers import covered_cells, note_if_estimated
from imil_sim.feedback.ask import ask
from imil_sim.feedback.blackout import blackout
from imil_sim.feedback.grid import Cell, Grid, check_threshold, largest_region
from imil_sim.feedback.question import Feedback, Oracle, Question
from imil_sim.feedback.recipe import OracleRecipe
from imil_sim.feedback.registry import make_oracle
from imil_sim.study.paths import resolve

__all__ = [
    "Cell",
    "Feedback",
    "Grid",
    "Oracle",
    "OracleError",
    "OracleFailure",
    "OracleRecipe",
    "Question",
    "ask",
    "blackout",
    "check_threshold",
    "covered_cells",
    "largest_region",
    "make_oracle",
    "note_if_estimated",
    "resolve",
]
