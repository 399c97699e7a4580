"""The plugin of pytest, tried on tests of its own: passes, catches, explains, regenerates; light, and no clashes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imil_sim import api
from imil_sim import pytest_plugin as plugin
from imil_sim.output.report import StudyResults
from imil_sim.report.baseline import read_baseline, write_baseline

pytest_plugins = ("pytester",)

PLUGIN = ("-p", "imil_sim.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:randomly")

STUDY = {
    "name": "small",
    "seeds": 1,
    "images": {"source": "phantom", "size": 32, "train": 8, "test": 4},
    "model": {"name": "shufflenet_v2_x0_5"},
    "training": {"epochs": 2, "batch_size": 4},
    "feedback": {"imil_epoch": 1, "num_outliers": 8, "fill_up": "least-confident-correct"},
    "arms": {"baseline": {}, "abstain": {"feedback": {"oracle": "abstain"}}},
    "check": {"expectations": ["abstain == baseline on predictions"]},
}

TEST = f"""
STUDY = {STUDY!r}

def test_gate(imil_study, imil_check):
    imil_check(imil_study(STUDY))
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """The study, run once for all tests here."""
    return api.run(STUDY, store=tmp_path_factory.mktemp("measured"))


@pytest.fixture
def quick(measured: StudyResults, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Whoever runs the study is handed what it came to; gives the stores that were named for it."""
    stores: list[Path] = []

    def known(study: Any, *, store: Path, **others: Any) -> StudyResults:
        stores.append(store)
        return replace(measured, study=api.load_study(study))

    monkeypatch.setattr(api, "run", known)
    return stores


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """``run("--force-regen")``: pytest with the plugin, in this process, on the test above."""
    pytester.makepyfile(test_it=TEST)
    return lambda *options: pytester.runpytest_inprocess(*PLUGIN, *options)


def baseline(pytester: pytest.Pytester, name: str = "test_gate") -> Path:
    return pytester.path / "test_it" / f"{name}.json"


def test_a_study_is_run_compared_and_found_the_same(pytester: pytest.Pytester, measured: StudyResults) -> None:
    """From end to end, nothing replaced: the store is new and lies in the session's temporary folder."""
    pytester.makepyfile(
        test_it=TEST
        + """
def test_once(imil_study, tmp_path_factory):
    run = imil_study(STUDY)
    assert run is imil_study(dict(STUDY))
    assert list(run.results["arm"]) == ["baseline", "abstain"]
    assert run.runs[0].predictions["main"].probabilities.shape == (4, 2)
    assert len(list((tmp_path_factory.getbasetemp() / "imil-sim-store" / "runs").iterdir())) == 2

def test_phantom(imil_phantom):
    images = imil_phantom(train=6, test=4, size=32)
    assert len(images) == 10
    assert images is imil_phantom(size=32, test=4, train=6)
"""
    )
    write_baseline(measured.findings, baseline(pytester))
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=3)


@pytest.mark.usefixtures("quick")
def test_what_moved_is_caught_and_named(run: Any, pytester: pytest.Pytester, measured: StudyResults) -> None:
    content = measured.findings.model_dump(mode="json")
    content["runs"][1]["sets"]["main"]["values"]["auroc"] = 0.123
    write_baseline(type(measured.findings).model_validate_json(json.dumps(content)), baseline(pytester))
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["small: FAILED", "FAILED exact: abstain, auroc: not to the bit what it was with seed 0"]
    )
    assert "pytest_plugin.py" not in result.stdout.str()


@pytest.mark.usefixtures("quick")
def test_a_missing_baseline_explains_itself_and_is_not_written(run: Any, pytester: pytest.Pytester) -> None:
    result = run()
    result.assert_outcomes(failed=1)
    said = (
        f"there is no baseline {baseline(pytester)}. Write one from code that is known to be good, with pytest --force-"
    )
    assert said in result.stdout.str()
    assert not baseline(pytester).exists()


@pytest.mark.usefixtures("quick")
def test_regeneration_writes_and_fails_once_or_passes(
    run: Any, pytester: pytest.Pytester, measured: StudyResults
) -> None:
    result = run("--force-regen")
    result.assert_outcomes(failed=1)
    assert f"baseline written: {baseline(pytester)}; look at it, and run again" in result.stdout.str()
    assert read_baseline(baseline(pytester), "") == measured.findings
    run().assert_outcomes(passed=1)
    run("--force-regen").assert_outcomes(passed=1)  # nothing changed
    baseline(pytester).write_text("{}")
    run("--regen-all").assert_outcomes(passed=1)
    assert read_baseline(baseline(pytester), "") == measured.findings


@pytest.mark.usefixtures("quick")
def test_what_fails_by_itself_is_not_made_a_baseline(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST.replace("abstain == baseline", "abstain != baseline"))
    result = pytester.runpytest_inprocess(*PLUGIN, "--regen-all")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*abstain != baseline on predictions: they are equal to the bit with seed 0", "no baseline*"]
    )
    assert not baseline(pytester).exists()


