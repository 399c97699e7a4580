"""Two studies, or two versions of one, against each other: matched arms and seeds, the same statistics."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imil_sim.errors import UsageError, listed, several
from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Document, Section, Statement, Table, Tone
from imil_sim.report.results import unlike_environments
from imil_sim.report.tables.differences import comparison_cells, comparison_columns
from imil_sim.report.tables.text import DIGITS, METRIC_NAMES, anchor, capital, interval_notes, number, on_set, ranges
from imil_sim.stats import Comparison, Components, compare, metric_named
from imil_sim.study.record import Predictions
from imil_sim.study.spec import ArmSpec, Source

ALPHA = 0.05

MOST_SENTENCES = 8
"""So many arms get a sentence each; of more, their names."""

MOST_TOLD = 3
"""Images named in a message."""

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
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
    """A `Row` a row, its fields as columns."""


class _Matched(NamedTuple):
    """What two studies have in common, in the order of the first."""

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    sets: tuple[str, ...]


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
    matched = _matched(a, b)
    found = {name: _of_set(a.sets[name], b.sets[name], a, b, matched) for name in matched.sets}
    rows = [row for name, comparisons in found.items() for row in _rows(name, comparisons, a, b, matched)]
    frame = pd.DataFrame([{f.name: getattr(row, f.name) for f in fields(Row)} for row in rows])
    first, second = _names(a, b)
    return StudyComparison(
        Document(
            name=a.study.name if a.study.name == b.study.name else f"{a.study.name}-{b.study.name}",
            title=f"{second} against {first}",
            statements=tuple(_statements(rows, a, b, matched)),
            sections=tuple(_sections(found, rows, a, b, matched)),
        ),
        frame,
    )


# ---------------------------------------------------------------------------------------------- what is in both


def _matched(a: Analysis, b: Analysis) -> _Matched:
    first, second = _names(a, b)
    matched = _Matched(
        tuple(arm for arm in a.arms if arm in b.arms),
        tuple(seed for seed in a.seeds if seed in b.seeds),
        tuple(name for name in a.sets if name in b.sets),
    )
    problems = []
    if not matched.arms:
        problems.append(f"no arm in common: {first} has {', '.join(a.arms)}; {second} has {', '.join(b.arms)}")
    if not matched.seeds:
        problems.append(f"no seed in common: {first} has {ranges(a.seeds)}; {second} has {ranges(b.seeds)}")
    for name, of in ((first, a), (second, b)):
        if not of.sets:
            problems.append(f"{name} has no run that is done; run it first")
    if a.sets and b.sets and not matched.sets:
        problems.append(f"no test set in common: {', '.join(a.sets)} in {first}, {', '.join(b.sets)} in {second}")
    for name in matched.sets:
        if why := _why_unlike(a, b, name, matched):
            problems.append(f"the test set {name}: {why}")
    if problems:
        raise UsageError(
            f"{first} and {second} cannot be compared:{listed(problems)}\nCompare two studies whose runs were tested "
            "on the same images, or two versions of one"
        )
    return matched


def _why_unlike(a: Analysis, b: Analysis, name: str, matched: _Matched) -> str:
    """In what a test set of two studies differs; empty where its images, labels and classes are the same."""
    ours, theirs = a.sets[name], b.sets[name]
    if ours.class_names != theirs.class_names:
        return f"classes {', '.join(ours.class_names)} in the first, {', '.join(theirs.class_names)} in the second"
    if bool(ours.ids) != bool(theirs.ids):
        return "one study has a split for all seeds, the other one for every seed"
    if ours.ids:
        labels = [dict(zip(of.ids, of.labels.tolist(), strict=True)) for of in (ours, theirs) if of.labels is not None]
        return _why_unlike_images(labels[0], labels[1]) or _why_unlike_pictures(a, b, name, matched)
    for seed in matched.seeds:
        one, other = (_labels_of_seed(of, name, seed) for of in (a, b))
        if one is not None and other is not None and (why := _why_unlike_images(one, other)):
            return f"seed {seed}: {why}"
    return _why_unlike_pictures(a, b, name, matched)


def _why_unlike_images(ours: Mapping[str, int], theirs: Mapping[str, int]) -> str:
    told = []
    for where, more in (("first", sorted(set(ours) - set(theirs))), ("second", sorted(set(theirs) - set(ours)))):
        if more:
            told.append(f"{several(len(more), 'image')} only in the {where} ({_some(more)})")
    if other := sorted(i for i in set(ours) & set(theirs) if ours[i] != theirs[i]):
        told.append(f"{several(len(other), 'image')} with another label ({_some(other)})")
    return "; ".join(told)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_TOLD]) + (", ..." if len(names) > MOST_TOLD else "")


def _labels_of_seed(of: Analysis, test_set: str, seed: int) -> dict[str, int] | None:
    for arm in of.arms:
        if (found := _predictions(of, test_set, arm, seed)) is not None:
            return dict(zip(found.ids, found.labels.tolist(), strict=True))
    return None


def _why_unlike_pictures(a: Analysis, b: Analysis, test_set: str, matched: _Matched) -> str:
    """What speaks against the pictures of a test set being the same ones under their names; empty where nothing does.

    Arm by arm, since that is what is compared; of a split per seed, run by run.
    """
    left_out = {**a.sets[test_set].incomparable, **b.sets[test_set].incomparable}
    arms = [arm for arm in matched.arms if arm not in left_out and not _other_size(a, b, test_set, arm)]
    parts: list[Collection[int] | None] = [None] if a.sets[test_set].ids else [[seed] for seed in matched.seeds]
    unlike, unknown = [], []
    for arm in arms:
        for seeds in parts:
            ours, theirs = (_fingerprints(of, test_set, arm, seeds) for of in (a, b))
            if ours is None or theirs is None:
                continue
            if not (ours and theirs):
                unknown.append(arm)
            elif not ours & theirs:
                unlike.append(arm)
    if unlike:
        return (
            "the ids and labels of its images are the same, and yet their fingerprints are not: other pictures "
            f"({_some(list(dict.fromkeys(unlike)))})"
        )
    return "" if not unknown else (
        "no fingerprint of its images was recorded, so nothing shows that the pictures are the same "
        f"({_some(list(dict.fromkeys(unknown)))})"
    )  # fmt: skip


def _fingerprints(of: Analysis, part: str, arm: str, seeds: Collection[int] | None = None) -> set[str] | None:
    """Those on record of the runs of an arm, of these seeds or of all; None where no run is done."""
    records = [
        run.record for (own, seed), run in of.runs.items()
        if own == arm and run.record and run.status == "done" and (seeds is None or seed in seeds)
    ]  # fmt: skip
    return {record.data[part] for record in records if part in record.data} if records else None


def _other_size(a: Analysis, b: Analysis, test_set: str, arm: str) -> bool:
    """Whether the arm's images are of one source brought to two sizes, which gives the same images two fingerprints."""
    ours, theirs = (_source(of.study.arms[arm], test_set) for of in (a, b))
    if ours is None or theirs is None or ours.size == theirs.size:
        return False
    return ours.model_dump(exclude={"size"}) == theirs.model_dump(exclude={"size"})


