"""Which images the clinician is asked about: the mispredictions the model is surest of, or another choice.

A selection is a part (entry-point group ``imil_sim.selections``): a function, marked with `strategy`, that puts the
`Candidates` in an order, the first ``limit`` of which are the questions. The default is the paper's, the others are
there to be compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imil_sim import registry
from imil_sim.registry import summary

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


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a selection orders images by; (n,) throughout."""

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    """Between the two largest logits."""
    loss: NDArray[np.float64]
    """Cross-entropy of the true class."""
    labels: NDArray[np.integer]
    """True classes."""
    names: NDArray[np.str_]
    excluded: NDArray[np.bool_]
    mistaken: NDArray[np.bool_]
    """Predicted wrong, excluded or not."""
    rng: np.random.Generator | None
    outside: Callable[[Selection], NDArray[np.floating]] | None

    @classmethod
    def of(
        cls,
        logits: NDArray[np.floating],
        labels: NDArray[np.integer],
        ids: Sequence[str],
        limit: int,
        exclude: Collection[str],
        rng: np.random.Generator | None,
        outside: Callable[[Selection], NDArray[np.floating]] | None,
    ) -> Candidates:
        """The candidates; errors as `select`."""
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
            labels=labels,
            names=np.array(ids, dtype=np.str_),
            excluded=np.fromiter((image_id in left_out for image_id in ids), dtype=np.bool_, count=len(ids)),
            mistaken=predicted != labels,
            rng=rng,
            outside=outside,
        )

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Mispredicted, and open to a question."""
        return self.mistaken & ~self.excluded

    @property
    def surest_wrong(self) -> NDArray[np.intp]:
        """Rows of the `wrong` ones, the most confident first.

        Equal confidences are ordered by the margin between the two largest logits, which still differs where the
        softmax has saturated, then by image id; of equal logits the lowest class is the prediction.
        """
        surest_first = np.lexsort((self.names, -self.margin, -self.confidence))
        return surest_first[self.wrong[surest_first]]

    def all_by(self, *keys: NDArray[np.floating]) -> NDArray[np.intp]:
        """Rows of every image that may be asked about, ascending by the keys, the first one first, then by id."""
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


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose the images that are asked about."""

    order: Callable[[Candidates], NDArray[np.intp]]
    """Rows of the candidates that may be asked about, the first one first."""
    images: str
    """Which images these are, for the reader; a sentence."""

    @property
    def help(self) -> str:
        """One line about it."""
        return summary(self.order)


def strategy(images: str) -> Callable[[Callable[[Candidates], NDArray[np.intp]]], Strategy]:
    """Declares a function to be a `Strategy`."""
    return lambda order: Strategy(order, images)


def select(
    selection: str,
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    ids: Sequence[str],
    limit: int,
    exclude: Collection[str] = (),
    fill_up: FillUp = "none",
    *,
    rng: np.random.Generator | None = None,
    outside: Callable[[Selection], NDArray[np.floating]] | None = None,
) -> Selection:
    """The up to ``limit`` images that an installed selection chooses, in the order in which they are asked about.

    The order of the images in the set does not matter. With ``fill_up = "least-confident-correct"`` a shortage of a
    selection among mispredictions is filled with the correct predictions the model was least sure of.

    Args:
        selection: its name, ``confident-mispredictions`` for the paper's.
        logits: (n, classes), finite, at least two classes.
        labels: (n,), the true classes.
        ids: one id an image.
        limit: how many images to ask about, at least 1.
        exclude: ids that must not be asked about (again).
        fill_up: what to do about a shortage.
        rng: for a selection that draws.
        outside: for a selection that looks at heat maps: for every image of a `Selection`, the share of its heat map
            outside the lungs (k,), in [0, 1]; nan where that is unknown.

    Raises:
        PartError: no such selection is installed.
        ValueError: the lengths differ, a label is not a class, ``limit`` is below 1, a logit is not finite, or the
            selection needs ``rng`` or ``outside``.
    """
    candidates = Candidates.of(logits, labels, ids, limit, exclude, rng, outside)
    return candidates.selected(registry.load("selections", selection).order(candidates), limit, fill_up)


def share_outside(cam: NDArray[np.floating], lung: NDArray[np.bool_] | None) -> float:
    """The share of a heat-map (height, width) that lies outside the lungs, in [0, 1].

    It is nan where there is no lung mask, or the heat-map is zero everywhere.
    """
    total = float(cam.sum(dtype=np.float64))
    if lung is None or not total:
        return math.nan
    return float(cam[~lung].sum(dtype=np.float64)) / total


@strategy("The model gave a wrong class to these images and was sure of it.")
def confident_mispredictions(candidates: Candidates) -> NDArray[np.intp]:
    """The mispredictions with the highest confidence (Rao et al. 2024, section 3.1, "outliers")."""
    return candidates.surest_wrong


@strategy("These are the images that the model fits worst; it may have given some of them the right class.")
def highest_loss(candidates: Candidates) -> NDArray[np.intp]:
    """All images by the cross-entropy of their true class, the highest first.

    Of two classes that is the default's order, gone on with where mispredictions run short; of more it is another.
    """
    return candidates.all_by(-candidates.loss)


@strategy("These are the images that the model was least sure of, whether its class was right or wrong.")
def least_confident(candidates: Candidates) -> NDArray[np.intp]:
    """All images by their confidence, the lowest first, predicted right or wrong (Lewis & Gale 1994)."""
    return candidates.all_by(candidates.confidence, candidates.margin)


@strategy("These images were drawn at random; the model may have given them the right class or a wrong one.")
def random_images(candidates: Candidates) -> NDArray[np.intp]:
    """All images in an order drawn at random: the control of the choice itself."""
    if candidates.rng is None:
        raise ValueError("random-images draws: hand over rng")
    draws = np.empty(len(candidates.names))
    draws[np.argsort(candidates.names, kind="stable")] = candidates.rng.random(len(draws))
    return candidates.all_by(draws)


@strategy("The model gave a wrong class to these images; of each class they are those it was surest of.")
def class_balanced(candidates: Candidates) -> NDArray[np.intp]:
    """The surest misprediction of each true class, then the second surest of each, and so on, the surer one first.

    A class that has no more leaves its turns to the others.
    """
    order = candidates.surest_wrong
    return _in_turn(order, candidates.labels[order])


@strategy("The model gave a wrong class to these images and looked beside the lungs.")
def cam_outside_lungs(candidates: Candidates) -> NDArray[np.intp]:
    """Mispredictions by the share of the heat map that lies outside the lungs, the highest first, unknown ones last.

    Equal ones are ordered as the default does.
    """
    if candidates.outside is None:
        raise ValueError("cam-outside-lungs looks at heat maps: hand over outside")
    order = candidates.surest_wrong
    share = candidates.outside(candidates.selected(order, len(order), "none"))
    return order[np.argsort(-np.nan_to_num(share, nan=-1.0), kind="stable")]


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
