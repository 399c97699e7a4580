"""Two studies, or two versions of one, against each other: matched arms and seeds, the same statistics."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imil_sim.errors import UsageError, listed, several
from imil_sim.report.analysis import Analysis, unlike_environments
from imil_sim.report.document import Cell, Column, Document, Section, Statement, Table, Tone
from imil_sim.report.tables.comparisons import comparison_columns
from imil_sim.report.tables.text import METRIC, anchor, interval_notes, metric_label, on_set, table_of
from imil_sim.stats import Comparison, Components, compare, metric_named
from imil_sim.study.record import Predictions
from imil_sim.text import DIGITS, number, ranges

ALPHA = 0.05

MOST_SENTENCES = 8
"""So many arms get a sentence each; of more, their names."""

MOST_NAMED = 3
"""Images and arms named in a message."""


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One arm in one metric on one test set: the second study minus the first. A row of comparison.csv."""

    test_set: str
    arm: str
    metric: str
    first: float
    """Mean over the matched seeds, in the first study."""
    second: float
    difference: float
    """Second minus first: the mean over the seeds with a run in both."""
    low_a: float
    high_a: float
    low_b: float
    high_b: float
    low_c: float
    high_c: float
    p: float
    p_holm: float
    """Holm over the arms, within metric and test set."""
    p_superior: float
    """Share of seeds in which the second is the better one, ties half."""
    mde: float
    n_seeds: int
    """With a run in both."""
    n_equal: int
    """Of these, runs with the very same predictions."""


@dataclass(frozen=True, slots=True, eq=False)
class StudyComparison:
    """What comparing two studies comes to."""

    document: Document
    rows: pd.DataFrame
    """A `ComparisonRow` a row, its fields as columns."""


class _Two(NamedTuple):
    """Two studies and what they have in common, in the order of the first."""

    a: Analysis
    b: Analysis
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    sets: tuple[str, ...]

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called."""
        first, second = self.a.study.name, self.b.study.name
        return (first, second) if first != second else (f"{first} (first)", f"{second} (second)")

    def predictions(self, test_set: str, arm: str, seed: int) -> list[Predictions | None]:
        """Those of a run in both studies."""
        return [(of.runs[arm, seed].predictions or {}).get(test_set) for of in (self.a, self.b)]

    def fingerprints(self, part: str, arm: str, seeds: Collection[int]) -> list[set[str] | None]:
        """Those on record of an arm's images in both studies; None where no run of it is done."""
        return [_fingerprints(of, part, arm, seeds) for of in (self.a, self.b)]


@dataclass(frozen=True, slots=True)
class _Found:
    """One metric on one test set: a comparison and a row a matched arm."""

    comparisons: tuple[Comparison, ...]
    rows: tuple[ComparisonRow, ...]


def compare_studies(a: Analysis, b: Analysis) -> StudyComparison:
    """The second study minus the first, arm by arm over the seeds that both have.

    The runs of one arm in the two studies are compared as two arms of one study are: paired by seed and by image, with
    the intervals A, B and C. Arms, seeds and test sets that only one of them has are listed.

    Args:
        a: the first study, the one to compare with.
        b: the second.

    Raises:
        UsageError: they have no arm, seed or test set with runs in common, or were tested on different images.
    """
    two = _matched(a, b)
    found = {name: _of_set(two, name) for name in two.sets}
    rows = [row for of in found.values() for of_metric in of for row in of_metric.rows]
    names = dict.fromkeys([a.study.name, b.study.name])
    document = Document(
        name="-".join(names),
        title=f"{two.names[1]} against {two.names[0]}",
        statements=(*_findings(two, found[two.sets[0]][0].rows), *_cautions(two)),
        sections=(
            *(_differences(two, name, of) for name, of in found.items()),
            Section("matching", "What was compared with what", (), (_only_one_has(two), _specs(two))),
        ),
    )
    return StudyComparison(document, pd.DataFrame([asdict(row) for row in rows]))


# ---------------------------------------------------------------------------------------------- what is in both


