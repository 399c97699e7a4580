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
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from imil_sim.engine.claims import claim, has_died, is_foreign, owner, owner_of
from imil_sim.errors import StoreError
from imil_sim.io import make_folder, seal, sync

FORMAT = 1
"""Version of the layout; entries of another version are made again, never misread."""

Kind = Literal[
    "stages",
    "checkpoints",
    "failures",
    "predictions",
    "cams",
    "overlays",
    "questions",
    "evaluations",
    "runs",
    "studies",
    "images",
]

KINDS: tuple[Kind, ...] = get_args(Kind)

MANIFEST = "manifest.json"

RECORD = "record.json"
"""In the entry of a run."""

ATTEMPTS = 3
"""How often an entry is written that somebody keeps damaging."""

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
            return self._set_aside(folder, kind, key)
        return folder

    def inspect(self, kind: Kind, key: str) -> Manifest:
        """The manifest of an entry, after every file was compared with it; nothing is moved.

        Raises:
            Damage: the entry is not, or no longer, what was put there.
            StoreError: it cannot be read.
        """
        return self._understood(lambda: _checked(self.root / kind / key, kind, key), f"{kind}/{key}")

    def manifest(self, kind: Kind, key: str) -> Manifest:
        """The manifest of an entry; its files are left unread.

        Raises:
            Damage: the manifest is not one.
            StoreError: it cannot be read.
        """
        return self._understood(lambda: _manifest(self.root / kind / key, kind, key), f"{kind}/{key}")

    def holds(self, kind: Kind, key: str) -> bool:
        """Whether there is an entry, unread: it may turn out to be damaged."""
        return (self.root / kind / key / MANIFEST).is_file()

    def keys(self, kind: Kind) -> list[str]:
        """The keys of all entries of a kind, unread, in order.

        Raises:
            StoreError: they cannot be listed.
        """
        place = self.root / kind
        try:
            return sorted(os.listdir(place))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreadable(str(kind), error) from error

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

    # ------------------------------------------------------------------------------------------------------ write

    def put(self, kind: Kind, key: str, write: Callable[[Path], None], *, trunk: str = "", towards: str = "") -> Path:
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
                files = _fill(aside, write, {"kind": kind, "key": key, "trunk": trunk, "towards": towards})
                self._move_in(aside, target, kind, key, files)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            sync(target.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        return target

    def discard(self, kind: Kind, key: str) -> None:
        """Remove an entry.

        Raises:
            StoreError: it cannot be removed.
        """
        folder = self.root / kind / key
        try:
            self._remove(folder)
        except OSError as error:
            raise self._unwritable(error) from error

    def set_aside(self, kind: Kind, key: str) -> None:
        """Move an entry, which only its reader found to be damaged, to ``damaged/``.

        Raises:
            StoreError: it cannot be moved.
        """
        self._quarantine(self.root / kind / key)
        self._on_damage(f"{kind}/{key}")

    # ------------------------------------------------------------------------------------------- several processes

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """See `imil_sim.engine.claims.claim`."""
        return claim(self.root, key)

    def presence(self) -> AbstractContextManager[bool]:
        """Tell other processes that this one uses what lies here, so that nothing is taken away from under it."""
        return self.claim(f"run-{uuid.uuid4().hex}")

    def at_work(self) -> list[str]:
        """The claims of processes that are not known to be dead, by key."""
        places = [self.root / "claims" / name for name in self._names("claims")]
        return [place.stem for place in places if not has_died(owner_of(place))]

    def tidy(self) -> list[str]:
        """Remove what dead processes left unfinished and what has served its purpose; gives the names.

        These are half-written entries, claims, and checkpoints of stages that are done since. What belongs to a living
        process stays; so does what another machine left, until `remove_rubbish`. What cannot be removed stays.
        """
        left = [place for place in self._left() if has_died(owner_of(place))]
        served = [self.root / "checkpoints" / key for key in self._names("checkpoints") if self._has_served(key)]
        return [str(place.relative_to(self.root)) for place in [*left, *served] if self._removed(place)]

    def leftovers(self) -> list[str]:
        """Names of what is unfinished and not known to belong to a living process."""
        return [
            str(place.relative_to(self.root))
            for place in self._left()
            if has_died(owner_of(place)) or is_foreign(owner_of(place))
        ]

    def damaged(self) -> list[str]:
        """Names of the entries that were set aside."""
        return [f"damaged/{name}" for name in self._names("damaged")]

    def remove_rubbish(self) -> int:
        """Remove all `leftovers`, also those of other machines, and all `damaged`; gives how many could be removed."""
        return sum(self._removed(self.root / name) for name in [*self.leftovers(), *self.damaged()])

    def _left(self) -> list[Path]:
        """Everything that some process has not finished: writes and claims."""
        return [self.root / folder / name for folder in ("tmp", "claims") for name in self._names(folder)]

    def _names(self, folder: str) -> list[str]:
        """What lies in a folder of the store; nothing where it cannot be listed."""
        try:
            return sorted(os.listdir(self.root / folder))
        except OSError:
            return []

    def _has_served(self, key: str) -> bool:
        """Whether a checkpoint's stage is done, or known to fail."""
        try:
            towards = self.manifest("checkpoints", key).towards
        except (Damage, StoreError):
            return False
        return bool(towards) and (self.holds("stages", towards) or self.holds("failures", towards))

    def _removed(self, place: Path) -> bool:
        try:
            self._remove(place)
        except OSError:
            return False
        return not os.path.lexists(place)

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

    def _move_in(self, aside: Path, target: Path, kind: Kind, key: str, files: Mapping[str, str]) -> None:
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
                self._set_aside(target, kind, key)
                continue
            if there == files or kind == "runs":  # another process was first; a record's times are its own
                return
            raise StoreError(
                f"{kind}/{key[:16]} was computed twice in the store {self.root}, with different bytes: something "
                "that moves the numbers differs between the machines or versions that use this store. The first "
                "was kept; give each its own --store"
            )
        raise StoreError(f"the store {self.root} keeps damaging {kind}/{key[:16]}; check the disk")

    def _set_aside(self, folder: Path, kind: Kind, key: str) -> Path | None:
        """Move an entry to ``damaged/``; its folder where another process has put a good one in its place meanwhile.

        What was taken away is looked at once more where nobody else can reach it, and put back if it is good.
        """
        place = self._quarantine(folder)
        if place is None:  # another process has set it aside
            return None
        try:
            _checked(place, kind, key)
        except (Damage, OSError):
            self._on_damage(f"{kind}/{key}")
            return None
        try:
            os.rename(place, folder)
        except OSError:  # the same has been put there once more
            self._removed(place)
        return folder if os.path.lexists(folder) else None

    def _quarantine(self, folder: Path) -> Path | None:
        place = self.root / "damaged" / f"{folder.parent.name}-{folder.name}-{uuid.uuid4().hex[:8]}"
        try:
            self._make(place.parent)
            os.rename(folder, place)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"the damaged store entry {folder} cannot be set aside: {error}; delete it") from error
        return place

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

    # ------------------------------------------------------------------------------------------------------ errors

    def _understood(self, read: Callable[[], Manifest], entry: str) -> Manifest:
        try:
            return read()
        except FileNotFoundError as error:
            raise Damage("it has gone") from error
        except OSError as error:
            raise self._unreadable(entry, error) from error

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


