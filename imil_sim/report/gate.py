"""The gate: whether what a study came to now is what it came to before, and what must hold between its arms.

In the same environment every number must be equal to the bit. In another one bits may move without anything being
wrong, and a paired comparison with the margins of the study says whether what moved matters. Either way the study's
expectations must hold of the runs as they are now.

A verdict passes only if every row does, and each row of a comparison with margins is tested at `ALPHA`. That needs no
correction for many rows: a false pass of the whole needs a false pass of the worst row (an intersection-union test,
Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import UsageError, did_you_mean
from imil_sim.report.baseline import Change, Findings, ImageList, RunFindings, SetFindings, changes
from imil_sim.report.verdict import Compared, Row, Verdict
from imil_sim.stats import (
    Components,
    Estimate,
    Resplit,
    compare,
    components_of,
    equivalence,
    metric_names,
    non_inferiority,
    over_seeds,
)
from imil_sim.study.check import PREDICTIONS, Expectation, Margin, Operator, higher_is_better
from imil_sim.study.study import Study

ALPHA = 0.05
"""Of each test against a margin, one-sided."""

MAIN = "main"
"""The study's own test set, of which expectations speak."""

_Seeds = Sequence[int]
_Values = NDArray[np.float64]


class _Side(NamedTuple):
    """The runs of one arm in some findings."""

    of: Findings
    arm: str

    def run(self, seed: int) -> RunFindings:
        return self.of.by_run.get((self.arm, seed)) or RunFindings(arm=self.arm, seed=seed, status="missing")

    def set(self, seed: int, name: str) -> SetFindings | None:
        return self.run(seed).sets.get(name)

    def images(self, seed: int, name: str) -> ImageList | None:
        found = self.set(seed, name)
        return None if found is None else self.of.images[found.images]

    def columns(self, seeds: _Seeds, name: str) -> list[str]:
        """The metrics of which any of the runs has a value."""
        found = [self.set(seed, name) for seed in seeds]
        return [*dict.fromkeys(metric for one in found if one is not None for metric in one.values)]

    def values(self, seeds: _Seeds, name: str, metric: str) -> _Values:
        """(seeds,): the metric of every run, NaN where there is none."""
        found = [self.set(seed, name) for seed in seeds]
        return np.array([math.nan if one is None else one.values.get(metric, math.nan) for one in found], np.float64)