def _source(arm: ArmSpec, test_set: str) -> Source | None:
    return arm.images if test_set == "main" else arm.test_sets.get(test_set)


def _trained_on_others(a: Analysis, b: Analysis, matched: _Matched) -> dict[str, int]:
    """By matched arm, its seeds whose training images have another fingerprint in the two studies; no other arm."""
    found = {}
    for arm in matched.arms:
        pairs = [(_fingerprints(a, "train", arm, [s]), _fingerprints(b, "train", arm, [s])) for s in matched.seeds]
        if count := sum(bool(ours and theirs and ours != theirs) for ours, theirs in pairs):
            found[arm] = count
    return found


def _predictions(of: Analysis, test_set: str, arm: str, seed: int) -> Predictions | None:
    return (of.runs[arm, seed].predictions or {}).get(test_set)


# --------------------------------------------------------------------------------------------------------- comparisons


class _Compared(NamedTuple):
    """One metric on one test set."""

    both: Components
    """The matched arms of the first study, then those of the second, as arms of one study."""
    comparisons: tuple[Comparison, ...]
    """One a matched arm."""

    def means(self, place: int) -> tuple[float, float]:
        """Of an arm in the first and in the second study, over the seeds with a run in both."""
        pair = self.both.values[[place, place + len(self.comparisons)]]
        known = pair[:, ~np.isnan(pair).any(axis=0)]
        first, second = known.mean(axis=1).tolist() if known.shape[1] else (math.nan, math.nan)
        return first, second