# -------------------------------------------------------------------------------------------------------- an entry


def _fill(aside: Path, write: Callable[[Path], None], about: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 by name of the files that ``write`` has put there; they and the manifest are safe on the disk."""
    write(aside)
    files = {path.name: _sha256(path) for path in sorted(aside.iterdir())}
    manifest = {"format": FORMAT, **about, "files": files}
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
    seal(aside)
    return files


def _manifest(folder: Path, kind: str, key: str) -> Manifest:
    """The manifest in ``folder``.

    Raises:
        Damage: there is none of an entry of that kind and key.
        OSError: it cannot be read.
    """
    try:
        content = json.loads((folder / MANIFEST).read_bytes().decode("utf-8"))
        if content["format"] != FORMAT:
            raise OtherFormat(f"format {content['format']}, not {FORMAT}")
        if (content["kind"], content["key"]) != (kind, key):
            raise Damage("it is the manifest of another entry")
        files = {str(name): str(digest) for name, digest in content["files"].items()}
        return Manifest(str(content.get("trunk", "")), str(content.get("towards", "")), files)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Damage(f"{MANIFEST} is missing") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damage(f"{MANIFEST} cannot be understood") from error


def _checked(folder: Path, kind: str, key: str) -> Manifest:
    """The manifest in ``folder``, where everything is as it was written.

    Raises:
        Damage: something is not.
        OSError: it cannot be read.
    """
    if not folder.is_dir():
        raise Damage("the entry is not a folder")
    manifest = _manifest(folder, kind, key)
    there = set(os.listdir(folder))
    if missing := sorted({MANIFEST, *manifest.files} - there):
        raise Damage(f"{missing[0]} is missing")
    if strange := sorted(there - {MANIFEST, *manifest.files}):
        raise Damage(f"{strange[0]} does not belong there")
    for name, digest in manifest.files.items():
        if _sha256(folder / name) != digest:
            raise Damage(f"{name} is altered")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
