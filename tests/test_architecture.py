"""The arrows between the rooms, read off the imports: they run downwards only, and torch stays where it is.

An import is an arrow wherever it stands: under ``TYPE_CHECKING``, inside a function, relative, or spelt
``importlib.import_module("...")``.
"""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = (
    "errors", "progress", "seeds", "io", "registry", "text", "study", "feedback", "images", "sessions", "training",
    "loop", "dataset", "callback", "engine", "stats", "report", "output", "api", "integrations", "annotate", "cli",
)  # fmt: skip
"""From the ground up; a room may import its own modules and those that stand before it."""
LEVEL = {room: level for level, room in enumerate(ROOMS)} | {
    "testing": ROOMS.index("cli"),
    "pytest_plugin": len(ROOMS),  # a second rim beside cli, which it stands on
}
GROUND = {"errors", "progress", "seeds", "io", "registry", "text"}
OPEN = {
    "cli": {"api", "annotate", *GROUND},
    "pytest_plugin": {"api", *GROUND},
    "annotate": {"study", "feedback", "images", "sessions", *GROUND},
    "report": {"stats", "images", "sessions", "feedback", "study", *GROUND},
}
"""The only rooms that these call, though more stand lower: a verb and a fixture call `imil_sim.api` and nothing deeper;
a report reads records, it trains nothing; a person is shown questions, and writes a session. An import for type
checkers alone calls nothing."""
APART = {"imil_sim.cli.importing"}
"""Still composes the sessions of an import by itself."""
WITHOUT_TORCH = ("study", "feedback", "images", "sessions", "stats", "report", "annotate")
TORCH = {"torch", "torchvision", "captum", "torchxrayvision"}
OPTIONAL = {"pydicom", "torchxrayvision", "mlflow", "wandb", "tensorboard", "lightning", "keras"}
"""The dependencies of the extras: they may be imported inside the function that needs them, on a line that says so."""
OPEN_TO_ORACLES = {"feedback", "sessions", "images", "errors"}
NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "misc", "common"}


@dataclass(frozen=True)
class Arrow:
    """One import of one name."""

    target: str
    """Dotted name of what is imported: a module, or a name in one."""
    line: int
    inside_function: bool
    typing: bool = False
    """Whether it is for type checkers alone."""


def modules(package: str, root: Path = ROOT) -> dict[str, Path]:
    """Dotted name to file, for every module of the package."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def arrows(module: str, source: str, *, is_package: bool = False) -> Iterator[Arrow]:
    """Every import in ``source``, wherever it hides; ``from a import b`` is an arrow to ``a.b``."""

    def visit(node: ast.AST, inside: bool) -> Iterator[Arrow]:
        match node:
            case ast.Import(names=names):
                yield from (Arrow(name.name, node.lineno, inside) for name in names)
            case ast.ImportFrom(module=origin, names=names, level=level):
                up = (
                    module.split(".")[: (None if is_package and level == 1 else -(level - is_package))] if level else []
                )
                base = ".".join([*up, *([origin] if origin else [])])
                yield from (Arrow(f"{base}.{name.name}", node.lineno, inside) for name in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(target)), *_],
            ):
                yield Arrow(target, node.lineno, inside)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from (replace(arrow, typing=True) for child in node.body for arrow in visit(child, inside))
            return
        within = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, within)

    return visit(ast.parse(source), False)


def room(dotted: str) -> str:
    """The room a dotted name lies in; empty for ``imil_sim`` itself and for a name defined in its ``__init__``."""
    parts = dotted.split(".")
    if dotted == "imil_sim.__main__":
        return "cli"  # the same door, by `python -m imil_sim`
    return parts[1] if parts[0] == "imil_sim" and len(parts) > 1 and not parts[1].startswith("__") else ""


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What is wrong with the imports of one module, a sentence each."""
    lines = source.splitlines()
    wrong = []
    for arrow in arrows(module, source, is_package=is_package):
        where = f"{module}:{arrow.line} imports {arrow.target}"
        package = arrow.target.partition(".")[0]
        here, there = room(module), room(arrow.target)
        if module.startswith("imil_sim"):
            if package in ("oracles", "imil_sim_oracles"):
                wrong.append(f"{where}: the harness never names an oracle")
            if there and there not in LEVEL:
                wrong.append(f"{where}: no such room; known: {', '.join(LEVEL)}")
            elif module == "imil_sim" and (arrow.typing or there in ("api", "progress")):
                pass  # the face of the package: other names are loaded when they are used
            elif there and there != here and (not here or LEVEL[there] >= LEVEL[here]):
                wrong.append(f"{where}: an arrow upwards")
            elif (
                there
                and there != here
                and not arrow.typing
                and there not in OPEN.get(here, LEVEL)
                and module not in APART
            ):
                wrong.append(f"{where}: {there} is closed to {here}")
            if here in WITHOUT_TORCH and package in TORCH:
                wrong.append(f"{where}: {here} loads no torch")
        elif package == "imil_sim" and there not in OPEN_TO_ORACLES:
            wrong.append(f"{where}: an oracle names only {' and '.join(sorted(OPEN_TO_ORACLES))}")
        if package == "torchvision" and module != "imil_sim.training.vision":
            wrong.append(f"{where}: torchvision comes from imil_sim.training.vision, which knows its trap")
        if arrow.inside_function:
            # The one exception: the api composes the rooms, and imports them inside its functions so that it stays
            # light, as do the plugin, which every pytest of an environment loads, and the verb `annotate`.
            light = here in ("api", "cli", "pytest_plugin") and package in {"imil_sim", *TORCH}
            optional = package in OPTIONAL and "optional" in lines[arrow.line - 1]
            if not light and not optional and module != "imil_sim.training.vision":
                wrong.append(f"{where}: hidden in a function, and no optional dependency that says so")
    return wrong


