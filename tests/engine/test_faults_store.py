"""Faults 1 to 15: whatever befalls the disk or the processes, an entry is absent or whole, and nobody waits for ever.

Processes that are to die are forks of this file run as a script; it loads neither torch nor pytest.
"""

from __future__ import annotations

import ast
import errno
import hashlib
import inspect
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from imil_sim import io as files
from imil_sim.engine import claims, upkeep
from imil_sim.engine import store as module
from imil_sim.engine.store import MANIFEST, Store, read_arrays, write_arrays
from imil_sim.errors import StoreError
from imil_sim.io import sync
from imil_sim.study.study import Study, parse_study

REFUSABLE = {"open", "write", "fsync", "rename", "mkdir"}
"""What Python calls in C when it writes, flushes and renames."""

CALLS = {*REFUSABLE, "chmod", "close", "__exit__", "replace", "unlink", "rmdir"}


def key_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def fill(place: Path) -> None:
    """A small entry of three files, one of them written in many pieces."""
    (place / "about.json").write_text('{"epoch": 3}', encoding="utf-8")
    (place / "history.csv").write_text("epoch,loss\n" * 50, encoding="utf-8")
    write_arrays(place / "arrays.npz", {"logits": np.arange(64, dtype=np.float32)})


def writer(name: str, content: bytes) -> Callable[[Path], None]:
    """Fills an entry with one file."""

    def write(place: Path) -> None:
        (place / name).write_bytes(content)

    return write


def is_whole(folder: Path) -> bool:
    logits = read_arrays(folder / "arrays.npz")["logits"]
    return len(list(folder.iterdir())) == 4 and logits.tolist() == list(range(64))


def nothing_left(store: Store) -> bool:
    return not [path for name in ("tmp", "claims") for path in (store.root / name).glob("*")]


# ------------------------------------------------------------------------------------------------ the script's verbs


def _before_the_nth(number: int, act: Callable[[], None], calls: set[str]) -> Callable[[FrameType, str, Any], None]:
    """A profiler that acts before the nth of these calls, and counts on."""
    count = itertools.count()

    def look(frame: FrameType, event: str, called: Any) -> None:
        counts = event == "c_call" and called.__name__ in calls and "zipfile" not in frame.f_code.co_filename
        if counts and next(count) == number:
            act()

    return look


def _child(work: Callable[[], None]) -> int:
    """How a fork of this process ended that did the work: 0, or minus the signal."""
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _killed_everywhere(root: Path) -> list[str]:
    """What went wrong when a process was killed before each call of a put, and another went on."""

    def kill_us() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    store, wrong = Store(root, lambda entry: wrong.append(f"damaged {entry}")), list[str]()
    for number in itertools.count():
        key = key_of(number)

        def work(key: str = key, number: int = number) -> None:
            with store.claim(key):
                sys.setprofile(_before_the_nth(number, kill_us, CALLS))
                store.put("stages", key, fill, trunk="t")
                sys.setprofile(None)

        ended = _child(work)
        found = store.find("stages", key)
        wrong += [f"{number}: half an entry"] if found and not is_whole(found) else []
        with store.claim(key) as mine:
            wrong += [] if mine else [f"{number}: waited for the dead"]
        store.put("stages", key, fill, trunk="t")
        store.tidy()
        wrong += [] if nothing_left(store) else [f"{number}: something is left"]
        if ended != -signal.SIGKILL:
            return [*wrong, f"{number} kills"]
    raise AssertionError


def _raced(root: Path, same: bool) -> list[int]:
    """How two processes ended that put the same forty keys at the same moment."""
    start = time.monotonic() + 0.3

    def work(mark: bytes) -> None:
        time.sleep(max(start - time.monotonic(), 0))
        for number in range(40):
            Store(root).put("cams", key_of(number), writer("a.txt", b"equal" if same else mark))

    pids = []
    for mark in (b"one", b"two"):
        if not (pid := os.fork()):
            os._exit(_child(lambda mark=mark: work(mark)) & 1)
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def _disk_full(root: Path) -> str:
    """What is said when the disk is full, on one that is full to the last byte; the store is sound before and after."""
    store = Store(root)
    store.put("stages", key_of(1), fill)
    try:
        store.put("stages", key_of(2), writer("big", bytes(10_000_000)))
    except StoreError as error:
        assert store.find("stages", key_of(2)) is None
        assert is_whole(store.find("stages", key_of(1)) or root)
        store.put("stages", key_of(3), fill)  # what had been written of the big one no longer takes up room
        assert nothing_left(store)
        return str(error)
    raise AssertionError


