"""Looking at a study before anything runs: whatever can be wrong is said now, all of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from imil_sim.engine.data import ImageLibrary
from imil_sim.errors import MOST_LISTED, DataError, OracleError, StudyError, UsageError, gathered, listed
from imil_sim.feedback import Grid, make_oracle
from imil_sim.sessions.recorded import misfits, unnameable, warnings_of
from imil_sim.study.spec import ArmSpec, FeedbackSpec, ModelSpec, canonical
from imil_sim.study.study import Study
from imil_sim.training.cam import grad_cam
from imil_sim.training.models import build, check_model
from imil_sim.training.numerics import deterministic


def check_study(study: Study, library: ImageLibrary) -> None:
    """Check that every run of the study can begin: oracles, grids, models, and then the images are looked at.

    Raises:
        StudyError: something in the arms is wrong, or an oracle does not fit the images; all of it is listed.
        DataError: the images cannot be used.
    """
    check_arms(study)
    for _, run in study.runs():
        library.of_run(run)
    problems: list[tuple[str, str]] = []
    found: dict[str, list[str]] = {}
    for name, arm in study.arms.items():
        asked = arm.feedback and [arm.feedback.oracle, arm.feedback.options, arm.feedback.grid_size]
        what = canonical([arm.images.text, asked])
        if what not in found:  # once for all arms alike: making an oracle takes its time
            found[what] = [*_misfits(arm, library, record=study.record)]
        problems += [(f"arms.{name}", told) for told in found[what]]
    if problems:
        raise StudyError(f"study {study.name} cannot be run:{listed(gathered(problems))}")


def check_arms(study: Study) -> None:
    """Check the arms; the images are not looked at.

    Raises:
        StudyError: something is; all of it is listed at once.
    """
    problems: list[tuple[str, str]] = []
    tried: dict[tuple[ModelSpec, int], str] = {}
    asked: dict[str, str] = {}
    for name, arm in study.arms.items():
        kind = arm.model, arm.images.size
        if kind not in tried:
            tried[kind] = _model_problem(arm.model, arm.images.size, study.beside)
        found = [*_feedback_problems(arm, asked), tried[kind]]
        problems += [(f"arms.{name}", problem.replace("\n", "\n    ")) for problem in found if problem]
    if problems:
        raise StudyError(f"study {study.name} cannot be run:{listed(gathered(problems))}")


def _feedback_problems(arm: ArmSpec, asked: dict[str, str]) -> Iterator[str]:
    """What is wrong with an arm's feedback; ``asked`` remembers oracles, since looking one up takes its time."""
    if arm.feedback is None:
        return
    recipe = canonical([arm.feedback.oracle, arm.feedback.options])
    if recipe not in asked:
        asked[recipe] = _oracle_problem(arm.feedback)
    yield asked[recipe]
    (rows, cols), size = arm.feedback.grid_size, arm.images.size
    if max(rows, cols) > size:
        yield (
            f"feedback.grid_size: a grid of {rows} x {cols} has more cells a side than the images have pixels "
            f"({size}); use a coarser grid or larger images"
        )


def _oracle_problem(feedback: FeedbackSpec) -> str:
    try:
        make_oracle(feedback.oracle, feedback.options)
    except OracleError as error:
        return str(error)
    return ""


def warnings_of_records(study: Study) -> list[str]:
    """What the user should be told of the answers that were recorded for the study's oracles."""
    oracles = [make_oracle(arm.feedback.oracle, arm.feedback.options) for arm in study.arms.values() if arm.feedback]
    return [told for oracle in oracles for told in warnings_of(oracle)]


def _misfits(arm: ArmSpec, library: ImageLibrary, *, record: bool) -> Iterator[str]:
    """Why an arm's oracle cannot be asked about its images, and why its answers could not be recorded."""
    if arm.feedback is None:
        return
    oracle = make_oracle(arm.feedback.oracle, arm.feedback.options)
    images = library.image_index(arm.images)
    if found := misfits(oracle, images, Grid(*arm.feedback.grid_size)):
        yield _told(f"feedback.oracle: {arm.feedback.oracle} does not fit the images or the grid:", found)
    if record and (found := unnameable(images)):
        yield _told("record = true: no session can hold these; give them other names, or set record = false:", found)


def _told(what: str, found: Sequence[str]) -> str:
    """A problem with its parts below it, the first few of them."""
    more = [f"and {len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else []
    return f"{what}{listed([*found[:MOST_LISTED], *more])}".replace("\n", "\n    ")


def _model_problem(spec: ModelSpec, size: int, beside: Path) -> str:
    """Why the model cannot be used on images of that size; empty where it can, as one blank image shows."""
    try:
        check_model(spec, beside)
        model = build(spec, classes=2, size=size, seed=0, beside=beside)
        with deterministic():
            grad_cam(model, torch.zeros(1, 3, size, size), np.zeros(1, np.int64), layer=spec.cam_layer)
    except (UsageError, DataError) as error:
        return str(error)
    except OSError as error:  # the one thing that is not on this machine: torchvision's own weights
        return f"model.weights: {error}; fetch them once with a network, or give a local weights file"
    except Exception as error:  # torch's many words for a picture of a size that a model cannot take
        reason = (str(error).splitlines() or [""])[0]
        return (
            f'model.name: "{spec.name}" cannot be used on images of {size} x {size} pixels '
            f"({type(error).__name__}: {reason}); give images.size another value, or take another model"
        )
    return ""
