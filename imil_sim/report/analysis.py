"""The analysis of a study: from the records and predictions of its runs to every number that a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import listed
from imil_sim.report import controls
from imil_sim.report.aligned import MAIN, AlignedPredictions, Done, Run, tested
from imil_sim.report.results import unlike_environments
from imil_sim.report.sweeps import Line, SweepResult, lines, sweep_results
from imil_sim.stats import (
    ArmSummary,
    Comparison,
    Components,
    Inferences,
    compare,
    metric_named,
    metric_names,
    summarise,
    trend,
)
from imil_sim.study.record import Predictions, RunRecord, TrainingPredictions
from imil_sim.study.study import Study

Status = Literal["done", "failed", "waiting", "missing"]


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """One expected run of a study and what is there of it."""

    arm: str
    seed: int
    record: RunRecord | None = None
    """None: the run is missing."""
    predictions: Mapping[str, Predictions] | None = None
    """By test set, the study's own called ``main``; None unless the run is done."""
    training: TrainingPredictions | None = None
    """On the training images as they were before any feedback; None unless the run is done."""

    @property
    def status(self) -> Status:
        """How it fared."""
        return self.record.status if self.record else "missing"


@dataclass(frozen=True, slots=True)
class SweepTrend:
    """A numeric field of a sweep, or its named points, and the slope of every metric over it, for one base arm."""

    sweep: str
    base: str
    """The arm that was varied."""
    field: str
    """Such as ``feedback.num_outliers``; of named points the number that tells them apart, see `sweeps.Line`."""
    levels: tuple[float, ...]
    """Ascending; of named points in their order, and empty where no one number tells them apart."""
    arms: tuple[str, ...]
    """The arm of each level."""
    slopes: Mapping[str, Inferences]
    """Per doubling where every level is above 0 and the largest at least four times the smallest, else per unit; empty
    where there are no levels."""
    per: Literal["unit", "doubling"]
    labels: tuple[str, ...] = ()
    """The names of the points; empty where a field was moved."""


@dataclass(frozen=True, slots=True, eq=False)
class SetAnalysis:
    """Everything about one test set; arms and seeds in the order of the study."""

    name: str
    """``main`` or the name of a further test set."""
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    """Of the test images; empty where every seed has its own."""
    labels: NDArray[np.int64] | None
    """(images,); None where every seed has its own test images."""
    probabilities: NDArray[np.float64] | None
    """(arms, seeds, images, classes), a run that is not done NaN throughout; None where seeds have their own images."""
    components: Mapping[str, Components]
    """The primary metric first; those of the positive class are left out where there are more than two."""
    arms: Mapping[str, tuple[ArmSummary, ...]]
    """One summary an arm, in their order."""
    planned: Mapping[str, tuple[Comparison, ...]]
    """In the order of `Study.comparisons`, Holm within the metric."""
    exploratory: Mapping[str, tuple[Comparison, ...]]
    """Every other arm against the reference, Benjamini-Hochberg within the metric: the levels of the sweeps."""
    trends: tuple[SweepTrend, ...]
    sweeps: tuple[SweepResult, ...]
    """Sweep by sweep and base arm by base arm within each metric, the metrics in their order."""
    incomparable: Mapping[str, str]
    """By arm: why runs of it that are done are NaN here, such as other test images than the reference's."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A study with the numbers of all its runs."""

    study: Study
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: Mapping[tuple[str, int], ReportedRun]
    """By arm and seed; every expected run is here."""
    sets: Mapping[str, SetAnalysis]
    """By test set, ``main`` first; empty where no run is done."""
    placebo: str | None
    """The arm that forks and replaces nothing, if the study has one."""
    random_cells: Mapping[str, str]
    """For an arm of feedback, the arm of random cells in the same number that differs from it in the oracle only."""
    environments: str
    """In what the runs differ besides their specs; empty where in nothing."""

    def place(self, arm: str) -> int:
        """Of an arm on the first axis of the arrays."""
        return self.arms.index(arm)


