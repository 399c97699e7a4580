"""The images of a study, each source loaded once, and the part of them that one run trains and is tested on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil_sim.engine.store import Store
from imil_sim.errors import DataError, StoreError, StudyError
from imil_sim.feedback import ImageIndex
from imil_sim.images.image_set import ImageSet, MaskSet, Pictures
from imil_sim.images.listing import counted
from imil_sim.images.load import Progress, load_images, source_files
from imil_sim.images.split import split_images
from imil_sim.study.spec import AnySource, RunSpec, canonical


@dataclass(frozen=True)
class TestSet:
    """Images a run is tested on."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    images: ImageSet
    """With a lung mask for every image where one is drawn or can be estimated."""
    estimated: NDArray[np.bool_]
    """(n,): whose lung mask was estimated."""


@dataclass(frozen=True)
class RunImages:
    """What one run sees."""

    train: ImageSet
    tests: Mapping[str, TestSet]
    """``main`` first: the test part of the study's own images; then the further test sets."""
    fingerprints: dict[str, str]
    """Of the training part, and of every test set by name."""


PICTURES = "pictures.json"
"""In an entry of decoded images: the names of the masks, and what was converted."""

_Stamps = dict[Path, tuple[int, int, int]]
"""By file: bytes, and when its content and its entry were last changed, nanoseconds."""


