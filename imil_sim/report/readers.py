"""How far the readers of a study agree, and how much of the scatter of its results is theirs and how much the seeds'.

A reader is an arm of feedback. Three models of three residents, one run each, cannot tell a better resident from a
luckier seed; readers who answered the same questions, over several seeds, can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.agreement import cohen_kappa, dice, fleiss_kappa
from imil_sim.feedback.grid import Grid
from imil_sim.study.record import Consultation


@dataclass(frozen=True, slots=True)
class ReaderAgreement:
    """Agreement about the cells of images that readers were both asked about and both answered."""

    readers: tuple[str, ...]
    images: NDArray[np.int64]
    """(readers, readers): questions both answered; on the diagonal those the reader answered."""
    dice: NDArray[np.float64]
    """(readers, readers): mean over these questions, in [0, 1]; nan where there is none with a chosen cell."""
    kappa: NDArray[np.float64]
    """(readers, readers): Cohen's, over all cells of these questions; nan where chance alone decides."""
    answered_by_all: int
    """Questions that every reader answered."""
    fleiss: float
    """Fleiss' kappa of all readers over the cells of these; nan where there are none, or chance alone decides."""


def reader_agreement(consultations: Mapping[str, Sequence[Sequence[Consultation]]]) -> ReaderAgreement:
    """Agreement of every two readers, and of all of them.

    Answers are compared where they are about the same image at the same consultation of the same seed, on the same
    grid; an abstention is no answer.

    Args:
        consultations: for each reader the consultations of each run, runs in the same order of seeds for all.

    Raises:
        ValueError: fewer than two readers.
    """
    if len(consultations) < 2:
        raise ValueError(f"agreement needs two readers at least, not {len(consultations)}")
    given = [_answers(runs) for runs in consultations.values()]
    size = len(given)
    images = np.zeros((size, size), dtype=np.int64)
    overlap, kappa = np.full((size, size), math.nan), np.full((size, size), math.nan)
    for i, j in np.ndindex(size, size):
        common = sorted(given[i].keys() & given[j].keys())
        images[i, j] = len(common)
        if common:
            each = np.array([dice(given[i][question], given[j][question]) for question in common])
            overlap[i, j] = each[~np.isnan(each)].mean() if not np.isnan(each).all() else math.nan
            kappa[i, j] = cohen_kappa(
                *(np.concatenate([of[question] for question in common]) for of in (given[i], given[j]))
            )
    by_all = sorted(set.intersection(*(set(answers) for answers in given)))
    votes = [np.concatenate([answers[question] for question in by_all]) for answers in given] if by_all else []
    fleiss = fleiss_kappa(np.stack(votes)) if by_all else math.nan
    return ReaderAgreement(tuple(consultations), images, overlap, kappa, len(by_all), fleiss)


def _answers(runs: Sequence[Sequence[Consultation]]) -> dict[tuple[int, int, str, tuple[int, int]], NDArray[np.bool_]]:
    """The chosen cells (cells,) of every question that was answered, by run, consultation, image and grid."""
    return {
        (run, number, answer.image_id, one.grid): Grid(*one.grid).cells_from_numbers(answer.cells).ravel()
        for run, consultations in enumerate(runs)
        for number, one in enumerate(consultations)
        for answer in one.answers
        if answer.cells is not None
    }


class VarianceComponents(NamedTuple):
    """Where the scatter of a metric comes from: variances, in the metric's unit squared."""

    reader: float
    """Between readers, whatever the seed."""
    seed: float
    """Between seeds, whatever the reader."""
    residual: float
    """What is left: that a reader suits one seed better than another."""


def components(values: NDArray[np.floating]) -> VarianceComponents:
    """The variance components of a metric over readers and seeds, crossed, one run each.

    Two-way analysis of variance without replication, method of moments (Searle, Casella & McCulloch 1992, chapter 4).
    An estimate below 0 says that there is less scatter than the residual alone would make, and counts as 0.

    Args:
        values: (readers, seeds), finite.

    Raises:
        ValueError: fewer than two readers or seeds, or a value is missing.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"values must be (readers, seeds), two of each at least and all finite, not {table.shape}")
    readers, seeds = table.shape
    by_reader, by_seed = table.mean(axis=1), table.mean(axis=0)
    residuals = table - by_reader[:, None] - by_seed + table.mean()
    residual = float((residuals**2).sum() / ((readers - 1) * (seeds - 1)))
    scatter = float(by_reader.var(ddof=1)) - residual / seeds, float(by_seed.var(ddof=1)) - residual / readers
    return VarianceComponents(max(0.0, scatter[0]), max(0.0, scatter[1]), residual)
