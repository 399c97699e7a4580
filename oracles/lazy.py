"""Another oracle that now and then gives its last answer again: the clinician who does not look any more.

What it simulates: somebody who clicks the same cells again instead of looking at the next image. Each image after the
first is answered that way with probability `repeat`; what is repeated is the last answer with cells, itself looked at
or not.
What it may know: whatever the other oracle knows, through its answers, and the order of the questions.
Where the other one abstains: so does this one where it looks. Where it repeats it answers all the same, for it did not
see that there was nothing to say; and an abstention is never what is repeated. So it may answer about more images than
the other one.
What it needs: `like`, the other oracle: its name, or a table with its options. Option: `repeat`, a probability.
Where it is wrong: chest images are alike, so that the last image's lungs are not far from this one's: with
`lung-fields` this laziness costs little, with `lesions` much. A second consultation begins afresh.
Source: a control of imil-sim; Gadiraju et al. 2015 describe workers who repeat one answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Feedback, OracleRecipe, Probability, Question, Together, abstains_too, remark


@dataclass(frozen=True)
class Lazy(Together):
    """Answers as another oracle does, or as it did before."""

    like: OracleRecipe
    """The oracle that is lazy."""
    repeat: Probability = 0.3
    """Probability that the last answer is given again, in [0, 1]."""

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The other oracle's answers, some of them the answer before."""
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        answers = list(others)
        last: dict[tuple[int, int], Feedback] = {}
        for i in sorted(range(len(questions)), key=lambda i: (questions[i].place, questions[i].image_id)):
            grid = questions[i].grid.shape  # one a consultation; cells of one grid mean nothing on another
            before = last.get(grid)
            repeats = own[i].random() < self.repeat
            answers[i] = self._looked_at(others[i]) if before is None or not repeats else _again(questions[i], before)
            if answers[i].cells is not None:
                last[grid] = answers[i]
        return answers

    def _looked_at(self, other: Feedback) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        return Feedback(other.image_id, other.cells, note=remark(f"as {self.like}", other))


def _again(question: Question, before: Feedback) -> Feedback:
    return Feedback(question.image_id, before.cells, note=f"the answer to {before.image_id} again")
