"""`summarise`: what the ``data`` verb prints about a set; numbers first, then everything worth a warning."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil_sim.images.image_set import ImageSet
from imil_sim.images.listing import counted
from imil_sim.images.split import Split

MOST_VALUES = 12
"""Values of an attribute that are counted one by one; of more, only their number is given."""


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

    Pixels are compared, not files, so the same image saved twice (with other metadata, say) is found.
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


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything worth knowing about a set before training on it."""

    rows: tuple[tuple[str, str], ...]
    """(what, value) lines for a table of two columns."""
    warnings: tuple[str, ...]
    """What may spoil a result, one line each; nothing here keeps a study from running."""


def summarise(images: ImageSet, split: Split | None) -> Summary:
    """The summary of a set and its split; the split is None for a set that is only tested."""
    height, width = images.shape
    names = " / ".join(images.class_names)
    rows = [
        ("images", f"{len(images)} images, {width} x {height} pixels"),
        ("classes", f"{_by_class(images, np.arange(len(images)))} {names}"),
        *(("masks", _masks(images, name)) for name in images.masks),
    ]
    if split is not None:
        rows.append(("split", f"{len(split.train)}/{len(split.test)} training / test"))
        rows.append(("training", f"{_by_class(images, split.train)} {names}"))
        rows.append(("test", f"{_by_class(images, split.test)} {names}"))
    if images.groups is not None:
        rows.append(("groups", str(len(set(images.groups)))))
    rows += [(name, _attribute(values)) for name, values in images.attributes.items()]
    found = duplicates(images, split)
    shown = counted(["=".join(duplicate.ids) for duplicate in found])
    across = [duplicate for duplicate in found if duplicate.across]
    rows.append(("duplicates", f"{len(found)} ({shown}), {len(across)} across the split" if found else "none"))
    warnings = [
        f"identical images on both sides of the split: {', '.join(each.ids)}. Keep one, or give them one group"
        for each in across
    ]
    warnings += [
        f"identical images with different labels: {', '.join(each.ids)}. Correct the labels"
        for each in found
        if each.contradictory
    ]
    warnings += [*images.notices, *([split.notice] if split and split.notice else [])]
    return Summary(tuple(rows), tuple(warnings))


def _by_class(images: ImageSet, rows: NDArray[np.int64]) -> str:
    return "/".join(map(str, np.bincount(images.labels[rows], minlength=len(images.class_names))))


def _masks(images: ImageSet, name: str) -> str:
    masks = images.masks[name]
    marked, present = int(masks.values.any(axis=(1, 2)).sum()), int(masks.present.sum())
    empty = f"{present - marked} images known to have an empty one, " if present > marked else ""
    return f"{marked} {name} masks ({empty}{len(images) - present} images without)"


def _attribute(values: tuple[str, ...]) -> str:
    known = Counter(value for value in values if value)
    unknown = f", {len(values) - known.total()} unknown" if known.total() < len(values) else ""
    if len(known) > MOST_VALUES:
        return f"{len(known)} different values{unknown}"
    return (", ".join(f"{times} {value}" for value, times in known.most_common()) or "no value") + unknown
