"""Which images the clinician is asked about: the mispredictions the model is surest of, or another choice.

Every strategy is an order of the images that may be asked about; the first ``limit`` of it are the questions. The
default is the paper's, the others are there to be compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Strategy = Literal[
    "confident-mispredictions",
    "highest-loss",
    "least-confident",
    "random-images",
    "class-balanced",
    "cam-outside-lungs",
]
"""How the images are chosen; see `select`."""

FillUp = Literal["none", "least-confident-correct"]
"""What is asked about where there are fewer mispredictions than asked for."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The images of one consultation, in the order in which they are asked about, and what was left out."""

    indices: NDArray[np.int64]
    """(k,): rows of the logits, in the order of the strategy (the surest misprediction first), then what filled up."""
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
    about = _Predictions.of(logits, labels, ids, limit, exclude)
    return about.selected(about.surest_first[about.wrong[about.surest_first]], limit, fill_up)


def select(
    strategy: Strategy,
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    ids: Sequence[str],
    limit: int,
    *,
    exclude: Collection[str] = (),
    fill_up: FillUp = "none",
    rng: np.random.Generator,
    outside: Callable[[Selection], NDArray[np.floating]],
) -> Selection:
    """The up to ``limit`` images that ``strategy`` chooses, in the order in which they are asked about.

    - ``confident-mispredictions``: as `confident_mispredictions`.
    - ``highest-loss``: all images by the cross-entropy of their true class, the highest first. Of two classes that is
      the former order, gone on with where mispredictions run short; of more it is another.
    - ``least-confident``: all images by their confidence, the lowest first, whether predicted right or wrong
      (uncertainty sampling, Lewis & Gale 1994).
    - ``random-images``: all images in an order drawn at random: the control of the choice itself.
    - ``class-balanced``: the surest misprediction of each true class, then the second surest of each, and so on, the
      surer one first; a class that has no more leaves its turns to the others.
    - ``cam-outside-lungs``: mispredictions by the share of the heat-map that lies outside the lungs, the highest first;
      those whose share is unknown come last. Equal ones are ordered as the default does.

    Those that choose among all images can run short only of images; ``n_filled_up`` counts the correctly predicted ones
    they chose. The order of the images in the set does not matter to any of them.

    Args:
        strategy: which.
        logits: (n, classes), finite, at least two classes.
        labels: (n,), the true classes.
        ids: one id an image.
        limit: how many images to ask about, at least 1.
        exclude: ids that must not be asked about (again).
        fill_up: what to do about a shortage; acts on the strategies that choose among mispredictions.
        rng: of ``random-images``; the others do not draw.
        outside: of ``cam-outside-lungs``, called by no other: for every image of a selection (all mispredictions), the
            share of its heat-map outside the lungs (k,), in [0, 1]; nan where that is unknown.

    Raises:
        ValueError: as `confident_mispredictions`.
    """
    about = _Predictions.of(logits, labels, ids, limit, exclude)
    surest_wrong = about.surest_first[about.wrong[about.surest_first]]
    match strategy:
        case "confident-mispredictions":
            order = surest_wrong
        case "highest-loss":
            order = about.all_by(-about.loss)
        case "least-confident":
            order = about.all_by(about.confidence, about.margin)
        case "random-images":
            order = about.all_by(_drawn(about.names, rng))
        case "class-balanced":
            order = _in_turn(surest_wrong, np.asarray(labels)[surest_wrong])
        case "cam-outside-lungs":
            share = outside(about.selected(surest_wrong, len(surest_wrong), "none"))
            order = surest_wrong[np.argsort(-np.nan_to_num(share, nan=-1.0), kind="stable")]
    return about.selected(order, limit, fill_up)


def share_outside(cam: NDArray[np.floating], lung: NDArray[np.bool_] | None) -> float:
    """The share of a heat-map (height, width) that lies outside the lungs, in [0, 1].

    It is nan where there is no lung mask, or the heat-map is zero everywhere.
    """
    total = float(cam.sum(dtype=np.float64))
    if lung is None or not total:
        return math.nan
    return float(cam[~lung].sum(dtype=np.float64)) / total


@dataclass(frozen=True, slots=True)
class _Predictions:
    """What the strategies order images by; (n,) throughout."""

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    """Between the two largest logits."""
    loss: NDArray[np.float64]
    """Cross-entropy of the true class."""
    names: NDArray[np.str_]
    excluded: NDArray[np.bool_]
    mistaken: NDArray[np.bool_]
    """Predicted wrong, excluded or not."""

    @classmethod
    def of(
        cls,
        logits: NDArray[np.floating],
        labels: NDArray[np.integer],
        ids: Sequence[str],
        limit: int,
        exclude: Collection[str],
    ) -> _Predictions:
        scores, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
        _check(scores, labels, ids, limit)
        each, predicted = np.arange(len(labels)), scores.argmax(axis=1)
        best_two = np.sort(scores, axis=1)[:, -2:]
        left_out = frozenset(exclude)
        shifted = scores - scores.max(axis=1, keepdims=True)
        return cls(
            predicted=predicted.astype(np.int64),
            confidence=softmax(scores)[each, predicted],
            margin=best_two[:, 1] - best_two[:, 0],
            loss=np.log(np.exp(shifted).sum(axis=1)) - shifted[each, labels],
            names=np.array(ids, dtype=np.str_),
            excluded=np.fromiter((image_id in left_out for image_id in ids), dtype=np.bool_, count=len(ids)),
            mistaken=predicted != labels,
        )

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return self.mistaken & ~self.excluded

    @property
    def surest_first(self) -> NDArray[np.intp]:
        return np.lexsort((self.names, -self.margin, -self.confidence))

    def all_by(self, *keys: NDArray[np.floating]) -> NDArray[np.intp]:
        """Every image that may be asked about, ascending by the keys, the first one first, then by id."""
        order = np.lexsort((self.names, *keys[::-1]))
        return order[~self.excluded[order]]

    def selected(self, order: NDArray[np.intp], limit: int, fill_up: FillUp) -> Selection:
        """The first ``limit`` of an order; where it is shorter, what ``fill_up`` says."""
        indices = order[:limit]
        if fill_up == "least-confident-correct":
            least_sure_first = self.all_by(self.confidence, self.margin)
            right = least_sure_first[~self.mistaken[least_sure_first] & ~np.isin(least_sure_first, indices)]
            indices = np.concatenate([indices, right[: limit - len(indices)]])
        return Selection(
            indices=indices.astype(np.int64),
            predicted=self.predicted[indices],
            confidence=self.confidence[indices],
            n_mispredictions=int(self.wrong.sum()),
            n_excluded=int((self.mistaken & self.excluded).sum()),
            n_filled_up=int((~self.mistaken[indices]).sum()),
            shortage=limit - len(indices),
        )


def _drawn(names: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.float64]:
    """(n,): a number drawn for each image, whatever the order of the images."""
    draws = np.empty(len(names))
    draws[np.argsort(names, kind="stable")] = rng.random(len(names))
    return draws


def _in_turn(order: NDArray[np.intp], classes: NDArray[np.integer]) -> NDArray[np.intp]:
    """``order`` dealt out anew: the first of every class, then the second of every class, and so on.

    Within a round classes come in the order of their surest image of that round.
    """
    rounds = np.zeros(len(order), dtype=np.int64)
    for name in np.unique(classes):
        of_class = classes == name
        rounds[of_class] = np.arange(int(of_class.sum()))
    return order[np.argsort(rounds, kind="stable")]


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
