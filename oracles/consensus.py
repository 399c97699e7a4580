"""What several readers agree on: one answer from many.

What it simulates: a panel that reads every image independently and whose answers are put together by a rule, cell by
cell: `"union"`, what any of them chose; `"intersection"`, what all of them chose; `"majority"`, what more than half of
them chose (of two, both); `"staple"`, what most likely matters given how good each reader turns out to be, estimated
from all the images of the consultation together.
What it may know: whatever the readers know, through their answers.
Where readers abstain: they have no vote on the image, and the rule is applied to those who have, were it a single one
(the note says how many); only where all abstain, so does this oracle. So it may answer about more images than any one
of its readers.
What it needs: `readers`, two oracles or more, each a name or a table with its options; the same one may stand there
twice, and its two answers are drawn independently. Option: `rule`.
Where it is wrong: real readers make the same mistakes (they went to the same schools, and the same images are hard),
and confer; readers here err independently unless their recipes say otherwise. STAPLE knows nothing of where the cells
lie, and from few images a good reader cannot be known from a lucky one.
Source: STAPLE of Warfield et al. 2004; combining clinicians is what Rao et al. 2024 leave to future work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Feedback, OracleRecipe, Question, Together, apart, staple


@dataclass(frozen=True)
class Consensus(Together):
    """Puts the answers of several readers together."""

    readers: tuple[OracleRecipe, ...]
    """Two at least."""
    rule: Literal["union", "intersection", "majority", "staple"] = "majority"
    """How."""

    def __post_init__(self) -> None:
        if len(self.readers) < 2:
            raise ValueError(f"readers must be two oracles at least, not {len(self.readers)}")

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """One answer an image, made of those of all readers."""
        own = apart(rngs, len(self.readers))
        by_reader = [reader.answers(questions, own[i]) for i, reader in enumerate(self.readers)]
        by_image = list(zip(*by_reader, strict=True))
        agreed = (
            _staple(questions, by_image) if self.rule == "staple" else [self._agreed(answers) for answers in by_image]
        )
        return [self._feedback(*each) for each in zip(questions, agreed, by_image, strict=True)]

    def _agreed(self, answers: Sequence[Feedback]) -> NDArray[np.bool_] | None:
        """(rows, cols): what the rule makes of the votes about one image; None where nobody voted."""
        votes = [answer.cells for answer in answers if answer.cells is not None]
        if not votes:
            return None
        needed = {"union": 1, "intersection": len(votes)}.get(self.rule, len(votes) // 2 + 1)
        agreed: NDArray[np.bool_] = np.sum(votes, axis=0) >= needed
        return agreed

    def _feedback(self, question: Question, cells: NDArray[np.bool_] | None, answers: Sequence[Feedback]) -> Feedback:
        if cells is None:
            reasons = "; ".join(f"{self.readers[i]}: {answer.reason}" for i, answer in enumerate(answers))
            return Feedback.abstain(question, f"all readers abstain: {reasons}")
        voted = [answer for answer in answers if answer.cells is not None]
        notes = "; ".join(dict.fromkeys(answer.note for answer in voted if answer.note))
        note = f"{self.rule} of {len(voted)} of {len(answers)} readers" + (f" ({notes})" if notes else "")
        return Feedback(question.image_id, cells, note=note)


def _staple(questions: Sequence[Question], by_image: Sequence[Sequence[Feedback]]) -> list[NDArray[np.bool_] | None]:
    """For each image (rows, cols): the cells that matter more likely than not; None where nobody voted."""
    votes, voted = [], []
    # In the order of asking, whatever order they came in: a sum of many numbers differs in its last digits with it.
    order = sorted(range(len(questions)), key=lambda i: (questions[i].place, questions[i].image_id))
    for question, answers in ((questions[i], by_image[i]) for i in order):
        nothing = np.zeros(question.grid.shape, dtype=np.bool_)
        votes.append([(nothing if answer.cells is None else answer.cells).ravel() for answer in answers])
        voted.append([np.full(nothing.size, answer.cells is not None) for answer in answers])
    known = np.concatenate(voted, axis=1)
    if not known.any():
        return [None] * len(questions)
    matters = staple(np.concatenate(votes, axis=1), known).probability > 0.5
    ends = np.cumsum([question.grid.rows * question.grid.cols for question in (questions[i] for i in order)])
    agreed: list[NDArray[np.bool_] | None] = [None] * len(questions)
    for i, part, about in zip(order, np.split(matters, ends[:-1]), voted, strict=True):
        agreed[i] = part.reshape(questions[i].grid.shape) if np.any(about) else None
    return agreed
