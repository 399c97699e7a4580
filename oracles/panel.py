"""A different reader for each image: the department that shares the work.

What it simulates: several readers who divide the images of a consultation among themselves: the first question goes to
the first reader, the second to the second, and so on in turn. Each answers as in an arm of its own.
What it may know: whatever the reader whose turn it is knows.
Where that reader abstains: so does this oracle; nobody steps in.
What it needs: `readers`, two oracles or more, each a name or a table with its options.
Where it is wrong: departments divide the work by who is there and who knows most about the case, not in turn. Readers
who look at the whole consultation (`fatigue`, `lazy`, `swapped`) see the images that were given to them, and no others;
one who tires counts the questions of the whole consultation, not those of their own.
Source: a control of imil-sim; Rao et al. 2024 gave each model one resident and leave several to future work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.feedback import Feedback, OracleRecipe, Question, Together, abstains_too, remark


@dataclass(frozen=True)
class Panel(Together):
    """Asks one reader after the other, each about the next image."""

    readers: tuple[OracleRecipe, ...]
    """Two at least."""

    def __post_init__(self) -> None:
        if len(self.readers) < 2:
            raise ValueError(f"readers must be two oracles at least, not {len(self.readers)}")

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """One answer an image, each by the reader whose turn it is."""
        answers: dict[int, Feedback] = {}
        for turn, reader in enumerate(self.readers):
            mine = [i for i, question in enumerate(questions) if (question.place - 1) % len(self.readers) == turn]
            given = reader.answers([questions[i] for i in mine], [rngs[i] for i in mine])
            name = f"reader {turn + 1} ({reader})"
            answers |= {i: _signed(name, answer) for i, answer in zip(mine, given, strict=True)}
        return [answers[i] for i in range(len(questions))]


def _signed(name: str, answer: Feedback) -> Feedback:
    """The answer, with who gave it."""
    if answer.cells is None:
        return abstains_too(name, answer)
    return Feedback(answer.image_id, answer.cells, note=remark(f"by {name}", answer))
