"""Studies small enough to work out by hand, and the frames that tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from imil_sim.report.analysis import Analysis, ReportedRun, analyse
from imil_sim.report.document import Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.results import results_table, run_row
from imil_sim.report.tables.feedback import Replayed
from imil_sim.study.record import Consultation, Predictions, RunRecord, TrainingPredictions
from imil_sim.study.spec import RunSpec
from imil_sim.study.study import parse_study


class HandMade:
    """Makes an analysis from scores written down in a test."""

    def __call__(
        self,
        scores: Mapping[str, Sequence[ArrayLike | None]],
        labels: Sequence[int],
        *,
        classes: tuple[str, ...] = ("normal", "TB"),
        consultations: Mapping[tuple[str, int], Sequence[Consultation]] | None = None,
        training: tuple[Sequence[int], Sequence[float]] | None = None,
        hidden: Sequence[float] | None = None,
        attributes: Mapping[str, tuple[str, ...]] | None = None,
        seconds: Mapping[tuple[str, int], float] | None = None,
        arms: Mapping[str, Mapping[str, Any]] | None = None,
        **study: Any,
    ) -> Analysis:
        """The analysis of a study of these arms.

        Args:
            scores: by arm and seed (0, 1, ...): the probability of class 1 of every image, (n,), or all of them,
                (n, classes); None for a run that is missing.
            labels: of the images.
            classes: their names.
            consultations: by arm and seed.
            training: labels and scores of the training images, the same for every run.
            hidden: scores with the lungs blacked out, the same for every run; none: no lung mask is known.
            attributes: of the images.
            seconds: that the consultations of a run took.
            arms: what the study file says of an arm; no feedback and no augmentation where nothing.
            study: further entries of the study file.
        """
        seeds = max(map(len, scores.values()))
        content = {
            "name": "by-hand", "seeds": seeds, "images": {"source": "phantom", "size": 64, "train": 8, "test": 4},
            "model": {"name": "resnet10"}, "training": {"epochs": 6},
            "arms": {arm: (arms or {}).get(arm, {}) for arm in scores}, **study,
        }  # fmt: skip
        of = parse_study(content, beside=Path(__file__).parent)
        runs = []
        for arm, seed in ((arm, seed) for arm in scores for seed in range(seeds)):
            given = scores[arm][seed]
            if given is None:
                runs.append(ReportedRun(arm, seed))
                continue
            record = RunRecord(
                run_key=f"{arm}{seed}", status="done", spec=RunSpec(arm=of.arms[arm], seed=seed), n_train=8,
                data={"train": "t" * 64, "main": "m" * 64}, n_test={"main": len(labels)}, class_names=classes,
                consultations=tuple((consultations or {}).get((arm, seed), ())),
                environment={"torch": "2.13.0", "device": "cpu"},
                seconds={"consult": (seconds or {}).get((arm, seed), 0)},
            )  # fmt: skip
            predictions = {"main": _predictions(given, labels, hidden, attributes or {})}
            learned = training and TrainingPredictions(np.array(training[0]), _both(training[1]))
            runs.append(ReportedRun(arm, seed, record, predictions, learned))
        return analyse(of, runs)


def _predictions(
    given: ArrayLike, labels: Sequence[int], hidden: Sequence[float] | None, attributes: Mapping[str, tuple[str, ...]]
) -> Predictions:
    shown = np.asarray(given, np.float64)
    shown = _both(given) if shown.ndim == 1 else shown
    nothing, masked = np.full(len(labels), np.nan), np.full(shown.shape, np.nan)
    return Predictions(
        ids=tuple(f"image-{i}" for i in range(len(labels))), labels=np.array(labels), probabilities=shown,
        lungs_hidden=masked if hidden is None else _both(hidden), lungs_only=masked, cam_in_lung=nothing,
        lung_share=nothing, lung_estimated=np.zeros(len(labels), np.bool_), pointing=nothing, attributes=attributes,
        cam_rows=np.zeros(0, np.int64), cams=np.zeros((0, 8, 8), np.uint8),
    )  # fmt: skip


def _both(scores: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    of = np.asarray(scores, np.float64)
    return np.stack([1 - of, of], axis=1)


@pytest.fixture(scope="session")
def hand_made() -> HandMade:
    """Makes an analysis from scores written down in a test; see `HandMade.__call__`."""
    return HandMade()


class Made:
    """Makes the tables of a part."""

    def __call__(self, part: TablePart, analysis: Analysis, replayed: Sequence[Replayed] = ()) -> dict[str, Table]:
        """By name, in their order."""
        frames = {
            name: results_table(
                run_row(run.arm, run.record, (run.predictions or {}).get(name))
                for run in analysis.runs.values()
                if run.record
            )
            for name in analysis.sets
        }
        tables = part.build(ReportData(analysis, frames, replayed=replayed))
        return {table.name: table for table in tables if table is not None}


@pytest.fixture(scope="session")
def made() -> Made:
    """Makes the tables of a part; see `Made.__call__`."""
    return Made()