def _matched(a: Analysis, b: Analysis) -> _Two:
    two = _Two(
        a, b,
        tuple(arm for arm in a.arms if arm in b.arms),
        tuple(seed for seed in a.seeds if seed in b.seeds),
        tuple(name for name in a.sets if name in b.sets),
    )  # fmt: skip
    first, second = two.names
    problems = []
    if not two.arms:
        problems.append(f"no arm in common: {first} has {', '.join(a.arms)}; {second} has {', '.join(b.arms)}")
    if not two.seeds:
        problems.append(f"no seed in common: {first} has {ranges(a.seeds)}; {second} has {ranges(b.seeds)}")
    problems += [f"{name} has no run that is done; run it first" for name, of in zip(two.names, (a, b), strict=True)
                 if not of.sets]  # fmt: skip
    if a.sets and b.sets and not two.sets:
        problems.append(f"no test set in common: {', '.join(a.sets)} in {first}, {', '.join(b.sets)} in {second}")
    problems += [f"the test set {name}: {why}" for name in two.sets if (why := _why_unlike(two, name))]
    if problems:
        raise UsageError(
            f"{first} and {second} cannot be compared:{listed(problems)}\nCompare two studies whose runs were tested "
            "on the same images, or two versions of one"
        )
    return two


def _why_unlike(two: _Two, name: str) -> str:
    """In what a test set of two studies differs; empty where its images, labels and classes are the same."""
    ours, theirs = two.a.sets[name], two.b.sets[name]
    if ours.class_names != theirs.class_names:
        return f"classes {', '.join(ours.class_names)} in the first, {', '.join(theirs.class_names)} in the second"
    if bool(ours.ids) != bool(theirs.ids):
        return "one study has a split for all seeds, the other one for every seed"
    for seed in two.seeds:
        one, other = (_labels(of, name, seed) for of in (two.a, two.b))
        if one and other and (why := _why_unlike_labels(one, other)):
            return why if ours.ids else f"seed {seed}: {why}"
    return _why_unlike_pixels(two, name)


def _labels(of: Analysis, test_set: str, seed: int) -> dict[str, int]:
    """By image, its label, as any run of the seed was tested; empty where none was."""
    for arm in of.arms:
        found = (of.runs[arm, seed].predictions or {}).get(test_set)
        if found is not None and arm not in of.sets[test_set].incomparable:
            return dict(zip(found.ids, found.labels.tolist(), strict=True))
    return {}


def _why_unlike_labels(ours: Mapping[str, int], theirs: Mapping[str, int]) -> str:
    unlike = {
        "only in the first": sorted(set(ours) - set(theirs)),
        "only in the second": sorted(set(theirs) - set(ours)),
        "with another label": sorted(i for i in set(ours) & set(theirs) if ours[i] != theirs[i]),
    }
    return "; ".join(f"{several(len(of), 'image')} {what} ({_some(of)})" for what, of in unlike.items() if of)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")


def _why_unlike_pixels(two: _Two, test_set: str) -> str:
    """What speaks against the images of a test set being the same under their names; empty where nothing does.

    Arm by arm, since that is what is compared; of a split per seed, run by run.
    """
    left_out = {**two.a.sets[test_set].incomparable, **two.b.sets[test_set].incomparable}
    parts = [two.seeds] if two.a.sets[test_set].ids else [(seed,) for seed in two.seeds]
    unlike: list[str] = []
    unknown: list[str] = []
    for arm in two.arms:
        if arm in left_out or _only_resized(two, test_set, arm):
            continue
        for ours, theirs in (two.fingerprints(test_set, arm, seeds) for seeds in parts):
            if ours is not None and theirs is not None and not ours & theirs:
                (unlike if ours and theirs else unknown).append(arm)
    if unlike:
        return (
            "the ids and labels of its images are the same, and yet their fingerprints are not: other images "
            f"({_some(list(dict.fromkeys(unlike)))})"
        )
    named = _some(list(dict.fromkeys(unknown)))
    return named and f"no fingerprint of its images was recorded, so nothing shows that they are the same ({named})"


