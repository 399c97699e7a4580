from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from imil_sim.errors import SessionError
from imil_sim.sessions.files import read_session
from imil_sim.sessions.untrusted import read_untrusted, read_untrusted_bytes


class Bomb:
    """Unpickling it leaves a trace."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("went-off",)


def objects_in_numpy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    return file.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("name", ["session.jsonl", "session.pt", "session.pkl", "session.npy", "session.npz"])
@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5, "numpy", "zip"])
def test_fault_29_what_holds_a_pickle_is_refused_unopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int | str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = {
        "numpy": objects_in_numpy,
        "zip": lambda: zipped("archive/data.pkl", pickle.dumps(Bomb())),
    }.get(str(protocol), lambda: pickle.dumps(Bomb(), protocol=int(protocol)))()
    Path(name).write_bytes(data)
    with pytest.raises(SessionError, match=r"not opened|is no JSON|is not UTF-8"):
        read_session(Path(name))
    assert not Path("went-off").exists()


@pytest.mark.parametrize("name", ["masks.zip", "masks.json"])
@pytest.mark.parametrize("member", ["../outside.png", "/tmp/outside.png", "bomb.png"])
def test_fault_30_an_archive_is_refused_and_nothing_is_written(tmp_path: Path, name: str, member: str) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(zipped(member, b"\0" * 10_000_000))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SessionError, match=r"is an archive.*unpack it yourself.*: it was not opened"):
        read_untrusted(path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["voc.xml", "voc.json"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_fault_31_xml_and_its_entities_are_refused(tmp_path: Path, name: str, mark: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("told")
    text = f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{secret}">]>\n<annotation><filename>&e;</filename></annotation>'
    (tmp_path / name).write_text(mark + text, encoding="utf-8")
    with pytest.raises(SessionError, match=r"is XML.*export JSON: it was not opened") as caught:
        read_untrusted(tmp_path / name)
    assert "told" not in str(caught.value)


def test_what_is_no_ordinary_file_or_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, told in (
        (tmp_path / "pipe", "ordinary"),
        (tmp_path, "ordinary|directory"),
        (tmp_path / "none", "No such"),
    ):
        with pytest.raises(SessionError, match=told):
            read_untrusted_bytes(path)
    with (tmp_path / "sparse.jsonl").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(SessionError, match=r"has 1,073,741,824 bytes, more than 134,217,728: it was not read"):
        read_session(tmp_path / "sparse.jsonl")


def test_text_that_is_no_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{\n\n\xff}")
    with pytest.raises(SessionError, match="line 3: is not UTF-8"):
        read_untrusted(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes(b"\xef\xbb\xbf{}")
    assert read_untrusted(tmp_path / "b.json") == "{}"