def circles(imports: dict[str, set[str]]) -> list[str]:
    """The first circle of modules that import one another; empty where there is none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def module_of(dotted: str, known: dict[str, Path]) -> str | None:
    """The module that a dotted name lies in."""
    while dotted and dotted not in known:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


# ------------------------------------------------------------------------------------------------- the house as it is


@pytest.mark.parametrize("package", ["imil_sim", "oracles"])
def test_every_import_runs_down_the_rooms(package: str) -> None:
    known = modules(package)
    wrong = [
        sentence
        for module, path in known.items()
        for sentence in violations(module, path.read_text(), is_package=path.name == "__init__.py")
    ]
    assert len(known) > 5
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_one_another_in_a_circle() -> None:
    known = modules("imil_sim") | modules("oracles")
    imports: dict[str, set[str]] = {}
    for module, path in known.items():
        targets = arrows(module, path.read_text(), is_package=path.name == "__init__.py")
        imports[module] = {found for arrow in targets if (found := module_of(arrow.target, known))} - {module}
    assert imports["imil_sim.feedback.question"] >= {"imil_sim.feedback.grid"}
    assert circles(imports) == []


def test_every_module_is_named_for_a_thing() -> None:
    names = {part for module in modules("imil_sim") | modules("oracles") for part in module.split(".")}
    assert not names & NAMES_THAT_SAY_NOTHING


def test_the_rooms_without_torch_load_none_in_a_fresh_interpreter() -> None:
    names = [name for name in modules("imil_sim") if room(name) in WITHOUT_TORCH]
    done = run_and_watch(f"for name in {names!r}:\n    import_module(name)\n    report(name)")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_the_command_line_starts_without_torch() -> None:
    done = run_and_watch(
        """
