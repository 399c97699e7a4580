"""Answers that oracles share: the cells a mask covers, and `Derived`, an oracle that changes another one's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imil_sim.feedback.grid import chosen, largest_region
from imil_sim.feedback.question import Feedback, Question
from imil_sim.feedback.registry import OracleRecipe

Share = Annotated[float, Field(gt=0, le=1)]
"""An option: a share in (0, 1], such as that of a cell that must be covered."""
Probability = Annotated[float, Field(ge=0, le=1)]
"""An option: a probability in [0, 1]."""


class Together:
    """Base of an oracle that answers the questions of a consultation together, with its method ``answer_all``."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer in a consultation of this one question."""
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> Sequence[Feedback]:
        """One answer a question, in their order."""
        raise NotImplementedError


class Derived(Together):
    """Base of an oracle that makes its answer about an image of another oracle's answer about it.

    Where the other one abstains, so does this one. Without another (``like`` is None) it answers with `alone`.
    """

    like: OracleRecipe | None
    """The other oracle."""

    def derived(
        self, question: Question, cells: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_] | None, str]:
        """The cells (rows, cols) made of the other oracle's ``cells``, and a note; or None, and why it abstains.

        ``rng`` is independent of the generator that the other one drew from. Nothing is modified.
        """
        raise NotImplementedError

    def alone(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The answer where there is no other oracle."""
        raise NotImplementedError

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        """One answer a question."""
        if self.like is None:
            return [self.alone(question, rng) for question, rng in zip(questions, rngs, strict=True)]
        others, own = self.like.answers(questions, rngs), self.like.beside(rngs)
        return [self._answer(*each) for each in zip(questions, others, own, strict=True)]

    def _answer(self, question: Question, other: Feedback, rng: np.random.Generator) -> Feedback:
        if other.cells is None:
            return abstains_too(self.like, other)
        cells, text = self.derived(question, other.cells, rng)
        if cells is None:
            return Feedback.abstain(question, text)
        return Feedback(question.image_id, cells, note=remark(text, other))


def covered_cells(
    question: Question,
    mask: NDArray[np.bool_],
    *,
    threshold: float = 0.1,
    single_region: bool = False,
    note: str = "",
) -> Feedback:
    """The answer "the cells that ``mask`` covers": at least ``threshold`` of the cell, and the best-covered always.

    ``mask`` is (height, width) of any size. With ``single_region`` only the connected region of chosen cells with the
    most coverage stays, as the paper's residents were asked to prefer. An empty mask gives an answer without cells
    ("nothing matters"), which is not an abstention.

    Raises:
        ValueError: ``mask`` is not boolean or ``threshold`` is not in (0, 1].
        UsageError: the grid is finer than the mask.
    """
    coverage = question.grid.coverage(mask)
    cells = chosen(coverage, threshold)
    if single_region:
        cells = largest_region(cells, coverage)
    return Feedback(question.image_id, cells, note=note)


def note_if_estimated(question: Question, mask: str) -> str:
    """``lung mask estimated`` where no person drew the mask, else nothing: for the note of an answer built on it."""
    return f"{mask} mask estimated" if mask in question.estimated else ""


def abstains_too(asked: object, other: Feedback) -> Feedback:
    """The abstention of an oracle that asked another one, ``asked``, which abstained."""
    return Feedback(other.image_id, None, f"{asked} abstains: {other.reason}")


def remark(text: str, other: Feedback) -> str:
    """``text``, with the note of the answer it was built on behind it: for the note of an oracle that asked another."""
    return f"{text} ({other.note})" if text and other.note else text
