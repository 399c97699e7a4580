"""imil-sim: what is clinician feedback worth when a medical image classifier is trained with it?

    import imil_sim as im

    results = im.run("demo", store="runs")
    im.differences(results)

Every name below is loaded when it is first used, so that importing this package loads neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what a type checker and an editor see; `__getattr__` finds the same by `_WHERE`
    from imil_sim.api import Progress as Progress
    from imil_sim.api import StudyPlan as StudyPlan
    from imil_sim.api import StudyResults as StudyResults
    from imil_sim.api import check as check
    from imil_sim.api import compare as compare
    from imil_sim.api import differences as differences
    from imil_sim.api import export as export
    from imil_sim.api import load_study as load_study
    from imil_sim.api import plan as plan
    from imil_sim.api import predictions as predictions
    from imil_sim.api import results as results
    from imil_sim.api import run as run
    from imil_sim.api import stored as stored
    from imil_sim.api import write_report as write_report
    from imil_sim.feedback import Feedback as Feedback
    from imil_sim.feedback import Grid as Grid
    from imil_sim.feedback import Oracle as Oracle
    from imil_sim.feedback import Question as Question
    from imil_sim.feedback import make_oracle as make_oracle
    from imil_sim.feedback.fill import blackout as blackout
    from imil_sim.feedback.selection import select as select
    from imil_sim.testing import check_oracle as check_oracle
    from imil_sim.training.cam import grad_cam as grad_cam

_WHERE = {
    "imil_sim.api": (
        "Progress", "StudyPlan", "StudyResults", "check", "compare", "differences", "export", "load_study", "plan",
        "predictions", "results", "run", "stored", "write_report",
    ),
    "imil_sim.feedback": ("Feedback", "Grid", "Oracle", "Question", "make_oracle"),
    "imil_sim.feedback.fill": ("blackout",),
    "imil_sim.feedback.selection": ("select",),
    "imil_sim.testing": ("check_oracle",),
    "imil_sim.training.cam": ("grad_cam",),
}  # fmt: skip
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = ["__version__", *sorted(_MODULES)]

try:
    __version__ = version("imil-sim")
except PackageNotFoundError:  # the source tree is on the path without having been installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