def _of_set(
    first: SetAnalysis, second: SetAnalysis, a: Analysis, b: Analysis, matched: _Matched
) -> dict[str, _Compared]:
    """The comparisons of one test set, by metric."""
    count = len(matched.arms)
    pairs = [(count + place, place) for place in range(count)]
    images = _image_places(first, second)
    found = {}
    for metric, ours in first.components.items():
        if metric in second.components:
            both = _stacked(ours, second.components[metric], a, b, matched, images)
            found[metric] = _Compared(both, compare(both, pairs))
    return found


def _image_places(first: SetAnalysis, second: SetAnalysis) -> Places | None:
    """The places (images,) in the second study of the first one's images; None where seeds have their own."""
    if not first.ids:
        return None
    at = {image: place for place, image in enumerate(second.ids)}
    return np.array([at[image] for image in first.ids], np.int64)


def _stacked(
    ours: Components, theirs: Components, a: Analysis, b: Analysis, matched: _Matched, images: Places | None
) -> Components:
    one, other = _places(a, matched), _places(b, matched)
    values = np.concatenate([ours.values[one], theirs.values[other]])
    if ours.parts is None or theirs.parts is None or images is None:
        return Components(
            ours.metric, values, None, ours.why_no_parts or theirs.why_no_parts, ours.resplit or theirs.resplit
        )
    parts = np.concatenate([ours.parts[one], theirs.parts[other][..., images]])
    return Components(ours.metric, values, parts, ours.why_no_parts or theirs.why_no_parts)


def _places(of: Analysis, matched: _Matched) -> tuple[Places, Places]:
    """Of the matched arms and seeds on the first two axes of the arrays."""
    arms = np.array([of.arms.index(arm) for arm in matched.arms], np.int64)
    seeds = np.array([of.seeds.index(seed) for seed in matched.seeds], np.int64)
    return arms[:, None], seeds[None, :]


def _rows(test_set: str, found: Mapping[str, _Compared], a: Analysis, b: Analysis, matched: _Matched) -> Iterator[Row]:
    equal = {arm: _equal_runs(a, b, test_set, arm, matched.seeds) for arm in matched.arms}
    for metric, compared in found.items():
        for place, (arm, of) in enumerate(zip(matched.arms, compared.comparisons, strict=True)):
            yield Row(
                test_set, arm, metric, *compared.means(place), of.primary.value, of.a.low, of.a.high, of.b.low,
                of.b.high, of.c.low, of.c.high, of.primary.p, of.p_adjusted, of.p_superior, of.mde,
                of.primary.n_seeds, equal[arm],
            )  # fmt: skip


def _equal_runs(a: Analysis, b: Analysis, test_set: str, arm: str, seeds: Sequence[int]) -> int:
    """Seeds in which both studies give every test image the same probabilities, to the bit."""
    count = 0
    for seed in seeds:
        one, other = (_predictions(of, test_set, arm, seed) for of in (a, b))
        if one is not None and other is not None:
            shown = other.probabilities
            if one.ids != other.ids:
                at = {image: place for place, image in enumerate(other.ids)}
                shown = shown[[at[image] for image in one.ids]]
            count += bool(np.array_equal(one.probabilities, shown))
    return count


# --------------------------------------------------------------------------------------------------------- the document


def _names(a: Analysis, b: Analysis) -> tuple[str, str]:
    """What the two are called."""
    if a.study.name != b.study.name:
        return a.study.name, b.study.name
    return f"{a.study.name} (first)", f"{b.study.name} (second)"


