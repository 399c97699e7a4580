"""`load_images`: from a source's spec to an `ImageSet`, decoded once and read from the cache ever after."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import DataError, PartError
from imil_sim.images.decode import Conversion, decode_gray, decode_mask, shrink, shrink_mask
from imil_sim.images.image_set import ImageSet, MaskSet, Pictures
from imil_sim.images.listing import Entry, Listing, counted, refusal
from imil_sim.images.source import DrawnSource, FileSource
from imil_sim.study.spec import Source, content_key

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""

Keep: TypeAlias = Callable[[str, Callable[[], Pictures]], Pictures]
"""Gives the decoded pictures that were kept under a key; where there are none, makes them and keeps them."""

MOST_THREADS = 8

PICTURES_REVISION = 2
"""Raised whenever decoding, scaling or the layout of what is kept changes."""

_Value = TypeVar("_Value", bound=np.generic)

_DONE: dict[Conversion, str] = {
    "16-bit": "were scaled from 16 bits to 8 (65535 to 255)",
    "colour": "were converted from colour to grey",
}


def load_images(
    source: Source,
    *,
    beside: Path | None = None,
    keep: Keep = lambda key, make: make(),
    progress: Progress | None = None,
) -> ImageSet:
    """The images of ``source``, all at its size, with labels, masks and what else it knows; pixels are read-only.

    Files are decoded in parallel. Where ``keep`` keeps them, a second call with unaltered files opens none of them.
    Ids are file names without folder and extension (``CHNCXR_0001_0``); ``class/name`` for a folder of classes; the
    image column's value without extension for a manifest.

    Args:
        source: what to load.
        beside: the study file, or its folder: relative paths are looked for there too (`imil_sim.study.paths`).
        keep: keeps decoded pictures for the next time; every call decodes anew without it.
        progress: is called after every decoded image, in the calling thread.

    Raises:
        DataError: the source is missing or something in it cannot be used; every fault is in the one message.
    """
    if isinstance(source, DrawnSource):
        return source.image_set(keep(cache_key(source), source.draw))
    listing = list_source(source, beside)

    def make() -> Pictures:
        return _decode_all(listing, source.size, progress)

    if listing.problems:
        return _image_set(listing, make())
    try:
        key = _listing_key(source, listing)
    except OSError:
        return _image_set(listing, make())  # which names the file that is not there
    return _image_set(listing, keep(key, make))


def list_source(source: Source, beside: Path | None = None) -> Listing:
    """What ``source`` holds on disk; no picture is opened.

    Raises:
        DataError: the source is missing, or is not laid out as its kind must be.
        PartError: it is a guest's that neither lists files nor draws.
    """
    if not isinstance(source, FileSource):
        raise PartError(
            f'image source "{source.source}" is neither a FileSource nor a DrawnSource', "sources", source.source
        )
    return source.list_files(beside)


def source_files(source: Source, beside: Path | None = None) -> tuple[Path, ...]:
    """Every file that the images of ``source`` are read from; none for images that are drawn.

    Raises:
        DataError: as `list_source`.
    """
    if isinstance(source, DrawnSource):
        return ()
    listing = list_source(source, beside)
    table = (listing.root,) if listing.root.is_file() else ()
    masks = (path for entry in listing.entries for paths in entry.masks.values() for path in paths)
    return (*table, *(entry.path for entry in listing.entries), *masks)


def cache_key(source: Source, beside: Path | None = None) -> str:
    """The key under which the decoded pictures of ``source`` are kept: 64 hex digits over all that they depend on.

    Raises:
        DataError: as `list_source`.
        OSError: a file has gone.
    """
    if isinstance(source, DrawnSource):
        recipe = source.model_dump(mode="json")
        return content_key([PICTURES_REVISION, cv2.__version__, np.__version__, source.revision, recipe])
    return _listing_key(source, list_source(source, beside))


def _listing_key(source: Source, listing: Listing) -> str:
    """Over the source spec, and path, size and times of every file: an altered file has another time."""
    files = [
        [entry.id, _stamp(entry.path), sorted((name, list(map(_stamp, paths))) for name, paths in entry.masks.items())]
        for entry in listing.entries
    ]
    return content_key(
        [PICTURES_REVISION, cv2.__version__, source.model_dump(mode="json"), list(listing.mask_names), files]
    )


def _stamp(path: Path) -> list[str | int]:
    about = path.stat()
    return [str(path.absolute()), about.st_size, about.st_mtime_ns, about.st_ctime_ns]


@dataclass(frozen=True, slots=True)
class _Picture:
    """The files of one entry, decoded, or what is wrong with them."""

    pixels: NDArray[np.uint8] | None
    masks: dict[str, NDArray[np.bool_]]
    conversions: tuple[Conversion, ...]
    faults: tuple[tuple[Path, str], ...]


def _decode_all(listing: Listing, size: int, progress: Progress | None) -> Pictures:
    """Every picture and mask at the study's size.

    Raises:
        DataError: the listing has problems, or a file cannot be used; all of them, in one message.
    """
    count = len(listing.entries)
    pixels = np.zeros((count, size, size), dtype=np.uint8)
    masks = {name: np.zeros((count, size, size), dtype=np.bool_) for name in listing.mask_names}
    problems = list(listing.problems)
    converted: dict[Conversion, list[str]] = {}
    threads = min(MOST_THREADS, os.cpu_count() or 1)  # the decoder releases the interpreter's lock
    with ThreadPoolExecutor(threads) as pool, closing(_each(pool, listing, size)) as pictures:
        for row, picture in enumerate(pictures):
            problems += [f"{listing.file_name(path)}: {fault}" for path, fault in picture.faults]
            for conversion in picture.conversions:
                converted.setdefault(conversion, []).append(listing.file_name(listing.entries[row].path))
            if picture.pixels is not None:
                pixels[row] = picture.pixels
            for name, mask in picture.masks.items():
                masks[name][row] = mask
            if progress:
                progress(f"decoding {listing.name}", row + 1, count)
    if problems:
        raise refusal(listing, problems)
    notices = tuple(f"{len(names)} images {_DONE[what]}: {counted(names)}" for what, names in sorted(converted.items()))
    return Pictures(pixels, masks, notices)


def _each(pool: ThreadPoolExecutor, listing: Listing, size: int) -> Generator[_Picture, None, None]:
    """The entries' pictures in order; closing it cancels those that nobody waits for any more."""
    yield from pool.map(_decode_entry, listing.entries, itertools.repeat(size))


