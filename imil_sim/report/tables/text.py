"""What the tables have in common: from columns to a `Table`, notes, and the format of numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imil_sim.report.analysis import MAIN, Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.stats import ArmSummary, Comparison, Estimate, Inferences, metric_named
from imil_sim.text import DIGITS, capital, joined, number

MOST_NAMED = 6
"""So many rows are named in a note; of more, it says how many."""

METRIC = Column("Metric", explained="↑ higher is better, ↓ lower is better")

Columns = Mapping[Column, Iterable[Any]]
"""Every column with its cells from the top; NaN and None are shown as a dash."""

HasIntervals = Comparison | ArmSummary | Inferences


def metric_label(metric: str) -> str:
    """``AUROC ↑``: what a reader calls it, and which way it is better."""
    return f"{capital(metric_named(metric).label)} {'↑' if metric_named(metric).higher_is_better else '↓'}"


def table_of(name: str, caption: str, columns: Columns, notes: Iterable[str] = (), dash: str = "") -> Table:
    """A table of the report.

    Args:
        name: of its anchor and file.
        caption: what it shows.
        columns: all as long as one another.
        notes: what changes the reading.
        dash: why a cell may be missing; said where one is.
    """
    rows = tuple(zip(*(map(_cell, values) for values in columns.values()), strict=True))
    if dash and any(cell is None for row in rows for cell in row):
        notes = (*notes, f"A dash: {dash}.")
    return Table(name, caption, tuple(columns), rows, tuple(notes))


def _cell(value: Any) -> Cell:
    plain = value.item() if isinstance(value, np.generic) else value
    return None if plain is None or plain != plain else plain


def over_seeds(frame: pd.DataFrame, arms: Sequence[str], columns: Mapping[str, Column]) -> dict[Column, list[Cell]]:
    """A row an arm, its name first: means and standard deviations over its seeds, ``0.812 (0.032)``.

    Of counts (``n_...``) it is one number, or from fewest to most where runs have different ones. ``frame`` has a row a
    run, with the arm's name in ``arm``; ``columns`` says which of its columns are shown, and as what.
    """
    runs = {arm: frame[frame["arm"] == arm] for arm in arms}
    found: dict[Column, list[Cell]] = {Column("Arm"): [*arms]}
    for name, shown in columns.items():
        cell = _count if name.startswith("n_") else partial(mean_sd, of=shown)
        found[shown] = [cell(of_arm[name]) for of_arm in runs.values()]
    return found


def attributes(rows: Sequence[object], columns: Mapping[str, Column]) -> dict[Column, list[Any]]:
    """A column for each of these attributes of the rows, ``primary.value`` say."""
    return {column: [attrgetter(name)(row) for row in rows] for name, column in columns.items()}


def _count(of: pd.Series[Any]) -> Cell:
    known = of.dropna()
    if not len(known):
        return None
    few, most = int(known.min()), int(known.max())
    return few if few == most else f"{few} to {most}"


def inference_columns(
    of: SetAnalysis, found: Sequence[HasIntervals], *, signed: bool = False, digits: int = DIGITS
) -> dict[Column, list[Cell]]:
    """The columns of the three intervals, each saying what is random in it."""
    split = any(components.resplit for components in of.components.values())
    explained = {
        "A": "new seeds and new patients: Obuchowski-Rockette with seeds as readers, degrees of freedom of Hillis",
        "B": "new seeds with splits of their own: paired t, corrected after Nadeau and Bengio"
        if split
        else "new seeds, this test set: paired t",
        "C": "new patients, these models: Obuchowski-Rockette with fixed seeds; of one seed DeLong, McNemar or Wilson",
    }
    explained["B" if split else "A"] += "; the primary one"
    return {
        Column(f"{letter}: 95% CI", signed=signed, explained=what): [
            interval(getattr(one, letter.lower()), signed=signed, digits=digits) for one in found
        ]
        for letter, what in explained.items()
    }


def interval(of: Estimate, *, signed: bool = False, digits: int = DIGITS) -> Cell:
    """``0.812 to 0.934``; None where there is no interval."""
    low, high = (number(value, signed=signed, digits=digits) for value in (of.low, of.high))
    return None if of.why_absent else f"{low} to {high}"


def p_column(heading: str, explained: str) -> Column:
    """A column of p values."""
    return Column(heading, 4, explained=explained, never_zero=True)


def mean_sd(values: ArrayLike, of: Column = METRIC) -> Cell:
    """``0.812 (0.032)``: mean and standard deviation (n - 1) of what is not NaN; without the sd of one, None of none.

    >>> mean_sd([0.5, 0.75, float("nan")])
    '0.625 (0.177)'

    The column says how many digits, `DIGITS` unless it does, and whether a plus is shown.
    """
    known = pd.Series(np.asarray(values, np.float64)).dropna()
    if not len(known):
        return None
    digits = of.digits or DIGITS
    spread = f" ({number(float(known.std()), digits=digits)})" if len(known) > 1 else ""
    return number(float(known.mean()), signed=of.signed, digits=digits) + spread


def named(names: Sequence[str], total: int) -> str:
    """The rows a note is about: ``all rows``, their names, or the first of them and how many more."""
    if len(names) == total and total > 1:
        return "all rows"
    more = len(names) - MOST_NAMED
    return "; ".join(names) if more <= 1 else f"{'; '.join(names[:MOST_NAMED])}; and {more} more"


def grouped(notes: Iterable[tuple[str, str]], total: int) -> tuple[str, ...]:
    """A note for every different text, ending in the rows it holds for.

    >>> grouped([("mixup", "No p: one seed"), ("cutmix", "No p: one seed")], total=7)
    ('No p: one seed (mixup; cutmix).',)

    Notes are (row, text), in the order of the rows; ``total`` is the number of rows of the table.
    """
    rows: dict[str, dict[str, None]] = {}
    for row, text in notes:
        rows.setdefault(text, {})[row] = None
    return tuple(f"{text} ({named(list(of), total)})." for text, of in rows.items())


def interval_notes(rows: Sequence[tuple[str, str, HasIntervals]]) -> tuple[str, ...]:
    """What to know of the intervals of these rows: what spoils those of a metric, and why some are absent.

    Of every row: what it is called, its metric, and its intervals.
    """
    known = dict.fromkeys(metric for _, metric, of in rows if not of.c.why_absent)
    notes: list[tuple[str, str]] = []
    for row, _, of in rows:
        whys: dict[str, list[str]] = {}
        estimates = {"A": of.a, "B": of.b, "C": of.c}
        for letter, estimate in estimates.items():
            if estimate.why_absent:
                whys.setdefault(estimate.why_absent, []).append(letter)
        notes += [(row, f"No interval {joined(letters, 'or')}: {why}") for why, letters in whys.items()]
        warnings = dict.fromkeys(warning for estimate in estimates.values() for warning in estimate.warnings)
        notes += [(row, capital(warning)) for warning in warnings]
    caveats = dict.fromkeys(caveat for metric in known if (caveat := metric_named(metric).caveat))
    return (*caveats, *grouped(notes, len({row for row, *_ in rows})))


def anchor(base: str, test_set: str) -> str:
    """The name of a table or section about a test set: a-z, 0-9 and hyphens, another one for every set."""
    if test_set == MAIN:
        return base
    plain = test_set.replace("_", "-")
    own = "" if plain == test_set else f"-{hashlib.sha256(test_set.encode()).hexdigest()[:6]}"
    return f"{base}-{plain}{own}"


def on_set(test_set: str) -> str:
    """The end of a caption."""
    return "" if test_set == MAIN else f", on the test set {test_set}"


def of_images(of: SetAnalysis) -> str:
    """``tested on 200 images``, or that every seed has its own."""
    if of.ids:
        return f"tested on {len(of.ids)} images, the same for every run"
    sizes = sorted({components.n_images for components in of.components.values()} - {0})
    return f"every seed has test images of its own, {' or '.join(map(str, sizes)) or 'an unknown number'} of them"


def made_by_sweeps(analysis: Analysis) -> frozenset[str]:
    """The arms that only a sweep made; the others stand in the study file by name."""
    levels = [level for sweep in analysis.study.sweeps for level in sweep.levels]
    return frozenset(level.arm for level in levels if level.arm != level.base)
