"""`Overlay`: which training images are replaced or added, and `TrainingRows`, the batches that come of it.

The overlay's content is what a later state of training depends on, whoever gave the answers: two oracles that choose
the same cells make the same overlay, with the same key. The originals are never written to.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imil_sim.images.image_set import ImageSet


@dataclass(frozen=True)
class Overlay:
    """What consultations have made of the training images so far; empty at first."""

    replaced: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    """Training row to the image (height, width) that stands in its place."""
    appended: tuple[tuple[int, NDArray[np.uint8]], ...] = ()
    """Training row whose label it has, and the image (height, width) that is added, in the order of adding."""
    reordered: bool = False
    """Whether the images come in another order than in runs without feedback: the placebo changes nothing else."""

    def replace(self, row: int, image: NDArray[np.uint8]) -> Overlay:
        """The overlay in which ``image`` stands in place of training row ``row``."""
        return replace(self, replaced={**self.replaced, row: image})

    def without(self, row: int) -> Overlay:
        """The overlay in which nothing stands in place of training row ``row``, and nothing was added for it."""
        appended = tuple(entry for entry in self.appended if entry[0] != row)
        kept = {r: image for r, image in self.replaced.items() if r != row}
        return replace(self, replaced=kept, appended=appended)

    def append(self, row: int, image: NDArray[np.uint8]) -> Overlay:
        """The overlay in which ``image`` is added, with the label of training row ``row``."""
        return replace(self, appended=(*self.appended, (row, image)))

    @cached_property
    def key(self) -> str:
        """SHA-256 of the content; ``""`` for an overlay that changes nothing."""
        if not self.replaced and not self.appended and not self.reordered:
            return ""
        digest = hashlib.sha256(b"reordered\n" if self.reordered else b"")
        for kind, entries in (("replaced", sorted(self.replaced.items())), ("appended", self.appended)):
            digest.update(f"{kind}:{len(entries)}\n".encode())
            for row, image in entries:
                digest.update(f"{row}:{image.shape}\n".encode())
                digest.update(np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """All of it as an npz file without objects, whose bytes depend on the content alone."""
        arrays = {f"replaced-{row}": image for row, image in sorted(self.replaced.items())}
        arrays |= {f"appended-{row}-{place}": image for place, (row, image) in enumerate(self.appended)}
        content = io.BytesIO()
        np.savez_compressed(content, reordered=np.array(self.reordered), **arrays)  # type: ignore[arg-type]
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Overlay:
        """The inverse of `to_bytes`.

        Raises:
            ValueError, KeyError: it is none.
        """
        replaced, appended = {}, []
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            for name in arrays.files:
                kind, _, row = name.partition("-")
                if kind == "replaced":
                    replaced[int(row)] = arrays[name]
                elif kind == "appended":
                    appended.append((int(row.partition("-")[0]), arrays[name]))
            return cls(replaced, tuple(appended), bool(arrays["reordered"]))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Plain arrays by name, for a file: rows (k,) and images (k, height, width) of both kinds."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for kind, entries in (("replaced", sorted(self.replaced.items())), ("appended", self.appended)):
            arrays[f"{kind}_rows"] = np.array([row for row, _ in entries], np.int64)
            images = [image for _, image in entries]
            arrays[f"{kind}_images"] = np.stack(images) if images else np.zeros((0, 0, 0), np.uint8)
        return arrays | {"reordered": np.array(self.reordered)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Overlay:
        """The inverse of `to_arrays`.

        Raises:
            KeyError: an array is missing.
        """
        pairs = {
            kind: [
                (int(row), np.asarray(image, np.uint8))
                for row, image in zip(arrays[f"{kind}_rows"], arrays[f"{kind}_images"], strict=True)
            ]
            for kind in ("replaced", "appended")
        }
        reordered = bool(arrays.get("reordered", False))  # absent from what was written before there was a placebo
        return cls(dict(pairs["replaced"]), tuple(pairs["appended"]), reordered)


class TrainingRows:
    """The training images under an overlay, ready to be gathered into batches on a device.

    Raises:
        ValueError: the overlay names a row that the images do not have, or holds an image of another size.
    """

    def __init__(self, images: ImageSet, overlay: Overlay, device: torch.device) -> None:
        _check(images, overlay)
        self._originals = torch.from_numpy(np.array(images.pixels)).to(device)
        changed = [*sorted(overlay.replaced.items()), *overlay.appended]
        stack = [image for _, image in changed] or [np.zeros(images.shape, np.uint8)]
        self._changed = torch.from_numpy(np.stack(stack)).to(device)
        rows = np.concatenate([np.arange(len(images)), [row for row, _ in overlay.appended]]).astype(np.int64)
        slots = np.full(len(rows), -1, np.int64)
        slots[sorted(overlay.replaced)] = np.arange(len(overlay.replaced))
        slots[len(images) :] = len(overlay.replaced) + np.arange(len(overlay.appended))
        self._rows = torch.from_numpy(rows)
        self._slots = torch.from_numpy(slots)
        self._labels = torch.from_numpy(np.array(images.labels[rows])).to(device)

    def __len__(self) -> int:
        return len(self._rows)

    def pixels(self, indices: Tensor) -> Tensor:
        """The images (n, height, width), uint8, at these rows (a CPU tensor), as the model is trained on them."""
        device = self._originals.device
        batch = self._originals[self._rows[indices].to(device)]
        slots = self._slots[indices]
        changed = slots >= 0
        if bool(changed.any()):
            batch[changed.to(device)] = self._changed[slots[changed].to(device)]
        return batch

    def labels(self, indices: Tensor) -> Tensor:
        """The labels (n,) at these rows."""
        return self._labels[indices.to(self._labels.device)]


def _check(images: ImageSet, overlay: Overlay) -> None:
    for row, image in (*overlay.replaced.items(), *overlay.appended):
        if not 0 <= row < len(images) or image.shape != images.shape or image.dtype != np.uint8:
            raise ValueError(
                f"an overlay of {len(images)} images of uint8 {images.shape} cannot hold an image of {image.dtype} "
                f"{image.shape} for row {row}"
            )