class _Two(NamedTuple):
    """One arm, before and now; both with the same seeds."""

    before: _Side
    now: _Side

    @property
    def arm(self) -> str:
        """Its name."""
        return self.now.arm

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds whose run is done in both."""
        return tuple(s for s in self.now.of.seeds if self.now.run(s).status == "done" == self.before.run(s).status)

    @property
    def sets(self) -> list[str]:
        """Its test sets, ``main`` first."""
        sides = (self.now, self.before)
        found = dict.fromkeys(name for side in sides for seed in side.of.seeds for name in side.run(seed).sets)
        return sorted(found, key=lambda name: name != MAIN)


def judge(study: Study, baseline: Findings | None, now: Findings, notes: Sequence[str] = ()) -> Verdict:
    """The verdict on a study's runs.

    Args:
        study: with its margins and expectations.
        baseline: of the same study (`check_of_study`); None: only the expectations are looked at.
        now: what the runs came to.
        notes: what a reader must know beside.

    Raises:
        UsageError: see `check_margins`.
    """
    moved = changes(baseline.environment, now.environment) if baseline else ()
    rows = [*_not_done(now)]
    if baseline is not None:
        check_margins(study, moved)
        pairs = [_Two(_Side(baseline, arm), _Side(now, arm)) for arm in study.arms]
        with_margins = (row for two in pairs for row in _close(study, two))
        rows += with_margins if moved else (row for two in pairs for row in _exact(two))
        if moved and (redrawn := _redrawn(pairs)):
            notes = (*notes, f"The pixels, masks or labels of {redrawn} are not those of the baseline.")
    rows += (_expected(expectation, now) for expectation in study.check.expectations)
    compared: Compared = "with nothing" if baseline is None else "with margins" if moved else "to the bit"
    return Verdict(study.name, len(now.runs), compared, tuple(map(str, moved)), tuple(rows), tuple(notes))


def check_margins(study: Study, moved: Sequence[Change]) -> None:
    """Check that findings can be compared where the environment changed like this.

    Raises:
        UsageError: it changed, and the study has no margin to compare with.
    """
    if moved and not [*study.check.margins]:
        raise UsageError(
            f"the baseline was made in another environment ({'; '.join(map(str, moved))}), where bits may move, and "
            f'study "{study.name}" says nothing of how far. Give it margins, such as non_inferiority.auroc = 0.05 in '
            "[check], or write a baseline of this environment from code that is known to be good"
        )


def _not_done(now: Findings) -> Iterator[Row]:
    """A row for every arm with runs that are not done."""
    for arm in now.arms:
        bad = [run for seed in now.seeds if (run := _Side(now, arm).run(seed)).status != "done"]
        if bad:
            why = f": {bad[0].reason}" if bad[0].reason else ""
            yield Row("run", arm, "status", False, f"{bad[0].status} with {_seeds([r.seed for r in bad])}{why}")


# ---------------------------------------------------------------------------------------------------------- to the bit


def _exact(two: _Two) -> Iterator[Row]:
    """What of an arm is not as it was, in the order in which a run comes to it; one row where all of it is."""
    found = [*_way(two), *_numbers(two)]
    if not found and two.seeds:
        yield Row("exact", two.arm, "everything", True, f"equal to the bit with {_seeds(two.seeds)}", margin=0.0)
    yield from found


def _way(two: _Two) -> Iterator[Row]:
    """Where the runs first went another way: their images, a consultation, an epoch."""
    stations: tuple[tuple[str, Callable[[RunFindings, RunFindings], str]], ...] = (
        ("images", _other_images), ("consultations", _other_consultation), ("training loss", _other_loss),
    )  # fmt: skip
    for quantity, differs in stations:
        where = {seed: differs(two.before.run(seed), two.now.run(seed)) for seed in two.seeds}
        differing = [seed for seed, text in where.items() if text]
        if differing:
            reason = f"{where[differing[0]]} with seed {differing[0]}; other than the baseline with {_seeds(differing)}"
            yield Row("exact", two.arm, quantity, False, reason, margin=0.0)


def _other_images(before: RunFindings, now: RunFindings) -> str:
    names = [name for name in now.data if before.data.get(name) != now.data[name]]
    return f"the pixels, masks or labels of {', '.join(names)} are not those they were" if names else ""


def _other_consultation(before: RunFindings, now: RunFindings) -> str:
    if len(before.consultations) != len(now.consultations):
        return f"{len(now.consultations)} consultations instead of {len(before.consultations)}"
    for was, is_now in zip(before.consultations, now.consultations, strict=True):
        if was.questions != is_now.questions:
            return f"other questions were asked after epoch {is_now.epoch}"
        if was.answers != is_now.answers:
            return f"the same questions were answered otherwise after epoch {is_now.epoch}"
    return ""


def _other_loss(before: RunFindings, now: RunFindings) -> str:
    pairs = zip(before.losses, now.losses, strict=False)
    differing = [epoch for epoch, (was, is_now) in enumerate(pairs, 1) if was != is_now]
    if differing:
        return f"the loss first differs in epoch {differing[0]} of {len(now.losses)}"
    return "" if len(before.losses) == len(now.losses) else f"{len(now.losses)} epochs instead of {len(before.losses)}"


def _numbers(two: _Two) -> Iterator[Row]:
    """The predictions and the metrics that are not what they were."""
    for name in two.sets:
        other = {seed: _apart(two.before, two.now, seed, name) for seed in two.seeds}
        differing = {seed: text for seed, text in other.items() if text}
        if differing:
            seed, text = next(iter(differing.items()))
            reason = f"{text} with seed {seed}; other than the baseline with {_seeds([*differing])}"
            yield Row("exact", two.arm, PREDICTIONS, False, reason, name, margin=0.0)
        # Numbers that only a later version knows are no change; numbers that it has lost are.
        for metric in two.before.columns(two.seeds, name):
            was, is_now = (side.values(two.seeds, name, metric) for side in two)
            same = (was == is_now) | (np.isnan(was) & np.isnan(is_now))
            if not same.all():
                yield _moved(two, name, metric, was, is_now, same)


def _moved(two: _Two, name: str, metric: str, was: _Values, is_now: _Values, same: NDArray[np.bool_]) -> Row:
    differing = [seed for seed, equal in zip(two.seeds, same, strict=True) if not equal]
    steps = (is_now - was)[~same]
    largest = float(steps[np.nanargmax(np.abs(steps))]) if not np.isnan(steps).all() else None
    reason = f"not to the bit what it was with {_seeds(differing)}"
    return Row("exact", two.arm, metric, False, reason, name, _mean(was), _mean(is_now), largest, 0.0)


def _apart(one: _Side, other: _Side, seed: int, name: str) -> str:
    """In what the predictions on one test set differ, in words; empty: in nothing."""
    before, now = one.set(seed, name), other.set(seed, name)
    if before is None or now is None:
        return "" if before is now else "the test set is not in both"
    if one.images(seed, name) != other.images(seed, name):
        return "other test images"
    if before.probabilities == now.probabilities:
        return ""
    was, is_now = before.shown, now.shown
    if was.shape != is_now.shape:
        return f"{is_now.shape[1]} classes instead of {was.shape[1]}"
    differing = ~((was == is_now) | (np.isnan(was) & np.isnan(is_now))).all(axis=1)
    steps = np.abs(is_now - was)[differing]
    by = f", by up to {np.nanmax(steps):.3g}" if not np.isnan(steps).all() else ""
    return f"{differing.sum()} of {len(was)} images{by}"


# -------------------------------------------------------------------------------------------------------- with margins


def _close(study: Study, two: _Two) -> Iterator[Row]:
    """Every margin of the study, held against one arm on every test set."""
    for name in two.sets:
        unlike = [seed for seed in two.seeds if two.before.images(seed, name) != two.now.images(seed, name)]
        if unlike:
            reason = f"the test images are not those of the baseline with {_seeds(unlike)}: nothing can be paired"
            yield Row("equivalence", two.arm, PREDICTIONS, False, reason, name)
            continue
        for margin in study.check.margins:
            was, is_now = (side.values(two.seeds, name, margin.metric) for side in two)
            if name == MAIN or not (np.isnan(was) & np.isnan(is_now)).all():
                yield _within(margin, two, name, was, is_now)


def _within(margin: Margin, two: _Two, name: str, was: _Values, is_now: _Values) -> Row:
    """One margin against one arm on one test set."""
    differences = is_now - was

    def row(passed: bool, reason: str, difference: float | None = None) -> Row:
        numbers = _mean(was), _mean(is_now), difference, margin.width
        return Row(margin.kind, two.arm, margin.metric, passed, reason, name, *numbers)

    if not two.seeds:
        return row(False, "no run is done in both")
    if np.isnan(differences).any():
        lacking = [seed for seed, d in zip(two.seeds, differences, strict=True) if math.isnan(d)]
        columns = two.now.columns(two.seeds, name)
        hint = "" if margin.metric in columns else f". {did_you_mean(margin.metric, columns)}"
        return row(False, f"it has no value with {_seeds(lacking)}, in the baseline or now{hint}")
    if not differences.any() and not any(_apart(*two, seed, name) for seed in two.seeds):
        return row(True, "identical", 0.0)
    estimate = _difference(margin.metric, two, name, differences)
    return row(*_held(margin, estimate), estimate.value)


def _held(margin: Margin, by: Estimate) -> tuple[bool, str]:
    """Whether a difference is shown to lie within its margin, and why."""
    worse = by.value if margin.kind == "equivalence" or not higher_is_better(margin.metric) else -by.value
    distance = abs(by.value) if margin.kind == "equivalence" else worse
    beyond = distance >= margin.width
    if not by.se > 0:
        why = "one seed: nothing is known of chance" if by.n_seeds == 1 else "nothing varied over the seeds"
        return not beyond, f"{why}, so the value alone is held against the margin"
    if margin.kind == "equivalence":
        p, what = equivalence(by, margin.width), "close enough"
    else:
        p, what = non_inferiority(by, margin.width, higher_is_better=higher_is_better(margin.metric)), "no worse"
    method = f"p {p:.2g}, {by.n_seeds} seeds, {by.method}"
    if p < ALPHA:
        return True, f"{what} ({method})"
    if beyond:
        return False, f"beyond the margin ({method})"
    return (
        False,
        f"within the margin, but so few or so unlike seeds cannot show it ({method}): more seeds, or a wider one",
    )


def _difference(metric: str, two: _Two, name: str, differences: _Values) -> Estimate:
    """Now minus before, the mean over seeds, with the widest inference there is.

    New seeds and new patients (A) where the metric has values by image and there are seeds enough, else new seeds (B);
    of a single seed new patients (C), or nothing.
    """
    of = _components(metric, two, name)
    if of is None:
        return over_seeds(differences)
    (found,) = compare(of, [(1, 0)])
    known = [estimate for estimate in (found.primary, found.b, found.c) if estimate.se > 0]
    return known[0] if known else found.b


def _components(metric: str, two: _Two, name: str) -> Components | None:
    """The two arms "before" and "now" in one metric; None where the metric has no components."""
    if metric not in metric_names():
        return None
    tested = [[one for seed in two.seeds if (one := side.set(seed, name)) is not None] for side in two]
    images = {one.images for one in tested[1]}
    if len(images) == 1:
        shown = np.stack([np.stack([one.shown for one in row]) for row in tested])
        return components_of(metric, np.array(two.now.of.images[images.pop()].labels), shown)
    first = tested[1][0]
    sizes = Resplit(int(first.values["n_train"]), int(first.values["n_test"]))
    return Components.of_splits(metric, np.stack([side.values(two.seeds, name, metric) for side in two]), sizes)


def _redrawn(pairs: Sequence[_Two]) -> str:
    """The sets whose images are not what they were, in words; empty: all are."""
    runs = [(two.before.run(seed), two.now.run(seed)) for two in pairs for seed in two.seeds]
    return ", ".join(
        dict.fromkeys(name for was, now in runs for name in now.data if was.data.get(name) != now.data[name])
    )


# -------------------------------------------------------------------------------------------------------- expectations

_HOLDS: Mapping[Operator, Callable[[float, float], bool]] = {
    ">=": lambda difference, by: difference >= by,
    ">": lambda difference, by: difference > by,
    "<=": lambda difference, by: -difference >= by,
    "<": lambda difference, by: -difference > by,
}
"""Of the mean over seeds, left minus right."""


def _expected(that: Expectation, now: Findings) -> Row:
    """Whether the runs are as the expectation says, on the study's own test set."""
    left, right = _Side(now, that.arm), _Side(now, that.other)
    lacking = [seed for seed in now.seeds if left.set(seed, MAIN) is None or right.set(seed, MAIN) is None]
    if lacking:
        return Row("expectation", str(that), that.metric, False, f"a run is not done with {_seeds(lacking)}")
    if that.metric == PREDICTIONS:
        return _expected_predictions(that, left, right)
    ours, theirs = (side.values(now.seeds, MAIN, that.metric) for side in (left, right))
    unknown = [seed for seed, d in zip(now.seeds, ours - theirs, strict=True) if math.isnan(d)]
    if unknown:
        known = {metric for side in (left, right) for metric in side.columns(now.seeds, MAIN)}
        reason = f"no value of {that.metric} with {_seeds(unknown)}. {did_you_mean(that.metric, known)}"
        return Row("expectation", str(that), that.metric, False, reason, before=_mean(theirs), now=_mean(ours))
    difference = float((ours - theirs).mean())
    if that.operator in ("==", "!="):
        wrong = [s for s, a, b in zip(now.seeds, ours, theirs, strict=True) if (a == b) != (that.operator == "==")]
        word = "differ" if that.operator == "==" else "do not differ"
        passed, reason = not wrong, f"they {word} with {_seeds(wrong)}" if wrong else "so with every seed"
    else:
        passed = _HOLDS[that.operator](difference, that.by)
        share = int(sum(_HOLDS[that.operator](float(d), 0.0) for d in ours - theirs))
        reason = f"{_mean(ours):.4g} against {_mean(theirs):.4g}; the sign is right with {share} of {len(ours)} seeds"
    margin = that.by or None
    return Row(
        "expectation", str(that), that.metric, passed, reason, MAIN, _mean(theirs), _mean(ours), difference, margin
    )