@pytest.mark.usefixtures("quick")
def test_each_test_has_a_baseline_of_its_own_named_for_it(pytester: pytest.Pytester) -> None:
    many = f"""
import pytest
STUDY = {STUDY!r}

@pytest.mark.parametrize("which", ["a/b", "a_b", "A_b", pytest.param(0, id="b" * 300)])
def test_many(which, imil_study, imil_check):
    imil_check(imil_study(STUDY))

def test_many_a_b(imil_study, imil_check):
    imil_check(imil_study(STUDY))

class TestOne:
    def test_many_a_b(self, imil_study, imil_check):
        imil_check(imil_study(STUDY))

class TestOther(TestOne):
    class TestInner(TestOne):
        pass

def test_named(imil_study, imil_check):
    imil_check(imil_study(STUDY), basename="other")
"""
    for folder in ("one", "two"):
        (pytester.mkdir(folder) / "test_it.py").write_text(many)
    options = (*PLUGIN, "--import-mode=importlib")
    pytester.runpytest_inprocess(*options, "--regen-all").assert_outcomes(passed=18)
    names = {folder: sorted(path.name for path in (pytester.path / folder / "test_it").iterdir()) for folder in
             ("one", "two")}  # fmt: skip
    assert names["one"] == names["two"]
    assert [re.sub(r"-[0-9a-f]{12}\.", "-DIGITS.", name) for name in names["one"]] == [
        "TestOne_test_many_a_b-DIGITS.json", "TestOther_TestInner_test_many_a_b-DIGITS.json",
        "TestOther_test_many_a_b-DIGITS.json", "other.json", "test_many_A_b-DIGITS.json", "test_many_a_b-DIGITS.json",
        "test_many_a_b-DIGITS.json", "test_many_a_b.json", f"test_many_{'b' * 90}-DIGITS.json",
    ]  # fmt: skip
    assert len({name.lower() for name in names["one"]}) == 9  # also where A is a
    # A test by itself finds the baseline that it wrote among others
    pytester.runpytest_inprocess(*options, "one/test_it.py::TestOne").assert_outcomes(passed=1)


def test_a_test_that_needs_a_person_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.human\ndef test_reading():\n    assert True\n")
    result = pytester.runpytest_inprocess(*PLUGIN, "-rs", "--strict-markers")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * needs a person who answers; run pytest with --human while one is there"])
    pytester.runpytest_inprocess(*PLUGIN, "--human").assert_outcomes(passed=1)


REGRESSIONS = """
def pytest_addoption(parser):
    group = parser.getgroup("regressions")
    group.addoption("--force-regen", action="store_true", default=False)
    group.addoption("--regen-all", action="store_true", default=False)
"""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("order", [("-p", "like_regressions", *PLUGIN), (*PLUGIN, "-p", "like_regressions")])
def test_beside_pytest_regressions_its_options_are_used(order: tuple[str, ...], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST, like_regressions=REGRESSIONS)
    pytester.syspathinsert()
    pytester.runpytest_inprocess(*order, "--regen-all", "test_it.py").assert_outcomes(passed=1)
    assert baseline(pytester).is_file()
    shown = pytester.runpytest_inprocess(*order, "--help").stdout.str()
    assert shown.count("--force-regen") == 1
    assert "--human" in shown


STUB = """
import sys, types
from imil_sim.report.results import write_whole

def run(study, store, workers):
    store.mkdir(exist_ok=True)
    with (store / "asked").open("a") as file:
        file.write(".")
    return study["name"]

def check(run, path, update):
    write_whole(path, run.encode())
    return types.SimpleNamespace(passed=True)

import imil_sim
imil_sim.api = types.SimpleNamespace(load_study=dict, run=run, check=check)
"""
"""A conftest in whose process running a study takes no time: neither torch nor pandas is loaded for each worker."""


def test_workers_of_xdist_share_a_store_and_one_baseline(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makeconftest(STUB)
    pytester.makepyfile(
        test_it=f"""
        import pytest
        STUDY = {STUDY!r}

        @pytest.mark.parametrize("number", range(4))
        def test_many(number, imil_study, imil_check):
            imil_check(imil_study(STUDY), basename="one")
        """
    )
    options = (*PLUGIN, "-p", "xdist", "-n", "2", "--dist", "load", f"--basetemp={pytester.path / 'base'}")
    pytester.runpytest_subprocess(*options, "--regen-all").assert_outcomes(passed=4)
    assert (pytester.path / "base" / "imil-sim-store" / "asked").read_text() == ".."  # once a worker, in one store
    assert [path.name for path in baseline(pytester, "one").parent.iterdir()] == ["one.json"]
    assert baseline(pytester, "one").read_text() == "small"


def test_the_project_declares_the_plugin_by_the_name_of_its_module() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {plugin.__name__: plugin.__name__}


def test_a_pytest_that_does_not_use_the_plugin_loads_nothing_for_it() -> None:
    code = """
import sys
import pytest
before = set(sys.modules)
import imil_sim.pytest_plugin
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['imil_sim']", done.stderr
