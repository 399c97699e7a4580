"""The store: stages, predictions, runs, addressed by what they were made from.

An entry is a folder ``KIND/KEY/`` of files with a ``manifest.json`` that holds their SHA-256. It is written beside,
flushed to the disk, and renamed into place: it is there whole or not at all, also when two processes write it at once.
What is read is checked first; a damaged entry is set aside under ``damaged/`` and made again. Nothing in a store can
run code: files are safetensors, npz without objects, JSON and CSV.

No lock and no clock is relied on. What a killed process leaves behind (``tmp/``, ``claims/``) bears its name, and goes
when that process is known to be dead.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from imil_sim.engine.claims import claim, has_died, is_foreign, owner, owner_of
from imil_sim.errors import StoreError
from imil_sim.io import make_folder, seal, sync

FORMAT = 1
"""Version of the layout; entries of another version are made again, never misread."""

Kind = Literal[
    "stages", "checkpoints", "failures", "predictions", "cams", "overlays", "questions", "evaluations", "runs",
    "studies", "images",
]  # fmt: skip

KINDS: tuple[Kind, ...] = get_args(Kind)

MANIFEST = "manifest.json"

RECORD = "record.json"
"""In the entry of a run."""

ATTEMPTS = 3
"""How often an entry is written that somebody keeps damaging."""

MOST_UNPACKED = 1 << 32
"""Bytes of all arrays in one file, 4 GiB: the heat-maps of 500 images of 1024 x 1024 pixels."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an entry says of itself."""

    trunk: str
    """Key of the untrained state it descends from; ``""``: none."""
    towards: str
    """Key of the state after which it is of no more use; ``""``: none."""
    files: Mapping[str, str]
    """SHA-256 by file name."""


class Damage(Exception):
    """An entry that is there and cannot be believed; its text says why."""


class OtherFormat(Damage):
    """An entry that another version of imil-sim wrote."""


