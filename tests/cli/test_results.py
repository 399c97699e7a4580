"""Where results may go is known before anything is trained."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imil_sim.errors import UsageError
from imil_sim.output.report import check_place


def test_a_folder_that_is_there_or_can_be_made_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (Path("."), Path("reports/x"), tmp_path, tmp_path / "a" / "b"):
        check_place(place)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_or_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "reports"):
        with pytest.raises(UsageError, match=r"file is a file; name a folder with --out"):
            check_place(place)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match="cannot be written; name another folder with --out"):
        check_place(tmp_path / "reports")
