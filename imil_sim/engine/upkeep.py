"""Looking after a store: what it holds and for whom, what is damaged, and what may go.

A *note* in the store says which runs a study is made of and under which keys they lie. It is written when a study is
run, so that a store can be read without the images, the packages and the device that its entries were made with.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from imil_sim.engine.store import KINDS, RECORD, Damage, Kind, OtherFormat, Store
from imil_sim.errors import DataError, StoreError, UsageError, did_you_mean, listed
from imil_sim.images.load import cache_key
from imil_sim.study.spec import RunSpec, content_key
from imil_sim.study.study import Study

NOTE = "study.json"

Status = Literal["done", "failed", "waiting", "open"]
"""Of a run; open: it has no record yet."""

MOST_TOLD = 5
"""Runs named in one refusal; the rest are counted."""


@dataclass(frozen=True, slots=True)
class NotedRun:
    """Where in the store a run of a study lies."""

    arm: str
    seed: int
    run: str
    """Key of its record."""
    trunk: str
    """Key of the untrained state it begins with."""


@dataclass(frozen=True, slots=True)
class Note:
    """A study that was run in this store, as it was then."""

    key: str
    name: str
    runs: Mapping[str, NotedRun]
    """By `asked`."""


def asked(run: RunSpec) -> str:
    """What a study asks for with a run: its key but for the images' content, the packages and the device."""
    return content_key([run.arm.placeless, run.seed])


def note_study(store: Store, name: str, runs: Iterable[tuple[RunSpec, NotedRun]]) -> None:
    """Have the store know the study and its runs.

    Raises:
        StoreError: the store cannot be written.
    """
    told = {asked(run): [n.arm, n.seed, n.run, n.trunk] for run, n in runs}
    content = {"name": name, "runs": told}
    key = content_key(content)
    text = json.dumps(content, sort_keys=True, indent=1) + "\n"

    def write(place: Path) -> None:
        (place / NOTE).write_text(text, encoding="utf-8")

    if store.find("studies", key) is None:
        store.put("studies", key, write)


def notes(store: Store) -> list[Note]:
    """Every note in the store that can be read."""
    found = []
    for key in store.keys("studies"):
        try:
            told = from_json((store.root / "studies" / key / NOTE).read_bytes())
            runs = {spec: NotedRun(*map(_same_type, run, ("", 0, "", ""))) for spec, run in told["runs"].items()}
            found.append(Note(key, str(told["name"]), runs))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # `verify` names it
            continue
    return found


def _same_type(value: Any, example: Any) -> Any:
    if type(value) is not type(example):
        raise TypeError
    return value


# -------------------------------------------------------------------------------------------------------- what is there


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, its files unread."""

    kind: Kind
    key: str
    size: int
    """Bytes."""
    trunk: str = ""
    state: Literal["sound", "other format", "unreadable"] = "sound"
    """By its manifest alone."""


def entries(store: Store) -> Iterator[Entry]:
    """Every entry of the store.

    Raises:
        StoreError: it cannot be listed.
    """
    for kind in KINDS:
        for key in store.keys(kind):
            size = _size(store.root / kind / key)
            try:
                yield Entry(kind, key, size, store.manifest(kind, key).trunk)
            except OtherFormat:
                yield Entry(kind, key, size, state="other format")
            except (Damage, StoreError):
                yield Entry(kind, key, size, state="unreadable")


def _size(path: Path) -> int:
    """Bytes of a folder and all in it, or of a file; what goes meanwhile counts nothing."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(_size(Path(found)) for found in os.scandir(path))
    except OSError:
        return 0


@dataclass
class Tally:
    """How many, and how much."""

    count: int = 0
    size: int = 0
    """Bytes."""

    def add(self, size: int) -> None:
        """Count one more."""
        self.count += 1
        self.size += size


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

    kinds: Mapping[str, Tally]
    studies: tuple[StudyHolding, ...]
    """By name."""
    unnamed: Mapping[str, Mapping[str, int]]
    """Runs that no study's note knows: how many of each status, by a summary of the arm."""
    other_format: Tally
    """Entries of another version; they are made again when they are needed."""
    unreadable: Tally
    """Entries without a manifest that could be read."""
    damaged: Tally
    """Entries that were set aside."""
    leftovers: Tally
    """What dead processes did not finish."""

    @property
    def size(self) -> int:
        """Bytes altogether."""
        return sum(t.size for t in (*self.kinds.values(), self.damaged, self.leftovers))