class Store:
    """A folder of entries; safe for several processes.

    Args:
        root: the folder; it is made where there is none.
        on_damage: called with every entry that had to be set aside, as ``KIND/KEY``.

    Raises:
        StoreError: the folder cannot be made.
    """

    def __init__(self, root: Path, on_damage: Callable[[str], None] = lambda entry: None) -> None:
        self.root, self._on_damage = root, on_damage
        try:
            make_folder(root)
        except OSError as error:
            raise StoreError(f"the store {root} cannot be made: {error}; give another folder with --store") from error

    def check_writable(self) -> None:
        """Check that entries can be put here; better known before training than after.

        Raises:
            StoreError: they cannot.
        """
        try:
            probe = self._beside("probe")
            make_folder(probe)
            probe.rmdir()
        except OSError as error:
            raise self._unwritable(error) from error

    # ------------------------------------------------------------------------------------------------------- read

    def find(self, kind: Kind, key: str) -> Path | None:
        """The folder of an entry whose files are all as they were written; None where there is none.

        A damaged entry is moved to ``damaged/`` and counts as absent.

        Raises:
            StoreError: it is there and cannot be read, which says nothing about whether it is damaged.
        """
        folder = self.root / kind / key
        if not os.path.lexists(folder):
            return None
        try:
            self.inspect(kind, key)
        except Damage:
            self.set_aside(kind, key)
            return None
        return folder

    def inspect(self, kind: Kind, key: str) -> Manifest:
        """The manifest of an entry, after every file was compared with it; nothing is moved.

        Raises:
            Damage: the entry is not, or no longer, what was put there.
            StoreError: it cannot be read.
        """
        folder = self.root / kind / key
        manifest = self.manifest(kind, key)
        try:
            there = set(os.listdir(folder))
            if missing := sorted({MANIFEST, *manifest.files} - there):
                raise Damage(f"{missing[0]} is missing")
            if strange := sorted(there - {MANIFEST, *manifest.files}):
                raise Damage(f"{strange[0]} does not belong there")
            for name, digest in manifest.files.items():
                if _sha256(folder / name) != digest:
                    raise Damage(f"{name} is altered")
        except FileNotFoundError as error:
            raise Damage("it has gone") from error
        except OSError as error:
            raise self._unreadable(f"{kind}/{key}", error) from error
        return manifest

    def manifest(self, kind: Kind, key: str) -> Manifest:
        """The manifest of an entry; its files are left unread.

        Raises:
            Damage: the manifest is not one.
            StoreError: it cannot be read.
        """
        try:
            content = json.loads((self.root / kind / key / MANIFEST).read_bytes().decode("utf-8"))
            if content["format"] != FORMAT:
                raise OtherFormat(f"format {content['format']}, not {FORMAT}")
            if (content["kind"], content["key"]) != (kind, key):
                raise Damage("it is the manifest of another entry")
            files = {str(name): str(digest) for name, digest in content["files"].items()}
            return Manifest(str(content.get("trunk", "")), str(content.get("towards", "")), files)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Damage(f"{MANIFEST} is missing") from error
        except OSError as error:
            raise self._unreadable(f"{kind}/{key}", error) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Damage(f"{MANIFEST} cannot be understood") from error

    def holds(self, kind: Kind, key: str) -> bool:
        """Whether there is an entry, unread: it may turn out to be damaged."""
        return (self.root / kind / key / MANIFEST).is_file()

    def keys(self, kind: Kind) -> list[str]:
        """The keys of all entries of a kind, unread, in order.

        Raises:
            StoreError: they cannot be listed.
        """
        try:
            return sorted(os.listdir(self.root / kind))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreadable(kind, error) from error

    def read(self, kind: Kind, key: str, load: Callable[[Path], T]) -> T | None:
        """What ``load`` makes of an entry's folder; None where there is no intact one.

        An entry that another process removes in the middle counts as absent.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            folder = self.find(kind, key)
            return None if folder is None else load(folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(f"{kind}/{key}", error) from error

    def needed(self, kind: Kind, key: str, load: Callable[[Path], T]) -> T:
        """As `read`, of an entry that was there a moment ago.

        Raises:
            StoreError: it has gone, is damaged, or cannot be read.
        """
        found = self.read(kind, key, load)
        if found is None:
            raise self.gone(kind, key)
        return found

    def gone(self, kind: Kind, key: str) -> StoreError:
        """The error for an entry that was there a moment ago."""
        return StoreError(
            f"{kind}/{key[:16]} has gone from the store {self.root} or was damaged while it was needed; run the same "
            "command again: what is missing is made anew"
        )

    # ------------------------------------------------------------------------------------------------------ write

    def put(self, kind: Kind, key: str, write: Callable[[Path], object], *, trunk: str = "", towards: str = "") -> Path:
        """The folder of the entry that ``write`` fills; an intact entry that is there already is kept.

        Args:
            kind: of the entry.
            key: names it.
            write: fills the folder it is given with files.
            trunk: key of the untrained state the entry descends from.
            towards: key of the state after which the entry is of no more use; `tidy` removes it then.

        Raises:
            StoreError: the disk is full, the folder is read-only, ...; or the entry is there with other bytes.
        """
        target = self.root / kind / key
        try:
            self._make(target.parent)
            aside = self._beside(f"{kind}-{key[:16]}")
            make_folder(aside)
            try:
                write(aside)
                files = {path.name: _sha256(path) for path in sorted(aside.iterdir())}
                about = {"format": FORMAT, "kind": kind, "key": key, "trunk": trunk, "towards": towards, "files": files}
                (aside / MANIFEST).write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
                seal(aside)
                self._move_in(aside, kind, key, files)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            sync(target.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        return target

    def _move_in(self, aside: Path, kind: Kind, key: str, files: Mapping[str, str]) -> None:
        target = self.root / kind / key
        for _ in range(ATTEMPTS):
            try:
                os.rename(aside, target)
                return
            except OSError:
                if not os.path.lexists(target):
                    raise
            try:
                there = self.inspect(kind, key).files
            except Damage:
                self.set_aside(kind, key)
                continue
            if there == files or kind == "runs":  # another process was first; a record's times are its own
                return
            raise StoreError(
                f"{kind}/{key[:16]} was computed twice in the store {self.root}, with different bytes: something "
                "that moves the numbers differs between the machines or versions that use this store. The first "
                "was kept; give each its own --store"
            )
        raise StoreError(f"the store {self.root} keeps damaging {kind}/{key[:16]}; check the disk")

    def discard(self, kind: Kind, key: str) -> None:
        """Remove an entry.

        Raises:
            StoreError: it cannot be removed.
        """
        try:
            self._remove(self.root / kind / key)
        except OSError as error:
            raise self._unwritable(error) from error

    def set_aside(self, kind: Kind, key: str) -> None:
        """Move a damaged entry to ``damaged/``.

        Raises:
            StoreError: it cannot be moved.
        """
        folder = self.root / kind / key
        try:
            self._make(self.root / "damaged")
            os.rename(folder, self.root / "damaged" / f"{kind}-{key}-{uuid.uuid4().hex[:8]}")
        except FileNotFoundError:  # another process has set it aside
            return
        except OSError as error:
            raise StoreError(f"the damaged store entry {folder} cannot be set aside: {error}; delete it") from error
        self._on_damage(f"{kind}/{key}")

    # ------------------------------------------------------------------------------------------- several processes

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """See `imil_sim.engine.claims.claim`."""
        return claim(self.root, key)

    def presence(self) -> AbstractContextManager[bool]:
        """Show other processes that this one uses what lies here, so that nothing is taken away from under it."""
        return self.claim(f"run-{uuid.uuid4().hex}")

    def at_work(self) -> list[str]:
        """The claims of processes that are not known to be dead, by key."""
        return [place.stem for place in self._in("claims") if not has_died(owner_of(place))]

    def tidy(self) -> list[str]:
        """Remove what dead processes left unfinished and what has served its purpose; gives the names.

        These are half-written entries, claims, and checkpoints of stages that are done since. What belongs to a living
        process stays; so does what another machine left, until `remove_rubbish`. What cannot be removed stays.
        """
        left = [place for place in self._in("tmp", "claims") if has_died(owner_of(place))]
        served = [place for place in self._in("checkpoints") if self._has_served(place.name)]
        return [str(place.relative_to(self.root)) for place in [*left, *served] if self._removed(place)]

    def leftovers(self) -> list[Path]:
        """What is unfinished and not known to belong to a living process."""
        unfinished = [(place, owner_of(place)) for place in self._in("tmp", "claims")]
        return [place for place, name in unfinished if has_died(name) or is_foreign(name)]

    def damaged(self) -> list[Path]:
        """The entries that were set aside."""
        return self._in("damaged")

    def remove_rubbish(self) -> int:
        """Remove all `leftovers`, also those of other machines, and all `damaged`; gives how many could be removed."""
        return sum(self._removed(place) for place in [*self.leftovers(), *self.damaged()])

    def _in(self, *folders: str) -> list[Path]:
        """What lies in folders of the store; nothing where they cannot be listed."""
        found = []
        for folder in folders:
            try:
                found += sorted((self.root / folder).iterdir())
            except OSError:
                continue
        return found

    def _has_served(self, key: str) -> bool:
        """Whether a checkpoint's stage is done, or known to fail."""
        try:
            towards = self.manifest("checkpoints", key).towards
        except (Damage, StoreError):
            return False
        return bool(towards) and (self.holds("stages", towards) or self.holds("failures", towards))

    # ------------------------------------------------------------------------------------------------------ places

    def _beside(self, what: str) -> Path:
        """A new place that bears our name, for what is not finished."""
        self._make(self.root / "tmp")
        return self.root / "tmp" / f"{owner()}-{what}-{uuid.uuid4().hex}"

    def _make(self, folder: Path) -> None:
        """A folder that is there also after a power cut."""
        if not folder.is_dir():
            make_folder(folder)
            sync(folder.parent)

    def _remove(self, place: Path) -> None:
        """Take something out of the way in one step, so that nobody sees half of it, then remove it."""
        gone = self._beside("discarded")
        try:
            os.rename(place, gone)
        except FileNotFoundError:
            return
        if gone.is_dir():
            shutil.rmtree(gone, ignore_errors=True)
        else:
            gone.unlink(missing_ok=True)

    def _removed(self, place: Path) -> bool:
        try:
            self._remove(place)
        except OSError:
            return False
        return not os.path.lexists(place)

    def _unreadable(self, entry: str, error: OSError) -> StoreError:
        return StoreError(
            f"{entry} in the store {self.root} cannot be read: {error}; nothing was changed. See to the cause and run "
            "the same command again; where the disk is at fault, delete that folder: it is made again"
        )

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"the store {self.root} cannot be written: {error}; what was stored before is safe. Free some space or "
            "give another folder with --store, and run the same command again"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------------------------------------------------- arrays


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Named arrays as an npz file without objects, whose bytes depend on the arrays alone.

    Raises:
        ValueError: an array holds objects, which only pickle could store.
        StoreError: `read_arrays` would refuse it for its size.
    """
    if objects := sorted(name for name, array in arrays.items() if array.dtype.hasobject):
        raise ValueError(f"arrays of objects cannot be stored: {', '.join(objects)}")
    if (size := sum(array.nbytes for array in arrays.values())) > MOST_UNPACKED:
        raise StoreError(f"{size:,} bytes are more than a file may hold ({MOST_UNPACKED:,}); ask about fewer images")
    content = io.BytesIO()  # a disk that fails in the middle of an archive comes out as an error about the archive
    np.savez_compressed(content, **{name: arrays[name] for name in sorted(arrays)})  # type: ignore[arg-type]
    path.write_bytes(content.getbuffer())


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of `write_arrays`.

    Raises:
        StoreError: it is no such file, holds objects, or unpacks to more than `MOST_UNPACKED` bytes.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if (size := sum(member.file_size for member in arrays.zip.infolist())) > MOST_UNPACKED:
                raise ValueError(f"it unpacks to {size:,} bytes, more than {MOST_UNPACKED:,}")
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise StoreError(f"{path} was not read: {error}; remove its folder, what is needed is made again") from error


def arrays_in(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an entry that holds nothing else."""
    return read_arrays(folder / "arrays.npz")
