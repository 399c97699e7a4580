"""Looking at a study before anything runs: whatever can be wrong is said now, all of it at once."""

from __future__ import annotations

from collections.abc import Callable

from imil_sim.engine.data import ImageLibrary
from imil_sim.errors import DataError, StudyError, UsageError, gathered, listed
from imil_sim.feedback import make_oracle
from imil_sim.study.spec import ArmSpec
from imil_sim.study.study import Study
from imil_sim.training.models import check_model


def check_study(study: Study, library: ImageLibrary) -> None:
    """Nothing, if every run of the study can begin: models, oracles, grids, and then the images are looked at.

    Raises:
        StudyError: something in the arms is wrong; all of it is listed at once.
        DataError: the images cannot be used.
    """
    checks: tuple[Callable[[ArmSpec], None], ...] = (
        lambda arm: check_model(arm.model, study.beside),
        _check_oracle,
        _check_grid,
    )
    problems: list[tuple[str, str]] = []
    for name, arm in study.arms.items():
        for check in checks:
            try:
                check(arm)
            except (UsageError, DataError) as error:
                problems.append((f"arms.{name}", str(error)))
    if problems:
        raise StudyError(f"study {study.name} cannot be run:{listed(gathered(problems))}")
    for _, run in study.runs():
        library.of_run(run)


def _check_oracle(arm: ArmSpec) -> None:
    if arm.feedback:
        make_oracle(arm.feedback.oracle, arm.feedback.options)


def _check_grid(arm: ArmSpec) -> None:
    if arm.feedback and max(arm.feedback.grid_size) > arm.images.size:
        rows, cols = arm.feedback.grid_size
        raise StudyError(
            f"feedback.grid_size: a grid of {rows} x {cols} has more cells a side than the images have pixels "
            f"({arm.images.size}); use a coarser grid or larger images"
        )