def analyse(study: Study, runs: Sequence[ReportedRun], *, metrics: Sequence[str] | None = None) -> Analysis:
    """The analysis of every expected run of a study.

    Args:
        study: as its file stands now.
        runs: one for every arm and seed of the study, in any order.
        metrics: names of those to work out, the primary one first; None: all that are installed.

    Raises:
        ValueError: a run is not expected, comes twice, or is not there; a run that is done has no predictions; or runs
            of one arm were tested on different images though it has one split for all seeds.
    """
    reported = _expected(study, runs)
    asked = metric_names() if metrics is None else metrics
    done = {place: found for place, run in reported.items() if (found := _done(run))}
    sets = {}
    for name in _set_names(done.values()):
        if of := tested(name, study, done):
            sets[name] = _of_set(name, study, of, asked)
    return Analysis(
        study=study,
        arms=tuple(study.arms),
        seeds=study.seeds,
        runs=reported,
        sets=sets,
        placebo=controls.placebo(study),
        random_cells=controls.random_cells(study),
        environments=unlike_environments(run.record for run in reported.values() if run.record),
    )


def _expected(study: Study, runs: Sequence[ReportedRun]) -> dict[Run, ReportedRun]:
    """The runs by arm and seed, in the order of the study."""
    expected = [(arm, seed) for arm in study.arms for seed in study.seeds]
    times = Counter((run.arm, run.seed) for run in runs)
    problems = [
        *(f"{arm}, seed {seed}: is no run of study {study.name!r}" for arm, seed in times.keys() - set(expected)),
        *(f"{arm}, seed {seed}: is given {count} times" for (arm, seed), count in times.items() if count > 1),
        *(f"{arm}, seed {seed}: is not given; a run that left no record is given without one"
          for arm, seed in expected if (arm, seed) not in times),
    ]  # fmt: skip
    if problems:
        raise ValueError(f"a report is of every run of its study, each once:{listed(sorted(problems))}")
    by_place = {(run.arm, run.seed): run for run in runs}
    return {place: by_place[place] for place in expected}


def _done(run: ReportedRun) -> Done | None:
    if run.status != "done" or run.record is None:
        return None
    if not run.predictions or (lost := sorted(set(run.record.n_test) - set(run.predictions))):
        what = f"on the test set {', '.join(lost)}" if run.predictions else "at all"
        raise ValueError(f"{run.arm}, seed {run.seed}: the run is done, but no predictions were given {what}")
    return Done(run.record, run.predictions)


def _set_names(done: Iterable[Done]) -> list[str]:
    """All test sets, the study's own first, the further ones in the order of the records."""
    names = dict.fromkeys(name for run in done for name in (*run.record.n_test, *run.predictions))
    return sorted(names, key=lambda name: name != MAIN)


def _of_set(name: str, study: Study, of: AlignedPredictions, metrics: Sequence[str]) -> SetAnalysis:
    place = {arm: number for number, arm in enumerate(study.arms)}
    planned = [(place[arm], place[reference]) for arm, reference in study.comparisons]
    exploratory = [(place[arm], place[reference]) for arm, reference in _exploratory(study)]
    classes = next(iter(of.runs.values())).probabilities.shape[1]
    components = {
        metric: of.components(study, metric) for metric in metrics if classes == 2 or not metric_named(metric).binary
    }
    return SetAnalysis(
        name=name,
        class_names=of.class_names,
        ids=of.ids,
        labels=of.labels,
        probabilities=of.probabilities,
        components=components,
        arms={
            metric: tuple(summarise(known, arm) for arm in range(len(place))) for metric, known in components.items()
        },
        planned={metric: compare(known, planned) for metric, known in components.items()},
        exploratory={
            metric: compare(known, exploratory, adjustment="benjamini-hochberg") for metric, known in components.items()
        },
        sweeps=sweep_results(study, components, {arm for arm, _ in of.runs}),
        trends=tuple(_trend(line, place, components) for line in lines(study, {arm for arm, _ in of.runs})),
        incomparable=of.incomparable,
    )


def _exploratory(study: Study) -> list[tuple[str, str]]:
    """Every arm that no plan compares with the reference, with the reference."""
    planned = {frozenset(pair) for pair in study.comparisons}
    return [(arm, study.reference) for arm in study.arms if arm != study.reference and
            frozenset((arm, study.reference)) not in planned]  # fmt: skip


def _trend(line: Line, place: Mapping[str, int], components: Mapping[str, Components]) -> SweepTrend:
    slopes = {}
    if line.levels:
        steps = {place[arm]: step for arm, step in zip(line.arms, line.steps.tolist(), strict=True)}
        slopes = {metric: trend(known, steps) for metric, known in components.items()}
    return SweepTrend(line.sweep, line.base, line.field, line.levels, line.arms, slopes, line.per, line.labels)