def _statements(rows: Sequence[Row], a: Analysis, b: Analysis, matched: _Matched) -> Iterator[Statement]:
    primary = [row for row in rows if (row.test_set, row.metric) == (rows[0].test_set, rows[0].metric)]
    name = METRIC_NAMES[primary[0].metric]
    matches = [(arm, seed) for arm in matched.arms for seed in matched.seeds]
    pairs = sum(a.runs[match].status == b.runs[match].status == "done" for match in matches)
    equal = sum(row.n_equal for row in primary)
    same = "all" if equal == pairs else equal or "none"
    yield Statement(
        f"Matched: {_count(matched.arms, 'arm')} and {_count(matched.seeds, 'seed')}. Of their runs {pairs} are done "
        f"in both; {same} of these made the very same predictions in both."
    )
    claims = [row for row in primary if row.p_holm < ALPHA]
    for row in claims[:MOST_SENTENCES]:
        tone: Tone = "good" if metric_named(row.metric).is_better(row.difference) else "bad"
        yield Statement(
            f"{row.arm}: {name} moved by {number(row.difference, signed=True)} in the second "
            f"({_interval(row)}; Holm p {_p(row.p_holm)}).",
            tone,
        )
    if more := [row.arm for row in claims[MOST_SENTENCES:]]:
        yield Statement(f"Holm p is below {ALPHA} in {_count(more, 'more arm')}: {', '.join(more)}.", "caution")
    others = [row for row in primary if not row.p_holm < ALPHA and row.n_equal < row.n_seeds]
    known = [interval for row in others if (interval := _bounds(row))]
    if others:
        arms = f"in {_count(others, 'arm')}"
        reach = (
            f"; what is there may be anything from {number(min(low for low, _ in known), signed=True)} to "
            f"{number(max(high for _, high in known), signed=True)}"
            if known
            else ", and there is no interval to say how large it may be"
        )
        yield Statement(f"No difference in {name} can be told from chance {arms}{reach}.")
    if told := [f"{what} {_sides(first, second)}" for what, first, second in _unmatched(a, b)]:
        yield Statement(f"Left out, since only one of the two has them: {'; '.join(told)}.", "caution")
    for which, of in (("first", a), ("second", b)):
        done = sum(run.status == "done" for run in of.runs.values())
        if done < len(of.runs):
            are = "is" if done == 1 else "are"
            yield Statement(
                f"The {which} study is partial: {done} of its {several(len(of.runs), 'run')} {are} done.", "caution"
            )
    if trained := _trained_on_others(a, b, matched):
        yield Statement(
            f"The training images of {_count(range(sum(trained.values())), 'matched run')} have another fingerprint in "
            f"the second ({_some(list(trained))}): what differs may be the images themselves.",
            "caution",
        )
    if unlike := unlike_environments(run.record for of in (a, b) for run in of.runs.values() if run.record):
        yield Statement(f"The runs were made in different environments, which may move numbers: {unlike}.", "caution")


def _count(of: Sequence[object], what: str) -> str:
    return f"{len(of)} {what}{'' if len(of) == 1 else 's'}"


def _bounds(row: Row) -> tuple[float, float] | None:
    """The primary interval: A, or B where every seed has its own split; None where it is absent."""
    low, high = (row.low_a, row.high_a) if not math.isnan(row.low_a) else (row.low_b, row.high_b)
    return None if math.isnan(low) or math.isnan(row.p) else (low, high)


def _interval(row: Row) -> str:
    bounds = _bounds(row)
    assert bounds is not None
    factors = "new seeds and new patients" if not math.isnan(row.low_a) else "new seeds and splits"
    return f"95% interval over {factors} {number(bounds[0], signed=True)} to {number(bounds[1], signed=True)}"


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "below 0.0001"


def _sides(first: str, second: str) -> str:
    told = [f"{names} in the {where}" for names, where in ((first, "first"), (second, "second")) if names]
    return ", ".join(told)


