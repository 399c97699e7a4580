"""The cells another oracle chose for another image: good advice, given to the wrong patient.

What it simulates: a clinician whose answers were mixed up between the images of one consultation. All answers are real
answers, of the usual number and shape; only that they belong to this image is taken away. So an arm with it shows the
worth of *which image* an answer is about, where `random-cells` takes away which cells, too.
What it may know: what the other oracle answers about every image of the consultation.
Where the other one abstains: so does this one. The images it answered about exchange their answers among themselves, in
a circle drawn at random, so that nobody keeps its own and every answer is given once. If there is only one of them,
nobody is left to swap with, and that image is an abstention too: this one then answers about none.
What it needs: `like`, the other oracle: its name, or a table with its options.
Where it is wrong: chest images are alike, and another image's lungs lie mostly where this one's do: on a coarse grid
the answer is often the same as its own, which the note of the answer then says.
Source: the control "swapped" of imil-sim; not in Rao et al. 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Feedback, OracleRecipe, Question, Together, abstains_too, remark


@dataclass(frozen=True)
class Swapped(Together):
    """Answers about each image with the cells that another oracle chose for another image of the consultation."""

    like: OracleRecipe
    """The oracle whose answers are swapped."""

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The other oracle's answers, each about the next image of a circle drawn at random."""
        others = self.like.answers(questions, rngs)
        draws = [rng.random() for rng in self.like.beside(rngs)]
        source = _circles(questions, others, draws)
        return [self._swapped(others[i], others[source[i]] if i in source else None) for i in range(len(questions))]

    def _swapped(self, own: Feedback, given: Feedback | None) -> Feedback:
        if own.cells is None:
            return abstains_too(self.like, own)
        if given is None or given.cells is None:
            return Feedback(own.image_id, None, "no other image of this consultation was answered about")
        same = ", the same as for this image" if np.array_equal(own.cells, given.cells) else ""
        return Feedback(
            own.image_id, given.cells, note=remark(f"{self.like}'s cells for {given.image_id}{same}", given)
        )


def _circles(questions: Sequence[Question], answers: Sequence[Feedback], draws: Sequence[float]) -> dict[int, int]:
    """For each answered question the one whose cells it gets: the next in the order of the draws, on the same grid."""
    by_grid: dict[tuple[int, int], list[int]] = {}
    for i in sorted(range(len(questions)), key=lambda i: (draws[i], questions[i].image_id)):
        if answers[i].cells is not None:
            by_grid.setdefault(questions[i].grid.shape, []).append(i)
    return {
        i: following
        for circle in by_grid.values()
        if len(circle) > 1
        for i, following in zip(circle, [*circle[1:], circle[0]], strict=True)
    }
