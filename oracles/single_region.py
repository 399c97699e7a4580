"""One region out of another oracle's answer: the clinician who prefers one region, as the paper asked.

What it simulates: the instruction to prefer one single region. Of the cells the other oracle chose only one connected
region stays, the one with the most cells; of equal ones the first in reading order. Cells that share a side are
connected, cells that share only a corner are not.
What it may know: whatever the other oracle knows, through its answer.
Where the other one abstains: so does this one.
What it needs: `like`, the other oracle: its name, or a table with its options.
Where it is wrong: a resident picks the region that matters most, not the one that is largest. An oracle that answers
from a mask has an option of the same name, which weighs regions by how much of the mask lies in them.
Source: Rao et al. 2024, section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, OracleRecipe, Question, largest_region


@dataclass(frozen=True)
class SingleRegion(Derived):
    """Keeps the largest connected region of another oracle's cells."""

    like: OracleRecipe
    """The oracle whose answer is reduced."""

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """One region of the cells; no chance of its own."""
        region = largest_region(cells, np.ones(cells.shape))
        left = int(cells.sum()) - int(region.sum())
        return (
            region,
            f"one region of {self.like}'s cells, {left} cells left out" if left else f"all of {self.like}'s cells",
        )
