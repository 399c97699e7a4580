"""Fault 50, through the command line: absurd numbers and impossible paths are refused at the edge, before they cost."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import typer
from typer.models import ArgumentInfo

from imil_sim.cli.app import app, main
from imil_sim.output import gallery
from imil_sim.study.study import MOST_RUNS, read_study
from tests.cli.conftest import TINY, Call

# ------------------------------------------------------------------------------------------- every verb, every path


@dataclass(frozen=True)
class Given:
    """A parameter of a verb that takes a path or a study."""

    name: str
    flags: tuple[str, ...]
    """What stands before its value."""
    valid: str
    """A value that may be right; ``tiny.toml`` for a study."""
    required: bool


def verbs(group: typer.Typer, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], tuple[Given, ...]]]:
    """Every verb and those of its parameters that take a path or a study."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*before, command.name or command.callback.__name__), tuple(given(command.callback))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from verbs(inner.typer_instance, (*before, str(inner.name)))


def given(verb: Callable[..., Any]) -> Iterator[Given]:
    hints = get_type_hints(verb, include_extras=True)
    for name, parameter in inspect.signature(verb).parameters.items():
        kind, info = get_args(hints[name])
        study = str(getattr(info, "metavar", "")).startswith("STUDY")
        if study or kind is Path or Path in get_args(kind):
            flags = () if isinstance(info, ArgumentInfo) else info.param_decls or (f"--{name.replace('_', '-')}",)
            valid = "tiny.toml" if study else f"{name}.png"
            yield Given(name, flags, valid, parameter.default is parameter.empty)


WITH = {"oracles": ("--gallery", "some.png", "--study", "tiny.toml")}
"""What a verb needs to look at its other options at all."""

KEEP_IF_THEY_CAN = {("data",), ("oracles",)}
"""Verbs whose store only keeps decoded images: where it cannot be written they do without."""

PLACES = [(verb, all_given, one) for verb, all_given in verbs(app) for one in all_given]


def arguments(verb: tuple[str, ...], all_given: tuple[Given, ...], one: Given, value: str) -> list[str]:
    """A call of the verb with that value of one parameter, and valid ones of all others that it needs."""
    values = [(*each.flags, value if each is one else each.valid) for each in all_given if each.required or each is one]
    return [*verb, *WITH.get(verb[0], ()), *(word for words in values for word in words)]


def name_of(value: Any) -> str:
    return "-".join(value) if isinstance(value, tuple) and isinstance(value[0], str) else getattr(value, "name", "")


def test_the_verbs_are_found() -> None:
    found = {verb for verb, _, _ in PLACES}
    assert {("run",), ("import",), ("store", "prune")} <= found
    assert len(found) >= 11


@pytest.mark.parametrize("value", ["a" * 300, f"{'a' * 300}/x.toml", "a\0b.toml"], ids=["long", "folder", "nul"])
@pytest.mark.parametrize(("verb", "all_given", "one"), PLACES, ids=name_of)
def test_fault_50_no_verb_ends_in_a_traceback_over_a_path(
    here: Path, call: Call, verb: tuple[str, ...], all_given: tuple[Given, ...], one: Given, value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(gallery, "png_of", lambda figure: b"")
    called = call(*arguments(verb, all_given, one, value))
    if verb in KEEP_IF_THEY_CAN and one.name == "store" and "\0" not in value:
        assert (called.code, called.err) == (0, "")
    else:
        assert called.code == 2, called
        assert called.err.count("imil-sim: ") == 1, called.err
    assert not (here / "runs").exists()


STUDIES = [place for place in PLACES if place[2].valid == "tiny.toml"]


@pytest.mark.parametrize(("verb", "all_given", "one"), STUDIES, ids=name_of)
def test_fault_50_every_verb_reads_a_study_with_a_byte_order_mark(
    here: Path, call: Call, verb: tuple[str, ...], all_given: tuple[Given, ...], one: Given
) -> None:
    text = TINY.replace("seeds = 2", "seeds = 0")  # read, and refused for that: nothing is trained
    (here / "tiny.toml").write_text(text)
    (here / "marked.toml").write_text(text, encoding="utf-8-sig")
    plain = call(*arguments(verb, all_given, one, "tiny.toml"))
    marked = call(*arguments(verb, all_given, one, "marked.toml"))
    assert (marked.code, marked.err.replace("marked", "tiny")) == (plain.code, plain.err)
    assert "seeds: " in plain.err


def test_fault_50_a_byte_order_mark_changes_nothing(here: Path) -> None:
    (here / "marked.toml").write_text(TINY, encoding="utf-8-sig")
    assert read_study(here / "marked.toml") == read_study(here / "tiny.toml")


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "wheel/page.css"),
        OSError(9, "Bad file descriptor"),
        ValueError(),
    ],
    ids=["missing", "descriptor", "value"],
)
def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("imil_sim.study.schema.study_schema", fail)
    with pytest.raises(type(error)):
        main(["schema"])


