"""Two studies, or two versions of one, against each other: matched arms and seeds, the same statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imil_sim.errors import UsageError, listed
from imil_sim.report.analysis import Analysis, ReportedRun, Run, unlike, unlike_environments
from imil_sim.report.assemble import say
from imil_sim.report.document import Column, Document, Section, Statement, Table, Tone
from imil_sim.report.findings import ALPHA
from imil_sim.report.results import ends
from imil_sim.report.tables.comparisons import comparison_columns
from imil_sim.report.tables.text import METRIC, anchor, interval_notes, metric_label, on_set, table_of
from imil_sim.stats import Comparison, Components, compare, metric_named
from imil_sim.text import DIGITS, ranges

COLUMNS = (
    "test_set", "arm", "metric", "first", "second", "difference", "low_a", "high_a", "low_b", "high_b", "low_c",
    "high_c", "p", "p_holm", "p_superior", "mde", "n_seeds", "n_equal",
)  # fmt: skip
"""Of comparison.csv: the second study minus the first, the mean over the seeds with a run in both.

``p_holm`` is over the arms within metric and test set; ``n_equal`` counts the pairs of runs with the same predictions.
"""


@dataclass(frozen=True, slots=True, eq=False)
class StudyComparison:
    """What comparing two studies comes to."""

    document: Document
    rows: pd.DataFrame
    """An arm, metric and test set a row, with `COLUMNS`."""


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

    @property
    def runs(self) -> dict[Run, tuple[ReportedRun, ReportedRun]]:
        """The matched runs that are done in both."""
        matched = {
            (arm, seed): (self.a.runs[arm, seed], self.b.runs[arm, seed]) for arm in self.arms for seed in self.seeds
        }
        return {run: two for run, two in matched.items() if all(one.status == "done" for one in two)}


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
    found = {name: list(_of_set(two, name)) for name in two.sets}
    rows = pd.DataFrame([row for of in found.values() for row, _ in of], columns=list(COLUMNS))
    first, primary = rows.loc[0, ["test_set", "metric"]]
    document = Document(
        name="-".join(dict.fromkeys([a.study.name, b.study.name])),
        title=f"{two.names[1]} against {two.names[0]}",
        statements=(*_findings(two, rows[(rows["test_set"] == first) & (rows["metric"] == primary)]), *_cautions(two)),
        sections=(
            *(_differences(two, name, of) for name, of in found.items()),
            Section("specs", "In what the matched arms differ", (), (_specs(two),)),
        ),
    )
    return StudyComparison(document, rows)


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
    """Why runs of one arm and seed cannot be compared on a test set; empty where all can."""
    left_out = two.a.sets[name].incomparable.keys() | two.b.sets[name].incomparable.keys()
    arms: dict[str, list[str]] = {}
    for (arm, _), (one, other) in two.runs.items():
        if arm not in left_out and (why := unlike(name, one, other, ordered=False)):
            arms.setdefault(arm, []).append(why)
    if not arms and bool(two.a.sets[name].ids) != bool(two.b.sets[name].ids):
        return "one study has a split for all seeds, the other one for every seed"
    return f"{next(iter(arms.values()))[0]} of the first study ({', '.join(arms)})" if arms else ""


# --------------------------------------------------------------------------------------------------------- comparisons


def _of_set(two: _Two, name: str) -> Iterator[tuple[dict[str, Any], Comparison]]:
    """A row of comparison.csv with its comparison for every metric and arm of one test set."""
    equal = dict.fromkeys(two.arms, 0)
    for (arm, _), (one, other) in two.runs.items():
        equal[arm] += _same_predictions(name, one, other)
    places = range(len(two.arms))
    for metric in (metric for metric in two.a.sets[name].components if metric in two.b.sets[name].components):
        both = _stacked(two, name, metric)
        for arm, of in zip(two.arms, compare(both, [(len(places) + place, place) for place in places]), strict=True):
            row = (
                name, arm, metric, *_means(both, of), of.primary.value, *ends(of), of.primary.p, of.p_adjusted,
                of.p_superior, of.mde, of.primary.n_seeds, equal[arm],
            )  # fmt: skip
            yield dict(zip(COLUMNS, row, strict=True)), of


def _means(both: Components, of: Comparison) -> tuple[float, float]:
    """Of the first and of the second study, over the seeds with a run in both."""
    pair = both.values[[of.reference, of.arm]]
    known = pair[:, ~np.isnan(pair).any(axis=0)]
    return (known[0].mean(), known[1].mean()) if known.size else (math.nan, math.nan)


def _stacked(two: _Two, name: str, metric: str) -> Components:
    """The matched arms of the first study, then those of the second, as arms of one study."""
    first, second = two.a.sets[name], two.b.sets[name]
    ours, theirs = first.components[metric], second.components[metric]
    one, other = _places(two.a, two), _places(two.b, two)
    values, why = np.concatenate([ours.values[one], theirs.values[other]]), ours.why_no_parts or theirs.why_no_parts
    if ours.parts is None or theirs.parts is None:
        return Components(metric, values, None, why, ours.resplit or theirs.resplit)
    images = _order(first.ids, second.ids)
    return Components(metric, values, np.concatenate([ours.parts[one], theirs.parts[other][..., images]]), why)


def _places(of: Analysis, two: _Two) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the matched arms and seeds on the first two axes of the arrays."""
    arms = np.array([of.arms.index(arm) for arm in two.arms], np.int64)
    seeds = np.array([of.seeds.index(seed) for seed in two.seeds], np.int64)
    return arms[:, None], seeds[None, :]