def _fingerprints(of: Analysis, part: str, arm: str, seeds: Collection[int]) -> set[str] | None:
    runs = [of.runs[arm, seed] for seed in seeds]
    done = [run.record for run in runs if run.record is not None and run.status == "done"]
    return {record.data[part] for record in done if part in record.data} if done else None


def _only_resized(two: _Two, test_set: str, arm: str) -> bool:
    """Whether the arm's images are of one source brought to two sizes, which gives the same images two fingerprints."""
    specs = [of.study.arms[arm] for of in (two.a, two.b)]
    ours, theirs = (spec.images if test_set == "main" else spec.test_sets.get(test_set) for spec in specs)
    if ours is None or theirs is None or ours.size == theirs.size:
        return False
    return ours.model_dump(exclude={"size"}) == theirs.model_dump(exclude={"size"})


def _trained_on_others(two: _Two) -> dict[str, int]:
    """By matched arm, its seeds whose training images have another fingerprint in the two studies; no other arm."""
    pairs = {arm: [two.fingerprints("train", arm, [seed]) for seed in two.seeds] for arm in two.arms}
    counts = {arm: sum(bool(x and y and x != y) for x, y in of_arm) for arm, of_arm in pairs.items()}
    return {arm: count for arm, count in counts.items() if count}


# --------------------------------------------------------------------------------------------------------- comparisons


def _of_set(two: _Two, name: str) -> list[_Found]:
    """The comparisons of one test set, a metric each."""
    theirs = two.b.sets[name].components
    equal = {arm: _equal_runs(two, name, arm) for arm in two.arms}
    found = []
    for metric in two.a.sets[name].components:
        if metric in theirs:
            both, count = _stacked(two, name, metric), len(two.arms)
            comparisons = compare(both, [(count + place, place) for place in range(count)])
            rows = [_row(name, arm, of, both, equal[arm]) for arm, of in zip(two.arms, comparisons, strict=True)]
            found.append(_Found(comparisons, tuple(rows)))
    return found


def _stacked(two: _Two, name: str, metric: str) -> Components:
    """The matched arms of the first study, then those of the second, as arms of one study."""
    first, second = two.a.sets[name], two.b.sets[name]
    ours, theirs = first.components[metric], second.components[metric]
    one, other = _places(two.a, two), _places(two.b, two)
    values, why = np.concatenate([ours.values[one], theirs.values[other]]), ours.why_no_parts or theirs.why_no_parts
    if ours.parts is None or theirs.parts is None:
        return Components(metric, values, None, why, ours.resplit or theirs.resplit)
    at = {image: place for place, image in enumerate(second.ids)}
    images = [at[image] for image in first.ids]
    return Components(metric, values, np.concatenate([ours.parts[one], theirs.parts[other][..., images]]), why)


