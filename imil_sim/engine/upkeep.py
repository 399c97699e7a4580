"""Looking after a store: what it holds and for whom, what is damaged, and what may go.

A *note* in the store says which runs a study is made of and under which keys they lie. It is written when a study is
run, so that a store can be read without the images, the packages and the device that its entries were made with.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic_core import from_json

from imil_sim.engine.store import KINDS, RECORD, Damage, Kind, OtherFormat, Store
from imil_sim.errors import DataError, StoreError, UsageError, did_you_mean, listed
from imil_sim.images.load import cache_key
from imil_sim.study.spec import RunSpec, Spec, content_key
from imil_sim.study.study import Study

NOTE = "study.json"

Status = Literal["done", "failed", "waiting", "open"]
"""Of a run; open: it has no record yet."""

MOST_NAMED = 5
"""Runs named in one refusal; the rest are counted."""


class NotedRun(NamedTuple):
    """Where in the store a run of a study lies."""

    arm: str
    seed: int
    run: str
    """Key of its record."""
    trunk: str
    """Key of the untrained state it begins with."""


class Note(Spec):
    """A study that was run in this store, as it was then."""

    name: str
    runs: dict[str, NotedRun]
    """By `spec_key`."""


def spec_key(run: RunSpec) -> str:
    """What a study asks for with a run: its key but for the images' content, the packages and the device."""
    return content_key([run.arm.placeless, run.seed])


def note_study(store: Store, name: str, runs: Iterable[tuple[RunSpec, NotedRun]]) -> None:
    """Have the store know the study and its runs.

    Raises:
        StoreError: the store cannot be written.
    """
    content = {"name": name, "runs": {spec_key(run): list(noted) for run, noted in runs}}
    key = content_key(content)
    text = json.dumps(content, sort_keys=True, indent=1) + "\n"
    if store.find("studies", key) is None:
        store.put("studies", key, lambda place: (place / NOTE).write_text(text, encoding="utf-8"))


def notes(store: Store) -> dict[str, Note]:
    """Every note in the store that can be read, by its key."""
    found = {}
    for key in store.keys("studies"):
        try:
            found[key] = Note.model_validate_json((store.root / "studies" / key / NOTE).read_bytes())
        except (OSError, ValueError):  # `check` names it
            continue
    return found


# -------------------------------------------------------------------------------------------------------- what is there


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry, its files unread."""

    kind: Kind
    key: str
    size: int
    """Bytes."""
    trunk: str = ""
    state: Literal["sound", "other format", "unreadable"] = "sound"
    """By its manifest alone."""


def entries(store: Store) -> list[StoredEntry]:
    """Every entry of the store.

    Raises:
        StoreError: it cannot be listed.
    """
    found = []
    for kind in KINDS:
        for key in store.keys(kind):
            size = _size(store.root / kind / key)
            try:
                found.append(StoredEntry(kind, key, size, store.manifest(kind, key).trunk))
            except OtherFormat:
                found.append(StoredEntry(kind, key, size, state="other format"))
            except (Damage, StoreError):
                found.append(StoredEntry(kind, key, size, state="unreadable"))
    return found


def _size(path: Path) -> int:
    """Bytes of a folder and all in it, or of a file; what goes meanwhile counts nothing."""
    try:
        return sum(map(_size, path.iterdir())) if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Amount:
    """How many, and how much."""

    count: int
    size: int
    """Bytes."""


def amount(sizes: Iterable[int]) -> Amount:
    """How many sizes there are, and their sum."""
    each = list(sizes)
    return Amount(len(each), sum(each))


@dataclass(frozen=True, slots=True)
class StudyHolding:
    """What the store holds of a study, all its notes together."""

    name: str
    arms: int
    seeds: int
    runs: Mapping[Status, int]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a store holds."""

    kinds: Mapping[str, Amount]
    studies: tuple[StudyHolding, ...]
    """By name."""
    unnamed: Mapping[str, Mapping[str, int]]
    """Runs that no study's note knows: how many of each status, by a summary of the arm."""
    other_format: Amount
    """Entries of another version; they are made again when they are needed."""
    unreadable: Amount
    """Entries without a manifest that could be read."""
    damaged: Amount
    """Entries that were set aside."""
    leftovers: Amount
    """What dead processes did not finish."""

    @property
    def size(self) -> int:
        """Bytes altogether."""
        return sum(held.size for held in (*self.kinds.values(), self.damaged, self.leftovers))


