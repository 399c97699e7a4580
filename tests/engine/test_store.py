"""The store: an entry is there whole or not at all, and nothing that was altered is ever believed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imil_sim.engine import store as module
from imil_sim.engine.store import MANIFEST, Kind, OtherFormat, Store, read_arrays, write_arrays
from imil_sim.errors import StoreError

KEY = "ab" * 32


def filler(text: str) -> Callable[[Path], None]:
    return lambda place: [(place / name).write_text(text + name) for name in ("a.txt", "b.txt")] and None


@pytest.fixture
def damaged() -> list[str]:
    return []


@pytest.fixture
def kept(tmp_path: Path, damaged: list[str]) -> Store:
    store = Store(tmp_path / "deep" / "store", damaged.append)
    store.put("stages", KEY, filler("hello "))
    return store


def put_again(kept: Store) -> Path:
    return kept.put("stages", KEY, filler("hello "))


# ---------------------------------------------------------------------------------------------------- put and find


def test_what_was_put_is_found_under_its_kind_and_key_only(kept: Store) -> None:
    folder = kept.find("stages", KEY)
    assert folder is not None
    assert (folder / "a.txt").read_text() == "hello a.txt"
    assert kept.find("runs", KEY) is None
    assert kept.find("stages", KEY[::-1]) is None
    assert not list((kept.root / "tmp").iterdir())


def test_what_is_missing_when_it_is_needed_is_named(kept: Store) -> None:
    assert kept.needed("stages", KEY, lambda place: (place / "a.txt").read_text()) == "hello a.txt"
    with pytest.raises(StoreError, match=r"runs/abababababababab has gone .* run the same command again"):
        kept.needed("runs", KEY, lambda place: place)


def test_a_discarded_entry_is_gone_and_may_be_discarded_twice(kept: Store) -> None:
    kept.discard("stages", KEY)
    kept.discard("stages", KEY)
    assert kept.find("stages", KEY) is None
    assert not list((kept.root / "tmp").iterdir())


def test_an_entry_is_whole_before_it_can_be_seen(kept: Store) -> None:
    seen: list[Path | None] = []

    def write(place: Path) -> None:
        (place / "a.txt").write_text("half")
        seen.append(kept.find("runs", KEY))

    kept.put("runs", KEY, write)
    assert seen == [None]
    assert kept.find("runs", KEY) is not None


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing(kept: Store, error: BaseException) -> None:
    def write(place: Path) -> None:
        (place / "a.txt").write_text("half")
        raise error

    with pytest.raises(type(error)):
        kept.put("runs", KEY, write)
    assert kept.find("runs", KEY) is None
    assert not list((kept.root / "tmp").iterdir())


def test_what_a_killed_process_left_behind_is_never_found(kept: Store, damaged: list[str]) -> None:
    (kept.root / "tmp" / "stages-dead").mkdir()
    (kept.root / "stages" / ("cd" * 32)).mkdir()
    assert kept.find("stages", "cd" * 32) is None
    assert damaged == [f"stages/{'cd' * 32}"]


# --------------------------------------------------------------------------------------------------------- damage


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def edit(path: Path, **changes: object) -> None:
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | changes))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "bit flip": lambda f: flip(f / "a.txt"),
    "truncated": lambda f: os.truncate(f / "a.txt", 3),
    "zero filled": lambda f: (f / "a.txt").write_bytes(bytes(11)),
    "missing file": lambda f: (f / "a.txt").unlink(),
    "one file too many": lambda f: (f / "c.txt").write_text("planted"),
    "missing manifest": lambda f: (f / MANIFEST).unlink(),
    "half a manifest": lambda f: os.truncate(f / MANIFEST, 20),
    "manifest that is no table": lambda f: (f / MANIFEST).write_text("[1, 2]"),
    "endless manifest": lambda f: (f / MANIFEST).write_text("[" * 100_000),
    "manifest of another format": lambda f: edit(f / MANIFEST, format=0),
    "manifest of another entry": lambda f: edit(f / MANIFEST, key="cd" * 32),
    "manifest that reaches outside": lambda f: edit(f / MANIFEST, files={"../../x": "0"}),
    "a file in its place": lambda f: (shutil.rmtree(f), f.write_text("x")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=[name.replace(" ", "-") for name in DAMAGE])
def test_what_was_tampered_with_is_named_set_aside_and_made_again(
    kept: Store, damaged: list[str], damage: Callable[[Path], object]
) -> None:
    damage(kept.root / "stages" / KEY)
    assert kept.find("stages", KEY) is None
    assert damaged == [f"stages/{KEY}"]
    assert len(list((kept.root / "damaged").iterdir())) == 1
    folder = put_again(kept)
    assert kept.find("stages", KEY) == folder
    assert (folder / "a.txt").read_text() == "hello a.txt"


def test_a_damaged_entry_does_not_stand_in_the_way_of_a_new_one(kept: Store, damaged: list[str]) -> None:
    flip(kept.root / "stages" / KEY / "a.txt")
    put_again(kept)
    assert kept.find("stages", KEY) is not None
    assert damaged == [f"stages/{KEY}"]


def test_an_entry_of_another_format_is_named_apart_from_damage(kept: Store) -> None:
    edit(kept.root / "stages" / KEY / MANIFEST, format=0)
    with pytest.raises(OtherFormat, match="format 0, not 1"):
        kept.inspect("stages", KEY)


# ------------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("kind", ["stages", "failures"])
def test_a_checkpoint_goes_when_its_stage_is_done_or_known_to_fail(kept: Store, kind: Kind) -> None:
    other = "cd" * 32
    kept.put("checkpoints", KEY, filler("half way "), towards=other)
    kept.put("checkpoints", other, filler("no end "))
    assert kept.tidy() == []
    kept.put(kind, other, filler("done "))
    assert kept.tidy() == [f"checkpoints/{KEY}"]
    assert kept.keys("checkpoints") == [other]


# -------------------------------------------------------------------------------------------------- several writers


def test_two_writers_of_one_key_leave_one_whole_entry(kept: Store, damaged: list[str]) -> None:
    meet = threading.Barrier(2)
    failures: list[BaseException] = []

    def write(place: Path) -> None:
        filler("both ")(place)
        meet.wait(timeout=30)

    def work() -> None:
        try:
            Store(kept.root, damaged.append).put("cams", KEY, write)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert damaged == []
    assert kept.find("cams", KEY) is not None
    assert not list((kept.root / "tmp").iterdir())


def test_other_bytes_under_one_key_are_an_error_and_the_first_are_kept(kept: Store) -> None:
    with pytest.raises(StoreError, match=r"computed twice in the store .* with different bytes"):
        kept.put("stages", KEY, filler("bye "))
    folder = kept.find("stages", KEY)
    assert folder is not None
    assert (folder / "a.txt").read_text() == "hello a.txt"


def test_a_record_may_differ_in_its_times(kept: Store) -> None:
    kept.put("runs", KEY, filler("1 s "))
    kept.put("runs", KEY, filler("2 s "))
    assert kept.needed("runs", KEY, lambda place: (place / "a.txt").read_text()) == "1 s a.txt"


# ----------------------------------------------------------------------------------------------- disks that fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_disk_that_fails_is_named_and_what_was_there_is_safe(
    kept: Store, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.os, call, fail)
    with pytest.raises(StoreError, match=rf"cannot be written: .*{os.strerror(number)}.* --store"):
        kept.put("runs", KEY, filler("x "))
    monkeypatch.undo()
    assert kept.find("runs", KEY) is None
    assert kept.find("stages", KEY) is not None
    assert not list((kept.root / "tmp").iterdir())


def test_a_store_that_cannot_be_made_or_written_is_named_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"the store .*file cannot be made: .*--store"):
        Store(tmp_path / "file")
    kept = Store(tmp_path / "store")
    kept.check_writable()
    assert not list((kept.root / "tmp").iterdir())

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(StoreError, match="Read-only"):
        kept.check_writable()


def test_an_entry_that_cannot_be_set_aside_is_named(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(kept.root / "stages" / KEY / "a.txt")

    def fail(*arguments: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(module.os, "rename", fail)
    with pytest.raises(StoreError, match=r"cannot be set aside: .*; delete it"):
        kept.find("stages", KEY)


# --------------------------------------------------------------------------------------------------------- arrays


def test_arrays_come_back_as_they_were_and_equal_arrays_make_equal_bytes(tmp_path: Path) -> None:
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(["x", "ä"]), "none": np.zeros((0, 4))}
    write_arrays(tmp_path / "one.npz", arrays)
    write_arrays(tmp_path / "two.npz", dict(reversed(arrays.items())))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    found = read_arrays(tmp_path / "one.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="arrays of objects cannot be stored: a"):
        write_arrays(tmp_path / "x.npz", {"a": np.array([{}], dtype=object)})
    assert not list(tmp_path.iterdir())
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    with pytest.raises(StoreError, match="was not read"):
        read_arrays(tmp_path / "x.npz")