def _places(of: Analysis, two: _Two) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the matched arms and seeds on the first two axes of the arrays."""
    arms = np.array([of.arms.index(arm) for arm in two.arms], np.int64)
    seeds = np.array([of.seeds.index(seed) for seed in two.seeds], np.int64)
    return arms[:, None], seeds[None, :]


def _row(test_set: str, arm: str, of: Comparison, both: Components, equal: int) -> ComparisonRow:
    pair = both.values[[of.reference, of.arm]]
    known = pair[:, ~np.isnan(pair).any(axis=0)]
    first, second = known.mean(axis=1).tolist() if known.shape[1] else (math.nan, math.nan)
    return ComparisonRow(
        test_set, arm, of.metric, first, second, of.primary.value, of.a.low, of.a.high, of.b.low, of.b.high, of.c.low,
        of.c.high, of.primary.p, of.p_adjusted, of.p_superior, of.mde, of.primary.n_seeds, equal,
    )  # fmt: skip


def _equal_runs(two: _Two, test_set: str, arm: str) -> int:
    """Seeds in which both studies give every test image the same probabilities, to the bit."""
    count = 0
    for seed in two.seeds:
        one, other = two.predictions(test_set, arm, seed)
        if one is not None and other is not None:
            at = {image: place for place, image in enumerate(other.ids)}
            shown = other.probabilities[[at[image] for image in one.ids]]
            count += bool(np.array_equal(one.probabilities, shown))
    return count


# --------------------------------------------------------------------------------------------------------- the document


def _findings(two: _Two, primary: Sequence[ComparisonRow]) -> Iterator[Statement]:
    """What the second study gained or lost in the primary metric."""
    matches = [(arm, seed) for arm in two.arms for seed in two.seeds]
    pairs = sum(two.a.runs[match].status == two.b.runs[match].status == "done" for match in matches)
    equal = sum(row.n_equal for row in primary)
    yield Statement(
        f"Matched: {several(len(two.arms), 'arm')} and {several(len(two.seeds), 'seed')}. {pairs} runs are done in "
        f"both; {'all' if equal == pairs else equal or 'none'} of these made the very same predictions."
    )
    metric = metric_named(primary[0].metric)
    claims = [row for row in primary if row.p_holm < ALPHA]
    for row in claims[:MOST_SENTENCES]:
        tone: Tone = "good" if metric.is_better(row.difference) else "bad"
        moved = f"{metric.label} {number(row.difference, signed=True)} in the second"
        yield Statement(f"{row.arm}: {moved} ({_interval(row)}; Holm p {_p(row.p_holm)}).", tone)
    if more := [row.arm for row in claims[MOST_SENTENCES:]]:
        yield Statement(f"Holm p is below {ALPHA} in {several(len(more), 'more arm')}: {', '.join(more)}.", "caution")
    others = [row for row in primary if not row.p_holm < ALPHA and row.n_equal < row.n_seeds]
    if others:
        known = [interval for row in others if (interval := _bounds(row))]
        low, high = min((low for low, _ in known), default=math.nan), max((high for _, high in known), default=math.nan)
        reach = f"95% CIs within {number(low, signed=True)} to {number(high, signed=True)}" if known else "no interval"
        yield Statement(f"No significant difference in {metric.label} in {several(len(others), 'arm')} ({reach}).")


def _cautions(two: _Two) -> Iterator[Statement]:
    """What spoils the comparison, or was left out of it."""
    if left_out := [f"{what} {_sides(first, second)}" for what, first, second in _unmatched(two)]:
        yield Statement(f"Left out, since only one of the two has them: {'; '.join(left_out)}.", "caution")
    for which, of in (("first", two.a), ("second", two.b)):
        done = sum(run.status == "done" for run in of.runs.values())
        if done < len(of.runs):
            are = "is" if done == 1 else "are"
            text = f"The {which} study is partial: {done} of its {several(len(of.runs), 'run')} {are} done."
            yield Statement(text, "caution")
    if trained := _trained_on_others(two):
        yield Statement(
            f"The training images of {several(sum(trained.values()), 'matched run')} have another fingerprint in the "
            f"second ({_some(list(trained))}): what differs may be the images themselves.",
            "caution",
        )
    if unlike := unlike_environments(run.record for of in (two.a, two.b) for run in of.runs.values() if run.record):
        yield Statement(f"The runs were made in different environments, which may move numbers: {unlike}.", "caution")


def _bounds(row: ComparisonRow) -> tuple[float, float] | None:
    """The primary interval: A, or B where every seed has its own split; None where it is absent."""
    low, high = (row.low_a, row.high_a) if not math.isnan(row.low_a) else (row.low_b, row.high_b)
    return None if math.isnan(low) or math.isnan(row.p) else (low, high)


def _interval(row: ComparisonRow) -> str:
    low, high = _bounds(row) or (math.nan, math.nan)
    factors = "new seeds and new patients" if not math.isnan(row.low_a) else "new seeds and splits"
    return f"95% CI {number(low, signed=True)} to {number(high, signed=True)}, {factors}"


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "below 0.0001"


def _sides(first: str, second: str) -> str:
    sides = (first and f"{first} in the first", second and f"{second} in the second")
    return ", ".join(side for side in sides if side)


def _differences(two: _Two, name: str, found: Sequence[_Found]) -> Section:
    of, (first, second) = two.a.sets[name], two.names
    rows = [row for of_metric in found for row in of_metric.rows]
    compared = [one for of_metric in found for one in of_metric.comparisons]
    columns: dict[Column, list[Any]] = {
        Column("Arm"): [row.arm for row in rows],
        METRIC: [metric_label(row.metric) for row in rows],
        Column("First", DIGITS, explained="mean over the seeds with a run in both"): [row.first for row in rows],
        Column("Second", DIGITS, explained="the same of the second study"): [row.second for row in rows],
        **comparison_columns(of, compared, "Holm p"),
        Column("Equal runs", explained="with the very same predictions"): [row.n_equal for row in rows],
    }
    title = f"The second minus the first{on_set(name)}"
    notes = interval_notes([(row.arm, row.metric, one) for row, one in zip(rows, compared, strict=True)])
    table = table_of(anchor("compared", name), title, columns, notes)
    about = f"First: {first}. Second: {second}. The runs of one arm and seed in the two are a pair."
    return Section(anchor("differences", name), title, (about,), (table,))


def _unmatched(two: _Two) -> Iterator[tuple[str, str, str]]:
    """What, which of it only the first has, which only the second; nothing where both have the same."""
    for what, ours, theirs in (("arms", two.a.arms, two.b.arms), ("test sets", [*two.a.sets], [*two.b.sets])):
        first, second = [x for x in ours if x not in theirs], [x for x in theirs if x not in ours]
        if first or second:
            yield what, ", ".join(first), ", ".join(second)
    seeds = set(two.a.seeds) - set(two.b.seeds), set(two.b.seeds) - set(two.a.seeds)
    if any(seeds):
        yield "seeds", ranges(seeds[0]), ranges(seeds[1])


def _only_one_has(two: _Two) -> Table:
    """What could not be matched, and the runs that were to be there and are not done."""
    rows: list[tuple[Cell, ...]] = [(what, first or None, second or None) for what, first, second in _unmatched(two)]
    unfinished = [_unfinished(of) or None for of in (two.a, two.b)]
    if any(unfinished):
        rows.append(("runs that are not done", *unfinished))
    notes = ("A dash: none.",) if rows else ("Nothing: both have the same arms, seeds and test sets, and all runs.",)
    columns = (Column("What"), Column("Only in the first"), Column("Only in the second"))
    return Table("unmatched", "Left out of the comparison", columns, tuple(rows), notes)


def _unfinished(of: Analysis) -> str:
    """``lesions 3, 4 (failed); mixup 0-4 (missing)``."""
    found: dict[tuple[str, str], list[int]] = {}
    for (arm, seed), run in of.runs.items():
        if run.status != "done":
            found.setdefault((arm, run.status), []).append(seed)
    return "; ".join(f"{arm} {ranges(seeds)} ({status})" for (arm, status), seeds in found.items())


def _specs(two: _Two) -> Table:
    """In which fields of its spec a matched arm is not the same in both."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for arm in two.arms:
        ours, theirs = (dict(_flat(of.study.arms[arm].model_dump(mode="json"))) for of in (two.a, two.b))
        for field in dict.fromkeys([*ours, *theirs]):
            one, other = ours.get(field, "none"), theirs.get(field, "none")
            if one != other:
                found.setdefault((field, one, other), []).append(arm)
    rows = tuple((field, one, other, ", ".join(arms)) for (field, one, other), arms in found.items())
    what = "may be the images, code" if _trained_on_others(two) else "is code"
    notes = () if rows else (f"The specs of all matched arms are the same: what differs {what}, versions or hardware.",)
    columns = (Column("Field"), Column("First"), Column("Second"), Column("Arms"))
    return Table("specs", "In what the specs of the matched arms differ", columns, rows, notes)


def _flat(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Dotted field and its value as text; without the places where images lie, which move no number."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            if key != "path":
                yield from _flat(inner, f"{where}.{key}" if where else str(key))
    else:
        yield where, "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
