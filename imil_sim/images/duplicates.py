"""Images that are one and the same, and what that does to a split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

from imil_sim.images.image_set import ImageSet
from imil_sim.images.split import Split


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Images with equal pixels."""

    ids: tuple[str, ...]
    """In the order of the set; at least two."""
    across: bool
    """Whether some of them train and others test: the test set is then partly known."""
    contradictory: bool
    """Whether they have different labels: one of them must be wrong."""


def duplicates(images: ImageSet, split: Split | None = None) -> tuple[Duplicate, ...]:
    """Every set of images with equal pixels at the study's size, in the order of their first.

    Pixels are compared, not files, so the same image saved twice (with other metadata, say) is found; and at the
    study's size, for what the model cannot tell apart is a duplicate to it.
    """
    same: dict[bytes, list[int]] = defaultdict(list)
    for row, image in enumerate(images.pixels):
        same[hashlib.sha256(image.tobytes()).digest()].append(row)
    tests = set() if split is None else set(split.test.tolist())
    return tuple(
        Duplicate(
            ids=tuple(images.ids[row] for row in rows),
            across=split is not None and len({row in tests for row in rows}) == 2,
            contradictory=len({int(images.labels[row]) for row in rows}) > 1,
        )
        for rows in same.values()
        if len(rows) > 1
    )