def survey(store: Store) -> Holdings:
    """What the store holds.

    Raises:
        StoreError: it cannot be listed.
    """
    found, known = entries(store), notes(store)
    by_study: dict[str, dict[NotedRun, Status]] = {}
    for note in known.values():
        statuses = by_study.setdefault(note.name, {})
        statuses |= {run: _status(store, run.run) for run in note.runs.values()}
    named = {run.run for statuses in by_study.values() for run in statuses}
    unnamed: dict[str, Counter[str]] = {}
    for key in store.keys("runs"):
        if key not in named and (status := _status(store, key)) != "open":
            unnamed.setdefault(_summary(store, key), Counter())[status] += 1
    return Holdings(
        amounts(found),
        tuple(
            StudyHolding(name, len({r.arm for r in of}), len({r.seed for r in of}), dict(Counter(of.values())))
            for name, of in sorted(by_study.items())
        ),
        {summary: dict(counts) for summary, counts in sorted(unnamed.items())},
        amount(entry.size for entry in found if entry.state == "other format"),
        amount(entry.size for entry in found if entry.state == "unreadable"),
        amount(map(_size, store.damaged())),
        amount(map(_size, store.leftovers())),
    )


def amounts(found: Iterable[StoredEntry]) -> dict[str, Amount]:
    """How many entries of each kind, and their size."""
    sizes: dict[str, list[int]] = {}
    for entry in found:
        sizes.setdefault(entry.kind, []).append(entry.size)
    return {kind: amount(each) for kind, each in sizes.items()}