def _expected_predictions(that: Expectation, left: _Side, right: _Side) -> Row:
    """Whether two arms predict the same, on every test set."""
    apart: dict[int, str] = {}
    for seed in left.of.seeds:
        names = dict.fromkeys([*right.run(seed).sets, *left.run(seed).sets])
        apart[seed] = next((text for name in names if (text := _apart(right, left, seed, name))), "")
    if that.operator == "==":
        wrong = [seed for seed, text in apart.items() if text]
        reason = f"they differ with {_seeds(wrong)}: {apart[wrong[0]]}" if wrong else "equal to the bit"
    else:
        wrong = [seed for seed, text in apart.items() if not text]
        reason = f"they are equal to the bit with {_seeds(wrong)}" if wrong else "they differ with every seed"
    return Row("expectation", str(that), PREDICTIONS, not wrong, reason)


def _mean(values: _Values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _seeds(seeds: _Seeds) -> str:
    """Seeds in words.

    >>> _seeds([3]), _seeds([0, 1, 2])
    ('seed 3', 'seeds 0, 1, 2')
    """
    shown = ", ".join(str(seed) for seed in seeds[:5]) + (f", ... ({len(seeds)})" if len(seeds) > 5 else "")
    return f"seed{'s' if len(seeds) > 1 else ''} {shown}"
