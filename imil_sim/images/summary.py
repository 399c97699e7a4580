"""`summarise`: what the ``data`` verb prints about a set; numbers first, then everything worth a warning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil_sim.images.duplicates import Duplicate, duplicates
from imil_sim.images.image_set import ImageSet
from imil_sim.images.listing import counted
from imil_sim.images.split import Split

MOST_VALUES = 12
"""Values of an attribute that are counted one by one; with more, only their number is told."""


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Images of one class."""

    name: str
    images: int
    train: int
    test: int


@dataclass(frozen=True, slots=True)
class MaskCount:
    """Masks of one kind."""

    name: str
    marked: int
    """Masks that mark something."""
    empty: int
    """Masks known to mark nothing (no lesion on this image)."""
    missing: int
    """Images without such a mask."""


@dataclass(frozen=True, slots=True)
class AttributeCount:
    """The values of one attribute."""

    name: str
    values: Mapping[str, int] | None
    """Images by value, most frequent first; none where there are more than `MOST_VALUES`."""
    different: int
    """Different values, unknown aside."""
    unknown: int
    """Images without a value."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything worth knowing about a set before training on it."""

    name: str
    images: int
    size: tuple[int, int]
    """(height, width), pixels."""
    classes: tuple[ClassCount, ...]
    masks: tuple[MaskCount, ...]
    attributes: tuple[AttributeCount, ...]
    groups: int | None
    """Different groups (patients), where the source knows them."""
    split: tuple[int, int] | None
    """(training, test) images; none for a set that is only tested."""
    duplicates: tuple[Duplicate, ...]
    notices: tuple[str, ...]
    """What was converted or left out on the way."""

    @property
    def across(self) -> tuple[Duplicate, ...]:
        """The duplicates that stand on both sides of the split."""
        return tuple(duplicate for duplicate in self.duplicates if duplicate.across)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may spoil a result, one line each; nothing here keeps a study from running."""
        lines = [
            f"identical images on both sides of the split: {', '.join(found.ids)}. Keep one, or give them one group"
            for found in self.across
        ]
        lines += [
            f"identical images with different labels: {', '.join(found.ids)}. Correct the labels"
            for found in self.duplicates
            if found.contradictory
        ]
        return (*lines, *self.notices)

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The summary as (what, value) lines for a table of two columns; the warnings are not among them."""
        height, width = self.size
        names = " / ".join(count.name for count in self.classes)
        rows = [
            ("images", f"{self.images} images, {width} x {height} pixels"),
            ("classes", f"{'/'.join(str(count.images) for count in self.classes)} {names}"),
        ]
        rows += [("masks", _masks_told(count)) for count in self.masks]
        if self.split is not None:
            rows.append(("split", f"{self.split[0]}/{self.split[1]} training / test"))
            rows.append(("training", f"{'/'.join(str(count.train) for count in self.classes)} {names}"))
            rows.append(("test", f"{'/'.join(str(count.test) for count in self.classes)} {names}"))
        if self.groups is not None:
            rows.append(("groups", str(self.groups)))
        rows += [(count.name, _attribute_told(count)) for count in self.attributes]
        rows.append(("duplicates", _duplicates_told(self.duplicates)))
        return tuple(rows)


def summarise(images: ImageSet, split: Split | None) -> Summary:
    """The summary of a set and its split.

    Args:
        images: the set.
        split: its split; none for a set that is only tested.
    """
    return Summary(
        name=images.name,
        images=len(images),
        size=images.shape,
        classes=_class_counts(images, split),
        masks=tuple(_mask_count(name, images) for name in images.masks),
        attributes=tuple(_attribute_count(name, values) for name, values in images.attributes.items()),
        groups=None if images.groups is None else len(set(images.groups)),
        split=None if split is None else (len(split.train), len(split.test)),
        duplicates=duplicates(images, split),
        notices=images.notices if split is None or not split.notice else (*images.notices, split.notice),
    )


def _class_counts(images: ImageSet, split: Split | None) -> tuple[ClassCount, ...]:
    def count(rows: NDArray[np.int64] | slice) -> list[int]:
        return [int(n) for n in np.bincount(images.labels[rows], minlength=len(images.class_names))]

    nothing = np.empty(0, dtype=np.int64)
    train, test = (nothing, nothing) if split is None else (split.train, split.test)
    counts = zip(images.class_names, count(slice(None)), count(train), count(test), strict=True)
    return tuple(ClassCount(*row) for row in counts)


def _mask_count(name: str, images: ImageSet) -> MaskCount:
    masks = images.masks[name]
    marked = int(masks.values.any(axis=(1, 2)).sum())
    present = int(masks.present.sum())
    return MaskCount(name, marked, present - marked, len(images) - present)


def _attribute_count(name: str, values: tuple[str, ...]) -> AttributeCount:
    known = Counter(value for value in values if value)
    few = dict(known.most_common()) if len(known) <= MOST_VALUES else None
    return AttributeCount(name, few, len(known), len(values) - known.total())


def _masks_told(count: MaskCount) -> str:
    empty = f"{count.empty} images known to have an empty one, " if count.empty else ""
    return f"{count.marked} {count.name} masks ({empty}{count.missing} images without)"


def _attribute_told(count: AttributeCount) -> str:
    unknown = f", {count.unknown} unknown" if count.unknown else ""
    if count.values is None:
        return f"{count.different} different values{unknown}"
    return (", ".join(f"{times} {value}" for value, times in count.values.items()) or "no value") + unknown


def _duplicates_told(found: tuple[Duplicate, ...]) -> str:
    if not found:
        return "none"
    told = counted(["=".join(duplicate.ids) for duplicate in found])
    across = sum(duplicate.across for duplicate in found)
    return f"{len(found)} ({told}), {across} across the split"