from imil_sim.cli.app import main
sys.argv = ["imil-sim", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
report("imil-sim --help")
"""
    )
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
    assert "loaded" not in done.stdout


def run_and_watch(code: str) -> subprocess.CompletedProcess[str]:
    """``code`` in a fresh interpreter; its ``report(name)`` prints a line and ends where a heavy package is loaded."""
    watch = f"""
import sys
from importlib import import_module
def report(name):
    heavy = sorted({TORCH!r} & set(sys.modules))
    if heavy:
        print(name, "loaded", *heavy)
        sys.exit(1)
"""
    command = [sys.executable, "-c", watch + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


# ------------------------------------------------------------------------------------------------------ broken twins


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("imil_sim.study.spec", "from imil_sim.engine.store import Store", "an arrow upwards"),
        ("imil_sim.feedback.grid", "from ..images import phantom", "an arrow upwards"),
        ("imil_sim.feedback.grid", "from imil_sim import images", "an arrow upwards"),
        ("imil_sim.engine.run", "import imil_sim.report.page", "an arrow upwards"),
        ("imil_sim.engine.run", "import imil_sim.cli.app", "an arrow upwards"),
        ("imil_sim.testing", "from imil_sim.cli import app", "an arrow upwards"),
        ("imil_sim.errors", "from imil_sim.seeds import stream", "an arrow upwards"),
        ("imil_sim.seeds", "if TYPE_CHECKING:\n    from imil_sim.images.image_set import ImageSet", "an arrow upwards"),
        ("imil_sim.study.spec", 'importlib.import_module("imil_sim.engine")', "an arrow upwards"),
        ("imil_sim", "from imil_sim.errors import DataError", "an arrow upwards"),
        ("imil_sim.engine.run", "from imil_sim.utilities import x", "no such room"),
        ("imil_sim.report.page", "from imil_sim.engine.store import Store", "is closed to"),
        ("imil_sim.report.page", "from imil_sim.training import cam", "is closed to"),
        ("imil_sim.annotate.questions", "from imil_sim.engine.store import Store", "is closed to"),
        ("imil_sim.feedback.ask", "from imil_sim.annotate import read_asked", "an arrow upwards"),
        ("imil_sim.engine.run", "from imil_sim_oracles.lesions import Lesions", "never names an oracle"),
        (
            "imil_sim.feedback.registry",
            'def f():\n    import_module("imil_sim_oracles.lesions")',
            "never names an oracle",
        ),
        ("imil_sim.images.phantom", "import torch.nn as nn", "loads no torch"),
        ("imil_sim.stats.metrics", "try:\n    from torch import Tensor\nexcept ImportError: ...", "loads no torch"),
        ("imil_sim.training.models", "from torchvision import models", "knows its trap"),
        ("imil_sim.engine.run", "def f():\n    import pandas", "hidden in a function"),
        ("imil_sim.images.folder", "def f():\n    import pydicom", "hidden in a function"),
        ("imil_sim.cli.app", "def f():\n    import pandas", "hidden in a function"),
        ("imil_sim.cli.run", "from imil_sim.engine.study_run import run_study", "is closed to"),
        ("imil_sim.cli.run", "def run():\n    from imil_sim.report.page import render_html", "is closed to"),
        ("imil_sim.pytest_plugin", "def f():\n    from imil_sim.images.phantom import phantom", "is closed to"),
        ("imil_sim.cli.run", "from imil_sim.pytest_plugin import StudyRun", "an arrow upwards"),
        ("oracles.lesions", "from imil_sim.training.models import build", "an oracle names only"),
        ("oracles.lesions", "import imil_sim", "an oracle names only"),
        ("oracles.lesions", "from imil_sim.study.spec import canonical", "an oracle names only"),
    ],
)
def test_a_module_that_breaks_a_rule_is_caught(module: str, source: str, complaint: str) -> None:
    assert [re.search(complaint, sentence) is not None for sentence in violations(module, source)].count(True) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("imil_sim.engine.run", "from imil_sim import __version__, seeds\nfrom imil_sim.training.train import train"),
        ("imil_sim.feedback.grid", "from . import question\nfrom ..errors import DataError"),
        ("imil_sim.images.dicom", "def read():\n    import pydicom  # optional: the extra [dicom]"),
        ("imil_sim.api", "def run():\n    from imil_sim.engine.run import run_study"),
        ("imil_sim.cli.run", "if TYPE_CHECKING:\n    from imil_sim.engine.run import Run\nfrom imil_sim import api"),
        ("imil_sim.pytest_plugin", "import pytest\ndef f():\n    from imil_sim import api"),
        ("imil_sim.training.cam", "import torch\nfrom captum.attr import LayerGradCam"),
        (
            "oracles.lesions",
            "import numpy as np\nfrom imil_sim.errors import OracleError\nfrom imil_sim import feedback",
        ),
    ],
)
def test_a_module_that_keeps_the_rules_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_relative_imports_are_read_from_a_package_too() -> None:
    found = arrows("imil_sim.feedback", "from .grid import Grid\nfrom ..errors import DataError", is_package=True)
    assert [arrow.target for arrow in found] == ["imil_sim.feedback.grid.Grid", "imil_sim.errors.DataError"]


def test_a_circle_is_found() -> None:
    assert set(circles({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_a_room_that_loads_torch_is_seen_at_run_time() -> None:
    done = run_and_watch('import_module("imil_sim.training.overlay")\nreport("twin")')
    assert (done.returncode, done.stdout.split()[:3]) == (1, ["twin", "loaded", "torch"])
