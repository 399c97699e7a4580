"""Files are private, whole or absent, and folders are made without a trace of what failed."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

import pytest

from imil_sim.io import Readers, current_readers, make_folder, readable_by, replace_file, seal


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("readers", "mask", "file", "folder"),
    [
        ("owner", 0o022, 0o600, 0o700),
        ("owner", 0o000, 0o600, 0o700),
        ("owner", 0o077, 0o600, 0o700),
        ("group", 0o022, 0o640, 0o750),
        ("group", 0o000, 0o640, 0o750),
        ("group", 0o037, 0o640, 0o740),
        ("group", 0o077, 0o600, 0o700),
        ("everybody", 0o022, 0o644, 0o755),
        ("everybody", 0o027, 0o640, 0o750),
    ],
)
def test_fault_53_modes_follow_the_readers_and_a_stricter_umask(
    tmp_path: Path, readers: Readers, mask: int, file: int, folder: int
) -> None:
    with umask(mask), readable_by(readers):
        made = make_folder(tmp_path / "a" / "b")
        replace_file(tmp_path / "a" / "b" / "whole", b"x", synced=True)
        (tmp_path / "a" / "b" / "of a library").write_bytes(b"x")
        (tmp_path / "a" / "b" / "of another").touch(mode=0o600)  # so does safetensors
        seal(tmp_path / "a" / "b")
    assert made == [tmp_path / "a", tmp_path / "a" / "b"]
    assert {mode(path) for path in made} == {folder}
    assert {path.name: mode(path) for path in made[1].iterdir()} == {
        "whole": file,
        "of a library": file,
        "of another": file,
    }


def test_fault_53_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert make_folder(tmp_path) == []
    replace_file(tmp_path / "a", b"x")
    assert (mode(tmp_path), mode(tmp_path / "a")) == (0o755, 0o600)


def test_readers_are_those_of_the_context_that_writes() -> None:
    found: list[Readers] = []

    def look() -> None:
        found.append(current_readers())

    with readable_by("group"):
        for thread in (threading.Thread(target=look), threading.Thread(target=copy_context().run, args=(look,))):
            thread.start()
            thread.join()
    assert found == ["owner", "group"]
    assert current_readers() == "owner"


def test_a_folder_that_cannot_be_made_leaves_none_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(NotADirectoryError):
            make_folder(place)
    real = Path.mkdir

    def full(path: Path, *arguments: int) -> None:
        if path.name == "c":
            raise OSError(28, "No space left on device")
        real(path, *arguments)

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError, match="No space left"):
        make_folder(tmp_path / "a" / "b" / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(tmp_path / "a", b"old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "a", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]