if __name__ == "__main__":
    verb, folder = sys.argv[1], Path(sys.argv[2])
    verbs: dict[str, Callable[[], object]] = {
        "kill": lambda: _killed_everywhere(folder),
        "race": lambda: _raced(folder, same=True),
        "differ": lambda: _raced(folder, same=False),
        "full": lambda: _disk_full(folder),
    }
    print(json.dumps(verbs[verb]()))
    sys.exit()

import pytest  # noqa: E402  (the script does without)


def run_script(verb: str, folder: Path, *before: str) -> Any:
    command = [*before, sys.executable, __file__, verb, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def damaged() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, damaged: list[str]) -> Store:
    """A store with one entry."""
    store = Store(tmp_path / "store", damaged.append)
    store.put("stages", key_of(0), fill, trunk="t")
    return store


def test_the_store_and_its_upkeep_load_no_torch() -> None:
    code = "import sys, imil_sim.engine.store, imil_sim.engine.upkeep; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --------------------------------------------------------------------------------------------------- 1, 2: killed


def test_fault_01_a_process_killed_at_any_write_flush_or_rename_leaves_a_whole_entry_or_none(tmp_path: Path) -> None:
    *wrong, kills = run_script("kill", tmp_path / "store")
    assert wrong == []
    assert int(kills.split()[0]) > 30  # before each call of a put


class Disk:
    """What a disk would hold after a power cut at each moment of what is done in a folder.

    Only what was flushed is safe: a file's bytes, a folder's names. Of the rest a disk may have written anything, in
    any order; three ways stand for all.
    """

    WAYS = ("only what was flushed", "all names, but no bytes", "all names, and zeros")

    def __init__(self, root: Path) -> None:
        self.root, self.cuts = root, list[tuple[str, dict[str, Any]]]()
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, int]] = {}
        self._seen: dict[int, Path] = {}
        self._look()
        for number, path in self._seen.items():
            self._keep(number, path)

    def _look(self) -> None:
        seen = {path.lstat().st_ino: path for path in [self.root, *self.root.rglob("*")]}
        for number in seen.keys() - self._seen.keys():  # new; the number may have been another file's
            self._files.pop(number, None)
            self._folders.pop(number, None)
        self._seen = seen

    def _keep(self, number: int, path: Path) -> None:
        if path.is_dir():
            self._folders[number] = {found.name: found.lstat().st_ino for found in path.iterdir()}
        else:
            self._files[number] = path.read_bytes()

    def flushed(self, handle: int) -> None:
        self._look()
        number = os.fstat(handle).st_ino
        if number in self._seen:
            self._keep(number, self._seen[number])

    def cut(self) -> None:
        """Note what would be there if the power went now."""
        self._look()
        self.cuts += [(way, self._tree(self.root.stat().st_ino, way)) for way in self.WAYS]

    def _tree(self, number: int, way: str) -> dict[str, Any]:
        path = self._seen[number]
        names = {found.name: found.lstat().st_ino for found in path.iterdir()}
        if way == self.WAYS[0]:
            names = {name: n for name, n in self._folders.get(number, {}).items() if n in self._seen}
        return {name: self._content(n, way) for name, n in names.items()}

    def _content(self, number: int, way: str) -> Any:
        path = self._seen[number]
        if path.is_dir():
            return self._tree(number, way)
        lost = bytes(path.stat().st_size) if way == self.WAYS[2] else b""
        return self._files.get(number, lost)

    @contextmanager
    def watching(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        real = {name: getattr(os, name) for name in ("fsync", "rename", "mkdir")}

        def wrapped(name: str) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                self.cut()
                given = real[name](*arguments, **options)
                if name == "fsync":
                    self.flushed(arguments[0])
                self.cut()
                return given

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, wrapped(name))
            yield


