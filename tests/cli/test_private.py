"""Fault 53: whatever the verbs write can be read by its owner alone, or by the group where that was asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imil_sim.io import current_readers

PERSON = """
[arms.person]
feedback = { oracle = "human", options = { reader = "ada", folder = "answers" } }
"""


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """That of most machines: everybody can read new files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes_below(place: Path, but: set[Path]) -> dict[tuple[str, int], list[str]]:
    """Paths below a folder by kind and mode, those of before left out."""
    found: dict[tuple[str, int], list[str]] = {}
    for path in sorted(set(place.rglob("*")) - but):
        kind = "folder" if path.is_dir() else "file"
        found.setdefault((kind, stat.S_IMODE(path.stat().st_mode)), []).append(str(path.relative_to(place)))
    return found


@pytest.fixture
def study(images: Path, here: Path) -> Path:
    """A study about images of one's own, that keeps its sessions and asks a person."""
    (here / "answers").mkdir()
    path = here / "images.toml"
    path.write_text("record = true\n" + path.read_text().replace("seeds = 2", "seeds = 1") + PERSON)
    (here / "boxes.csv").write_text("image_id,rad_id,x_min,y_min,x_max,y_max\nimage0,R1,0.1,0.1,0.5,0.5\n")
    (here / "sizes.csv").write_text("image_id,width,height\nimage0,32,40\n")
    return path


IMPORT = ("import", "boxes.csv", "--to", "imported/boxes.jsonl", "--sizes", "sizes.csv")


def test_fault_53_only_the_owner_can_read_what_is_written(
    study: Path, here: Path, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(here.rglob("*"))
    store = ["--store", "deep/store"]
    assert call("run", "images.toml", *store, "--workers", "0").code == 3
    (questions,) = (here / "deep/store/questions").iterdir()
    monkeypatch.setattr("builtins.input", lambda prompt: "1")
    for line in (
        ["annotate", str(questions), "--console", "--no-browser"],
        ["compare", "images.toml", "images.toml", *store],
        ["check", "images.toml", *store, "--workers", "0", "--baseline", "gate/baseline.json", "--update"],
        ["oracles", "all-cells", "--gallery", "gallery/oracles.png", "--store", "gallery/store"],
        IMPORT,
    ):
        done = call(*line)
        assert done.code == 0, done
    found = modes_below(here, before)
    # A baseline goes into a repository.
    assert found.pop(("file", 0o644)) == ["gate/baseline.json"]
    assert found.pop(("folder", 0o755)) == ["gate"]
    assert found.keys() == {("file", 0o600), ("folder", 0o700)}
    names = {Path(path).name for paths in found.values() for path in paths}
    assert names >= {"questions.json", "001-image.png", "pixels.npy", "record.json", "state.safetensors"}
    assert names >= {"report.html", "lesions-seed0.jsonl", "comparison.html", "oracles.png", "boxes.jsonl"}
    assert len(list((here / "answers").iterdir())) == 1
    assert stat.S_IMODE((here / "answers").stat().st_mode) == 0o755  # the user's own folder keeps its mode


def test_fault_53_the_group_can_read_what_is_written_where_that_is_asked_for(
    study: Path, here: Path, call: Any
) -> None:
    before = set(here.rglob("*"))
    assert call("run", "images.toml", "--store", "store", "--workers", "1", "--group-readable").code == 3
    assert call(*IMPORT, "--group-readable").code == 0
    found = modes_below(here, before)
    assert found.keys() == {("file", 0o640), ("folder", 0o750)}
    assert current_readers() == "owner"  # as before the command


def test_fault_53_a_umask_that_keeps_the_group_out_is_named(here: Path, call: Any) -> None:
    os.umask(0o077)
    done = call("data", "tiny.toml", "--group-readable")
    assert (done.code, "umask 0077" in done.err) == (2, True)
    assert sorted(path.name for path in here.iterdir()) == ["tiny.toml"]
    assert os.umask(0o022) == 0o077
