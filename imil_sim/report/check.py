"""The check: whether the runs of a study are what they were in a baseline, and what must hold between its arms.

In the same environment every number must be equal to the bit. In another one bits may move without anything being
wrong, and a paired comparison with the margins of the study says whether what moved matters. Either way the study's
expectations must hold of the runs as they are now.

A verdict passes only if every row does, and each row of a comparison with margins is tested at `ALPHA`. That needs no
correction for many rows: a false pass of the whole needs a false pass of the worst row (an intersection-union test,
Berger 1982).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import UsageError, did_you_mean, several
from imil_sim.report.baseline import Baseline, BaselineRun, BaselineSet, changes
from imil_sim.report.document import legible
from imil_sim.report.page import markdown, templates
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
from imil_sim.study.check import PREDICTIONS, Expectation, Margin, higher_is_better
from imil_sim.study.study import Study

ALPHA = 0.05
"""Of each test against a margin, one-sided."""

MAIN = "main"
"""The study's own test set, of which expectations speak."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One thing that was looked at."""

    kind: Literal["run", "exact", "non-inferiority", "equivalence", "expectation"]
    """Whether the run is there at all; equal to the bit; no worse than, or close to, the baseline; a relation of
    arms."""
    subject: str
    """The arm; of an expectation all of it, as the study file has it."""
    quantity: str
    """The metric, or what else was compared."""
    passed: bool
    reason: str
    """Why it passed or failed, in words."""
    test_set: str = MAIN
    before: float | None = None
    """Mean over seeds in the baseline; of an expectation, of the arm on the right."""
    now: float | None = None
    """Mean over seeds now; of an expectation, of the arm on the left."""
    difference: float | None = None
    """Now minus before; of rows that are compared to the bit, the largest of any seed."""
    margin: float | None = None
    """How much was allowed, or, of an expectation, asked for; None where the sign alone counts."""

    @property
    def where(self) -> str:
        """The quantity, with the test set where it is not the study's own."""
        return self.quantity if self.test_set == MAIN else f"{self.quantity} ({self.test_set})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of a study found."""

    study: str
    runs: int
    compared: Literal["to the bit", "with margins", "with nothing"]
    """How the runs were compared with the baseline; with nothing where there is none."""
    environment: tuple[str, ...]
    """In what the environment differs from the baseline's, where that may move numbers."""
    rows: tuple[CheckRow, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know beside."""

    @property
    def passed(self) -> bool:
        """Whether every row passed."""
        return not self.failures

    @property
    def failures(self) -> tuple[CheckRow, ...]:
        """The rows that did not pass."""
        return tuple(row for row in self.rows if not row.passed)

    @property
    def comparisons(self) -> tuple[CheckRow, ...]:
        """The rows about runs and the baseline."""
        return tuple(row for row in self.rows if row.kind != "expectation")

    @property
    def expectations(self) -> tuple[CheckRow, ...]:
        """The rows about arms and each other."""
        return tuple(row for row in self.rows if row.kind == "expectation")

    @property
    def sentences(self) -> Iterator[str]:
        """What was found, in plain sentences."""
        failed = sum(not row.passed for row in self.comparisons)
        rows = f"{failed} of {several(len(self.comparisons), 'row')} failed" if failed else "none differs"
        how = "" if self.compared == "with nothing" else f", compared with the baseline {self.compared}: {rows}"
        yield f"{several(self.runs, 'run')}{how}{f', {failed} not done' if failed and not how else ''}."
        if self.environment:
            yield f"The environment is not the baseline's ({'; '.join(self.environment)})."
        if self.expectations:
            held = sum(row.passed for row in self.expectations)
            yield f"{held} of {len(self.expectations)} expectations hold."
        yield from self.notes


class _TwoArms(NamedTuple):
    """An arm as it was and as it is; or, for an expectation, two arms as they are: the right one, then the left one."""

    first: tuple[Baseline, str]
    second: tuple[Baseline, str]
    seeds: tuple[int, ...]
    """Those whose runs are compared."""

    def runs(self, seed: int) -> tuple[BaselineRun, BaselineRun]:
        one, other = (_run(*side, seed) for side in (self.first, self.second))
        return one, other

    @property
    def sets(self) -> list[str]:
        """The test sets of either, ``main`` first."""
        found = dict.fromkeys(name for seed in self.seeds for run in self.runs(seed)[::-1] for name in run.sets)
        return sorted(found, key=lambda name: name != MAIN)

    def tested(self, seed: int, name: str) -> tuple[BaselineSet | None, BaselineSet | None]:
        one, other = (run.sets.get(name) for run in self.runs(seed))
        return one, other

    def metrics(self, name: str) -> list[str]:
        """Of which any run of the first has a value."""
        return [
            *dict.fromkeys(metric for seed in self.seeds if (of := self.tested(seed, name)[0]) for metric in of.values)
        ]

    def values(self, name: str, metric: str) -> tuple[Values, Values]:
        """(seeds,) of both: the metric of every run, NaN where there is none."""
        found = [
            [of.values.get(metric, math.nan) if of else math.nan for of in self.tested(s, name)] for s in self.seeds
        ]
        one, other = np.array(found, np.float64).reshape(-1, 2).T
        return one, other

    def other_images(self, name: str) -> list[int]:
        """Seeds with which the two were tested on different images, or one of them not at all."""
        baselines = self.first[0], self.second[0]
        lists = {
            seed: [of.images[found.images] if found else None
                   for of, found in zip(baselines, self.tested(seed, name), strict=True)]
            for seed in self.seeds
        }  # fmt: skip
        return [seed for seed, (one, other) in lists.items() if one != other]

    def apart(self, seed: int, name: str) -> str:
        """In what the predictions of a seed differ, in words; empty: in nothing."""
        was, is_now = self.tested(seed, name)
        if was is None or is_now is None:
            return "" if was is is_now else "the test set is not in both"
        if seed in self.other_images(name):
            return "other test images"
        if was.probabilities == is_now.probabilities:
            return ""
        one, other = was.shown, is_now.shown
        if one.shape != other.shape:
            return f"{other.shape[1]} classes instead of {one.shape[1]}"
        steps = np.nan_to_num(np.abs(other - one).max(axis=1), nan=math.inf)
        by = steps[np.isfinite(steps)].max(initial=0.0)
        return f"{(steps > 0).sum()} of {len(one)} images" + (f", by up to {by:.3g}" if by else "")


def judge(study: Study, baseline: Baseline | None, now: Baseline, notes: Sequence[str] = ()) -> Verdict:
    """The verdict on a study's runs.

    Args:
        study: with its margins and expectations.
        baseline: of the same study (`check_of_study`); None: only the expectations are looked at.
        now: what the runs came to.
        notes: what a reader must know beside.

    Raises:
        UsageError: see `check_margins`.
    """
    rows = [*_not_done(now)]
    moved: tuple[str, ...] = ()
    if baseline is not None:
        moved = changes(baseline.environment, now.environment)
        check_margins(study, moved)
        arms = [_before_and_now(baseline, now, arm) for arm in study.arms]
        rows += [row for two in arms for row in (_close(study, two) if moved else _exact(two))]
        if moved and (
            redrawn := dict.fromkeys(name for two in arms for s in two.seeds for name in _redrawn(*two.runs(s)))
        ):
            notes = (*notes, f"The pixels, masks or labels of {', '.join(redrawn)} are not those of the baseline.")
    rows += (_expected(expectation, now) for expectation in study.check.expectations)
    compared: Literal["to the bit", "with margins", "with nothing"] = (
        "with nothing" if baseline is None else "with margins" if moved else "to the bit"
    )
    return Verdict(study.name, len(now.runs), compared, moved, tuple(rows), tuple(notes))


def check_margins(study: Study, moved: Sequence[str]) -> None:
    """Check that runs can be compared where the environment changed like this.

    Raises:
        UsageError: it changed, and the study has no margin to compare with.
    """
    if moved and not [*study.check.margins]:
        raise UsageError(
            f"the baseline was made in another environment ({'; '.join(moved)}), where bits may move, and "
            f'study "{study.name}" says nothing of how far. Give it margins, such as non_inferiority.auroc = 0.05 in '
            "[check], or write a baseline of this environment from code that is known to be good"
        )


def _run(of: Baseline, arm: str, seed: int) -> BaselineRun:
    return of.by_run.get((arm, seed)) or BaselineRun(arm=arm, seed=seed, status="missing")


def _not_done(now: Baseline) -> Iterator[CheckRow]:
    """A row for every arm with runs that are not done."""
    for arm in now.arms:
        bad = [run for seed in now.seeds if (run := _run(now, arm, seed)).status != "done"]
        if bad:
            why = f": {bad[0].reason}" if bad[0].reason else ""
            yield CheckRow("run", arm, "status", False, f"{bad[0].status} with {_seeds([r.seed for r in bad])}{why}")


def _before_and_now(before: Baseline, now: Baseline, arm: str) -> _TwoArms:
    seeds = (s for s in now.seeds if _run(now, arm, s).status == "done" == _run(before, arm, s).status)
    return _TwoArms((before, arm), (now, arm), tuple(seeds))


# ---------------------------------------------------------------------------------------------------------- to the bit


def _exact(two: _TwoArms) -> Iterator[CheckRow]:
    """What of an arm is not as it was, in the order in which a run comes to it; one row where all of it is."""
    _, arm = two.second
    where: dict[tuple[str, str], dict[int, str]] = {}
    for seed in two.seeds:
        ways = [((quantity, MAIN), text) for quantity, text in _other_ways(*two.runs(seed))]
        apart = [((PREDICTIONS, name), text) for name in two.sets if (text := two.apart(seed, name))]
        for place, text in (*ways, *apart):
            where.setdefault(place, {})[seed] = text
    found = []
    for (quantity, name), texts in where.items():
        seed, text = next(iter(texts.items()))
        reason = f"{text} with seed {seed}; other than the baseline with {_seeds([*texts])}"
        found.append(CheckRow("exact", arm, quantity, False, reason, name, margin=0.0))
    found += _numbers(arm, two)
    if not found and two.seeds:
        yield CheckRow("exact", arm, "everything", True, f"equal to the bit with {_seeds(two.seeds)}", margin=0.0)
    yield from found


def _redrawn(before: BaselineRun, now: BaselineRun) -> list[str]:
    """The sets whose images are not what they were."""
    return [name for name in now.data if before.data.get(name) != now.data[name]]


def _other_ways(before: BaselineRun, now: BaselineRun) -> Iterator[tuple[str, str]]:
    """What of the way to the predictions differs (images, consultations, training loss), and where first."""
    if names := _redrawn(before, now):
        yield "images", f"the pixels, masks or labels of {', '.join(names)} are not those they were"
    for was, is_now in zip(before.consultations, now.consultations, strict=False):
        if was != is_now:
            other = (
                "other questions were asked"
                if was.questions != is_now.questions
                else "the same questions were answered otherwise"
            )
            yield "consultations", f"{other} after epoch {is_now.epoch}"
            break
    else:
        if len(before.consultations) != len(now.consultations):
            yield "consultations", f"{len(now.consultations)} consultations instead of {len(before.consultations)}"
    if before.losses != now.losses:
        pairs = enumerate(zip_longest(before.losses, now.losses), 1)
        epoch = next(epoch for epoch, (was, is_now) in pairs if was != is_now)
        yield "training loss", f"the loss first differs in epoch {epoch} of {len(now.losses)}"


def _numbers(arm: str, two: _TwoArms) -> Iterator[CheckRow]:
    """The metrics that are not what they were. A number that only a later version knows is no change."""
    for name in two.sets:
        for metric in two.metrics(name):
            was, is_now = two.values(name, metric)
            same = (was == is_now) | (np.isnan(was) & np.isnan(is_now))
            if not same.all():
                differing = [seed for seed, equal in zip(two.seeds, same, strict=True) if not equal]
                steps = (is_now - was)[~same]
                largest = float(steps[np.nanargmax(np.abs(steps))]) if not np.isnan(steps).all() else None
                reason = f"not to the bit what it was with {_seeds(differing)}"
                yield CheckRow("exact", arm, metric, False, reason, name, _mean(was), _mean(is_now), largest, 0.0)


# -------------------------------------------------------------------------------------------------------- with margins


def _close(study: Study, two: _TwoArms) -> Iterator[CheckRow]:
    """Every margin of the study, held against one arm on every test set."""
    for name in two.sets or [MAIN]:
        if unlike := two.other_images(name):
            reason = f"the test images are not those of the baseline with {_seeds(unlike)}: nothing can be paired"
            yield CheckRow("equivalence", two.second[1], PREDICTIONS, False, reason, name)
            continue
        for margin in study.check.margins:
            was, is_now = two.values(name, margin.metric)
            if name == MAIN or not (np.isnan(was) & np.isnan(is_now)).all():
                passed, reason, difference = _within(margin, two, name, was, is_now)
                yield CheckRow(
                    margin.kind, two.second[1], margin.metric, passed, reason, name, _mean(was), _mean(is_now),
                    difference, margin.width,
                )  # fmt: skip


def _within(margin: Margin, two: _TwoArms, name: str, was: Values, is_now: Values) -> tuple[bool, str, float | None]:
    """Whether one arm lies within a margin on one test set, why, and how far it moved."""
    differences = is_now - was
    if not two.seeds:
        return False, "no run is done in both", None
    if lacking := [seed for seed, d in zip(two.seeds, differences, strict=True) if math.isnan(d)]:
        columns = two.metrics(name)
        hint = "" if margin.metric in columns else f". {did_you_mean(margin.metric, columns)}"
        return False, f"it has no value with {_seeds(lacking)}, in the baseline or now{hint}", None
    if not differences.any() and not any(two.apart(seed, name) for seed in two.seeds):
        return True, "identical", 0.0
    by = _difference(margin.metric, two, name, differences)
    higher = margin.kind == "equivalence" or higher_is_better(margin.metric)
    beyond = (abs(by.value) if margin.kind == "equivalence" else -by.value if higher else by.value) >= margin.width
    if not by.se > 0:
        why = "one seed: nothing is known of chance" if by.n_seeds == 1 else "nothing varied over the seeds"
        return not beyond, f"{why}, so the value alone is held against the margin", by.value
    if margin.kind == "equivalence":
        p, what = equivalence(by, margin.width), "close enough"
    else:
        p, what = non_inferiority(by, margin.width, higher_is_better=higher), "no worse"
    method = f"p {p:.2g}, {by.n_seeds} seeds, {by.method}"
    if p < ALPHA:
        return True, f"{what} ({method})", by.value
    if beyond:
        return False, f"beyond the margin ({method})", by.value
    why = "within the margin, but so few or so unlike seeds cannot show it"
    return False, f"{why} ({method}): more seeds, or a wider one", by.value


def _difference(metric: str, two: _TwoArms, name: str, differences: Values) -> Estimate:
    """Now minus before, the mean over seeds, with the widest inference there is.

    New seeds and new patients (A) where the metric has values by image and there are seeds enough, else new seeds (B);
    of a single seed new patients (C), or nothing.
    """
    if metric not in metric_names():
        return over_seeds(differences)
    (found,) = compare(_components(metric, two, name), [(1, 0)])
    known = [estimate for estimate in (found.primary, found.b, found.c) if estimate.se > 0]
    return known[0] if known else found.b


def _components(metric: str, two: _TwoArms, name: str) -> Components:
    """The two arms "before" and "now" in one metric."""
    sides = [[of for seed in two.seeds if (of := two.tested(seed, name)[side])] for side in (0, 1)]
    images = {of.images for of in sides[1]}
    if len(images) == 1:
        shown = np.stack([np.stack([of.shown for of in side]) for side in sides])
        return components_of(metric, np.array(two.second[0].images[images.pop()].labels), shown)
    first = sides[1][0]
    sizes = Resplit(int(first.values["n_train"]), int(first.values["n_test"]))
    return Components.of_splits(metric, np.stack(two.values(name, metric)), sizes)


# -------------------------------------------------------------------------------------------------------- expectations

HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.ge, "<": operator.gt,
}  # fmt: skip
"""Of the mean over seeds, left minus right, or right minus left where less is expected."""


def _expected(that: Expectation, now: Baseline) -> CheckRow:
    """Whether the runs are as the expectation says, on the study's own test set."""
    two = _TwoArms((now, that.other), (now, that.arm), now.seeds)
    numbers: tuple[float | None, ...] = ()
    if lacking := [seed for seed in now.seeds if None in two.tested(seed, MAIN)]:
        passed, reason = False, f"a run is not done with {_seeds(lacking)}"
    elif that.metric == PREDICTIONS:
        apart = {seed: next(filter(None, (two.apart(seed, name) for name in two.sets)), "") for seed in now.seeds}
        passed, reason = _same_or_not(that, {seed: not text for seed, text in apart.items()})
        reason += next((f": {text}" for text in apart.values() if text and not passed), "")
    else:
        theirs, ours = two.values(MAIN, that.metric)
        differences = ours - theirs
        numbers = _mean(theirs), _mean(ours)
        if unknown := [seed for seed, d in zip(now.seeds, differences, strict=True) if math.isnan(d)]:
            hint = did_you_mean(that.metric, two.metrics(MAIN))
            passed, reason = False, f"no value of {that.metric} with {_seeds(unknown)}. {hint}"
        else:
            numbers = (*numbers, float(differences.mean()), that.by or None)
            if that.operator in ("==", "!="):
                passed, reason = _same_or_not(that, dict(zip(now.seeds, (ours == theirs).tolist(), strict=True)))
            else:
                holds, sign = HOLDS[that.operator], 1 if that.operator in (">=", ">") else -1
                passed = holds(sign * float(differences.mean()), that.by)
                share = sum(holds(sign * d, 0.0) for d in differences.tolist())
                means = f"{_mean(ours):.4g} against {_mean(theirs):.4g}"
                reason = f"{means}; the sign is right with {share} of {len(ours)} seeds"
    return CheckRow("expectation", str(that), that.metric, passed, reason, MAIN, *numbers)


def _same_or_not(that: Expectation, same: Mapping[int, bool]) -> tuple[bool, str]:
    """Whether all seeds are equal, or none is, as expected; and with which they are not as expected."""
    wrong = [seed for seed, equal in same.items() if equal != (that.operator == "==")]
    word = "differ" if that.operator == "==" else "are equal to the bit"
    return not wrong, f"they {word} with {_seeds(wrong)}" if wrong else "so with every seed"


def _mean(values: Values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _seeds(seeds: Sequence[int]) -> str:
    """Seeds in words.

    >>> _seeds([3]), _seeds([0, 1, 2])
    ('seed 3', 'seeds 0, 1, 2')
    """
    shown = ", ".join(str(seed) for seed in seeds[:5]) + (f", ... ({len(seeds)})" if len(seeds) > 5 else "")
    return f"seed{'s' if len(seeds) > 1 else ''} {shown}"


# --------------------------------------------------------------------------------- as text, as JUnit XML, as Markdown


def lines_of(verdict: Verdict) -> list[str]:
    """The verdict in plain lines: the sentences, then every failure with its reason."""
    lines = [f"{verdict.study}: {'passed' if verdict.passed else 'FAILED'}", *verdict.sentences]
    return lines + [f"FAILED {row.kind}: {line_of(row)}" for row in verdict.failures]


def line_of(row: CheckRow) -> str:
    """What a row is about, its numbers and its reason."""
    what = row.subject if row.kind == "expectation" else f"{row.subject}, {row.where}"
    return f"{what}: {row.reason}"


def junit_of(verdict: Verdict) -> bytes:
    """The verdict as JUnit XML, a test case a row, in the form that CI servers read; without any time."""
    return templates(legible).get_template("junit.j2").render(verdict=verdict, line_of=line_of).encode()


def summary_of(verdict: Verdict) -> str:
    """The verdict in Markdown, every text in it inert: what failed, what moved, the expectations."""
    return markdown("check.j2", verdict=verdict, line_of=line_of, numbers=numbers)


def numbers(row: CheckRow) -> tuple[str | None, str | None, str | None, str | None]:
    """Before, now, moved by, and margin, as a table shows them; of an expectation left, right, their difference, asked.

    None where there is no number.
    """
    first, second = (row.now, row.before) if row.kind == "expectation" else (row.before, row.now)
    margin = "none" if row.kind == "exact" and row.margin == 0 else _shown(row.margin)
    return _shown(first), _shown(second), _shown(row.difference, "+"), margin


def _shown(value: float | None, sign: str = "") -> str | None:
    return None if value is None or value != value else f"{value:{sign}.4g}"