def survey(store: Store) -> Holdings:
    """What the store holds.

    Raises:
        StoreError: it cannot be listed.
    """
    kinds: dict[str, Tally] = {}
    other, unreadable = Tally(), Tally()
    for entry in entries(store):
        kinds.setdefault(entry.kind, Tally()).add(entry.size)
        if entry.state != "sound":
            (other if entry.state == "other format" else unreadable).add(entry.size)
    known = notes(store)
    statuses = {key: _status(store, key) for key in store.keys("runs")}
    named = {run.run for note in known for run in note.runs.values()}
    unnamed: dict[str, Counter[str]] = {}
    for key, status in statuses.items():
        if key not in named and status != "open":
            unnamed.setdefault(_summary(store, key), Counter())[status] += 1
    return Holdings(
        kinds,
        tuple(
            _holding(name, [n for n in known if n.name == name], statuses) for name in sorted({n.name for n in known})
        ),
        {summary: dict(counts) for summary, counts in sorted(unnamed.items())},
        other,
        unreadable,
        _tally(store.root, store.damaged()),
        _tally(store.root, store.leftovers()),
    )


def _tally(folder: Path, names: Iterable[str]) -> Tally:
    tally = Tally()
    for name in names:
        tally.add(_size(folder / name))
    return tally


def _holding(name: str, versions: Sequence[Note], statuses: Mapping[str, Status]) -> StudyHolding:
    runs = {(run.arm, run.seed, run.run): statuses.get(run.run, "open") for n in versions for run in n.runs.values()}
    arms, seeds = {arm for arm, _, _ in runs}, {seed for _, seed, _ in runs}
    return StudyHolding(name, len(arms), len(seeds), dict(Counter(runs.values())))


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
        told = f"{arm['model']['name']} on {arm['images']['source']}"
        if (augmentation := arm["augmentation"]["name"]) != "none":
            told += f", {augmentation}"
        if feedback := arm["feedback"]:
            told += f", {feedback['oracle']} after epoch {', '.join(map(str, feedback['imil_epoch']))}"
        return told
    except (KeyError, TypeError):
        return "a record that cannot be understood"


# -------------------------------------------------------------------------------------------------------- what is wrong


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of comparing every entry with its checksums."""

    sound: Tally
    other_format: int
    faults: Mapping[str, str]
    """What is wrong, by ``KIND/KEY``."""


def check(store: Store, progress: Callable[[str, int, int], None] = lambda what, done, total: None) -> Checked:
    """Every entry compared with its checksums; nothing is moved.

    Raises:
        StoreError: the store cannot be listed.
    """
    found = list(entries(store))
    sound, other, faults = Tally(), 0, {}
    for done, entry in enumerate(found, 1):
        wrong = ""
        if entry.state == "other format":
            other += 1
        elif not (wrong := _wrong(store, entry)):
            sound.add(entry.size)
        if wrong and os.path.lexists(store.root / entry.kind / entry.key):  # else somebody has removed it meanwhile
            faults[f"{entry.kind}/{entry.key}"] = wrong
        progress("checking", done, len(found))
    return Checked(sound, other, faults)


def _wrong(store: Store, entry: Entry) -> str:
    try:
        store.inspect(entry.kind, entry.key)
    except (Damage, StoreError) as error:
        return str(error)
    return ""


# ---------------------------------------------------------------------------------------------------------- what may go


@dataclass(frozen=True, slots=True)
class Pruning:
    """What would go and what would stay; nothing has been done yet."""

    go: tuple[Entry, ...]
    stay: Tally
    studies_gone: tuple[str, ...]
    """Names of studies of which nothing stays that could be gone on with."""
    unfinished: int
    """Runs of the named studies that are not done; what they begin with stays in any case."""
    rubbish: Tally
    """What was set aside as damaged, and what dead processes left."""
    images_unknown: str = ""
    """Why all cached images stay; empty where it is known which are needed."""

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(entry.size for entry in self.go) + self.rubbish.size


@dataclass
class _Needs:
    """What the named studies need."""

    runs: set[str] = field(default_factory=set)
    trunks: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    images: set[str] | None = field(default_factory=set)
    """None: all."""
    unfinished: int = 0


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
        StoreError: runs of other studies wait for a person's answers, or somebody is at work in the store.
    """
    _refuse_while_at_work(store)
    known = notes(store)
    needs = _needs(store, known, studies, records_only)
    if not even_waiting:
        _refuse_waiting(store, needs)
    unknown = _need_images(needs, studies)
    found = list(entries(store))
    go = tuple(entry for entry in found if not _is_needed(entry, needs))
    stay = Tally()
    for entry in found:
        if _is_needed(entry, needs):
            stay.add(entry.size)
    rubbish = _tally(store.root, [*store.leftovers(), *store.damaged()])
    gone = {note.name for note in known} - {note.name for note in known if note.key in needs.notes}
    return Pruning(go, stay, tuple(sorted(gone)), needs.unfinished, rubbish, unknown)