class ImageLibrary:
    """Loads every source of a study once and remembers the parts; read-only for everybody else.

    Args:
        beside: where relative paths are looked for too (`load_images`).
        store: folder of the store that keeps decoded images; one that cannot be written costs time, not results.
        progress: called with what is being done, how many are done, and of how many.
    """

    def __init__(self, beside: Path, store: Path, progress: Progress = lambda what, done, total: None) -> None:
        self._beside, self._store, self._progress = beside, store, progress
        self._sources: dict[str, ImageSet] = {}
        self._stamps: dict[str, _Stamps] = {}
        """By source, of the files it was read from, as they were just before."""
        self._parts: dict[str, RunImages] = {}
        self._lungs: dict[tuple[str, str], NDArray[np.bool_] | None] = {}
        """Estimated lungs by source and image: the test parts of several splits share images."""

    def source(self, source: AnySource) -> ImageSet:
        """All images of a source."""
        key = source.text
        if key not in self._sources:
            self._sources[key], self._stamps[key] = self._read(source)
        return self._sources[key]

    def image_index(self, source: AnySource) -> ImageIndex:
        """All images of a source, as a recorded session knows them."""
        images = self.source(source)
        rows = {image_id: row for row, image_id in enumerate(images.ids)}
        return ImageIndex(
            name=images.name,
            fingerprint=images.training_fingerprint,
            class_names=images.class_names,
            labels=dict(zip(images.ids, images.labels.tolist(), strict=True)),
            image=lambda image_id: np.asarray(images.pixels[rows[image_id]]),
        )

    def check_unaltered(self, run: RunSpec) -> None:
        """Check that the files a run's images were read from still hold what was read.

        Costs a look at each file; one that was only touched is read once more and forgiven.

        Raises:
            DataError: a file was altered or has gone; the message names it.
        """
        for source in (run.arm.images, *run.arm.test_sets.values()):
            known, before = self.source(source), self._stamps[source.text]
            now = _stamps(before)
            if not (files := [path for path in before if now.get(path) != before[path]]):
                continue
            again, stamped = self._read(source)
            if again.fingerprint != known.fingerprint:
                names = counted([path.name for path in files])
                raise DataError(
                    f'images "{source.source}" in {files[0].parent}: altered while the study was running: {names}. The '
                    "study stops, so that no run is trained on other images than the rest. Put back what was there, or "
                    "keep what is there now, and run the same command again"
                )
            self._stamps[source.text] = stamped

    def _read(self, source: AnySource) -> tuple[ImageSet, _Stamps]:
        stamped = _stamps(source_files(source, self._beside))  # first: what is altered while it is read shows later
        return load_images(source, beside=self._beside, keep=self._keep, progress=self._progress), stamped

    def _keep(self, key: str, make: Callable[[], Pictures]) -> Pictures:
        """The pictures in entry ``key`` of the store, memory-mapped; missing or damaged ones are made and kept."""
        made: list[Pictures] = []
        damaged: list[str] = []

        def write(folder: Path) -> None:
            arrays: dict[str, NDArray[Any]] = {"pixels": made[0].pixels}
            arrays |= {f"mask-{number}": mask for number, mask in enumerate(made[0].masks.values())}
            for name, array in arrays.items():
                np.save(folder / f"{name}.npy", array, allow_pickle=False)
            about = {"masks": list(made[0].masks), "notices": list(made[0].notices)}
            (folder / PICTURES).write_text(json.dumps(about, indent=1), encoding="utf-8")

        try:
            store = Store(self._store, damaged.append)
            found = store.read("images", key, _pictures)
            if found is None:
                made.append(make())
                store.put("images", key, write)
                found = store.needed("images", key, _pictures)
        except StoreError as error:
            found = made[0] if made else make()
            trouble = f"the decoded images could not be kept, so that every start decodes anew: {error}"
            return replace(found, notices=(*found.notices, trouble))
        repaired = [f"{entry} in the store was damaged and has been made again" for entry in damaged]
        return replace(found, notices=(*found.notices, *repaired))

    def of_run(self, run: RunSpec) -> RunImages:
        """The training and test images of a run.

        Raises:
            DataError: images that cannot be used.
            StudyError: a further test set has other classes than the study's images.
        """
        arm = run.arm
        seed = run.seed if arm.split.method == "per-seed" else None
        key = canonical([arm.images.text, arm.split.text, {n: s.text for n, s in arm.test_sets.items()}, seed])
        if key in self._parts:
            return self._parts[key]
        images = self.source(arm.images)
        split = split_images(images, arm.split, run.seed)
        train = images.take(split.train)
        tests = {"main": self._with_lungs("main", arm.images, images.take(split.test))}
        for name, source in arm.test_sets.items():
            further = self.source(source)
            if not _same_classes(images.class_names, further.class_names):
                raise StudyError(
                    f"test_sets.{name}: it has the classes {', '.join(further.class_names)}, the training images have "
                    f"{', '.join(images.class_names)}; a further test set needs the same classes in the same order"
                )
            tests[name] = self._with_lungs(name, source, further)
        fingerprints = {"train": train.fingerprint} | {k: t.images.fingerprint for k, t in tests.items()}
        self._parts[key] = RunImages(train, tests, fingerprints)
        return self._parts[key]

    def _with_lungs(self, name: str, source: AnySource, images: ImageSet) -> TestSet:
        known = images.masks.get("lung")
        values = np.zeros(images.pixels.shape, np.bool_) if known is None else known.values.copy()
        present = np.zeros(len(images), np.bool_) if known is None else known.present.copy()
        missing = np.flatnonzero(~present)
        for done, i in enumerate(missing.tolist(), 1):
            image = source.text, images.ids[i]
            if image not in self._lungs:
                self._lungs[image] = images.masks_of(i)[0].get("lung")
            mask = self._lungs[image]
            if mask is not None:
                values[i], present[i] = mask, True
            self._progress(f"estimating lungs ({name})", done, len(missing))
        estimated = np.zeros(len(images), np.bool_)
        estimated[missing] = present[missing]
        return TestSet(replace(images, masks={**images.masks, "lung": MaskSet(values, present)}), estimated)


def _same_classes(own: tuple[str, ...], further: tuple[str, ...]) -> bool:
    """Whether two sets have the same classes in the same order; plain numbers stand for whatever the other set says."""
    named = [tuple(name.casefold() for name in names) for names in (own, further) if not "".join(names).isdigit()]
    return len(own) == len(further) and len(set(named)) <= 1


def _pictures(folder: Path) -> Pictures:
    about = json.loads((folder / PICTURES).read_text(encoding="utf-8"))
    masks = {name: _mapped(folder / f"mask-{number}.npy") for number, name in enumerate(about["masks"])}
    return Pictures(_mapped(folder / "pixels.npy"), masks, tuple(about["notices"]))


def _mapped(path: Path) -> NDArray[Any]:
    # A plain view: numpy's own memmap class would follow the pixels into every result computed from them.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _stamps(files: Iterable[Path]) -> _Stamps:
    """The stamp of every file that can be looked at."""
    found: _Stamps = {}
    for path in files:
        with suppress(OSError):
            about = path.stat()
            found[path] = about.st_size, about.st_mtime_ns, about.st_ctime_ns
    return found
