"""At most so many cells of another oracle's answer: the clinician who has a few clicks and no more.

What it simulates: an interface, or a patience, that allows `cells` cells an image. An answer that needs more is cut
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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, largest_region, remark


@dataclass(frozen=True)
class Budget:
    """Cuts another oracle's answer down to a number of cells."""

    like: OracleRecipe
    """The oracle whose answer is cut down."""
    cells: int = 3
    """Cells an image at most, at least 1."""
    keep: Literal["central", "random"] = "central"
    """Which cells stay."""

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise ValueError(f"cells must be at least 1, not {self.cells}")

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The other oracle's answers, none with more cells than allowed."""
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [self._within(other, rng) for other, rng in zip(others, own, strict=True)]

    def _within(self, other: Feedback, rng: np.random.Generator) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        wanted = np.flatnonzero(other.cells)
        if len(wanted) <= self.cells:
            return Feedback(other.image_id, other.cells, note=remark(f"all of {self.like}'s cells", other))
        order = _central_first(other.cells) if self.keep == "central" else rng.permutation(wanted)
        cells = np.zeros(other.cells.size, dtype=np.bool_)
        cells[order[: self.cells]] = True
        note = f"{self.cells} of {self.like}'s {len(wanted)} cells"
        return Feedback(other.image_id, cells.reshape(other.cells.shape), note=remark(note, other))


def _central_first(cells: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the chosen cells, the nearest to the middle of the largest region first; ties in reading order."""
    middle = np.argwhere(largest_region(cells, np.ones(cells.shape))).mean(axis=0)
    distance = ((np.argwhere(cells) - middle) ** 2).sum(axis=1).round(9)
    nearest: NDArray[np.intp] = np.flatnonzero(cells)[np.argsort(distance, kind="stable")]
    return nearest
