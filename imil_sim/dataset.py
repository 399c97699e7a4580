"""The images of a training of one's own, and the dataset that shows what consultations made of them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from imil_sim.errors import DataError
from imil_sim.feedback import ImageIndex
from imil_sim.feedback.question import image_sha256
from imil_sim.images.decode import decode_gray
from imil_sim.images.lungs import estimate_lungs
from imil_sim.io import replace_file
from imil_sim.training.overlay import Overlay

Image: TypeAlias = NDArray[np.uint8]
Images = NDArray[np.uint8] | Sequence[NDArray[np.uint8] | str | Path] | Callable[[int], NDArray[np.uint8]]
"""(n, height, width[, 3]); or one array or path an image; or a function of the row. uint8, 0 black."""
Masks = NDArray[np.bool_] | Sequence[NDArray[np.bool_] | None] | Callable[[int], NDArray[np.bool_] | None]


class OwnImages:
    """Training images read one by one; the face that `imil_sim.loop` asks for."""

    def __init__(
        self,
        images: Images,
        labels: Sequence[int] | NDArray[np.integer],
        ids: Sequence[str] | None,
        class_names: Sequence[str] | None,
        masks: Mapping[str, Masks] | None,
    ) -> None:
        self._images, self._masks = images, dict(masks or {})
        given = np.asarray(labels)
        if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer) or (given < 0).any():
            raise DataError(f"labels are one class an image, whole numbers from 0 up, not {given.dtype} {given.shape}")
        self.labels = given.astype(np.int64)
        count = len(self.labels)
        self.ids = tuple(map(str, range(count) if ids is None else ids))
        classes = int(self.labels.max(initial=0)) + 1
        self.class_names = tuple(map(str, range(max(classes, 2)) if class_names is None else class_names))
        there = count if callable(images) else len(images)
        if there != count or len(self.ids) != count:
            raise DataError(f"{there} images, {count} labels and {len(self.ids)} ids: one of each for every image")
        if len(set(self.ids)) != count:
            raise DataError("two images have the same id; an id names one image")
        if classes > len(self.class_names):
            raise DataError(f"label {classes - 1} has no name: there are {len(self.class_names)} class_names")

    def image(self, row: int) -> Image:
        """(height, width) or (height, width, 3): as it was given."""
        found: Any = self._images(row) if callable(self._images) else self._images[row]
        if isinstance(found, str | Path):
            found = decode_gray(Path(found)).pixels
        if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or not _is_picture(found.shape):
            what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise DataError(
                f'image "{self.ids[row]}" is {what}, not uint8 of (height, width) or (height, width, 3); give it so, '
                "and leave scaling to transform"
            )
        return found

    def masks_of(self, row: int) -> tuple[dict[str, NDArray[np.bool_]], frozenset[str]]:
        """The masks of an image; its lungs are estimated where none are given."""
        found = {}
        for name, masks in self._masks.items():
            mask = masks(row) if callable(masks) else masks[row]
            if mask is not None:
                found[name] = np.asarray(mask, np.bool_)
                if found[name].shape != self.image(row).shape[:2]:
                    raise DataError(f'mask "{name}" of image "{self.ids[row]}" has another size than its image')
        if "lung" in found:
            return found, frozenset()
        lungs = estimate_lungs(_grey(self.image(row))).mask
        return (found, frozenset()) if lungs is None else ({**found, "lung": lungs}, frozenset({"lung"}))

    @cached_property
    def index(self) -> ImageIndex:
        """All images, as a recorded session knows them."""
        rows = {image_id: row for row, image_id in enumerate(self.ids)}
        labels = dict(zip(self.ids, self.labels.tolist(), strict=True))
        return ImageIndex(
            "own", self._fingerprint(), self.class_names, labels, lambda image_id: self.image(rows[image_id])
        )

    def _fingerprint(self) -> str:
        """SHA-256 over what training can see: ids, labels, class names, images."""
        digest = hashlib.sha256(repr((self.ids, self.class_names)).encode() + self.labels.astype("<i8").tobytes())
        for row in range(len(self.ids)):
            digest.update(image_sha256(self.image(row)).encode())
        return digest.hexdigest()


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)


def _grey(image: Image) -> Image:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8)


class Board:
    """The overlay of now, where every process can see it: a loader's workers, and those that live on between epochs."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="imil-sim-overlay-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # in this process, not in a worker
        self._seen, self._overlay = "", Overlay()

    def post(self, overlay: Overlay) -> None:
        """From now on this overlay holds, in every process."""
        if overlay.key:
            replace_file(self._folder / overlay.key, overlay.to_bytes())
        replace_file(self._folder / "current", overlay.key.encode())

    @property
    def overlay(self) -> Overlay:
        """The overlay that holds now."""
        try:
            current = (self._folder / "current").read_text()
        except FileNotFoundError:
            return Overlay()
        if current != self._seen:
            self._overlay = Overlay.from_bytes((self._folder / current).read_bytes()) if current else Overlay()
            self._seen = current
        return self._overlay


class IMILDataset(Dataset[tuple[Any, int]]):
    """The training images as they stand, each with its label; see `IMIL.dataset`."""

    def __init__(self, rows: OwnImages, board: Board, transform: Callable[[Image], Any]) -> None:
        self._rows, self._board, self._transform = rows, board, transform

    def __len__(self) -> int:
        return len(self._rows.ids) + len(self._board.overlay.appended)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        count, overlay = len(self._rows.ids), self._board.overlay
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row = row % len(self)
        if row < count:
            image = overlay.replaced.get(row)
            image = self._rows.image(row) if image is None else image
        else:
            row, image = overlay.appended[row - count]
        return self._transform(np.array(image)), int(self._rows.labels[row])


def to_model_input(image: Image) -> Tensor:
    """(3, height, width), float32 in [0, 1]; a grey image three times."""
    picture = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float() / 255