def _decode_entry(entry: Entry, size: int) -> _Picture:
    faults: list[tuple[Path, str]] = []
    pixels: NDArray[np.uint8] | None = None
    shape: tuple[int, int] | None = None
    conversions: tuple[Conversion, ...] = ()
    try:
        decoded = decode_gray(entry.path)
        shape = (decoded.pixels.shape[0], decoded.pixels.shape[1])
        pixels, conversions = shrink(decoded.pixels, size), decoded.conversions
    except DataError as error:
        faults.append((entry.path, str(error)))
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, paths in entry.masks.items():
        united: NDArray[np.bool_] | None = None
        for path in paths:
            try:
                mask = decode_mask(path, shape)
                united = mask if united is None or united.shape != mask.shape else united | mask
            except DataError as error:
                faults.append((path, str(error)))
        if united is not None:
            masks[name] = shrink_mask(united, size)
    return _Picture(pixels, masks, conversions, tuple(faults))


def _image_set(listing: Listing, pictures: Pictures) -> ImageSet:
    entries = listing.entries
    parts = tuple(entry.part for entry in entries if entry.part is not None)
    groups = tuple(entry.group for entry in entries if entry.group is not None)
    return ImageSet(
        name=listing.name,
        ids=tuple(entry.id for entry in entries),
        pixels=_read_only(pictures.pixels),
        labels=np.array([entry.label for entry in entries], dtype=np.int64),
        class_names=listing.class_names,
        masks={
            name: MaskSet(_read_only(values), np.array([name in entry.masks for entry in entries], dtype=np.bool_))
            for name, values in pictures.masks.items()
        },
        parts=parts or None,
        groups=groups or None,
        attributes={
            name: tuple(entry.attributes.get(name, "") for entry in entries) for name in listing.attribute_names
        },
        notices=(*listing.notices, *pictures.notices),
    )


def _read_only(array: NDArray[_Value]) -> NDArray[_Value]:
    array.flags.writeable = False
    return array
