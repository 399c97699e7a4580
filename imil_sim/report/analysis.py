"""The analysis of a study: from the records and predictions of its runs to every number that a report shows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import listed
from imil_sim.report import controls
from imil_sim.report.sweeps import SweepResult, sweep_results
from imil_sim.stats import (
    ArmSummary,
    Comparison,
    Components,
    Resplit,
    compare,
    components_of,
    metric_named,
    metric_names,
    summarise,
)
from imil_sim.study.record import Predictions, RunRecord, TrainingPredictions
from imil_sim.study.spec import ArmSpec
from imil_sim.study.study import Study

Status = Literal["done", "failed", "waiting", "missing"]

MAIN = "main"
"""What records call the study's own test set."""

Run = tuple[str, int]
"""Arm and seed."""


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
        if of := aligned(name, study, done):
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


def _done(run: ReportedRun) -> DoneRun | None:
    if run.status != "done" or run.record is None:
        return None
    if not run.predictions or (lost := sorted(set(run.record.n_test) - set(run.predictions))):
        what = f"on the test set {', '.join(lost)}" if run.predictions else "at all"
        raise ValueError(f"{run.arm}, seed {run.seed}: the run is done, but no predictions were given {what}")
    return DoneRun(run.record, run.predictions)


def _set_names(done: Iterable[DoneRun]) -> list[str]:
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
        incomparable=of.incomparable,
    )


def _exploratory(study: Study) -> list[tuple[str, str]]:
    """Every arm that no plan compares with the reference, with the reference."""
    planned = {frozenset(pair) for pair in study.comparisons}
    return [(arm, study.reference) for arm in study.arms if arm != study.reference and
            frozenset((arm, study.reference)) not in planned]  # fmt: skip


def unlike_environments(records: Iterable[RunRecord]) -> str:
    """``torch 2.12 (3 runs), 2.13 (5 runs); ...``: in what the runs of one comparison differ besides their specs.

    Versions and hardware of the records of all runs that are done; empty where they are the same throughout.
    """
    environments = [record.environment for record in records if record.status == "done"]
    found = []
    for name in sorted({name for environment in environments for name in environment}):
        counts = Counter(environment.get(name, "unknown") for environment in environments)
        if len(counts) > 1:
            found.append(
                f"{name} "
                + ", ".join(f"{value} ({count} run{'s' * (count != 1)})" for value, count in sorted(counts.items()))
            )
    return "; ".join(found)


# --------------------------------------------------------------------------- runs that were tested on the same images


class DoneRun(NamedTuple):
    """A run that is done."""

    record: RunRecord
    predictions: Mapping[str, Predictions]


@dataclass(frozen=True, slots=True, eq=False)
class AlignedPredictions:
    """The runs that were tested on one test set, arms and seeds in the order of the study."""

    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    """Empty where every seed has its own images."""
    labels: NDArray[np.int64] | None
    """(images,); None where every seed has its own images."""
    probabilities: NDArray[np.float64] | None
    """(arms, seeds, images, classes), NaN where a run is not done or cannot be compared; None as above."""
    runs: Mapping[Run, Predictions]
    """Those that can be compared."""
    resplit: Resplit | None
    """Set where every seed has its own images."""
    incomparable: Mapping[str, str]
    """Why runs of an arm that are done cannot be compared."""

    def components(self, study: Study, metric: str) -> Components:
        """The metric of every run with what each image adds to it."""
        if self.labels is not None and self.probabilities is not None and self.resplit is None:
            return components_of(metric, self.labels, self.probabilities)
        assert self.resplit is not None
        of = metric_named(metric)
        values = np.full((len(study.arms), len(study.seeds)), math.nan)
        for place, run in _places(study):
            if run in self.runs:
                values[place] = of.value(np.asarray(self.runs[run].labels), self.runs[run].probabilities)
        return Components.of_splits(metric, values, self.resplit)


