"""Answers that oracles share: the cells a mask covers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import OracleError
from imil_sim.feedback.grid import chosen, largest_region
from imil_sim.feedback.question import Feedback, Question


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
    return f"{text} ({other.note})" if other.note else text


def check_probability(name: str, value: float) -> None:
    """Nothing, if the option ``name`` is a probability in [0, 1].

    Raises:
        ValueError: it is not.
    """
    check_probabilities(**{name: value})


def check_probabilities(**options: float) -> None:
    """Nothing, if every one of the options is a probability in [0, 1].

    Raises:
        ValueError: some are not; all of them are named.
    """
    wrong = {name: value for name, value in options.items() if not 0 <= value <= 1}
    if wrong:
        raise ValueError(
            "; ".join(f"{name} is a probability from 0 to 1, not {value}" for name, value in wrong.items())
        )


def check_all(*checks: Callable[[], object]) -> None:
    """Nothing, if every one of the checks passes; all are made, so that all that is wrong is told at once.

    Raises:
        ValueError: several do not pass; what each of them says, in their order.
        Exception: what the only one that does not pass raises.
    """
    failed: list[Exception] = []
    for check in checks:
        try:
            check()
        except Exception as error:  # an option's own check may be a guest's
            failed.append(error)
    told = [error for error in failed if isinstance(error, ValueError | OracleError)]
    if len(told) > 1:
        raise ValueError("; ".join(map(str, told)))
    if failed:
        raise (told or failed)[0]
