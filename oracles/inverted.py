"""All cells but those another oracle chooses: the clinician who points away from what matters.

What it simulates: the opposite advice. What the other oracle keeps is blacked out, and what it blacks out is kept. If
this helps as much as the other one does, it was not the choice of cells that helped.
What it may know: whatever the other oracle knows, through its answer.
Where the other one abstains: so does this one.
What it needs: `like`, the other oracle: its name, or a table with its options.
Where it is wrong: it keeps another number of cells than the other oracle does (beside one that keeps few it keeps
many), so it differs in how much of the image is left, too; `random-cells` and `swapped` do not. The opposite of "all
cells" is "nothing matters", and either leaves the image as it was.
Source: the control "inverted" of imil-sim; not in Rao et al. 2024.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, OracleRecipe, Question


@dataclass(frozen=True)
class Inverted(Derived):
    """Chooses the cells that another oracle does not choose."""

    like: OracleRecipe
    """The oracle that is contradicted."""

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """The complement of the cells; no chance of its own."""
        return ~cells, f"the cells that {self.like} did not choose"
