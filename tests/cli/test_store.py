"""The ``store`` verbs, after a real run of a small study."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

RUN = ("run", "tiny.toml", "--workers", "0", "--seeds", "1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The store of a finished study, made by the first test that asks for it."""
    return {"folder": tmp_path_factory.mktemp("finished")}


@pytest.fixture
def store(here: Path, call: Any, finished: dict[str, Path]) -> Path:
    """The store of the study ``tiny.toml``, seed 0, in ``runs/``; a copy of its own."""
    source = finished["folder"] / "runs"
    if not source.exists():
        assert call(*RUN).code == 0
        shutil.copytree(here / "runs", source)
        shutil.rmtree(here / "reports")
    else:
        shutil.copytree(source, here / "runs")
    return here / "runs"


def one(folder: Path) -> Path:
    return sorted(folder.iterdir())[0]


def test_ls_tells_what_is_there_and_fits_a_narrow_terminal(store: Path, call: Any) -> None:
    called = call("store", "ls")
    assert called.code == 0
    lines = [line.split() for line in called.out.splitlines() if line.strip()]
    assert ["stages", "3"] in [line[:2] for line in lines]
    assert ["study", "arms", "seeds", "runs", "done", "failed", "waiting", "open"] in lines
    assert ["tiny", "2", "1", "2", "2", "0", "0", "0"] in lines
    assert max(map(len, called.out.splitlines())) <= 80
    assert "left over" not in called.out
    said = json.loads(call("store", "ls", "--json").out)
    assert said["kinds"]["runs"]["count"] == 2
    assert said["studies"] == [{"name": "tiny", "arms": 2, "seeds": 1, "runs": {"done": 2}}]
    assert said["size"] > 1000


def test_verify_names_what_is_damaged_and_a_run_mends_it(store: Path, call: Any) -> None:
    assert call("store", "verify").code == 0
    history = one(store / "stages") / "history.csv"
    history.write_text(history.read_text() + " ")
    called = call("store", "verify")
    assert called.code == 1
    assert f"damaged: stages/{history.parent.name}: history.csv is altered" in called.out
    assert call(*RUN).code == 0
    assert call("store", "verify").code == 0
    assert "1 entry" in call("store", "ls").out  # set aside


def test_verify_does_runs_over_and_says_where_it_cannot(store: Path, call: Any) -> None:
    called = call("store", "verify", "--recompute", "1")
    assert called.code == 0, called
    assert "entries came out with the same bytes" in called.out
    shutil.rmtree(store / "runs")
    called = call("store", "verify", "--recompute", "1")
    assert called.code == 2
    assert "the store holds no run that is done" in called.err


def test_prune_asks_and_without_a_terminal_does_nothing(store: Path, here: Path, call: Any) -> None:
    text = (here / "tiny.toml").read_text()
    other = text.replace('"tiny"', '"other"').replace("learning_rate = 0.01", "learning_rate = 0.02")
    (here / "other.toml").write_text(other)
    called = call("store", "prune", "other.toml")
    assert called.code == 2
    assert 'holds no run of study "other" as its file stands now' in called.err
    assert "Known: tiny" in called.err
    assert "nothing to remove" in call("store", "prune", "tiny.toml").out
    (here / "tiny.toml").write_text(text.replace("[arms.baseline]", "").replace('reference = "baseline"', ""))
    before = sorted(store.rglob("*"))
    called = call("store", "prune", "tiny.toml")
    assert called.code == 2
    assert "no terminal to ask on; give --yes" in called.err
    assert sorted(store.rglob("*")) == before
    called = call("store", "prune", "tiny.toml", "--yes")
    assert called.code == 0
    assert "removed" in called.out
    assert len(list((store / "runs").iterdir())) == 1
    assert call("store", "verify").code == 0


def test_prune_to_records_says_what_that_means(store: Path, call: Any) -> None:
    called = call("store", "prune", "tiny.toml", "--records", "--yes")
    assert called.code == 0
    assert "`run` would train everything again" in called.out
    assert not list((store / "stages").iterdir())
    assert len(list((store / "runs").iterdir())) == 2


def test_a_store_that_is_not_there_is_not_made(here: Path, call: Any) -> None:
    for arguments in (("ls",), ("verify",), ("prune", "tiny.toml", "--yes")):
        called = call("store", *arguments, "--store", "nowhere")
        assert called.code == 2
        assert "there is no store nowhere; name one with --store, or run a study first" in called.err
    assert not (here / "nowhere").exists()


# ------------------------------------------------------------------------------------------------ a read-only store

_FORBIDDEN: list[str] = []


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    if not _FORBIDDEN or event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
        return
    paths = [os.path.abspath(p) for p in arguments[:2] if isinstance(p, str | os.PathLike)]
    writes = event != "open" or bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if writes and any(path.startswith(_FORBIDDEN[0]) for path in paths):
        raise OSError(30, "Read-only file system", paths[0])


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in ``folder`` can be written by Python, whoever runs the tests; hooks stay, so it is added once."""
    if not hasattr(sys, "_imil_sim_forbids"):
        sys.addaudithook(_forbid)
        sys._imil_sim_forbids = True  # type: ignore[attr-defined]
    _FORBIDDEN.append(str(folder))
    try:
        yield
    finally:
        _FORBIDDEN.clear()


def test_a_finished_study_is_reported_from_a_read_only_store(store: Path, here: Path, call: Any) -> None:
    before = sorted(store.rglob("*"))
    with read_only(store):
        called = call(*RUN)
        seen = call("store", "ls"), call("store", "verify")
    assert called.code == 0, called
    assert (here / "reports" / "tiny" / "results.csv").is_file()
    assert [c.code for c in seen] == [0, 0]
    assert sorted(store.rglob("*")) == before


def test_a_read_only_store_that_lacks_something_is_named_in_one_message(store: Path, call: Any) -> None:
    shutil.rmtree(one(store / "runs"))
    with read_only(store):
        lacking = call(*RUN)
        more = call("run", "tiny.toml", "--workers", "0")
    for called in (lacking, more):
        assert called.code == 2
        assert "Read-only file system" in called.err
        assert "--store" in called.err
        assert "Traceback" not in called.err
