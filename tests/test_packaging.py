"""What is installed: the wheel holds both packages and the shipped studies, and the pins cover what is asked for."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMES_WITH = {
    "PIL": "seaborn",
    "dask": "distributed",
    "markupsafe": "jinja2",
    "matplotlib": "seaborn",
    "pydantic_core": "pydantic",
}
"""Packages that are half of another one: it requires them, and its interface is made of their types."""
STUDIES = sorted(path.name for path in (ROOT / "studies").glob("*.toml"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without a network and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("*.whl")
    zipfile.ZipFile(archive).extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_holds_the_packages_and_the_studies_and_nothing_else(wheel: Path) -> None:
    sources = {
        (installed / path.relative_to(ROOT / package)).as_posix()
        for package, installed in (("imil_sim", Path("imil_sim")), ("oracles", Path("imil_sim_oracles")))
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert "demo.toml" in STUDIES
    shipped = {f"imil_sim/study/shipped/{name}" for name in STUDIES}
    held = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    assert {name for name in held if ".dist-info/" not in name} == sources | shipped
    assert "imil_sim/py.typed" in held


def test_shipped_studies_are_found_from_the_wheel_as_from_the_checkout(wheel: Path) -> None:
    code = "from imil_sim.study.study import shipped_studies; print(*shipped_studies(), sep='\\n')"
    for place, folder in ((wheel, wheel / "imil_sim" / "study" / "shipped"), (ROOT, ROOT / "studies")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=wheel.parent,
            env=os.environ | {"PYTHONPATH": str(place)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert sorted(done.stdout.split()) == [str(folder / name) for name in STUDIES], done.stderr


@pytest.mark.parametrize("installed", ["wheel", "editable"])
@pytest.mark.parametrize("marker", ["__init__.py", "nothing.txt"])
def test_a_folder_of_the_users_called_oracles_stands_in_nobodys_way(
    wheel: Path, tmp_path: Path, installed: str, marker: str
) -> None:
    (tmp_path / "oracles").mkdir()
    (tmp_path / "oracles" / marker).touch()
    (tmp_path / "oracles" / "mine.py").write_text("MINE = 1\n")
    (tmp_path / "test_mine.py").write_text(
        "from imil_sim.feedback import make_oracle\nfrom oracles.mine import MINE\n\n\n"
        "def test_both(pytestconfig):\n"
        "    assert make_oracle('lesions')\n"
        "    assert pytestconfig.pluginmanager.hasplugin('imil_sim.pytest_plugin')\n"
    )
    environment = dict(os.environ)
    python = [sys.executable]
    if installed == "wheel":  # -S: the path entry of the editable install is not read
        environment["PYTHONPATH"] = os.pathsep.join([str(wheel), *(p for p in sys.path if p and Path(p) != ROOT)])
        python.append("-S")
    for call in (["imil_sim", "oracles", "lesions"], ["pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]):
        command = [*python, "-m", *call]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    code = "import imil_sim_oracles.lesions as module; print(module.__file__)"
    done = subprocess.run(
        [*python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    home = wheel / "imil_sim_oracles" if installed == "wheel" else ROOT / "oracles"
    assert Path(done.stdout.strip()) == home / "lesions.py"


def test_the_installed_oracles_are_those_the_project_declares() -> None:
    declared = PROJECT["entry-points"]["imil_sim.oracles"]
    installed = {point.name: point for point in entry_points(group="imil_sim.oracles")}
    for name, value in declared.items():
        assert name in installed, f"{name}: declared after the last install; run make install"
        assert installed[name].value == value
        assert installed[name].load().__name__ == value.partition(":")[2]


def test_every_requirement_has_an_exact_pin_within_its_bounds() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert len(pins) == len(lines)
    asked = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]]
    loose = [str(r) for r in asked if pins.get(canonicalize_name(r.name), "0") not in r.specifier]
    assert loose == []


def test_everything_that_is_imported_is_asked_for() -> None:
    texts = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["dicom"],
        *PROJECT["optional-dependencies"]["pytest"],
        *PROJECT["optional-dependencies"]["xrv"],
        *(
            PROJECT["optional-dependencies"][extra][0]
            for extra in ("keras", "lightning", "mlflow", "tensorboard", "wandb")
        ),
    ]
    asked = {canonicalize_name(Requirement(text).name) for text in texts}
    homes = packages_distributions()
    foreign = imported_packages() - set(sys.stdlib_module_names) - {"imil_sim", "oracles"} - set(COMES_WITH)
    assert set(COMES_WITH.values()) <= asked
    assert {"numpy", "torch", "cv2"} <= foreign
    unasked = {name for name in foreign if not asked & {canonicalize_name(home) for home in homes.get(name, [name])}}
    assert unasked == set()


def imported_packages() -> set[str]:
    """Top-level names of all packages that the two of ours import, wherever the import stands."""
    found = set()
    for package in ("imil_sim", "oracles"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {name.name.partition(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found
