"""A guest's package, installed by pip, comes in through the real entry points."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

PACKAGE = Path(__file__).parent / "guest_package"

STUDY = """
name = "guest"
seeds = 2
reference = "baseline"

[images]
source = "guest-stripes"
size = 32

[model]
name = "guest-tiny"

[training]
epochs = 2
batch_size = 8

[augmentation]
name = "guest-mirror"

[feedback]
imil_epoch = 1
num_outliers = 3
grid_size = 4
selection = "guest-alphabetical"
fill = "guest-white"

[arms.baseline]

[arms.guest]
feedback.oracle = "guest-upper-zones"
feedback.options.share = 0.25

[check]
non_inferiority.guest_margin = 0.1
non_inferiority.guest_distance = 0.1
"""

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """Runs an interpreter in which the guest's package is installed beside ours."""
    target = tmp_path_factory.mktemp("guest") / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    # No network: the build backend is there already, and so is everything the guest depends on.
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--target", str(target)]
    installed = subprocess.run([*pip, *offline, str(PACKAGE)], capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr

    def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(part for part in (str(target), os.environ.get("PYTHONPATH")) if part)
        environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "300"}
        return subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=environment
        )

    return run


def output(ran: subprocess.CompletedProcess[str]) -> str:
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def listed(python: Python) -> dict[str, str]:
    """The lines of ``imil-sim oracles`` by the name they begin with."""
    lines = output(python("-m", "imil_sim", "oracles")).splitlines()
    return {line.split()[0]: line for line in lines if line.strip()}


def test_the_guest_is_listed_beside_the_house(listed: dict[str, str]) -> None:
    assert "The upper zones of the image" in listed["guest-upper-zones"]
    assert "imil-sim-guest 2.3.0" in listed["guest-upper-zones"]
    assert {"all-cells", "lesions", "lung-fields", "random-cells", "replayed-masks"} <= listed.keys()


def test_a_guest_that_cannot_be_imported_says_so_and_hides_nobody(listed: dict[str, str]) -> None:
    assert "No module named 'a_package_that_nobody_has'" in listed["guest-unfinished"]


def test_the_card_of_the_guest_is_shown(python: Python) -> None:
    shown = output(python("-m", "imil_sim", "oracles", "guest-upper-zones"))
    assert "Where it is wrong: on every finding in the lower zones" in shown
    assert "share" in shown


def test_the_guest_keeps_its_promises_and_serves_inside_a_house_oracle(python: Python) -> None:
    code = """
from imil_sim.feedback import make_oracle
from imil_sim.seeds import stream
from imil_sim.testing import check_oracle, sample_questions

guest = make_oracle("guest-upper-zones", {"share": 0.25})
check_oracle(guest)
matched = make_oracle("random-cells", {"like": {"oracle": "guest-upper-zones", "options": {"share": 0.25}}})
check_oracle(matched)
question = sample_questions()[0]
print(guest.answer(question, stream(0, "oracle")).cells.sum(axis=1).tolist())
print(matched.answer(question, stream(0, "oracle")).cells.sum())
"""
    assert output(python("-c", code)).splitlines() == ["[4, 0, 0, 0]", "4"]


def test_the_guest_is_refused_as_the_house_is(python: Python) -> None:
    wrong = {
        ("guest-upper-zone", "shares"): 'Did you mean "guest-upper-zones"?',
        ("guest-upper-zones", "shares"): 'unknown option "shares". Known: share. Did you mean "share"?',
        ("guest-upper-zones", "share"): "share must be above 0 and up to 1, not 2.0",
        ("guest-unfinished", "share"): "No module named 'a_package_that_nobody_has'",
    }
    code = f"""
from imil_sim.errors import OracleError
from imil_sim.feedback import make_oracle

for name, option in {list(wrong)}:
    try:
        make_oracle(name, {{option: 2}})
    except OracleError as error:
        print(str(error).replace("\\n", " "))
"""
    for message, said in zip(wrong.values(), output(python("-c", code)).splitlines(), strict=True):
        assert message in said


