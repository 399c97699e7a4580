"""The analysis of a study: from the records and predictions of its runs to every number that a report shows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import several
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
from imil_sim.study.spec import ArmSpec, FeedbackSpec
from imil_sim.study.study import Study

Status = Literal["done", "failed", "waiting", "missing"]

MAIN = "main"
"""What records call the study's own test set."""

ABSTAIN, RANDOM_CELLS = "abstain", "random-cells"
"""Names of the oracles that controls are made of."""

Run = tuple[str, int]
"""Arm and seed."""


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """One expected run of a study and what is there of it."""

    arm: str
    seed: int
    record: RunRecord | None = None
    """None: the run is missing."""
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    """By test set, the study's own called ``main``; empty unless the run is done."""
    training: TrainingPredictions | None = None
    """On the training images as they were before any feedback; None unless the run is done."""

    @property
    def status(self) -> Status:
        """What became of it."""
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

    @property
    def primary(self) -> str:
        """The metric that claims rest on: the first of the analysis."""
        return next(iter(self.components))


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A study with the numbers of all its runs."""

    study: Study
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: Mapping[Run, ReportedRun]
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

    def records(self, arm: str) -> list[RunRecord]:
        """Of the runs of an arm that are done."""
        runs = (self.runs[arm, seed] for seed in self.seeds)
        return [run.record for run in runs if run.record and run.status == "done"]


def analyse(study: Study, runs: Sequence[ReportedRun], *, metrics: Sequence[str] | None = None) -> Analysis:
    """The analysis of every expected run of a study.

    Args:
        study: as its file stands now.
        runs: one for every arm and seed of the study, in any order.
        metrics: names of those to work out, the primary one first; None: all that are installed.

    Raises:
        ValueError: the runs are not those of the study, each once; or a run that is done has no predictions.
    """
    given = {(run.arm, run.seed): run for run in runs}
    expected = [(arm, seed) for arm in study.arms for seed in study.seeds]
    if len(runs) != len(expected) or given.keys() != set(expected):
        unlike = sorted(given.keys() ^ set(expected))
        raise ValueError(f"a report is of every run of its study, each once; of {len(runs)} given not so: {unlike}")
    done = {place: given[place] for place in expected if given[place].status == "done"}
    names = dict.fromkeys(
        name for run in done.values() if run.record for name in (*run.record.n_test, *run.predictions)
    )
    asked = metric_names() if metrics is None else metrics
    controls = placebo(study), random_cells(study)
    found = {name: _set(name, study, done, asked, controls) for name in sorted(names, key=lambda name: name != MAIN)}
    return Analysis(
        study=study,
        arms=tuple(study.arms),
        seeds=study.seeds,
        runs={place: given[place] for place in expected},
        sets={name: of for name, of in found.items() if of},
        placebo=controls[0],
        random_cells=controls[1],
        environments=unlike_environments(run.record for run in done.values() if run.record),
    )


def _set(
    name: str,
    study: Study,
    done: Mapping[Run, ReportedRun],
    metrics: Sequence[str],
    controls: tuple[str | None, Mapping[str, str]],
) -> SetAnalysis | None:
    """Everything about one test set; None where no run has predictions that are numbers for it."""
    runs, incomparable = _comparable(name, study, done)
    if not runs:
        return None
    first, *_ = runs.values()
    classes, shape = first.probabilities.shape[1], (len(study.arms), len(study.seeds))
    place = {arm: number for number, arm in enumerate(study.arms)}
    places = {(arm, seed): (place[arm], study.seeds.index(seed)) for arm, seed in runs}
    split = _per_seed(name, study.arms[next(iter(runs))[0]])
    probabilities = np.full((0 if split else len(study.arms), len(study.seeds), *first.probabilities.shape), math.nan)
    if not split:
        for run, of in runs.items():
            probabilities[places[run]] = of.probabilities

    def components(metric: str) -> Components:
        if not split:
            return components_of(metric, np.asarray(first.labels), probabilities)
        values = np.full(shape, math.nan)
        for run, of in runs.items():
            values[places[run]] = metric_named(metric).value(np.asarray(of.labels), of.probabilities)
        n_train = min(record.n_train for run in runs if (record := done[run].record))
        return Components.of_splits(metric, values, Resplit(n_train, max(len(of.ids) for of in runs.values())))

    of_metric = {metric: components(metric) for metric in metrics if classes == 2 or not metric_named(metric).binary}
    planned = [(place[arm], place[reference]) for arm, reference in study.comparisons]
    others = [(number, place[study.reference]) for arm, number in place.items() if arm != study.reference]
    exploratory = [pair for pair in others if pair not in planned and pair[::-1] not in planned]
    record = done[next(iter(runs))].record
    return SetAnalysis(
        name=name,
        class_names=record.class_names if record else (),
        ids=() if split else first.ids,
        labels=None if split else np.asarray(first.labels),
        probabilities=None if split else probabilities,
        components=of_metric,
        arms={metric: tuple(summarise(of, arm) for arm in range(len(place))) for metric, of in of_metric.items()},
        planned={metric: compare(of, planned) for metric, of in of_metric.items()},
        exploratory={
            metric: compare(of, exploratory, adjustment="benjamini-hochberg") for metric, of in of_metric.items()
        },
        sweeps=sweep_results(study, of_metric, {arm for arm, _ in runs}, *controls),
        incomparable=incomparable,
    )


# --------------------------------------------------------------------------- runs that were tested on the same images


def _comparable(
    name: str, study: Study, done: Mapping[Run, ReportedRun]
) -> tuple[dict[Run, Predictions], dict[str, str]]:
    """What the runs say of a test set, in the order of the study; and, by arm, why runs of it are left out.

    Runs can be compared where they were tested on the same images with the same labels as the reference's: of a split
    per seed, seed by seed. (While no run of the reference is done, the first arm takes its place.)
    """
    found: dict[Run, Predictions] = {}
    incomparable: dict[str, str] = {}
    standards: dict[int | None, ReportedRun] = {}
    per_seed = False
    for arm in dict.fromkeys([study.reference, *study.arms]):
        of_arm = [run for (of, _), run in done.items() if of == arm]
        own = [run for run in of_arm if name in run.predictions]
        if lost := [run.seed for run in of_arm if run.record and name in run.record.n_test and run not in own]:
            raise ValueError(f"{arm}, seeds {lost}: done, but no predictions were given on the test set {name}")
        if not own:
            incomparable |= {arm: "it was not tested on this set"} if of_arm else {}
            continue
        if not standards:
            per_seed = _per_seed(name, study.arms[arm])
            standards[own[0].seed if per_seed else None] = own[0]
        pairs = [(run, standards.get(run.seed if per_seed else None)) for run in own]
        if why := next((why for run, to in pairs if to and (why := unlike(name, to, run))), ""):
            incomparable[arm] = why
            continue
        for run in own:
            standards.setdefault(run.seed if per_seed else None, run)
        finite = {run.seed: bool(np.isfinite(run.predictions[name].probabilities).all()) for run in own}
        if broken := [str(seed) for seed, numbers in finite.items() if not numbers]:
            incomparable[arm] = f"its predictions are not numbers in seed{'s' * (len(broken) > 1)} {', '.join(broken)}"
        found |= {(arm, run.seed): run.predictions[name] for run in own if finite[run.seed]}
    return {run: found[run] for run in done if run in found}, incomparable


def unlike(name: str, one: ReportedRun, other: ReportedRun, *, ordered: bool = True) -> str:
    """Why another run cannot be compared with one on a test set; empty where it can.

    Equal ids do not make equal images: two phantoms number theirs alike. Their fingerprints are equal, or they are of
    one source and were brought to two sizes. The images need not come in the same order where ``ordered`` is false.
    """
    assert one.record is not None
    assert other.record is not None
    ours, theirs = one.predictions[name], other.predictions[name]
    classes = ours.probabilities.shape[1] == theirs.probabilities.shape[1]
    if not classes or one.record.class_names != other.record.class_names:
        return f"it has other classes than {one.arm}"
    images = [[*zip(of.ids, of.labels.tolist(), strict=True)] for of in (ours, theirs)]
    arms = one.record.spec.arm, other.record.spec.arm
    sources = [arm.images if name == MAIN else arm.test_sets.get(name) for arm in arms]
    alike = len({repr(source.model_dump(exclude={"size"})) if source else "" for source in sources}) == 1
    resized = alike and len({source.size for source in sources if source}) == 2
    same = images[0] == images[1] if ordered else sorted(images[0]) == sorted(images[1])
    if same and (resized or one.record.data.get(name) == other.record.data.get(name)):
        return ""
    return f"it was tested on other images than {one.arm}"


def _per_seed(name: str, arm: ArmSpec) -> bool:
    """Whether every seed of the arm has images of its own in this set; further test sets are never split."""
    return name == MAIN and arm.split.method == "per-seed"


def unlike_environments(records: Iterable[RunRecord]) -> str:
    """``torch 2.12 (3 runs), 2.13 (5 runs); ...``: in what the runs of one comparison differ besides their specs.

    Versions and hardware of the records of all runs that are done; empty where they are the same throughout.
    """
    environments = [record.environment for record in records if record.status == "done"]
    found = []
    for name in sorted({name for environment in environments for name in environment}):
        counts = sorted(Counter(environment.get(name, "unknown") for environment in environments).items())
        if len(counts) > 1:
            found.append(f"{name} " + ", ".join(f"{value} ({several(count, 'run')})" for value, count in counts))
    return "; ".join(found)


# ------------------------------------------------------------------------------------------------------------ controls


def placebo(study: Study) -> str | None:
    """The arm that forks, trains on in another batch order and replaces nothing; of several the first, None of none."""
    feedback = {name: arm.feedback for name, arm in study.arms.items() if arm.feedback}
    return next((name for name, of in feedback.items() if of.reorder and of.oracle == ABSTAIN), None)


def random_cells(study: Study) -> dict[str, str]:
    """For an arm of feedback the arm of random cells that differs from it in the oracle and its options only.

    Of several, the one that takes its number of cells from that very oracle and its options, else from the oracle of
    that name, else the first of the study. Arms that ask nobody have none.
    """
    controls: dict[str, dict[str, FeedbackSpec]] = {}
    arms = {name: (arm, arm.feedback) for name, arm in study.arms.items() if arm.feedback}
    for name, (arm, feedback) in arms.items():
        if feedback.oracle == RANDOM_CELLS:
            controls.setdefault(_without_oracle(arm, feedback), {})[name] = feedback
    found = {}
    for name, (arm, feedback) in arms.items():
        if feedback.oracle not in (ABSTAIN, RANDOM_CELLS) and (near := controls.get(_without_oracle(arm, feedback))):
            found[name] = min(near, key=lambda control: -_likeness(feedback, near[control]))
    return found


def same_number(arm: ArmSpec, control: ArmSpec) -> bool:
    """Whether an arm of random cells takes its number of cells, image by image, from the oracle of ``arm``.

    The oracle with other options may choose other cells, in another number.
    """
    return bool(arm.feedback and control.feedback) and _likeness(arm.feedback, control.feedback) == 2


def _without_oracle(arm: ArmSpec, feedback: FeedbackSpec) -> str:
    return arm.model_copy(update={"feedback": feedback.model_copy(update={"oracle": "", "options": {}})}).text


def _likeness(feedback: FeedbackSpec | None, control: FeedbackSpec | None) -> int:
    """2: as many cells as that oracle with these options; 1: as an oracle of that name; 0: some other number."""
    like: Any = control.options.get("like") if control else None
    oracle, options = (like.get("oracle"), like.get("options", {})) if isinstance(like, Mapping) else (like, {})
    if not feedback or oracle != feedback.oracle:
        return 0
    return 1 + (options == feedback.options)
