"""How far the readers of a study agree, and how much of the scatter of its results is theirs and how much the seeds'.

A reader is an arm of feedback. Three models of three residents, one run each, cannot tell a better resident from a
luckier seed; readers who answered the same questions, over several seeds, can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil_sim.feedback.agreement import cohen_kappa, dice, fleiss_kappa
from imil_sim.feedback.grid import Grid
from imil_sim.study.record import Consultation

_Question = tuple[int, int, str, tuple[int, int]]
"""Run, number of the consultation within it, image, grid."""


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
    readers = tuple(consultations)
    given = [_answers(consultations[reader]) for reader in readers]
    size = len(readers)
    images = np.zeros((size, size), dtype=np.int64)
    overlap, kappa = np.full((size, size), math.nan), np.full((size, size), math.nan)
    for i, one in enumerate(given):
        for j, other in enumerate(given):
            common = sorted(one.keys() & other.keys())
            images[i, j] = len(common)
            if common:
                overlap[i, j] = _mean([dice(one[question], other[question]) for question in common])
                kappa[i, j] = cohen_kappa(_flat(one, common), _flat(other, common))
    by_all = sorted(set.intersection(*(set(answers) for answers in given)))
    fleiss = fleiss_kappa(np.stack([_flat(answers, by_all) for answers in given])) if by_all else math.nan
    return ReaderAgreement(readers, images, overlap, kappa, len(by_all), fleiss)


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Where the scatter of a metric comes from: variances, in the metric's unit squared."""

    reader: float
    """Between readers, whatever the seed."""
    seed: float
    """Between seeds, whatever the reader."""
    residual: float
    """What is left: that a reader suits one seed better than another."""


def components(values: NDArray[np.floating]) -> VarianceComponents:
    """The variance components of a metric over readers and seeds, crossed, one run each.

    Two-way analysis of variance without replication, method of moments (Searle, Casella & McCulloch 1992, chapter 4):
    the mean square of readers estimates residual + seeds x reader, that of seeds residual + readers x seed. An estimate
    below 0 says that there is less scatter than the residual alone would make, and counts as 0.

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
    return VarianceComponents(
        reader=max(0.0, float(by_reader.var(ddof=1)) - residual / seeds),
        seed=max(0.0, float(by_seed.var(ddof=1)) - residual / readers),
        residual=residual,
    )


def _answers(runs: Sequence[Sequence[Consultation]]) -> dict[_Question, NDArray[np.bool_]]:
    """The chosen cells (rows, cols) of every question that was answered."""
    return {
        (run, number, answer.image_id, consultation.grid): Grid(*consultation.grid).cells_from_numbers(answer.cells)
        for run, consultations in enumerate(runs)
        for number, consultation in enumerate(consultations, 1)
        for answer in consultation.answers
        if answer.cells is not None
    }


def _flat(answers: Mapping[_Question, NDArray[np.bool_]], questions: Sequence[_Question]) -> NDArray[np.bool_]:
    """(cells,): the cells of all the questions side by side."""
    return np.concatenate([answers[question].ravel() for question in questions])


def _mean(values: Sequence[float]) -> float:
    """The mean of those that are known; nan where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
