"""What all runs say of one test set, as arrays; and which of them were tested on the same images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.stats import Components, Resplit, components_of, metric_named
from imil_sim.study.record import Predictions, RunRecord
from imil_sim.study.spec import ArmSpec
from imil_sim.study.study import Study

MAIN = "main"
"""What records call the study's own test set."""

Run = tuple[str, int]
"""Arm and seed."""


class Done(NamedTuple):
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


def tested(name: str, study: Study, done: Mapping[Run, Done]) -> AlignedPredictions | None:
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


def _unlike(name: str, to: Run, run: Run, study: Study, done: Mapping[Run, Done]) -> str:
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
