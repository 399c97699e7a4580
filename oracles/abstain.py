"""No answer to any question: the clinician who was asked and did not come.

What it simulates: a consultation that takes place and leads to nothing. Every image stays as it was, so the arm equals
one without feedback; what differs between the two is a fault of the harness.
What it may know: nothing.
What it needs: nothing. Option: `reason`, what the record says about why.
Where it is wrong: everywhere, on purpose. It is not `all-cells`, which answers and changes nothing either: images that
were answered about are not asked about again at a second consultation (unless the study has `revisit`), images that
were abstained from are.
Source: the control "abstain" of imil-sim; not in Rao et al. 2024.
"""

from __future__ import annotations

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Feedback, Question


@dataclass(frozen=True)
class Abstain:
    """Abstains from every question."""

    reason: str = "abstains from every question"
    """Why, for the record."""

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("reason must not be empty: an abstention says why")

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """An abstention; ``rng`` is not used."""
        return Feedback.abstain(question, self.reason)
