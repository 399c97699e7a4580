"""`ImageSet`: decoded images at the study's size, with labels, masks and what else the source knows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imil_sim.images.lungs import estimate_lungs


@dataclass(frozen=True, slots=True)
class MaskSet:
    """The masks of one kind (``lung``, ``lesion``) for the images of a set."""

    values: NDArray[np.bool_]
    """(n, height, width); all False where ``present`` is False."""
    present: NDArray[np.bool_]
    """(n,): whether the source holds a mask for the image. A present mask may be empty (no lesion on this image)."""


@dataclass(frozen=True)
class ImageSet:
    """Images of one source, all at one size, in the order of the source."""

    name: str
    """The source's name: ``phantom``, ``shenzhen``, ..."""
    ids: tuple[str, ...]
    """One unique id an image; the file name without its folder where the images are files."""
    pixels: NDArray[np.uint8]
    """(n, height, width), grayscale, 0 black; may be memory-mapped, never writable."""
    labels: NDArray[np.int64]
    """(n,): index into ``class_names``."""
    class_names: tuple[str, ...]
    """For two classes the second is the positive one (``TB``)."""
    masks: Mapping[str, MaskSet] = field(default_factory=dict)
    """By name: ``lung``, ``lesion``, ..."""
    parts: tuple[str, ...] | None = None
    """``train`` or ``test`` for every image, where the source brings a split of its own."""
    groups: tuple[str, ...] | None = None
    """The patient (or other unit that must not be torn apart by a split) of every image."""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By name, one value an image; ``""`` where unknown. Never shown to a model or an oracle."""
    notices: tuple[str, ...] = ()
    """What the user should know about how the set was read (conversions, left-out files); no part of its content."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of every image, pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def image(self, row: int) -> NDArray[np.uint8]:
        """(height, width): one image."""
        return np.asarray(self.pixels[row])

    def masks_of(self, row: int) -> tuple[dict[str, NDArray[np.bool_]], frozenset[str]]:
        """The masks (height, width) of one image by name, and the names of those that were estimated from it.

        The lungs are estimated where the source holds none; there are none where no estimate is plausible.
        """
        found = {name: mask.values[row] for name, mask in self.masks.items() if mask.present[row]}
        if "lung" in found or (lungs := estimate_lungs(self.image(row)).mask) is None:
            return found, frozenset()
        return {**found, "lung": lungs}, frozenset({"lung"})

    def take(self, indices: Sequence[int] | NDArray[np.integer]) -> ImageSet:
        """The set reduced to ``indices``, in that order (pixels are copied out of the cache)."""
        rows = np.asarray(indices, dtype=np.int64)

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in rows)

        return ImageSet(
            name=self.name,
            ids=pick(self.ids),
            pixels=np.ascontiguousarray(self.pixels[rows]),
            labels=self.labels[rows],
            class_names=self.class_names,
            masks={k: MaskSet(np.ascontiguousarray(m.values[rows]), m.present[rows]) for k, m in self.masks.items()},
            parts=None if self.parts is None else pick(self.parts),
            groups=None if self.groups is None else pick(self.groups),
            attributes={k: pick(v) for k, v in self.attributes.items()},
            notices=self.notices,
        )

    @cached_property
    def training_fingerprint(self) -> str:
        """SHA-256 over what training can see: ids, pixels, labels, class names."""
        digest = hashlib.sha256()
        digest.update(repr((self.ids, self.class_names, self.pixels.shape)).encode())
        digest.update(np.ascontiguousarray(self.labels).astype("<i8").tobytes())
        for image in self.pixels:
            digest.update(np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything the set holds, masks, parts, groups and attributes included."""
        digest = hashlib.sha256(self.training_fingerprint.encode())
        digest.update(repr((self.name, self.parts, self.groups, sorted(self.attributes.items()))).encode())
        for name in sorted(self.masks):
            digest.update(name.encode())
            digest.update(self.masks[name].present.tobytes())
            for mask in self.masks[name].values:
                digest.update(np.packbits(mask).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Pictures:
    """The decoded files of a source, in the order of its listing."""

    pixels: NDArray[np.uint8]
    """(n, size, size), grayscale."""
    masks: Mapping[str, NDArray[np.bool_]]
    """By name, (n, size, size); all False where the listing names no mask."""
    notices: tuple[str, ...] = ()
    """What was converted."""
