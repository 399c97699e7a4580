"""Another oracle that skips images it is unsure of: the clinician who may say "I don't know".

What it simulates: a reader to whom skipping is allowed. How sure a reader is of an image cannot be known; what stands
for it is the model's confidence in its mistake: an image that a model takes for the other class without a doubt is
likely to look like the other class to a person, too. Images with a confidence of at least `unsure_above` are skipped,
each with probability `skip`; the others are answered as the other oracle answers.
What it may know: whatever the other oracle knows, through its answer, and the model's confidence.
Where the other one abstains: so does this one, whatever the confidence, and on the skipped images besides. So it
answers about fewer images than the other one.
What it needs: `like`, the other oracle: its name, or a table with its options. Options: `unsure_above`, a confidence (0
makes every image a doubtful one, so that images are skipped at random); `skip`, a probability.
Where it is wrong: models are sure for reasons of their own (a marker, the edge of the image), which trouble no reader;
and images the model was surest of are the first to be asked about, unless the study selects otherwise, so a low
`unsure_above` skips nearly all of them.
Source: a control of imil-sim; the option to reject of Chow 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imil_sim.feedback import Feedback, OracleRecipe, Question, abstains_too, check_probabilities, remark


@dataclass(frozen=True)
class Abstaining:
    """Answers as another oracle does, or not at all."""

    like: OracleRecipe
    """The oracle that answers when it is sure."""
    unsure_above: float = 0.9
    """Confidence of the model, in [0, 1], from which on the reader is in doubt."""
    skip: float = 1.0
    """Probability that an image in doubt is skipped, in [0, 1]."""

    def __post_init__(self) -> None:
        check_probabilities(unsure_above=self.unsure_above, skip=self.skip)

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """The other oracle's answers about the images that leave no doubt."""
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [self._perhaps(*each) for each in zip(questions, others, own, strict=True)]

    def _perhaps(self, question: Question, other: Feedback, rng: np.random.Generator) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        if rng.random() < self.skip and question.confidence >= self.unsure_above:
            return Feedback.abstain(question, "skipped: the reader is unsure")
        return Feedback(other.image_id, other.cells, note=remark(f"as {self.like}", other))