@pytest.fixture(scope="module")
def report(python: Python, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study of which every part is the guest's."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "guest.toml").write_text(STUDY)
    output(python("-m", "imil_sim", "run", "guest.toml", "--workers", "0", cwd=folder))
    return folder / "reports" / "guest"


def test_a_study_of_guests_runs_and_its_metrics_are_compared_the_right_way_up(report: Path) -> None:
    results = pd.read_csv(report / "results.csv").sort_values("arm")
    assert list(results["arm"]) == ["baseline"] * 2 + ["guest"] * 2
    assert (results["status"] == "done").all()
    assert (results["n_outliers_replaced"][2:] == 3).all()
    # The share of the true class is p, its lead 2p - 1 and its distance from certainty 1 - p.
    assert results["guest_margin"].to_numpy() == pytest.approx(1 - 2 * results["guest_distance"].to_numpy())
    differences = pd.read_csv(report / "differences.csv").set_index("metric")
    lead, distance = differences.loc["guest_margin", "difference"], differences.loc["guest_distance", "difference"]
    assert lead == pytest.approx(-2 * distance)


def test_the_report_holds_the_guests_table_and_figure(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert (report / "tables" / "guest-epochs.csv").read_text() == "Arm,Epochs\nbaseline,2\nguest,2\n"
    assert "Epochs of every arm" in page
    assert "One grey pixel." in page


def test_schema_and_near_names_know_every_guest(python: Python) -> None:
    schema = output(python("-m", "imil_sim", "schema"))
    for name in ("guest-stripes", "guest-mirror", "guest-alphabetical", "guest-white"):
        assert f'"{name}"' in schema
    wrong = {
        "guest-stripe": "guest-stripes", "guest-miror": "guest-mirror", "guest-alphabetic": "guest-alphabetical",
        "guest-whit": "guest-white", "guest_margine": "guest_margin", "guest-tinny": "guest-tiny",
    }  # fmt: skip
    code = f"""
import tomllib
from pathlib import Path
from imil_sim.errors import StudyError
from imil_sim.study.study import parse_study
from imil_sim.training.models import check_model

for name, near in {wrong}.items():
    try:
        study = parse_study(tomllib.loads({STUDY!r}.replace(near, name)), beside=Path())
        check_model(study.arms["guest"].model)
    except StudyError as error:
        print(f'Did you mean "{{near}}"?' in str(error))
"""
    assert output(python("-c", code)).split() == ["True"] * len(wrong)


def test_the_verb_import_reads_the_guests_format(python: Python, tmp_path: Path) -> None:
    (tmp_path / "file.dots").write_text("a 0 0\nb 50 50\n")
    line = ("-m", "imil_sim", "import", "file.dots", "--to", "s.jsonl", "--grid", "2")
    assert "dots of the guest: 2 answers on a grid of 2 x 2" in output(python(*line, cwd=tmp_path))
    assert '"cells":[4]' in (tmp_path / "s.jsonl").read_text()
    assert "guest-dots" in output(python("-m", "imil_sim", "import", "--help"))
    refused = python(*line, "--format", "guest-dot", cwd=tmp_path)
    assert (refused.returncode, 'Did you mean "guest-dots"?' in refused.stderr) == (2, True)


def test_which_side_is_better_is_the_metrics_own_word(python: Python) -> None:
    code = "from imil_sim.study.check import higher_is_better as h; print(h('guest_margin'), h('guest_distance'))"
    assert output(python("-c", code)).split() == ["True", "False"]


def test_the_guest_is_known_nowhere_else() -> None:
    """What the tests above see comes from the package they installed, not from this checkout."""
    code = "from imil_sim.registry import names; print(names('oracles'))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "guest-upper-zones" not in ran.stdout