def prune(store: Store, pruning: Pruning) -> None:
    """Remove what was to go. Killed in the middle, the rest still is whole and may be pruned again.

    Raises:
        StoreError: somebody is at work in the store, or something cannot be removed.
    """
    _refuse_while_at_work(store)
    for entry in pruning.go:
        store.discard(entry.kind, entry.key)
    store.remove_rubbish()


def _needs(store: Store, known: Sequence[Note], studies: Sequence[Study], records_only: bool) -> _Needs:
    needs = _Needs()
    for study in studies:
        wanted = {asked(run) for _, run in study.runs()}
        of_study = {note.key: [note.runs[spec] for spec in wanted & note.runs.keys()] for note in known}
        if not any(of_study.values()):
            names = sorted({note.name for note in known})
            raise UsageError(
                f'the store {store.root} holds no run of study "{study.name}" as its file stands now, so that keeping '
                f"it would keep nothing. {did_you_mean(study.name, names)} Run it, or name what is to be kept"
            )
        for key, runs in of_study.items():
            needs.notes |= {key} if runs else set()
            for run in runs:
                needs.runs.add(run.run)
                done = _status(store, run.run) == "done"
                needs.unfinished += not done
                if not (records_only and done):
                    needs.trunks.add(run.trunk)
    return needs


def _is_needed(entry: Entry, needs: _Needs) -> bool:
    if entry.state != "sound":
        return False
    if entry.kind == "runs":
        return entry.key in needs.runs
    if entry.kind == "studies":
        return entry.key in needs.notes
    if entry.kind == "images":
        return needs.images is None or entry.key in needs.images
    return not entry.trunk or entry.trunk in needs.trunks


def _need_images(needs: _Needs, studies: Sequence[Study]) -> str:
    """Why it cannot be told which cached images are needed; empty where it can."""
    sources = {
        (study.beside, source.text): source
        for study in studies
        for arm in study.arms.values()
        for source in (arm.images, *arm.test_sets.values())
    }
    try:
        needs.images = {cache_key(source, beside) for (beside, _), source in sources.items()}
    except (DataError, OSError) as error:
        needs.images = None
        return str(error)
    return ""


def _refuse_while_at_work(store: Store) -> None:
    if store.at_work():
        raise StoreError(
            f"a run is at work in the store {store.root}; what it needs must not be taken away. Prune when it has "
            f"ended. Where none runs any more, another machine's claim was left behind: delete {store.root / 'claims'}"
        )


def _refuse_waiting(store: Store, needs: _Needs) -> None:
    waiting = [key for key in store.keys("runs") if key not in needs.runs and _status(store, key) == "waiting"]
    if waiting:
        told = [f"{key[:16]}: {_summary(store, key)}" for key in waiting[:MOST_TOLD]]
        more = [f"and {len(waiting) - MOST_TOLD} more"] if len(waiting) > MOST_TOLD else []
        raise StoreError(
            f"{len(waiting)} run(s) of other studies wait for a person's answers and would lose what they begin with:"
            f"{listed([*told, *more])}\nName their studies too, or give --even-waiting to let them go"
        )
