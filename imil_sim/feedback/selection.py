"""Which images the clinician is asked about: the mispredictions the model is surest of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FillUp = Literal["none", "least-confident-correct"]
"""What is asked about where there are fewer mispredictions than asked for."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The images of one consultation, in the order in which they are asked about, and what was left out."""

    indices: NDArray[np.int64]
    """(k,): rows of the logits; the surest misprediction first, then what filled up."""
    predicted: NDArray[np.int64]
    """(k,): the class the model predicted."""
    confidence: NDArray[np.float64]
    """(k,): the probability given to that class, in [0, 1]."""
    n_mispredictions: int
    """Images predicted wrong and open to a question; may be more than were selected."""
    n_excluded: int
    """Images predicted wrong but excluded, because they were asked about before."""
    n_filled_up: int
    """Correctly predicted images among the selected."""
    shortage: int
    """How many images were asked for and not found."""


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, classes): probabilities in [0, 1], each row summing to 1, in double precision.

    The largest logit of a row is subtracted first, so no finite logit overflows.
    """
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def confident_mispredictions(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    ids: Sequence[str],
    limit: int,
    exclude: Collection[str] = (),
    fill_up: FillUp = "none",
) -> Selection:
    """The up to ``limit`` mispredictions with the highest confidence (Rao et al. 2024, section 3.1, "outliers").

    Equal confidences are ordered by the margin between the two largest logits, which still differs where the softmax
    has saturated, then by image id; of equal logits the lowest class is the prediction. With
    ``fill_up = "least-confident-correct"`` a shortage is filled with the correct predictions the model was least sure
    of; without it, there is a shortage and it is told.

    Args:
        logits: (n, classes), finite, at least two classes.
        labels: (n,), the true classes.
        ids: one id an image.
        limit: how many images to ask about, at least 1.
        exclude: ids that must not be asked about (again).
        fill_up: what to do about a shortage.

    Raises:
        ValueError: the lengths differ, a label is not a class, ``limit`` is below 1, or a logit is not finite.
    """
    scores = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(labels)
    _check(scores, labels, ids, limit)

    probabilities, predicted = softmax(scores), scores.argmax(axis=1)
    confidence = probabilities[np.arange(len(labels)), predicted]
    best_two = np.sort(scores, axis=1)[:, -2:]
    margin = best_two[:, 1] - best_two[:, 0]
    names = np.array(ids, dtype=np.str_)

    left_out = frozenset(exclude)
    excluded = np.fromiter((image_id in left_out for image_id in ids), dtype=np.bool_, count=len(ids))
    wrong, right = (predicted != labels) & ~excluded, (predicted == labels) & ~excluded
    surest_first = np.lexsort((names, -margin, -confidence))
    indices = surest_first[wrong[surest_first]][:limit]
    n_wrong_selected = len(indices)
    if fill_up == "least-confident-correct":
        least_sure_first = np.lexsort((names, margin, confidence))
        indices = np.concatenate([indices, least_sure_first[right[least_sure_first]][: limit - n_wrong_selected]])

    return Selection(
        indices=indices.astype(np.int64),
        predicted=predicted[indices].astype(np.int64),
        confidence=confidence[indices],
        n_mispredictions=int(wrong.sum()),
        n_excluded=int(((predicted != labels) & excluded).sum()),
        n_filled_up=len(indices) - n_wrong_selected,
        shortage=limit - len(indices),
    )


def _check(logits: NDArray[np.float64], labels: NDArray[np.integer], ids: Sequence[str], limit: int) -> None:
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits must be (n, classes) with at least two classes, not {logits.shape}")
    if labels.shape != (len(logits),) or len(ids) != len(logits):
        raise ValueError(f"{len(logits)} rows of logits, but labels of shape {labels.shape} and {len(ids)} ids")
    if not np.isfinite(logits).all():
        raise ValueError(f"{int((~np.isfinite(logits)).any(axis=1).sum())} images have a logit that is not finite")
    if labels.size and not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise ValueError(f"labels from {labels.min()} to {labels.max()}, but classes 0 to {logits.shape[1] - 1}")
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