def laid_out(tree: dict[str, Any], folder: Path) -> Path:
    folder.mkdir()
    for name, content in tree.items():
        laid_out(content, folder / name) if isinstance(content, dict) else (folder / name).write_bytes(content)
    return folder


def after_power_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is wrong with the store after a power cut at any moment of a put, and after one just behind it."""
    root, wrong = tmp_path / "store", list[str]()
    Store(root)
    disk = Disk(root)
    with disk.watching(monkeypatch):
        Store(root).put("stages", key_of(1), fill)
    before = len(disk.cuts)
    disk.cut()
    for number, (way, tree) in enumerate(disk.cuts):
        store = Store(
            laid_out(tree, tmp_path / f"cut-{number}"), lambda entry, way=way: wrong.append(f"damaged: {way}")
        )
        found = store.find("stages", key_of(1))
        if found and not is_whole(found):
            wrong.append(f"half an entry: {way}")
        if number >= before and not found:
            wrong.append(f"lost: {way}")
        assert is_whole(store.put("stages", key_of(1), fill))
        shutil.rmtree(store.root)
    assert before > 20
    return wrong


def test_fault_02_writes_that_were_not_flushed_and_are_lost_or_reordered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert after_power_cuts(tmp_path, monkeypatch) == []


@pytest.mark.parametrize("flushes", ["nothing", "folders only", "files only"])
def test_fault_02_a_store_that_flushes_too_little_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushes: str
) -> None:
    def flush(path: Path) -> None:
        if flushes != "nothing" and path.is_dir() == (flushes == "folders only"):
            sync(path)

    for user in (module, files):
        monkeypatch.setattr(user, "sync", flush)
    assert after_power_cuts(tmp_path, monkeypatch) != []


# --------------------------------------------------------------------------------------------- 3, 4, 5: it refuses


@pytest.mark.parametrize(
    ("number", "name"), [(3, errno.ENOSPC), (4, errno.EIO), (5, errno.EMFILE)], ids=["03_full", "04_io", "05_handles"]
)
def test_fault_03_04_05_a_disk_that_refuses_the_nth_call_of_a_put(
    store: Store, damaged: list[str], number: int, name: int
) -> None:
    refusals = 0
    for nth in itertools.count():
        refused: list[int] = []

        def refuse(refused: list[int] = refused) -> None:
            refused.append(1)
            raise OSError(name, os.strerror(name))

        key = key_of(1000 + nth)
        sys.setprofile(_before_the_nth(nth, refuse, REFUSABLE))
        message = ""
        try:
            store.put("stages", key, fill)
        except StoreError as error:
            message = str(error)
        finally:
            sys.setprofile(None)
        refusals += bool(message)
        assert not message or (os.strerror(name) in message and "--store" in message)
        found = store.find("stages", key)
        assert found is None or is_whole(found)
        if not refused:
            break
    assert refusals > 10
    assert damaged == []
    assert upkeep.check(store).faults == {}


def test_fault_03_a_disk_that_is_full(tmp_path: Path) -> None:
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    small = f'mount -t tmpfs -o size=400k none "{tmp_path}" && exec "$@"'
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk in a namespace of its own")
    message = run_script("full", tmp_path / "store", *apart, "sh", "-c", small, "sh")
    assert "No space left on device" in message
    assert "what was stored before is safe" in message


def test_fault_04_what_cannot_be_read_is_named_and_not_taken_for_damage(
    store: Store, damaged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(module.hashlib, "file_digest", fail)
        with pytest.raises(StoreError, match=r"stages/\w+ in the store .* cannot be read: .*Input/output error"):
            store.find("stages", key_of(0))
    assert is_whole(store.find("stages", key_of(0)) or Path())
    assert damaged == []


def test_fault_05_without_a_file_handle_left_nothing_is_set_aside_or_half_written(
    store: Store, damaged: list[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(2)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        with pytest.raises(StoreError, match="Too many open files"):
            store.put("stages", key_of(1), fill)
        with pytest.raises(StoreError, match=r"cannot be read: .*Too many open files.* nothing was changed"):
            store.find("stages", key_of(0))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert is_whole(store.find("stages", key_of(0)) or Path())
    assert store.find("stages", key_of(1)) is None
    assert damaged == []


# ------------------------------------------------------------------------------------------------ 6, 7, 8: damage


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "06_a_flipped_bit": flip,
    "07_a_truncated_file": lambda path: os.truncate(path, path.stat().st_size - 1),
    "08_a_file_of_zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("name", ["arrays.npz", "history.csv", MANIFEST])
@pytest.mark.parametrize("damage", DAMAGE)
def test_fault_06_07_08_is_caught_on_read_set_aside_and_made_again(
    store: Store, damaged: list[str], damage: str, name: str
) -> None:
    entry = f"stages/{key_of(0)}"
    DAMAGE[damage](store.root / entry / name)
    assert set(upkeep.check(store).faults) == {entry}
    assert store.read("stages", key_of(0), lambda place: read_arrays(place / "arrays.npz")) is None
    assert damaged == [entry]
    assert len(list((store.root / "damaged").iterdir())) == 1
    assert is_whole(store.put("stages", key_of(0), fill))
    assert upkeep.check(store).faults == {}


# ---------------------------------------------------------------------------------------- 9, 10, 11: several at once


def test_fault_09_two_processes_that_write_the_same_keys_leave_each_once(tmp_path: Path) -> None:
    assert run_script("race", tmp_path / "store") == [0, 0]
    store = Store(tmp_path / "store")
    assert upkeep.check(store).sound.count == 40
    assert nothing_left(store)
    assert not (store.root / "damaged").exists()


def test_fault_09_two_processes_that_write_other_bytes_under_one_key_cannot_both_go_on(tmp_path: Path) -> None:
    assert 1 in run_script("differ", tmp_path / "store")
    store = Store(tmp_path / "store")
    assert upkeep.check(store).faults == {}
    assert nothing_left(store)


def test_fault_10_an_entry_removed_while_it_is_read_is_whole_or_absent(store: Store, damaged: list[str]) -> None:
    stop = threading.Event()
    wrong: list[BaseException] = []

    def remove_and_put() -> None:
        other = Store(store.root, damaged.append)
        try:
            while not stop.is_set():
                other.discard("stages", key_of(0))
                other.put("stages", key_of(0), fill)
                time.sleep(0.002)  # else it is never there long enough to be read whole
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=remove_and_put)
    thread.start()
    found: list[bool | None] = []
    try:
        while len(found) < 200 or (set(found) != {True, None} and len(found) < 5000):
            found.append(store.read("stages", key_of(0), is_whole))
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    assert set(found) == {True, None}
    assert damaged == []


TINY = """
name = "tiny"
seeds = 1
images = { source = "phantom", size = 32, train = 16, test = 6 }
[arms.baseline]
[arms.human]
feedback.oracle = "human"
"""


def waiting_study(store: Store, name: str) -> Study:
    """A study of which one run is done and one waits for a person; its entries are made up."""
    study = parse_study(tomllib.loads(TINY.replace("tiny", name).replace("32", str(32 + len(name)))), beside=store.root)
    noted = []
    for arm, run in study.runs():
        key, trunk = upkeep.spec_key(run), f"trunk of {name}"
        noted.append((run, upkeep.NotedRun(arm, run.seed, key, trunk)))
        status = "waiting" if arm == "human" else "done"
        record = json.dumps({"status": status, "spec": run.model_dump(mode="json")})
        store.put("runs", key, writer("record.json", record.encode()))
    store.put("stages", key_of(len(name)), fill, trunk=f"trunk of {name}")
    upkeep.note_study(store, name, noted)
    return study


def test_fault_11_a_parent_that_waiting_branches_need_is_not_pruned(store: Store) -> None:
    mine, theirs = waiting_study(store, "mine"), waiting_study(store, "theirs")
    with pytest.raises(
        StoreError, match=r"(?s)1 run\(s\) of other studies wait .*human after epoch 70.*--even-waiting"
    ):
        upkeep.to_prune(store, [mine])
    pruning = upkeep.to_prune(store, [mine, theirs], records_only=True)
    assert [entry.key for entry in pruning.go] == [key_of(0)]  # of no study
    assert pruning.unfinished == 2
    upkeep.prune(store, upkeep.to_prune(store, [mine], even_waiting=True))
    assert store.find("stages", key_of(len("mine")))
    assert store.keys("stages") == [key_of(len("mine"))]


# --------------------------------------------------------------------------------------- 13, 14, 15: locks and clocks


def dead_owner() -> str:
    """The name of a process of this machine that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    machine, _, _ = claims.owner().split("-")
    start = claims._start(ended.pid)
    ended.wait()
    return f"{machine}-{ended.pid}-{start or 1}"


