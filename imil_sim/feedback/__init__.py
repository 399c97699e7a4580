"""What an oracle needs, and all it needs: the face of imil-sim towards plug-ins.

An oracle is a frozen dataclass whose fields are its options, with one method::

    @dataclass(frozen=True)
    class UpperHalf:
        def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
            cells = np.zeros(question.grid.shape, dtype=np.bool_)
            cells[: question.grid.rows // 2] = True
            return Feedback(question.image_id, cells)

Its package offers it with a line in the entry-point group ``imil_sim.oracles``; `imil_sim.testing.check_oracle` checks
that it keeps the promises of an oracle.
"""

from imil_sim.errors import OracleError, OracleFailure, SessionError
from imil_sim.feedback.agreement import staple
from imil_sim.feedback.answers import (
    Derived,
    Probability,
    Share,
    Together,
    abstains_too,
    covered_cells,
    note_if_estimated,
    remark,
)
from imil_sim.feedback.ask import ask, ask_together
from imil_sim.feedback.fill import blackout
from imil_sim.feedback.grid import Cell, Grid, check_threshold, chosen, largest_region, strongest
from imil_sim.feedback.question import ConsultationOracle, Feedback, ImageIndex, Oracle, Question
from imil_sim.feedback.registry import OracleRecipe, apart, make_oracle
from imil_sim.study.paths import resolve

__all__ = [
    "Cell",
    "ConsultationOracle",
    "Derived",
    "Feedback",
    "Grid",
    "ImageIndex",
    "Oracle",
    "OracleError",
    "OracleFailure",
    "OracleRecipe",
    "Probability",
    "Question",
    "SessionError",
    "Share",
    "Together",
    "abstains_too",
    "apart",
    "ask",
    "ask_together",
    "blackout",
    "check_threshold",
    "chosen",
    "covered_cells",
    "largest_region",
    "make_oracle",
    "note_if_estimated",
    "remark",
    "resolve",
    "staple",
    "strongest",
]
