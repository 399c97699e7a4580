"""A plugin of pytest: studies as fixtures, baselines kept beside the tests, tests that need a person.

It comes with imil-sim and is loaded by every pytest of an environment that has imil-sim in it, most of which will not
use it. So it imports nothing of imil-sim, and torch least of all, until a fixture is asked for something: this is the
one module outside the command line whose imports stand inside functions.

    def test_feedback_still_helps(imil_study, imil_check):
        imil_check(imil_study("ci"))

The baseline of that test in ``tests/test_gate.py`` lies in ``tests/test_gate/test_feedback_still_helps.json``. That of
a test in a class, or of a parametrised one, has the class and the parameters in its name, and twelve digits behind them
that tell it from every other: ``TestGate_test_it_small-3f0c9be1d2a7.json``.
``--force-regen`` writes it anew and fails the test, ``--regen-all`` writes it anew and passes, as pytest-regressions
has them; where that is installed the options are its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from imil_sim.api import AnyStudy
    from imil_sim.images.image_set import ImageSet
    from imil_sim.output.report import StudyResults

_OPTIONS = (
    ("--force-regen", "write the baselines of imil-sim anew, and fail the tests whose baseline changed"),
    ("--regen-all", "write the baselines of imil-sim anew, and pass"),
    ("--human", "run the tests that need a person who answers"),
)

LONGEST = 100
"""Characters of a test's name in that of its baseline; a parametrised test may have hundreds, a file may not."""

_HUMAN = "needs a person who answers; run pytest with --human while one is there"


# ------------------------------------------------------------------------------------------------- options and markers


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> None:
    """Add our options, but those that another plugin has: all installed plugins have added theirs by now."""
    group = parser.getgroup("imil-sim", "simulated clinicians (imil-sim)")
    for option, about in _OPTIONS:
        if not hasattr(early_config.known_args_namespace, _attribute(option)):
            group.addoption(option, action="store_true", default=False, help=about)


def _attribute(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", f"human: {_HUMAN}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a person, with the reason."""
    if config.getoption("human", default=False):
        return
    for item in items:
        if item.get_closest_marker("human"):
            item.add_marker(pytest.mark.skip(reason=_HUMAN))


# ------------------------------------------------------------------------------------------------------------- fixtures


@pytest.fixture(scope="session")
def imil_study(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[AnyStudy], StudyResults]:
    """``imil_study("ci")``: a study run once in this session: a file, the name of a shipped one, or a parsed file.

    Studies of one session share a store that is new, so nothing of an earlier run is taken for granted; what two of
    them have in common is trained once. Workers of pytest-xdist share it too. Everything is trained in this process.
    """
    store = _store(request.config, tmp_path_factory)
    run: dict[str, StudyResults] = {}

    def study_run(asked: AnyStudy) -> StudyResults:
        from imil_sim import api

        study = api.load_study(asked)
        key = repr(study)
        if key not in run:
            run[key] = api.run(study, store=store, workers=0)
        return run[key]

    return study_run


@pytest.fixture(scope="session")
def imil_phantom() -> Callable[..., ImageSet]:
    """``imil_phantom(train=20, test=10, size=32)``: the phantom's images, drawn once in this session.

    Takes the fields of ``[images]`` with ``source = "phantom"``.
    """
    drawn: dict[str, ImageSet] = {}

    def images(**fields: Any) -> ImageSet:
        from imil_sim import api

        key = repr(sorted(fields.items()))
        if key not in drawn:
            drawn[key] = api.load_images("phantom", **fields)
        return drawn[key]

    return images


@pytest.fixture
def imil_check(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``imil_check(imil_study("ci"))``: fails the test unless the study is as its baseline says; see `imil-sim check`.

    The baseline lies beside the test, in a folder named for its file, and is named for the test, or ``basename``. Tests
    that name one ``basename`` share its baseline; a test that checks two studies names one for each.
    """

    def check(run: StudyResults, basename: str | None = None) -> None:
        __tracebackhide__ = True
        path = _baseline_path(request, basename)
        force, everything = (
            bool(request.config.getoption(name, default=False)) for name in ("force_regen", "regen_all")
        )
        if force or everything:
            _regenerate(run, path, fail=not everything)
        else:
            _compare(run, path)

    return check


def _store(config: pytest.Config, folders: pytest.TempPathFactory) -> Path:
    """The store of this session, the same for every worker of pytest-xdist, which begin below one folder."""
    base = folders.getbasetemp()
    return (base.parent if hasattr(config, "workerinput") else base) / "imil-sim-store"


def _baseline_path(request: pytest.FixtureRequest, basename: str | None) -> Path:
    test = cast("pytest.Item", request.node)
    name = basename if basename is not None else _file_name(test)
    return test.path.with_suffix("") / f"{name}.json"


def _file_name(test: pytest.Item) -> str:
    """A name for a file of the test that no other test of its module has, on any file system.

    It is the test's own name where that is plain. In any other, what a file's name should not hold becomes an
    underscore, and the digits keep apart what that makes equal, or what differs in upper and lower case alone.
    """
    # Not the node id as it stands: pytest-xdist adds the group of a test to it.
    parts = [node.name for node in test.listchain() if node.path == test.path and not isinstance(node, pytest.File)]
    whole = "::".join(parts)
    if re.fullmatch("[a-z0-9_]+", whole):
        return whole
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", whole).strip("_")[:LONGEST]
    return f"{readable}-{hashlib.sha256(whole.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _compare(run: StudyResults, path: Path) -> None:
    from imil_sim import api
    from imil_sim.errors import UsageError

    __tracebackhide__ = True
    remedy = "Write one from code that is known to be good, with pytest --force-regen, and keep it with the test"
    try:
        verdict = api.check(run, path, remedy=remedy)
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    if not verdict.passed:
        pytest.fail("\n".join(api.lines_of(verdict)), pytrace=False)


def _regenerate(run: StudyResults, path: Path, *, fail: bool) -> None:
    """Write the baseline, unless what must hold without one does not."""
    from imil_sim import api

    __tracebackhide__ = True
    before = path.read_bytes() if path.is_file() else b""
    verdict = api.check(run, path, update=True)
    if not verdict.passed:
        pytest.fail("\n".join([*api.lines_of(verdict), "no baseline was written"]), pytrace=False)
    if fail and path.read_bytes() != before:
        pytest.fail(f"baseline {'changed' if before else 'written'}: {path}; look at it, and run again", pytrace=False)
