"""The store: stages, predictions, runs, addressed by what they were made from.

An entry is a folder ``KIND/KEY/`` of files with a ``manifest.json`` that holds their SHA-256. It is written beside,
flushed to the disk, and renamed into place: it is there whole or not at all, also when two processes write it at once.
What is read is checked first; a damaged entry is set aside under ``damaged/`` and made again, and so is one that holds
a link or a file nobody put there. Nothing in a store can run code: files are safetensors, npz without objects, JSON and
CSV.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import StoreError

FORMAT = 1
"""Version of the layout; entries of another version are made again, never misread."""

Kind = Literal["stages", "predictions", "cams", "overlays", "evaluations", "runs"]

MANIFEST = "manifest.json"

PULSE = 2.0
"""Seconds between two signs of life of a claim."""

PULSE_STOPPED = 15.0
"""Seconds without a sign of life after which a claim is taken over."""

T = TypeVar("T")


class Store:
    """A folder of entries; safe for several processes.

    Args:
        root: the folder; it is made where there is none.
        on_damage: told of every entry that had to be set aside, as ``KIND/KEY``.

    Raises:
        StoreError: the folder cannot be made.
    """

    def __init__(self, root: Path, on_damage: Callable[[str], None] = lambda entry: None) -> None:
        self.root, self._on_damage = root, on_damage
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store {root} cannot be made: {error}; give another folder with --store") from error

    def check_writable(self) -> None:
        """Nothing, if entries can be put here; better known before training than after.

        Raises:
            StoreError: they cannot.
        """
        probe = self.root / "tmp" / f"probe-{uuid.uuid4().hex}"
        try:
            probe.mkdir(parents=True)
            probe.rmdir()
        except OSError as error:
            raise self._unwritable(error) from error

    def find(self, kind: Kind, key: str) -> Path | None:
        """The folder of an entry whose files are all as they were written; None where there is none.

        A damaged entry is moved to ``damaged/`` and counts as absent.
        """
        folder = self.root / kind / key
        if not os.path.lexists(folder):
            return None
        if _digests(folder, kind, key) is not None:
            return folder
        self._set_aside(folder)
        return None

    def holds(self, kind: Kind, key: str) -> bool:
        """Whether there is an entry, unread: it may turn out to be damaged."""
        return (self.root / kind / key / MANIFEST).is_file()

    def needed(self, kind: Kind, key: str) -> Path:
        """As `find`, for an entry that was there a moment ago.

        Raises:
            StoreError: it has gone or is damaged.
        """
        folder = self.find(kind, key)
        if folder is None:
            raise self.gone(kind, key)
        return folder

    def gone(self, kind: Kind, key: str) -> StoreError:
        """The error for an entry that was there a moment ago."""
        return StoreError(
            f"{kind}/{key[:16]} has gone from the store {self.root} or was damaged while it was needed; run the same "
            "command again: what is missing is made anew"
        )

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Tell other processes that this one is at work on ``key``; True unless another was, and we waited for it.

        A claim is a courtesy that spares double work; nothing relies on it. Another's claim is respected while its
        pulse goes on, and taken over when it has stood still for `PULSE_STOPPED` seconds of our own clock: whoever
        made it is dead, or the file system does not do what it should.
        """
        place = self.root / "claims" / f"{key}.json"
        waited = _wait_for(place)
        token = uuid.uuid4().hex
        stop = threading.Event()
        beat = threading.Thread(target=_beat, args=(place, token, stop), daemon=True)
        beat.start()
        try:
            yield not waited
        finally:
            stop.set()
            beat.join()
            if _claimant(place)[:1] == (token,):
                place.unlink(missing_ok=True)

    def discard(self, kind: Kind, key: str) -> None:
        """Nothing; the entry is no longer there.

        Raises:
            StoreError: it cannot be removed.
        """
        gone = self.root / "tmp" / f"discarded-{uuid.uuid4().hex}"
        try:
            gone.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.root / kind / key, gone)
        except OSError as error:
            raise self._unwritable(error) from error
        shutil.rmtree(gone, ignore_errors=True)

    def read(self, kind: Kind, key: str, load: Callable[[Path], T]) -> T | None:
        """What ``load`` makes of an entry's folder; None where there is no intact one.

        An entry that another process removes in the middle counts as absent.
        """
        folder = self.find(kind, key)
        if folder is None:
            return None
        try:
            return load(folder)
        except FileNotFoundError:
            return None

    def put(self, kind: Kind, key: str, write: Callable[[Path], None], *, trunk: str = "") -> Path:
        """The folder of the entry that ``write`` fills; an intact entry that is there already is kept.

        Raises:
            StoreError: the disk is full, the folder is read-only, ...; or the entry is there with other bytes.
        """
        aside = self.root / "tmp" / f"{kind}-{key[:16]}-{uuid.uuid4().hex}"
        target = self.root / kind / key
        try:
            aside.mkdir(parents=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            write(aside)
            files = {path.name: _sha256(path) for path in sorted(aside.iterdir())}
            manifest = {"format": FORMAT, "kind": kind, "key": key, "trunk": trunk, "files": files}
            (aside / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
            for path in [*aside.iterdir(), aside]:
                _flush(path)
            self._move_in(aside, target, kind, key, files)
            _flush(target.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return target

    def _move_in(self, aside: Path, target: Path, kind: Kind, key: str, files: dict[str, str]) -> None:
        for _ in range(3):
            try:
                os.rename(aside, target)
                return
            except OSError:
                if not os.path.lexists(target):
                    raise
            there = _digests(target, kind, key)
            if there is None:
                self._set_aside(target)
            elif there == files or kind == "runs":  # another process was first; a record's times are its own
                return
            else:
                raise StoreError(
                    f"{kind}/{key[:16]} was computed twice in the store {self.root}, with different bytes: something "
                    "that moves the numbers differs between the machines or versions that use this store. The first "
                    "was kept; give each its own --store"
                )
        raise StoreError(f"the store {self.root} keeps damaging {kind}/{key[:16]}; check the disk")

    def _set_aside(self, folder: Path) -> None:
        entry = f"{folder.parent.name}/{folder.name}"
        place = self.root / "damaged" / f"{entry.replace('/', '-')}-{uuid.uuid4().hex[:8]}"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.rename(folder, place)
        except FileNotFoundError:
            return  # another process has set it aside
        except OSError as error:
            raise StoreError(f"the damaged store entry {folder} cannot be set aside: {error}; delete it") from error
        self._on_damage(entry)

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"the store {self.root} cannot be written: {error}; what was stored before is safe. Free some space or "
            "give another folder with --store, and run the same command again"
        )


def _digests(folder: Path, kind: Kind, key: str) -> dict[str, str] | None:
    """SHA-256 by file name, of an entry in which everything is as it was written; None for any other."""
    try:
        if folder.is_symlink() or any(path.is_symlink() for path in folder.iterdir()):
            return None
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if (manifest["format"], manifest["kind"], manifest["key"]) != (FORMAT, kind, key):
            return None
        files: dict[str, str] = manifest["files"]
        if {path.name for path in folder.iterdir()} != {MANIFEST, *files}:
            return None
        return files if all(_sha256(folder / name) == digest for name, digest in files.items()) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _beat(place: Path, token: str, stop: threading.Event) -> None:
    """Renew a claim until told to stop; a claim that cannot be written is done without."""
    for count in itertools.count():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            aside = place.with_name(f"{place.name}.{token}")
            aside.write_text(json.dumps([token, count]), encoding="utf-8")
            os.replace(aside, place)
        except OSError:
            return
        if stop.wait(PULSE):
            return


def _claimant(place: Path) -> tuple[object, ...]:
    """(token, pulse) of a claim; empty where there is none that can be read."""
    try:
        return tuple(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def _wait_for(place: Path) -> bool:
    """Whether there was a living claim; comes back when it is given up or its pulse has stopped."""
    last, since, waited = _claimant(place), time.monotonic(), False
    while last and time.monotonic() - since < PULSE_STOPPED:
        time.sleep(PULSE / 10)
        now = _claimant(place)
        if now != last:
            last, since, waited = now, time.monotonic(), True
    return waited


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Named arrays as an npz file whose bytes depend on the arrays alone.

    Raises:
        ValueError: an array holds objects, which only pickle could store.
    """
    if objects := sorted(name for name, array in arrays.items() if array.dtype.hasobject):
        raise ValueError(f"arrays of objects cannot be stored: {', '.join(objects)}")
    np.savez_compressed(path, **{name: arrays[name] for name in sorted(arrays)})  # type: ignore[arg-type]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of `write_arrays`; a file with objects in it is refused."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