# ----------------------------------------------------------------------------------------------------------- numbers

CROSSED = "[sweeps.s]\nbase = 'lesions'\n" + "".join(
    f"vary.{field} = {list(range(3, 1003))}\n" for field in ("images.seed", "split.seed", "feedback.num_outliers")
)

NUMBERS = {
    "images.train": ("train = 16", "train = 100_000_000_000"),
    "images.test": ("test = 6", "test = 100_000_000_000"),
    "images.size": ("size = 32", "size = 100_000"),
    "images": ("size = 32\ntrain = 16", "size = 4096\ntrain = 1_000_000"),
    "seeds": ("seeds = 2", "seeds = 100_000_000_000"),
    "training.epochs": ("epochs = 2", "epochs = 100_000_000_000"),
    "training.batch_size": ("batch_size = 8", "batch_size = 100_000_000_000"),
    "feedback.num_outliers": ("num_outliers = 3", "num_outliers = 100_000_000_000"),
    "feedback.imil_epoch": ("imil_epoch = 1", f"imil_epoch = {list(range(1, 2000))}"),
    "feedback.grid_size.1": ("imil_epoch = 1", "imil_epoch = 1\ngrid_size = [4, 100_000]"),
    "oracle_seconds": ("seeds = 2", "seeds = 2\noracle_seconds = 1e300"),
    "sweeps, seeds": ("[arms.baseline]", f"{CROSSED}[arms.baseline]"),
}


@pytest.mark.parametrize("verb", ["plan", "data"])
@pytest.mark.parametrize("place", NUMBERS)
def test_fault_50_absurd_numbers_are_refused_before_anything_is_made(
    here: Path, call: Call, monkeypatch: pytest.MonkeyPatch, place: str, verb: str
) -> None:
    def never(*given: object, **named: object) -> None:
        pytest.fail("images are drawn, or a sweep is unfolded")

    for made in ("imil_sim.study.study.expand", "imil_sim.engine.data.load_images"):
        monkeypatch.setattr(made, never)
    old, new = NUMBERS[place]
    assert TINY.count(old) == 1
    (here / "tiny.toml").write_text(TINY.replace(old, new))
    called = call(verb, "tiny.toml")
    assert called.code == 2, called
    assert f"- {place}: " in called.err


def test_what_a_large_study_needs_is_not_refused(here: Path) -> None:
    large = TINY.replace("train = 16", "train = 100_000").replace("epochs = 2", "epochs = 10_000")
    large = large.replace("seeds = 2", "seeds = 500").replace("num_outliers = 3", "num_outliers = 100_000")
    sweep = f"[sweeps.s]\nbase = 'lesions'\nvary.feedback.imil_epoch = {list(range(2, 200))}\n"
    (here / "large.toml").write_text(large + sweep)
    study = read_study(here / "large.toml")
    assert len(study.arms) * len(study.seeds) == MOST_RUNS  # baseline, lesions and 198 swept arms


# ------------------------------------------------------------------------------------------------------------- files


def folder(path: Path) -> None:
    path.mkdir()


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # the whole path may be longer than a socket's may be


@pytest.mark.parametrize("make", [folder, os.mkfifo, listening])
def test_fault_50_weights_that_are_no_file_are_called_what_they_are(
    here: Path, call: Call, make: Callable[[Path], object]
) -> None:
    make(here / "weights.pth")
    (here / "tiny.toml").write_text(TINY.replace('name = "resnet10"', 'name = "resnet10"\nweights = "weights.pth"'))
    called = call("plan", "tiny.toml")
    assert called.code == 2, called
    assert '"weights.pth"' in called.err
    assert ("a folder" in called.err) == (make is folder)


def npz(dtype: str, shape: tuple[int, ...], member_size: int | None = None) -> bytes:
    """An npz file of one array without its values, which says that it has them."""
    header, content = io.BytesIO(), io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logits.npy", header.getvalue())
        if member_size is not None:
            archive.filelist[0].file_size = len(header.getvalue()) + member_size
    return content.getvalue()


ARCHIVES = {
    "a bomb": npz("|u1", (5 << 30,), 5 << 30),
    "no archive": b"PK\x03\x04",
    "nothing": b"",
}


def test_fault_50_arrays_in_a_store_are_refused_before_they_are_unpacked(
    ran: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *given: pytest.fail("it is unpacked"))
    for kind, content in ARCHIVES.items():
        for manifest in (ran / "runs").glob("*/manifest.json"):
            (manifest.parent / "predictions-main.npz").write_bytes(content)
            about = json.loads(manifest.read_text())
            about["files"]["predictions-main.npz"] = hashlib.sha256(content).hexdigest()
            manifest.write_text(json.dumps(about))
        called = call("report", "tiny.toml", "--seeds", "1")
        assert called.code == 2, (kind, called)
        assert "predictions-main.npz" in called.err