def _record(store: Store, key: str) -> Mapping[str, Any]:
    """A record as it lies there, its checksum unread; empty where it cannot be read."""
    try:
        record = from_json((store.root / "runs" / key / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _status(store: Store, key: str) -> Status:
    status = _record(store, key).get("status")
    return status if status in ("done", "failed", "waiting") else "open"


def _summary(store: Store, key: str) -> str:
    """What a run is, in a few words: ``resnet18 on phantom, lesions after epoch 70``."""
    try:
        arm = _record(store, key)["spec"]["arm"]
        parts = [f"{arm['model']['name']} on {arm['images']['source']}"]
        if (augmentation := arm["augmentation"]["name"]) != "none":
            parts.append(augmentation)
        if feedback := arm["feedback"]:
            parts.append(f"{feedback['oracle']} after epoch {', '.join(map(str, feedback['imil_epoch']))}")
        return ", ".join(parts)
    except (KeyError, TypeError):
        return "a record that cannot be understood"


# -------------------------------------------------------------------------------------------------------- what is wrong


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of comparing every entry with its checksums."""

    sound: Amount
    other_format: int
    faults: Mapping[str, str]
    """What is wrong, by ``KIND/KEY``."""


def check(store: Store, progress: Callable[[str, int, int], None] = lambda what, done, total: None) -> Checked:
    """Every entry compared with its checksums; nothing is moved.

    Raises:
        StoreError: the store cannot be listed.
    """
    found = entries(store)
    sound: list[int] = []
    faults: dict[str, str] = {}
    for done, entry in enumerate(found, 1):
        try:
            if entry.state != "other format":
                store.inspect(entry.kind, entry.key)
                sound.append(entry.size)
        except (Damage, StoreError) as error:
            if os.path.lexists(store.root / entry.kind / entry.key):  # else somebody has removed it meanwhile
                faults[f"{entry.kind}/{entry.key}"] = str(error)
        progress("checking", done, len(found))
    return Checked(amount(sound), sum(entry.state == "other format" for entry in found), faults)


# ---------------------------------------------------------------------------------------------------------- what may go


@dataclass(frozen=True, slots=True)
class Pruning:
    """What would go and what would stay; nothing has been done yet."""

    go: tuple[StoredEntry, ...]
    stay: Amount
    studies_gone: tuple[str, ...]
    """Names of studies of which nothing stays that could be gone on with."""
    unfinished: int
    """Runs of the named studies that are not done; what they begin with stays in any case."""
    rubbish: Amount
    """What was set aside as damaged, and what dead processes left."""
    images_unknown: str = ""
    """Why all cached images stay; empty where it is known which are needed."""

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(entry.size for entry in self.go) + self.rubbish.size


def to_prune(
    store: Store, studies: Sequence[Study], *, records_only: bool = False, even_waiting: bool = False
) -> Pruning:
    """What may go when these studies are to be kept as their files stand now.

    Of a run its record stays, and everything that descends from the untrained state it begins with: what another
    branch of the same trunk needs is never taken away.

    Args:
        store: to look at.
        studies: to keep.
        records_only: of runs that are done keep the record only, with its predictions.
        even_waiting: let go also of runs of other studies that wait for a person's answers.

    Raises:
        UsageError: the store knows nothing of one of the studies.
        StoreError: runs of other studies wait for a person's answers, or a run is at work in the store.
    """
    _refuse_while_at_work(store)
    known = notes(store)
    kept_notes, runs, trunks, unfinished = set[str](), set[str](), set[str](), 0
    for study in studies:
        wanted = {spec_key(run) for _, run in study.runs()}
        of_study = {key for key, note in known.items() if wanted & note.runs.keys()}
        if not of_study:
            names = sorted({note.name for note in known.values()})
            raise UsageError(
                f'the store {store.root} holds no run of study "{study.name}" as its file stands now, so that keeping '
                f"it would keep nothing. {did_you_mean(study.name, names)} Run it, or name what is to be kept"
            )
        kept_notes |= of_study
        for run in (known[key].runs[spec] for key in of_study for spec in wanted & known[key].runs.keys()):
            done = _status(store, run.run) == "done"
            runs.add(run.run)
            unfinished += not done
            if not (records_only and done):
                trunks.add(run.trunk)
    if not even_waiting:
        _refuse_waiting(store, runs)
    images, images_unknown = _images_of(studies)

    def stays(entry: StoredEntry) -> bool:
        if entry.state != "sound":
            return False
        match entry.kind:
            case "runs":
                return entry.key in runs
            case "studies":
                return entry.key in kept_notes
            case "images":
                return bool(images_unknown) or entry.key in images
            case _:
                return not entry.trunk or entry.trunk in trunks

    found = entries(store)
    gone = {note.name for note in known.values()} - {known[key].name for key in kept_notes}
    return Pruning(
        go=tuple(entry for entry in found if not stays(entry)),
        stay=amount(entry.size for entry in found if stays(entry)),
        studies_gone=tuple(sorted(gone)),
        unfinished=unfinished,
        rubbish=amount(map(_size, [*store.leftovers(), *store.damaged()])),
        images_unknown=images_unknown,
    )


def prune(store: Store, pruning: Pruning) -> None:
    """Remove what was to go. Killed in the middle, the rest still is whole and may be pruned again.

    Raises:
        StoreError: a run is at work in the store, or something cannot be removed.
    """
    _refuse_while_at_work(store)
    for entry in pruning.go:
        store.discard(entry.kind, entry.key)
    store.remove_rubbish()


def _images_of(studies: Sequence[Study]) -> tuple[set[str], str]:
    """Keys of the cached images that the studies need, or why they cannot be known."""
    sources = {
        (study.beside, source.text): source
        for study in studies
        for arm in study.arms.values()
        for source in (arm.images, *arm.test_sets.values())
    }
    try:
        return {cache_key(source, beside) for (beside, _), source in sources.items()}, ""
    except (DataError, OSError) as error:
        return set(), str(error)


def _refuse_while_at_work(store: Store) -> None:
    if store.at_work():
        raise StoreError(
            f"a run is at work in the store {store.root}; what it needs must not be taken away. Prune when it has "
            f"ended. Where none runs any more, another machine's claim was left behind: delete {store.root / 'claims'}"
        )


def _refuse_waiting(store: Store, kept: set[str]) -> None:
    waiting = [key for key in store.keys("runs") if key not in kept and _status(store, key) == "waiting"]
    if waiting:
        named = [f"{key[:16]}: {_summary(store, key)}" for key in waiting[:MOST_NAMED]]
        more = [f"and {len(waiting) - MOST_NAMED} more"] if len(waiting) > MOST_NAMED else []
        raise StoreError(
            f"{len(waiting)} run(s) of other studies wait for a person's answers and would lose what they begin with:"
            f"{listed([*named, *more])}\nName their studies too, or give --even-waiting to let them go"
        )
