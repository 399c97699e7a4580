"""torchvision, importable beside a CPU-only torch as well; import it from here and nowhere else.

The torchvision wheel most people get is built against CUDA torch. Beside a CPU-only torch its compiled operators cannot
be loaded, and ``import torchvision`` fails ("operator torchvision::nms does not exist") where it describes the output
of two of them. Nothing here needs those operators, so it is enough that their names exist: this module declares the two
schemas without an implementation (calling one still fails, loudly) and imports again. Where torchvision imports as it
is, nothing is declared; any other failure of the import is raised as it came.

    from imil_sim.training.vision import models, v2
"""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType
from typing import Any, Final

import torch

SCHEMAS: Final = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
"""Name to schema, as torchvision itself declares them."""

_TRAP: Final = re.compile(rf"operator torchvision::({'|'.join(SCHEMAS)}) does not exist")


def import_torchvision() -> tuple[ModuleType, torch.library.Library | None]:
    """torchvision, and the library that holds the stand-in schemas (none where torchvision needed no help).

    The schemas live as long as the library does, so the caller keeps it. The cure comes after the failure and not
    before the import: a schema declared beforehand would collide with the real operators where those can be loaded.

    Raises:
        Exception: whatever ``import torchvision`` raises, unless it is the one failure that the schemas cure.
    """
    try:
        return importlib.import_module("torchvision"), None
    except RuntimeError as error:
        if not _TRAP.search(str(error)):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # the halves that the failed import left behind
    # FRAGMENT, not DEF: another package in this process may have cured the same trap before us
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    return importlib.import_module("torchvision"), library


torchvision, stand_ins = import_torchvision()
models: Any = importlib.import_module("torchvision.models")
v2: Any = importlib.import_module("torchvision.transforms.v2")

__all__ = ["SCHEMAS", "import_torchvision", "models", "stand_ins", "torchvision", "v2"]