def claim_of(store: Store, name: str) -> Path:
    place = store.root / "claims" / "k.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps([name, "theirs", 7]))
    return place


def reused() -> str:
    """Our own process number, as if it had been another's before."""
    machine, pid, start = claims.owner().split("-")
    return f"{machine}-{pid}-{int(start) - 1}"


@pytest.mark.parametrize("name", [dead_owner, reused])
def test_fault_13_the_claim_of_a_dead_process_is_taken_over_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: Callable[[], str]
) -> None:
    monkeypatch.setattr(claims, "PULSE_STOPPED", 1e9)  # waiting for it would never end
    place = claim_of(store, name())
    with store.claim("k") as mine:
        assert mine
    assert not place.exists()
    claim_of(store, name())
    assert store.at_work() == []
    assert store.tidy() == ["claims/k.json"]


def test_fault_13_a_claim_that_stands_still_is_taken_over_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "PULSE", 0.05)
    monkeypatch.setattr(claims, "PULSE_STOPPED", 0.2)
    claim_of(store, "0123456789ab-1-1")  # of another machine
    assert store.at_work() == ["k"]
    with store.claim("k") as mine:
        assert mine


def test_fault_13_what_dead_processes_left_goes_and_what_living_ones_have_begun_stays(store: Store) -> None:
    dead, living, strange = dead_owner(), claims.owner(), "0123456789ab-1-1"
    for name in (dead, living, strange):
        (store.root / "tmp" / f"{name}-stages-x").mkdir()
    assert store.tidy() == [f"tmp/{dead}-stages-x"]
    assert store.leftovers() == [store.root / "tmp" / f"{strange}-stages-x"]
    assert store.remove_rubbish() == 1
    assert sorted(path.name for path in (store.root / "tmp").iterdir()) == [f"{living}-stages-x"]


