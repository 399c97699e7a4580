"""What all tests share: one thread, no display, nobody's own store, and the real images where there are some."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

from tests.undrawn import leave_figures_undrawn

# Before numpy, OpenCV or torch are imported, and inherited by every interpreter a test starts: workers share the cores,
# and the thread count moves bits.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("IMIL_SIM_STORE", None)

# The same examples in every run: a red suite stays red until it is mended. No deadline: no test is timed.
settings.register_profile("imil-sim", derandomize=True, deadline=None, print_blob=True, database=None)
settings.load_profile("imil-sim")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the real images, so that ``-m real_data`` chooses them."""
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_data)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, with the reason."""
    if item.get_closest_marker("gpu"):
        import torch  # only where a test asks for it: most of the suite does without

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device; torch sees none")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that holds ``shenzhen/`` and the other real image sets, never written to."""
    folder = os.environ.get("IMIL_SIM_DATA")
    if not folder:
        pytest.skip("needs the real image sets: set IMIL_SIM_DATA to their folder")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.fail(f"IMIL_SIM_DATA is {folder!r}, which is not a folder", pytrace=False)
    return path


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but not drawn as pixels, which takes far longer than everything else a report is made of."""
    leave_figures_undrawn(monkeypatch.setattr)


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """Gives the module of a script beside the packages, such as ``docs/make_study_tables.py``."""

    def load(path: str) -> ModuleType:
        place = Path(__file__).parents[1] / path
        spec = importlib.util.spec_from_file_location(place.stem, place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The machine's own Chromium, headless, without a network of its own.

    One a module: while it is there the main thread has a running event loop, which other tests may not like.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(CHROMIUM)}; Debian, Ubuntu: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()
