"""The command line, called in this process, in an empty folder, on a terminal that is none and 80 columns wide."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from imil_sim import api
from imil_sim.cli.app import main

TINY = """
name = "tiny"
seeds = 2
reference = "baseline"

[images]
source = "phantom"
size = 32
train = 16
test = 6

[model]
name = "resnet10"

[training]
epochs = 2
batch_size = 8
learning_rate = 0.01

[feedback]
imil_epoch = 1
num_outliers = 3

[arms.baseline]

[arms.lesions]
feedback.oracle = "lesions"
"""


@dataclass(frozen=True)
class Called:
    """What a call left behind."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; it holds the study ``tiny.toml``, and no image folder is named in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("IMIL_SIM_DATA", "IMIL_SIM_STORE", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


@pytest.fixture
def call(here: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """``call("run", "tiny.toml")``: the exit code and what was printed."""

    def called(*arguments: str) -> Called:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        printed = capsys.readouterr()
        code = stopped.value.code
        return Called(code if isinstance(code, int) else 0 if code is None else 1, printed.out, printed.err)

    return called


@pytest.fixture(autouse=True)
def _undrawn(undrawn: None) -> None:
    """No picture is looked at here: that they are drawn, and alike, is tested with the figures and the library."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds all runs of ``tiny.toml``; to be copied, see `ran`."""
    store = tmp_path_factory.mktemp("trained") / "runs"
    api.run(tomllib.loads(TINY), store=store)
    return store


@pytest.fixture
def ran(here: Path, trained: Path) -> Path:
    """``runs``: a store of one's own in which the study ``tiny.toml`` has been run; there is no report of it yet."""
    shutil.copytree(trained, here / "runs")
    return here / "runs"


@pytest.fixture
def images(here: Path) -> Path:
    """Four images a class in ``images/clear`` and ``images/opaque``, and a study ``images.toml`` about them."""
    for number in range(8):
        path = here / "images" / ("clear" if number < 4 else "opaque") / f"image{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (40, 32)).astype(np.uint8)
        assert cv2.imwrite(str(path), noise)
    study = TINY.replace('source = "phantom"', 'source = "folder"\npath = "images"').replace(
        "train = 16\ntest = 6\n", ""
    )
    (here / "images.toml").write_text(study)
    return here / "images"