def test_fault_14_without_claims_and_locks_two_writers_are_still_safe(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "claimant", lambda place: ())  # nobody sees anybody's claim
    meet = threading.Barrier(2)
    mine: list[bool] = []

    def write(place: Path) -> None:
        fill(place)
        meet.wait(timeout=30)

    def work() -> None:
        with store.claim("k") as alone:
            mine.append(alone)
            store.put("cams", key_of(1), write)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mine == [True, True]
    assert is_whole(store.find("cams", key_of(1)) or Path())
    names = {node.id for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Name)}
    assert not names & {"fcntl", "flock", "lockf"}


def test_fault_15_a_clock_that_is_set_back_has_no_effect(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    for path in store.root.rglob("*"):
        os.utime(path, (2**33, 2**33))  # written in the far future, as it would seem
    assert is_whole(store.find("stages", key_of(0)) or Path())
    assert is_whole(store.put("stages", key_of(0), fill))
    claim_of(store, dead_owner())
    os.utime(store.root / "claims" / "k.json", (2**33, 2**33))
    with store.claim("k") as mine:
        assert mine
    (store.root / "tmp" / f"{claims.owner()}-x").mkdir()
    os.utime(store.root / "tmp" / f"{claims.owner()}-x", (0, 0))  # old, as it would seem, and yet a living process's
    assert store.tidy() == []
