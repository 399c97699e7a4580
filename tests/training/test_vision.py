"""The torchvision trap: cured where it is met, untouched where it is not, and never a cover for other failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DESCRIBE_NMS = """
import torch
torch.library.register_fake("torchvision::nms")(lambda dets, scores, iou_threshold: dets)
torch.library.register_fake("torchvision::qnms")(lambda dets, scores, iou_threshold: dets)
"""
"""What the real torchvision does on import, and where it fails when its compiled operators did not load."""

LOAD_OPERATORS = """
import torch
operators = torch.library.Library("torchvision", "DEF")
operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""

COUNT_SCHEMAS = """
import torch
import imil_sim.training.vision as vision
declared = [s.name for s in torch._C._jit_get_all_schemas() if s.name.startswith("torchvision::")]
print(vision.models.WHO, vision.v2.WHO, vision.stand_ins is not None, *sorted(declared))
"""


def run_python(code: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """``code`` in a fresh interpreter, with ``path`` before all installed packages."""
    before = [str(path)] if path else []
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*before, root])}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def write_torchvision(folder: Path, on_import: str) -> Path:
    """A package called torchvision that runs ``on_import`` first and has the two modules we take."""
    package = folder / "torchvision"
    (package / "transforms").mkdir(parents=True)
    (package / "half.py").write_text("")
    (package / "__init__.py").write_text("from torchvision import half\n" + on_import)
    (package / "models.py").write_text('WHO = "models"')
    (package / "transforms" / "__init__.py").write_text("")
    (package / "transforms" / "v2.py").write_text('WHO = "v2"')
    return folder


def test_the_installed_torchvision_imports_and_works_in_a_fresh_interpreter() -> None:
    code = """
import torch
from imil_sim.training.vision import models, torchvision, v2
logits = models.resnet18(num_classes=2).eval()(torch.zeros(1, 3, 32, 32))
images, targets = v2.MixUp(num_classes=2)(torch.zeros(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]))
print(tuple(logits.shape), tuple(targets.shape), hasattr(torch.ops.torchvision, "nms"), torchvision.__name__)
"""
    done = run_python(code)
    assert done.stdout.split("\n")[0] == "(1, 2) (4, 2) True torchvision", done.stderr


def test_the_two_missing_schemas_are_declared_where_the_operators_are_missing(tmp_path: Path) -> None:
    done = run_python(COUNT_SCHEMAS, write_torchvision(tmp_path, DESCRIBE_NMS))
    assert done.stdout.split() == ["models", "v2", "True", "torchvision::nms", "torchvision::qnms"], done.stderr


def test_nothing_is_declared_where_the_operators_are_there(tmp_path: Path) -> None:
    done = run_python(COUNT_SCHEMAS, write_torchvision(tmp_path, LOAD_OPERATORS + DESCRIBE_NMS))
    assert done.stdout.split() == ["models", "v2", "False", "torchvision::nms", "torchvision::qnms"], done.stderr


@pytest.mark.parametrize(
    ("on_import", "message"),
    [
        ('raise RuntimeError("compiled with different CUDA major versions")', "compiled with different CUDA major"),
        ('import torch\ntorch.library.register_fake("torchvision::roi_align")(len)', "roi_align does not exist"),
        ('raise RuntimeError("operator torchvision::nms does not exist")', "nms does not exist"),
    ],
    ids=["another-reason", "another-operator", "not-cured-by-the-schemas"],
)
def test_a_torchvision_that_is_really_broken_still_raises(tmp_path: Path, on_import: str, message: str) -> None:
    done = run_python("import imil_sim.training.vision", write_torchvision(tmp_path, on_import))
    assert done.returncode == 1
    assert message in done.stderr.strip().split("\n")[-1]
