"""`split_images`: which images train and which test; stratified by class, and no group is ever torn apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import DataError
from imil_sim.images.image_set import ImageSet
from imil_sim.images.listing import counted
from imil_sim.seeds import stream
from imil_sim.study.spec import SplitSpec

DEFAULT_FRACTION = 0.2
DRAFTS = 32
"""Random orders of the groups that are tried; the split nearest to the wanted counts is taken."""


@dataclass(frozen=True, slots=True)
class Split:
    """Indices into an `ImageSet`; every image is on exactly one side."""

    train: NDArray[np.int64]
    """Ascending."""
    test: NDArray[np.int64]
    """Ascending."""
    notice: str = ""
    """What differs from what was asked for, in one line; empty where nothing does."""


def split_images(images: ImageSet, spec: SplitSpec, seed: int) -> Split:
    """The split that ``spec`` asks for.

    ``spec.test`` is a count or a fraction of the images; where it is none, the source's own parts hold, and where it
    has none, `DEFAULT_FRACTION`. Each class gives its share of the test images, rounded by largest remainder, so the
    total is exact and every class within one of its share. With groups (patients) the counts are as near as whole
    groups allow, and a notice says by how much they differ.

    Args:
        images: the set.
        spec: method, size and seed; ``fixed`` draws from ``spec.seed``, ``per-seed`` from ``seed``.
        seed: the run's seed.

    Raises:
        DataError: more test images than there are images; a class missing on one side; or a source whose own parts
            tear a group apart.
    """
    if spec.test is None and images.parts is not None:
        if spec.method == "per-seed":
            raise DataError(
                f'images "{images.name}": split.method is "per-seed", but the source brings a split of its own, '
                "the same for every seed; give split.test to split it anew, or leave split.method out"
            )
        split = _own_parts(images)
    else:
        asked = DEFAULT_FRACTION if spec.test is None else spec.test
        wanted = _wanted(images, asked)
        rng = stream(spec.seed if spec.method == "fixed" else seed, "split")
        split = _by_class(images, wanted, rng) if images.groups is None else _by_group(images, wanted, rng)
    _check_classes(images, split)
    return split


def _own_parts(images: ImageSet) -> Split:
    is_test = np.array([part == "test" for part in images.parts or ()], dtype=np.bool_)
    if images.groups is not None:
        sides: dict[str, set[bool]] = {}
        for group, test in zip(images.groups, is_test.tolist(), strict=True):
            sides.setdefault(group, set()).add(test)
        torn = [group for group, found in sides.items() if len(found) == 2]
        if torn:
            raise DataError(
                f'images "{images.name}": the source\'s own split has {len(torn)} groups on both sides '
                f"({counted(torn)}): correct its split column, or set split.test for a split of whole groups"
            )
    return _split(is_test)


def _split(is_test: NDArray[np.bool_], notice: str = "") -> Split:
    return Split(np.flatnonzero(~is_test).astype(np.int64), np.flatnonzero(is_test).astype(np.int64), notice)


def _wanted(images: ImageSet, asked: int | float) -> NDArray[np.int64]:
    """(classes,): test images of each class, by largest remainder; ties go to the class that comes first."""
    total = len(images)
    count = asked if isinstance(asked, int) else round(asked * total)
    if not 0 < count < total:
        raise DataError(
            f'images "{images.name}": split.test = {asked} makes {count} test images of {total}; leave at least one '
            "image of every class on each side"
        )
    of_class = np.bincount(images.labels, minlength=len(images.class_names))
    # Whole numbers throughout: a remainder computed in floating point could break a tie by rounding.
    wanted, remainder = np.divmod(of_class * count, total)
    spare = count - int(wanted.sum())
    wanted[np.argsort(-remainder, kind="stable")[:spare]] += 1
    return wanted.astype(np.int64)


def _by_class(images: ImageSet, wanted: NDArray[np.int64], rng: np.random.Generator) -> Split:
    is_test = np.zeros(len(images), dtype=np.bool_)
    for label, count in enumerate(wanted):
        is_test[rng.permutation(np.flatnonzero(images.labels == label))[:count]] = True
    return _split(is_test)


def _by_group(images: ImageSet, wanted: NDArray[np.int64], rng: np.random.Generator) -> Split:
    """Whole groups in random order, each taken where it brings the test counts nearer; the best of some drafts."""
    names, group_of = np.unique(np.array(images.groups), return_inverse=True)
    content = np.zeros((len(names), len(wanted)), dtype=np.int64)
    np.add.at(content, (group_of, images.labels), 1)
    of_class = content.sum(axis=0)
    best, best_rank = np.zeros(len(names), dtype=np.bool_), (True, np.inf)
    for _ in range(DRAFTS):
        taken = _draft(content, wanted, rng)
        counts = content[taken].sum(axis=0)
        # A draft that leaves a class out of one side is the last resort; then the distance decides.
        rank = (bool((counts == 0).any() or (counts == of_class).any()), float(((counts - wanted) ** 2).sum()))
        if rank < best_rank:
            best, best_rank = taken, rank
        if best_rank == (False, 0.0):
            break
    got, asked = int(content[best].sum()), int(wanted.sum())
    off = best_rank[1] > 0
    notice = f"split by group: {got} test images where {asked} were asked for, no group torn apart" if off else ""
    return _split(best[group_of], notice)


def _draft(content: NDArray[np.int64], wanted: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """(groups,): the groups that one pass in random order takes into the test set."""
    taken = np.zeros(len(content), dtype=np.bool_)
    lacking = wanted.copy()
    for group in rng.permutation(len(content)):
        # |lacking - g|^2 < |lacking|^2, written out.
        if content[group] @ content[group] < 2 * (content[group] @ lacking):
            taken[group] = True
            lacking -= content[group]
    return taken


def _check_classes(images: ImageSet, split: Split) -> None:
    sides: Sequence[tuple[str, NDArray[np.int64]]] = (("training", split.train), ("test", split.test))
    for side, rows in sides:
        counts = np.bincount(images.labels[rows], minlength=len(images.class_names))
        missing = [name for name, count in zip(images.class_names, counts, strict=True) if count == 0]
        if missing:
            raise DataError(
                f'images "{images.name}": no {side} image of class {", ".join(missing)} ({len(split.train)} training, '
                f"{len(split.test)} test); change split.test, or add images of that class"
            )
