"""imil-sim: what is clinician feedback worth when a medical image classifier is trained with it?

    import imil_sim as im

    results = im.run("demo", store="runs")
    im.differences(results)

Parts and types are loaded when they are first used, so that importing this package loads neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from imil_sim.api import (
    check,
    compare,
    differences,
    export,
    load_images,
    load_study,
    plan,
    predictions,
    results,
    run,
    stored,
    write_report,
)
from imil_sim.progress import Progress

if TYPE_CHECKING:  # what a type checker and an editor see; `__getattr__` finds the same by `_WHERE`
    from imil_sim.callback import IMIL
    from imil_sim.dataset import to_model_input
    from imil_sim.engine.study_run import StudyPlan
    from imil_sim.feedback import Feedback, Grid, Oracle, Question, make_oracle
    from imil_sim.feedback.fill import blackout
    from imil_sim.feedback.selection import select
    from imil_sim.output.own_runs import record_run
    from imil_sim.output.report import StudyResults
    from imil_sim.testing import check_oracle
    from imil_sim.training.cam import grad_cam

_WHERE = {
    "Feedback": "feedback", "Grid": "feedback", "IMIL": "callback", "Oracle": "feedback", "Question": "feedback",
    "StudyPlan": "engine.study_run", "StudyResults": "output.report", "blackout": "feedback.fill",
    "check_oracle": "testing", "grad_cam": "training.cam", "make_oracle": "feedback",
    "record_run": "output.own_runs", "select": "feedback.selection", "to_model_input": "dataset",
}  # fmt: skip

__all__ = [
    "IMIL", "Feedback", "Grid", "Oracle", "Progress", "Question", "StudyPlan", "StudyResults", "__version__",
    "blackout", "check", "check_oracle", "compare", "differences", "export", "grad_cam", "load_images", "load_study",
    "make_oracle", "plan", "predictions", "record_run", "results", "run", "select", "stored", "to_model_input",
    "write_report",
]  # fmt: skip

try:
    __version__ = version("imil-sim")
except PackageNotFoundError:  # the source tree is on the path without having been installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"imil_sim.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
