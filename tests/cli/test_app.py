"""The verbs from end to end: exit codes, what is printed where, and that it can be read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from imil_sim import __version__

RUN = ("run", "tiny.toml", "--workers", "0", "--seeds", "1")


def test_a_run_ends_with_the_table_and_the_path_of_the_results(here: Path, call: Any) -> None:
    called = call("run", "tiny.toml", "--workers", "0")
    assert called.code == 0, called
    table = called.out.splitlines()
    assert table[0] == "tiny: mean over 2 seeds (sd)"
    assert table[1].split() == ["arm", "accuracy", "AUROC", "ECE"]
    assert [line.split()[0] for line in table[2:4]] == ["baseline", "lesions"]
    assert "minus baseline, seed by seed" in table
    assert "report: reports/tiny/report.html" in table
    frame = pd.read_csv(here / "reports" / "tiny" / "results.csv")
    assert list(frame.columns[:7]) == ["arm", "seed", "status", "accuracy", "auroc", "ece_top_label", "ece_positive"]
    assert sorted(zip(frame["arm"], frame["seed"], frame["status"], strict=True)) == [
        ("baseline", 0, "done"), ("baseline", 1, "done"), ("lesions", 0, "done"), ("lesions", 1, "done"),
    ]  # fmt: skip
    shown = frame.groupby("arm")["accuracy"].mean()
    assert f"{shown['lesions']:.3f}" in table[3]
    assert (here / "reports" / "tiny" / "timings.csv").is_file()
    progress = [line for line in called.err.splitlines() if ": done" in line]
    assert sorted(line.split(" ", 1)[1] for line in progress) == [
        "baseline, seed 0: done", "baseline, seed 1: done", "lesions, seed 0: done", "lesions, seed 1: done",
    ]  # fmt: skip
    assert [line.split(" ", 1)[0] for line in progress] == ["1/4", "2/4", "3/4", "4/4"]
    assert "\x1b" not in called.out + called.err


@pytest.mark.usefixtures("ran")
def test_the_same_command_gives_the_same_bytes_from_the_store_or_from_nothing(here: Path, call: Any) -> None:
    for store, out in (("runs", "first"), ("fresh", "second")):
        assert call(*RUN, "--store", store, "--out", out).code == 0
    assert (here / "first" / "results.csv").read_bytes() == (here / "second" / "results.csv").read_bytes()
    fresh = list((here / "fresh").glob("runs/*/*.npz"))
    assert fresh
    for path in fresh:
        assert path.read_bytes() == (here / "runs" / path.relative_to(here / "fresh")).read_bytes()


@pytest.mark.usefixtures("ran")
def test_a_failed_run_gives_exit_1_and_is_named_in_table_and_file(here: Path, call: Any) -> None:
    with (here / "tiny.toml").open("a") as study:
        study.write("[arms.wild]\ntraining.learning_rate = 1e30\n")
    called = call(*RUN)
    assert called.code == 1, called
    assert "\nfailed: wild, seed 0: the loss of batch " in called.out
    rows = {line.split()[0]: line.split() for line in called.out.splitlines() if line}
    assert rows["baseline"][1] == "1/1"
    assert rows["wild"][1:] == ["-", "-", "-"]  # the second table: no difference where there is no run
    assert "0/1" in called.out
    frame = pd.read_csv(here / "reports" / "tiny" / "results.csv").set_index("arm")
    assert frame.loc["wild", "status"] == "failed"
    assert frame.loc["wild", "reason"].startswith("the loss of batch ")
    assert frame.loc["lesions", "status"] == "done"


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("columns", [60, 80])
def test_what_is_printed_fits_the_terminal_and_nothing_is_cut_off(
    columns: int, here: Path, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = (here / "tiny.toml").read_text()
    (here / "tiny.toml").write_text(text.replace("[arms.lesions]", "[arms.random-cells]"))
    for verb in (RUN, ("data", "tiny.toml"), ("oracles",), ("oracles", "lesions"), ("--help",), ("run", "--help")):
        called = call(*verb)
        assert called.code == 0
        assert "…" not in called.out
        assert max(map(len, called.out.splitlines())) <= columns, called.out


@pytest.mark.usefixtures("ran")
def test_a_long_name_of_an_arm_gives_way_and_the_numbers_stay_whole(
    here: Path, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = "an-arm-with-a-name-that-is-far-too-long-for-a-narrow-terminal"
    text = (here / "tiny.toml").read_text()
    (here / "tiny.toml").write_text(text.replace("[arms.lesions]", f"[arms.{long}]"))
    called = call("run", "tiny.toml", "--workers", "0")
    assert called.code == 0
    assert "…" not in called.out
    assert max(map(len, called.out.splitlines())) <= 60
    assert sum(line.count("(") for line in called.out.splitlines()) == 1 + 2 * 3 + 3


def test_data_shows_what_a_source_holds(call: Any, images: Path) -> None:
    called = call("data", "images.toml")
    assert called.code == 0, called
    lines = [line.strip().split(maxsplit=1) for line in called.out.splitlines()]
    assert lines[0] == ["folder"]
    assert ["images", "8 images, 32 x 32 pixels"] in lines
    assert ["classes", "4/4 clear / opaque"] in lines
    assert ["split", "6/2 training / test"] in lines


def test_data_shows_what_can_be_used_before_it_tells_of_what_cannot(here: Path, call: Any, images: Path) -> None:
    with (here / "images.toml").open("a") as study:
        study.write('[test_sets.gone]\nsource = "folder"\npath = "gone"\nsize = 32\n')
    called = call("data", "images.toml")
    assert called.code == 2
    assert "8 images, 32 x 32 pixels" in called.out
    assert called.err.startswith('imil-sim: "gone" was not found')


def test_a_damaged_entry_of_the_store_is_named(here: Path, ran: Path, call: Any) -> None:
    assert call("run", "tiny.toml", "--workers", "0").code == 0
    (entry, *_) = sorted((ran / "evaluations").iterdir())
    (entry / "arrays.npz").write_bytes(b"")
    before = (here / "reports" / "tiny" / "results.csv").read_bytes()
    called = call("run", "tiny.toml", "--workers", "0")
    assert called.code == 0
    assert f"evaluations/{entry.name} in the store was damaged" in called.err
    assert (here / "reports" / "tiny" / "results.csv").read_bytes() == before


def test_the_version_and_a_call_without_anything(call: Any) -> None:
    assert call("--version").out == f"imil-sim {__version__}\n"
    bare = call()
    assert bare.code in (0, 2)
    assert "Commands:" in bare.out + bare.err


# --------------------------------------------------------------------------------------------- as a process of its own


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "imil_sim", *arguments]


def test_a_reader_that_leaves_early_causes_no_traceback(here: Path) -> None:
    """As in ``imil-sim oracles | head -1``: the reading end is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(program("oracles"), stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