def _sections(
    found: Mapping[str, Mapping[str, _Compared]], rows: Sequence[Row], a: Analysis, b: Analysis, matched: _Matched
) -> Iterator[Section]:
    first, second = _names(a, b)
    for name, by_metric in found.items():
        of = a.sets[name]
        yield Section(
            anchor("differences", name),
            f"The second minus the first{on_set(name)}",
            (f"First: {first}. Second: {second}. The runs of one arm and seed in the two are a pair.",),
            tuple(_differences(of, metric, compared, rows, matched) for metric, compared in by_metric.items()),
        )
    yield Section("matching", "What was compared with what", (), (_only_one_has(a, b), _specs(a, b, matched)))


def _differences(of: SetAnalysis, metric: str, compared: _Compared, rows: Sequence[Row], matched: _Matched) -> Table:
    own = {row.arm: row for row in rows if (row.test_set, row.metric) == (of.name, metric)}
    named = list(zip(matched.arms, compared.comparisons, strict=True))
    columns = (
        Column("Arm"),
        Column("First", DIGITS, explained="mean over the seeds with a run in both"),
        Column("Second", DIGITS, explained="the same of the second study"),
        *comparison_columns(of, "Holm p"),
        Column("Equal runs", explained="with the very same predictions"),
    )
    better = "above" if metric_named(metric).higher_is_better else "below"
    return Table(
        anchor(f"differences-{metric.replace('_', '-')}", of.name),
        f"{capital(METRIC_NAMES[metric])}: the second minus the first{on_set(of.name)}",
        columns,
        tuple((arm, own[arm].first, own[arm].second, *comparison_cells(c), own[arm].n_equal) for arm, c in named),
        (
            f"{better.capitalize()} 0 the second is the better one.",
            *interval_notes([(arm, metric, one) for arm, one in named]),
        ),
    )


def _unmatched(a: Analysis, b: Analysis) -> Iterator[tuple[str, str, str]]:
    """What, which of it only the first has, which only the second; nothing where both have the same."""
    for what, ours, theirs in (("arms", a.arms, b.arms), ("test sets", tuple(a.sets), tuple(b.sets))):
        first, second = [x for x in ours if x not in theirs], [x for x in theirs if x not in ours]
        if first or second:
            yield what, ", ".join(first), ", ".join(second)
    seeds = set(a.seeds) - set(b.seeds), set(b.seeds) - set(a.seeds)
    if any(seeds):
        yield "seeds", ranges(seeds[0]), ranges(seeds[1])


def _only_one_has(a: Analysis, b: Analysis) -> Table:
    """What could not be matched, and the runs that were to be there and are not done."""
    rows: list[tuple[Cell, ...]] = [(what, first or None, second or None) for what, first, second in _unmatched(a, b)]
    unfinished = [_unfinished(of) for of in (a, b)]
    if any(unfinished):
        rows.append(("runs that are not done", *(told or None for told in unfinished)))
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


def _specs(a: Analysis, b: Analysis, matched: _Matched) -> Table:
    """In which fields of its spec a matched arm is not the same in both."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for arm in matched.arms:
        ours, theirs = (dict(_flat(of.study.arms[arm].model_dump(mode="json"))) for of in (a, b))
        for field in dict.fromkeys([*ours, *theirs]):
            one, other = ours.get(field, "none"), theirs.get(field, "none")
            if one != other:
                found.setdefault((field, one, other), []).append(arm)
    rows = tuple((field, one, other, ", ".join(arms)) for (field, one, other), arms in found.items())
    notes = () if rows else (_what_else(a, b, matched),)
    columns = (Column("Field"), Column("First"), Column("Second"), Column("Arms"))
    return Table("specs", "In what the specs of the matched arms differ", columns, rows, notes)


def _what_else(a: Analysis, b: Analysis, matched: _Matched) -> str:
    """What there is to differ where no spec does."""
    if _trained_on_others(a, b, matched):
        return (
            "The specs of all matched arms are the same, and yet the fingerprints of training images are not: what "
            "differs may be the images, beside code, versions or hardware."
        )
    return "The specs of all matched arms are the same: what differs is code, versions or hardware."


def _flat(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Dotted field and its value as text; without the places where images lie, which move no number."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            if key != "path":
                yield from _flat(inner, f"{where}.{key}" if where else str(key))
    else:
        yield where, "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