def aligned(name: str, study: Study, done: Mapping[Run, DoneRun]) -> AlignedPredictions | None:
    """What the runs say of the test set of that name; None where none of them has predictions that are numbers.

    Runs can be compared where they were tested on the same images with the same labels as the reference's: of a split
    per seed, seed by seed. (While no run of the reference is done, the first arm takes its place.) Arms that were not,
    and runs whose predictions are not numbers, are left out and named.

    Raises:
        ValueError: seeds of one arm were tested on different images though its split is the same for all of them.
    """
    shown = {run: found.predictions[name] for run, found in done.items() if name in found.predictions}
    order = [arm for arm in dict.fromkeys([study.reference, *study.arms]) if any(run[0] == arm for run in shown)]
    incomparable = {arm: "it was not tested on this set" for arm, _ in done if arm not in order}
    if not order:
        return None
    per_seed = _per_seed(name, study.arms[order[0]])
    standards: dict[int | None, Run] = {}
    for arm in order:
        own = [run for run in shown if run[0] == arm]
        if not _per_seed(name, study.arms[arm]):
            _check_one_set(name, own, shown)
        pairs = [(standards.get(run[1] if per_seed else None), run) for run in own]
        unlike = next((why for to, run in pairs if to and (why := _unlike(name, to, run, study, done))), "")
        if unlike:
            incomparable[arm] = unlike
            continue
        for run in own:
            standards.setdefault(run[1] if per_seed else None, run)
    compared = {run: found for run, found in shown.items() if run[0] not in incomparable}
    finite = {run: found for run, found in compared.items() if np.isfinite(found.probabilities).all()}
    incomparable |= _not_numbers(run for run in compared if run not in finite)
    if not finite:
        return None
    class_names = done[next(iter(finite))].record.class_names
    if per_seed:
        sizes = Resplit(
            min(done[run].record.n_train for run in finite), max(len(found.ids) for found in finite.values())
        )
        return AlignedPredictions(class_names, (), None, None, finite, sizes, incomparable)
    first = next(iter(finite.values()))
    probabilities = np.full((len(study.arms), len(study.seeds), *first.probabilities.shape), math.nan)
    for place, run in _places(study):
        if run in finite:
            probabilities[place] = finite[run].probabilities
    return AlignedPredictions(
        class_names, first.ids, np.asarray(first.labels), probabilities, finite, None, incomparable
    )


def _places(study: Study) -> Iterable[tuple[tuple[int, int], Run]]:
    """The place in the arrays of every expected run."""
    for a, arm in enumerate(study.arms):
        for s, seed in enumerate(study.seeds):
            yield (a, s), (arm, seed)


def _per_seed(name: str, arm: ArmSpec) -> bool:
    """Whether every seed of the arm has images of its own in this set; further test sets are never split."""
    return name == MAIN and arm.split.method == "per-seed"


def _check_one_set(name: str, runs: list[Run], shown: Mapping[Run, Predictions]) -> None:
    first, *others = runs
    if unlike := [seed for arm, seed in others if not _same_images(shown[first], shown[arm, seed])]:
        raise ValueError(
            f"all seeds of arm {first[0]!r} are tested on one set {name!r}, and yet images or labels of seeds {unlike} "
            f"are not those of seed {first[1]}: their predictions cannot belong to one study"
        )


def _same_images(one: Predictions, other: Predictions) -> bool:
    return one.ids == other.ids and np.array_equal(one.labels, other.labels)


def _unlike(name: str, to: Run, run: Run, study: Study, done: Mapping[Run, DoneRun]) -> str:
    """Why a run cannot be compared with another one; empty where it can."""
    (ours, shown), (theirs, their_shown) = done[run], done[to]
    if shown[name].probabilities.shape[1] != their_shown[name].probabilities.shape[1] or (
        ours.class_names != theirs.class_names
    ):
        return f"it has other classes than {to[0]}"
    # Equal ids do not make equal images: two phantoms number theirs alike. Equal images may have unlike fingerprints:
    # they were brought to another size.
    same_source = _placed(name, study.arms[run[0]]) == _placed(name, study.arms[to[0]])
    same_data = ours.data.get(name) == theirs.data.get(name)
    if not _same_images(shown[name], their_shown[name]) or not (same_source or same_data):
        return f"it was tested on other images than {to[0]}"
    return ""


def _placed(name: str, arm: ArmSpec) -> dict[str, object]:
    """The source of a test set, apart from the size of its images."""
    source = arm.images if name == MAIN else arm.test_sets.get(name)
    return source.model_dump(exclude={"size"}) if source else {}


def _not_numbers(runs: Iterable[Run]) -> dict[str, str]:
    seeds: dict[str, list[int]] = {}
    for arm, seed in runs:
        seeds.setdefault(arm, []).append(seed)
    return {
        arm: f"its predictions are not numbers in seed{'s' * (len(own) > 1)} {', '.join(map(str, own))}"
        for arm, own in seeds.items()
    }
