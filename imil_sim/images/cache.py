"""The cache of decoded pictures: one folder a set of files, memory-mapped, believed only where its checksums hold.

``CACHE/KEY/`` holds ``pixels.npy``, ``mask-0.npy``, ... and ``entry.json`` with a checksum of each. An entry is
written beside and renamed into place, so it is there whole or not at all, and any number of processes may use one
cache. A damaged entry is discarded and made again. A cache that cannot be written costs time, not results. The whole
cache may be deleted whenever nothing runs; the hidden folders that a killed process left in it bear its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.images.listing import Listing
from imil_sim.images.owner import owner
from imil_sim.io import make_folder, seal
from imil_sim.study.spec import Source, content_key

CACHE_VERSION = 1
"""Goes up whenever decoding, scaling or the layout of an entry changes."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The decoded files of a source, in the order of its listing."""

    pixels: NDArray[np.uint8]
    """(n, size, size), grayscale."""
    masks: Mapping[str, NDArray[np.bool_]]
    """By name, (n, size, size); all False where the listing names no mask."""
    notices: tuple[str, ...] = ()
    """What was converted."""


class _DamageError(Exception):
    """An entry that is there and cannot be believed."""


def entry_key(source: Source, listing: Listing) -> str:
    """The name of the cache entry: 64 hex digits over everything that the decoded pictures depend on.

    That is the cache's version, the decoder's, the source spec, and path, size and times of every file. An altered
    file has another time, hence another entry.

    Raises:
        OSError: a file is not there or cannot be looked at.
    """
    files = [
        [entry.id, _stamp(entry.path), sorted((name, list(map(_stamp, paths))) for name, paths in entry.masks.items())]
        for entry in listing.entries
    ]
    return content_key(
        [CACHE_VERSION, cv2.__version__, source.model_dump(mode="json"), list(listing.mask_names), files]
    )


def drawing_key(source: Source, revision: int) -> str:
    """The name of the cache entry of pictures that are drawn, not read: over the source spec and what draws them."""
    return content_key([CACHE_VERSION, cv2.__version__, np.__version__, revision, source.model_dump(mode="json")])


def cached(cache: Path, key: str, make: Callable[[], Pictures]) -> Pictures:
    """The pictures in entry ``key``, memory-mapped; where it is missing or damaged, ``make()``, kept for next time."""
    try:
        found, repair = _read(cache / key), ""
    except _DamageError as damage:
        _discard(cache, key)
        found, repair = None, f"the cached copy {cache / key} was damaged ({damage}) and has been made again"
    if found is None:
        made = make()
        try:
            _write(cache, key, made)
            found = _read(cache / key) or made
        except _DamageError:
            found = made
        except OSError as error:
            trouble = f"the decoded images could not be kept in {cache} ({error.strerror}): every start decodes anew"
            found = replace(made, notices=(*made.notices, trouble))
    return replace(found, notices=(*found.notices, repair)) if repair else found


def damage_of(folder: Path) -> str:
    """What is wrong with the cache entry in ``folder``; empty where it is as it was written."""
    try:
        return "" if _read(folder) else "it has gone"
    except _DamageError as damage:
        return str(damage)


def _stamp(path: Path) -> list[str | int]:
    about = path.stat()
    return [str(path.absolute()), about.st_size, about.st_mtime_ns, about.st_ctime_ns]


def _read(folder: Path) -> Pictures | None:
    """The entry in ``folder``; none where there is no such folder.

    Raises:
        _DamageError: it is there, but something in it is missing or altered.
    """
    if not folder.exists():
        return None
    try:
        sealed = json.loads((folder / "entry.json").read_bytes())
        body = sealed["body"]
        if content_key(body) != sealed["sha256"]:
            raise _DamageError("entry.json is altered")
        arrays = {name: _map(folder / name, checksum) for name, checksum in body["files"].items()}
        masks = {name: arrays[f"mask-{number}.npy"] for number, name in enumerate(body["masks"])}
        return Pictures(arrays["pixels.npy"], masks, tuple(body["notices"]))
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise _DamageError(f"{type(error).__name__}: {error}") from error


def _map(path: Path, checksum: str) -> NDArray[Any]:
    if _sha256(path) != checksum:
        raise _DamageError(f"{path.name} is altered")
    # A plain view: numpy's own memmap class would follow the pixels into every result computed from them.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _write(cache: Path, key: str, pictures: Pictures) -> None:
    """Write the entry beside its place, then rename it there; where another process was first, its entry stays."""
    beside = cache / f".{owner()}-{key[:16]}-{uuid.uuid4().hex}"
    make_folder(beside)
    try:
        arrays: dict[str, NDArray[Any]] = {"pixels.npy": pictures.pixels}
        arrays |= {f"mask-{number}.npy": mask for number, mask in enumerate(pictures.masks.values())}
        for name, array in arrays.items():
            np.save(beside / name, array, allow_pickle=False)
        body = {
            "files": {name: _sha256(beside / name) for name in arrays},
            "masks": list(pictures.masks),
            "notices": list(pictures.notices),
        }
        (beside / "entry.json").write_text(json.dumps({"body": body, "sha256": content_key(body)}))
        seal(beside)
        _rename(beside, cache / key)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _rename(beside: Path, place: Path) -> None:
    try:
        beside.rename(place)
    except OSError:
        # A folder with content cannot be renamed over: another process has put the same entry there meanwhile.
        if not place.exists():
            raise


def _discard(cache: Path, key: str) -> None:
    """Take the entry out of the way in one step, so that no other process sees half of it, then remove it."""
    # Where that fails, another process was first or the cache is read-only; neither keeps us from decoding.
    with contextlib.suppress(OSError):
        aside = cache / f".{owner()}-damaged-{uuid.uuid4().hex}"
        make_folder(aside)
        (cache / key).rename(aside / key)
        shutil.rmtree(aside, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
