"""The report and comparison of a real, tiny study: what lies in the folder, that it is the same twice, what is said."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

RUN = ("run", "tiny.toml", "--workers", "0")
PAGES = {
    ".files",
    "report.html",
    "report.md",
    "results.csv",
    "differences.csv",
    "table1.tex",
    "tables",
    "timings.csv",
    "figures",
}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.usefixtures("ran")
def test_a_run_ends_with_a_report_that_can_be_made_again_to_the_byte(here: Path, call: Any) -> None:
    ran = call(*RUN)
    assert ran.code == 0
    assert ran.out.endswith("\nreport: reports/tiny/report.html\n")
    first = content(here / "reports" / "tiny")
    assert {name.split("/")[0] for name in first} == PAGES
    again = call("report", "tiny.toml", "--out", "again")
    assert again.code == 0
    assert again.out.endswith("\nreport: again/report.html\n")
    assert content(here / "again") == first
    (row, *_) = table(here / "again" / "differences.csv")
    assert (row["arm"], row["reference"], row["metric"], row["family"]) == ("lesions", "baseline", "auroc", "planned")
    pictures = {name for name in first if name.endswith(".png")}
    assert {f"figures/{name}.png" for name in ("forest-auroc", "roc", "cams", "images")} <= pictures


@pytest.mark.usefixtures("ran")
def test_a_report_without_images_leaves_no_image_of_the_set_in_the_folder(here: Path, call: Any) -> None:
    assert call("report", "tiny.toml").code == 0
    folder = here / "reports" / "tiny"
    with_images = content(folder)
    (folder / "figures" / "mine.png").write_bytes(b"somebody's own")
    assert call("report", "tiny.toml", "--no-images").code == 0
    without = content(folder)
    gone = {Path(name).stem for name in with_images} - {Path(name).stem for name in without}
    assert gone == {"cams", "images", "interactions-lesions"}
    assert without["figures/mine.png"] == b"somebody's own"
    assert b"interactions-lesions" not in without["report.html"] + without["report.md"]
    assert without["results.csv"] == with_images["results.csv"]


@pytest.mark.usefixtures("ran")
def test_a_manifest_that_somebody_altered_takes_nothing_outside_the_report(here: Path, call: Any) -> None:
    assert call("report", "tiny.toml").code == 0
    lines = ("../outside.csv", "figures/../../outside.csv", str(here / "outside.csv"), "sessions/a.jsonl")
    (here / "outside.csv").write_text("kept")
    (here / "reports" / "tiny" / ".files").write_text("\n".join(lines))
    assert call("report", "tiny.toml").code == 0
    assert (here / "outside.csv").read_text() == "kept"


@pytest.mark.usefixtures("ran")
def test_an_arm_without_a_test_set_that_others_have_is_reported_without_numbers_there(here: Path, call: Any) -> None:
    with (here / "tiny.toml").open("a") as study:
        study.write('[arms.more]\ntest_sets.far = { source = "phantom", size = 32, train = 4, test = 8, seed = 1 }\n')
    called = call(*RUN, "--seeds", "1")
    assert called.code == 0
    assert "tiny on far: " in called.out
    rows = {row["arm"]: row for row in table(here / "reports" / "tiny" / "results-far.csv")}
    assert [rows[arm]["accuracy"] != "" for arm in ("baseline", "lesions", "more")] == [False, False, True]
    assert rows["baseline"]["notes"] == "not tested on far"


@pytest.mark.usefixtures("ran")
def test_a_reference_without_a_run_leaves_a_report_of_the_others(here: Path, call: Any) -> None:
    text = (here / "tiny.toml").read_text()
    (here / "tiny.toml").write_text(text.replace("[arms.baseline]", "[arms.baseline]\ntraining.learning_rate = 0.02"))
    called = call("report", "tiny.toml")
    assert called.code == 0
    assert "baseline   0/2" in called.out
    assert (here / "reports" / "tiny" / "figures" / "images.png").is_file()


def test_a_partial_study_gives_a_partial_report_that_says_so(here: Path, ran: Path, call: Any) -> None:
    for record in (ran / "runs").glob("*/record.json"):
        if json.loads(record.read_text())["spec"]["seed"] == 1:
            shutil.rmtree(record.parent)
    called = call("report", "tiny.toml")
    assert called.code == 0
    rows = table(here / "reports" / "tiny" / "results.csv")
    assert [(row["arm"], row["seed"], row["status"]) for row in rows] == [
        ("baseline", "0", "done"), ("lesions", "0", "done"), ("baseline", "1", "missing"), ("lesions", "1", "missing"),
    ]  # fmt: skip
    page = (here / "reports" / "tiny" / "report.md").read_text()
    assert "2 of 4" in page
    assert "missing" in page


def test_a_report_of_nothing_is_an_error_that_says_what_to_do(here: Path, call: Any) -> None:
    nowhere = call("report", "tiny.toml")
    assert nowhere.code == 2
    assert nowhere.err == 'imil-sim: there is no store "runs"; run the study first, or name the store with --store\n'
    (here / "runs").mkdir()
    empty = call("report", "tiny.toml")
    assert empty.code == 2
    assert "holds no run of study tiny as its file stands now" in empty.err
    assert not (here / "reports").exists()


@pytest.mark.usefixtures("ran")
def test_two_versions_of_a_study_are_compared_arm_by_arm(here: Path, call: Any) -> None:
    same = call("compare", "tiny.toml", "tiny.toml")
    assert same.code == 0
    assert "all of these made the same predictions" in same.out
    text = (here / "tiny.toml").read_text()
    (here / "other.toml").write_text(text.replace("learning_rate = 0.01", "learning_rate = 0.1"))
    shutil.copytree(here / "runs", here / "second")
    assert call("run", "other.toml", "--workers", "0", "--store", "second").code == 0
    called = call("compare", "tiny.toml", "other.toml", "--second-store", "second", "--out", "c")
    assert called.code == 0
    assert set(content(here / "c")) == {"comparison.csv", "comparison.html", "comparison.md"}
    rows = table(here / "c" / "comparison.csv")
    assert {row["arm"] for row in rows} == {"baseline", "lesions"}
    assert any(float(row["difference"]) != 0 for row in rows)


@pytest.mark.parametrize("verb", ["report", "run"])
def test_a_place_that_cannot_be_written_is_named_before_anything_is_done(here: Path, call: Any, verb: str) -> None:
    (here / "taken").write_text("")
    called = call(verb, "tiny.toml", "--out", "taken")
    assert called.code == 2
    assert "taken is a file" in called.err
    assert not (here / "runs").exists()
