"""How far readers agree about the same images, and what most likely is true where they do not.

Votes are boolean arrays whose last axis is the cells, or anything flattened: whoever compares readers over several
images puts the images side by side. Readers who abstained from an image have no vote about its cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ROUNDS = 1000
"""Of STAPLE; a few dozen are enough on votes about cells."""
SETTLED = 1e-9
"""STAPLE ends when no probability moves by more."""
FIRST_GUESS = 0.99999
"""Sensitivity and specificity of every reader before STAPLE has looked, as Warfield et al. 2004 begin."""


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Twice the cells both chose over the cells each chose, in [0, 1]; nan where neither chose any (Dice 1945).

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(one, other)
    sizes = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / sizes if sizes else math.nan


def cohen_kappa(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Agreement of two readers beyond chance, up to 1 (Cohen 1960); nan where chance alone makes them agree fully.

    That is where both chose every cell, or neither chose any: there is nothing in which they could have differed.

    Raises:
        ValueError: the shapes differ, or there are no cells.
    """
    _check_shapes(one, other)
    if not one.size:
        raise ValueError("no cells to agree about")
    observed = float((one == other).mean())
    first, second = float(one.mean()), float(other.mean())
    expected = first * second + (1 - first) * (1 - second)
    return (observed - expected) / (1 - expected) if expected < 1 else math.nan


def fleiss_kappa(votes: NDArray[np.bool_]) -> float:
    """Agreement of several readers beyond chance, up to 1 (Fleiss 1971); nan where every vote is the same.

    ``votes`` is (readers, cells).

    Raises:
        ValueError: fewer than two readers, or no cells.
    """
    if votes.ndim != 2 or len(votes) < 2 or not votes.shape[1]:
        raise ValueError(f"votes must be (readers, cells) with two readers at least, not {votes.shape}")
    readers = len(votes)
    yes = votes.sum(axis=0).astype(np.float64)
    no = readers - yes
    observed = float(((yes * (yes - 1) + no * (no - 1)) / (readers * (readers - 1))).mean())
    share = float(votes.mean())
    expected = share**2 + (1 - share) ** 2
    return (observed - expected) / (1 - expected) if expected < 1 else math.nan


@dataclass(frozen=True, slots=True)
class Staple:
    """What STAPLE makes of votes."""

    probability: NDArray[np.float64]
    """(cells,): that the cell matters, in [0, 1]."""
    sensitivity: NDArray[np.float64]
    """(readers,): share of the cells that matter which the reader chose, in [0, 1]."""
    specificity: NDArray[np.float64]
    """(readers,): share of the other cells which the reader left out, in [0, 1]."""


def staple(votes: NDArray[np.bool_], voted: NDArray[np.bool_] | None = None) -> Staple:
    """The hidden truth behind several readers' votes, and how good each reader is (Warfield et al. 2004).

    Simultaneous truth and performance level estimation: expectation maximisation over one prior for all cells, the
    share of yes among all votes, and independent readers. The E step weighs each cell by what the readers said and how
    good they are (in logarithms, so that many readers do not underflow); the M step counts how often each was right
    under these weights. Warfield's spatial model, by which neighbours sway one another, is left out.

    Args:
        votes: (readers, cells).
        voted: (readers, cells), whether the reader voted about the cell; none: every reader about every cell. A cell
            without a vote keeps the prior.

    Raises:
        ValueError: the shapes differ, or there is no vote.
    """
    known = np.ones_like(votes) if voted is None else voted
    _check_shapes(votes, known)
    if votes.ndim != 2 or not known.any():
        raise ValueError(f"votes must be (readers, cells) with at least one vote, not {votes.shape}")
    yes, no = (votes & known).astype(np.float64), (~votes & known).astype(np.float64)
    prior = yes.sum() / known.sum()
    sensitivity = specificity = np.full(len(votes), FIRST_GUESS)
    probability = np.full(votes.shape[1], prior)
    if prior in (0, 1):  # everybody says the same about everything
        return Staple(probability, np.ones(len(votes)), np.ones(len(votes)))
    for _ in range(MOST_ROUNDS):
        before = probability
        probability = _truth(prior, yes, no, sensitivity, specificity)
        sensitivity = _rate(yes, probability, known)
        specificity = _rate(no, 1 - probability, known)
        if np.abs(probability - before).max() <= SETTLED:
            break
    return Staple(probability, sensitivity, specificity)


def _truth(
    prior: float,
    yes: NDArray[np.float64],
    no: NDArray[np.float64],
    sensitivity: NDArray[np.float64],
    specificity: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(cells,): the probability that each cell matters, given how good the readers are."""
    smallest = np.finfo(np.float64).tiny  # a reader who never erred so far may err in the next cell
    p, q = np.clip(sensitivity, smallest, 1), np.clip(specificity, smallest, 1)
    miss, false_alarm = np.clip(1 - p, smallest, 1), np.clip(1 - q, smallest, 1)
    if_true = math.log(prior) + np.log(p) @ yes + np.log(miss) @ no
    if_false = math.log(1 - prior) + np.log(false_alarm) @ yes + np.log(q) @ no
    odds: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(if_false - if_true, -700, 700)))
    return odds


def _rate(right: NDArray[np.float64], weight: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(readers,): the weighted share of right votes; the first guess where a reader had no occasion."""
    occasions = known @ weight
    share = np.divide(right @ weight, occasions, out=np.full(len(right), FIRST_GUESS), where=occasions > 0)
    rate: NDArray[np.float64] = np.minimum(share, 1.0)
    return rate


def _check_shapes(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> None:
    if one.dtype != np.bool_ or other.dtype != np.bool_ or one.shape != other.shape:
        raise ValueError(
            f"boolean arrays of one shape are needed, not {one.dtype} {one.shape} and {other.dtype} {other.shape}"
        )
