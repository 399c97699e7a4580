"""At most so many cells of another oracle's answer: the clinician who has a few clicks and no more.

What it simulates: an interface that allows `cells` cells an image. An answer that needs more is cut
down to that many; the others stay as they are.
What it may know: whatever the other oracle knows, through its answer.
Where the other one abstains: so does this one. Where it chose every cell, and left the image as it was, this one
changes the image, unless `cells` allows all of them.
What it needs: `like`, the other oracle: its name, or a table with its options. Options: `cells`, how many it may
choose; `keep`, which cells stay: `"central"`, those nearest to the middle of the answer's largest connected region, as
somebody clicks who begins at the heart of the finding (counted in cells; of equally near ones the first in reading
order); or `"random"`, any of them with equal chances.
Where it is wrong: a clinician with few clicks would use them where they matter most, and neither rule knows where that
is.
Source: a control of imil-sim; not in Rao et al. 2024, whose residents could choose as many cells as they liked.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, OracleRecipe, Question, largest_region


@dataclass(frozen=True)
class Budget(Derived):
    """Cuts another oracle's answer down to a number of cells."""

    like: OracleRecipe
    """The oracle whose answer is cut down."""
    cells: Annotated[int, Field(ge=1)] = 3
    """Cells an image at most, at least 1."""
    keep: Literal["central", "random"] = "central"
    """Which cells stay."""

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], str]:
        """As many of the cells as are allowed."""
        wanted = np.flatnonzero(cells)
        if len(wanted) <= self.cells:
            return cells, f"all of {self.like}'s cells"
        order = _central_first(cells) if self.keep == "central" else rng.permutation(wanted)
        kept = np.zeros(cells.size, dtype=np.bool_)
        kept[order[: self.cells]] = True
        return kept.reshape(cells.shape), f"{self.cells} of {self.like}'s {len(wanted)} cells"


def _central_first(cells: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the chosen cells, the nearest to the middle of the largest region first; ties in reading order."""
    middle = np.argwhere(largest_region(cells, np.ones(cells.shape))).mean(axis=0)
    distance = ((np.argwhere(cells) - middle) ** 2).sum(axis=1).round(9)
    nearest: NDArray[np.intp] = np.flatnonzero(cells)[np.argsort(distance, kind="stable")]
    return nearest