def _order(ids: tuple[str, ...], among: tuple[str, ...]) -> list[int]:
    """The places of images among others in the same number."""
    at = {image: place for place, image in enumerate(among)}
    return [at[image] for image in ids]


def _same_predictions(test_set: str, one: ReportedRun, other: ReportedRun) -> bool:
    """Whether both give every test image the same probabilities, to the bit."""
    ours, theirs = one.predictions.get(test_set), other.predictions.get(test_set)
    if ours is None or theirs is None or set(ours.ids) != set(theirs.ids):
        return False
    return np.array_equal(ours.probabilities, theirs.probabilities[_order(ours.ids, theirs.ids)])


# --------------------------------------------------------------------------------------------------------- the document


def _findings(two: _Two, primary: pd.DataFrame) -> Iterator[Statement]:
    """What the second study gained or lost in the primary metric."""
    metric, rows = metric_named(primary["metric"].iloc[0]), primary.to_dict("records")
    yield Statement(say("matched", two, sum(row["n_equal"] for row in rows)))
    claims = [row for row in rows if row["p_holm"] < ALPHA]
    for row in claims:
        tone: Tone = "good" if metric.is_better(row["difference"]) else "bad"
        yield Statement(say("moved", row, *_bounds(row)), tone)
    if others := [row for row in rows if not row["p_holm"] < ALPHA and row["n_equal"] < row["n_seeds"]]:
        reach = [end for row in others for end in _bounds(row) if not math.isnan(end)]
        yield Statement(say("not_moved", metric.name, len(others), (min(reach), max(reach)) if reach else None))


def _bounds(row: Mapping[Any, Any]) -> tuple[float, float]:
    """The primary interval: A, or B where every seed has its own split; NaN where it is absent."""
    own = "a" if not math.isnan(row["low_a"]) else "b"
    return (math.nan, math.nan) if math.isnan(row["p"]) else (row[f"low_{own}"], row[f"high_{own}"])


def _cautions(two: _Two) -> Iterator[Statement]:
    """What spoils the comparison, or was left out of it."""
    if left_out := list(_unmatched(two)):
        yield Statement(say("left_out", left_out), "caution")
    for which, of in (("first", two.a), ("second", two.b)):
        done = sum(run.status == "done" for run in of.runs.values())
        if done < len(of.runs):
            yield Statement(say("partial", which, done, len(of.runs)), "caution")
    if trained := _trained_on_others(two):
        yield Statement(say("trained_on_others", trained), "caution")
    if differ := unlike_environments(run.record for of in (two.a, two.b) for run in of.runs.values() if run.record):
        yield Statement(say("environments", differ), "caution")


def _trained_on_others(two: _Two) -> list[str]:
    """The arm of every matched run whose training images have another fingerprint in the two studies."""
    records = {run: (one.record, other.record) for run, (one, other) in two.runs.items()}
    return [
        arm
        for (arm, _), (one, other) in records.items()
        if one and other and one.data.get("train") != other.data.get("train")
    ]


def _differences(two: _Two, name: str, found: list[tuple[dict[str, Any], Comparison]]) -> Section:
    of, (first, second) = two.a.sets[name], two.names
    rows, compared = [row for row, _ in found], [one for _, one in found]
    columns: dict[Column, list[Any]] = {
        Column("Arm"): [row["arm"] for row in rows],
        METRIC: [metric_label(row["metric"]) for row in rows],
        Column("First", DIGITS, explained="mean over the seeds with a run in both"): [row["first"] for row in rows],
        Column("Second", DIGITS, explained="the same of the second study"): [row["second"] for row in rows],
        **comparison_columns(of, compared, "Holm p"),
        Column("Equal runs", explained="with the very same predictions"): [row["n_equal"] for row in rows],
    }
    title = f"The second minus the first{on_set(name)}"
    notes = interval_notes([(row["arm"], row["metric"], one) for row, one in found])
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
