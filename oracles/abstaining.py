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

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Derived, OracleRecipe, Probability, Question


@dataclass(frozen=True)
class Abstaining(Derived):
    """Answers as another oracle does, or not at all."""

    like: OracleRecipe
    """The oracle that answers when it is sure."""
    unsure_above: Probability = 0.9
    """Confidence of the model, in [0, 1], from which on the reader is in doubt."""
    skip: Probability = 1.0
    """Probability that an image in doubt is skipped, in [0, 1]."""

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_] | None, str]:
        """The same cells, or an abstention."""
        if rng.random() < self.skip and question.confidence >= self.unsure_above:
            return None, "skipped: the reader is unsure"
        return cells, f"as {self.like}"
