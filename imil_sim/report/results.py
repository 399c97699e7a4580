"""Tables of a study: a row a run, the summary of every arm, and CSV files that read back exactly.

Every run keeps its row: one that failed or waits has empty metrics, not no row. Nothing in a row differs between two
equal runs; times have a table of their own.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imil_sim.errors import UsageError
from imil_sim.io import make_folder, replace_file
from imil_sim.report.analysis import Analysis
from imil_sim.stats import Comparison, metric_named, metric_names, subsets
from imil_sim.study.record import Consultation, Predictions, RunRecord

Value = str | int | float | None
"""One cell of a table; None and NaN are written as an empty cell."""

TEXT = ("arm", "status", "run_key", "reason", "notes")
COUNTS = (
    "seed", "n_outliers_asked", "n_outliers_replaced", "n_mispredictions", "n_outliers_abstained", "n_nothing",
    "n_everything", "shortage", "n_attention", "n_pointing", "n_lungs", "n_lungs_estimated", "n_train", "n_test",
)  # fmt: skip
COLUMNS = (
    "arm", "seed", "status", "accuracy", "auroc", "ece_top_label", "ece_positive", "brier", "sensitivity",
    "specificity", "n_outliers_asked", "n_outliers_replaced", "run_key",
    "nll", "train_accuracy", "n_train", "n_test",
    "n_mispredictions", "n_outliers_abstained", "n_nothing", "n_everything", "shortage",
    "attention_ratio", "cam_in_lung", "n_attention", "pointing", "n_pointing",
    "auroc_lungs_hidden", "auroc_lungs_only", "n_lungs", "n_lungs_estimated",
    "reason", "notes",
)  # fmt: skip
"""Columns every results table has, in their order; those of the attribute groups follow."""

MOST_GROUPS = 6
"""An attribute with more values than this (age, findings) is not reported by group."""


# ------------------------------------------------------------------------------------------------------------ rows


def run_row(arm: str, record: RunRecord, predictions: Predictions | None) -> dict[str, Value]:
    """The row of one run in results.csv, with all of `COLUMNS` and those of the attribute groups.

    Counts of several consultations are summed. ``notes`` says of every number that is missing why it is. Group columns
    are ``accuracy_ATTRIBUTE_VALUE``, ``auroc_...``, ``n_...``, and ``worst_accuracy_ATTRIBUTE``, ``worst_auroc_...``.

    Raises:
        ValueError: the run is done and there are no predictions.
    """
    row: dict[str, Value] = dict.fromkeys(COLUMNS)
    row |= {
        "arm": arm, "seed": record.spec.seed, "status": record.status, "run_key": record.run_key,
        "reason": record.reason, "notes": "",
    }  # fmt: skip
    if record.status == "done" or record.consultations:
        row |= _feedback(record.consultations)
    if record.status != "done":
        return row
    if predictions is None:
        raise ValueError(f"run {record.run_key} of arm {arm!r} is done, but no predictions were given with its record")
    row |= {"n_train": record.n_train, "n_test": len(predictions.ids)}
    row["train_accuracy"] = record.history[-1].accuracy if record.history else None
    broken = ~np.isfinite(predictions.probabilities).all(axis=1)
    if broken.any():
        row["notes"] = f"no metrics: the predictions of {broken.sum()} of {broken.size} images are not numbers"
        return row
    notes: list[str] = []
    row |= _performance(predictions, notes)
    row |= _attention(predictions, notes)
    row |= _by_group(predictions, notes)
    row["notes"] = "; ".join(notes)
    return row


def timings_row(arm: str, record: RunRecord) -> dict[str, Value]:
    """The row of one run in timings.csv: wall time of its parts, seconds, 0 where the store already held them."""
    row: dict[str, Value] = {"arm": arm, "seed": record.spec.seed, "status": record.status, "run_key": record.run_key}
    return row | {f"seconds_{part}": seconds for part, seconds in sorted(record.seconds.items())}


def _feedback(consultations: Sequence[Consultation]) -> dict[str, Value]:
    counts = {
        "n_outliers_asked": "n_asked", "n_outliers_replaced": "n_replaced", "n_mispredictions": "n_mispredictions",
        "n_outliers_abstained": "n_abstained", "n_nothing": "n_nothing", "n_everything": "n_everything",
        "shortage": "shortage",
    }  # fmt: skip
    row: dict[str, Value] = {column: sum(getattr(c, name) for c in consultations) for column, name in counts.items()}
    # Without a consultation nobody looked: unknown, not none.
    return row if consultations else {**row, "n_mispredictions": None}


def _performance(of: Predictions, notes: list[str]) -> dict[str, Value]:
    labels, classes = np.asarray(of.labels), of.probabilities.shape[1]
    installed = {name: metric_named(name) for name in metric_names(compared=False)}
    known = {name: metric for name, metric in installed.items() if classes == 2 or not metric.binary}
    if positive := sorted(installed.keys() - known.keys()):
        notes.append(f"no {', '.join(positive)}: {classes} classes have no positive one")
    absent = sorted(set(range(classes)) - set(labels.tolist()))
    if absent:
        notes.append(f"no auroc: no test image is of class {', '.join(map(str, absent))}")
    return {name: metric.value(labels, of.probabilities) for name, metric in known.items()}


def _attention(of: Predictions, notes: list[str]) -> dict[str, Value]:
    ratio = subsets.attention_ratio(of.cam_in_lung, of.lung_share)
    pointing = subsets.mean_known(of.pointing)
    hidden = subsets.auroc_known(of.labels, of.lungs_hidden)
    notes += [
        f"no {name}: no test image has {needed}"
        for known, name, needed in (
            (ratio, "attention_ratio", "CAM and lung mask"),
            (pointing, "pointing", "CAM and lesion mask"),
            (hidden, "auroc_lungs_hidden, auroc_lungs_only", "lung mask"),
        )
        if not known.n
    ]
    return {
        "attention_ratio": ratio.value, "n_attention": ratio.n,
        "cam_in_lung": subsets.mean_known(of.cam_in_lung).value,
        "pointing": pointing.value, "n_pointing": pointing.n,
        "auroc_lungs_hidden": hidden.value, "n_lungs": hidden.n,
        "auroc_lungs_only": subsets.auroc_known(of.labels, of.lungs_only).value,
        "n_lungs_estimated": int(of.lung_estimated.sum()),
    }  # fmt: skip


def _by_group(of: Predictions, notes: list[str]) -> dict[str, Value]:
    row: dict[str, Value] = {}

    def put(name: str, attribute: str, value: Value) -> None:
        column = f"{name}_{attribute}"
        while column in row or column in COLUMNS:  # attribute "lungs" with value "hidden" is not auroc_lungs_hidden
            column += "_"
        row[column] = value

    for attribute, values in sorted(of.attributes.items()):
        known = len(set(values) - {""})
        if known == 0 or known > MOST_GROUPS:
            notes.append(f"not by {attribute}: {known} values" if known else f"not by {attribute}: all unknown")
            continue
        found = subsets.groups(of.labels, of.probabilities, values)
        for group in found:
            for name in ("accuracy", "auroc", "n"):
                put(name, f"{attribute}_{group.value}", getattr(group, name))
            notes += [f"{attribute} {group.value}: {group.reason}"] if group.reason else []
        accuracy, auroc = subsets.worst(found, "accuracy"), subsets.worst(found, "auroc")
        put("worst_accuracy", attribute, accuracy.accuracy if accuracy else None)
        put("worst_auroc", attribute, auroc.auroc if auroc else None)
        if small := [f"{group.value} ({group.n})" for group in found if group.n < subsets.MINIMUM_GROUP]:
            notes.append(f"too small to be the worst {attribute}: {', '.join(small)}")
    return row


# ---------------------------------------------------------------------------------------------------------- tables


def results_table(
    rows: Iterable[Mapping[str, Value]], swept: Mapping[str, Mapping[str, str | float]] | None = None
) -> pd.DataFrame:
    """All rows as one table: `COLUMNS` first, further metrics, then the columns of the attribute groups, sorted.

    At the end stands a column for every swept field, under its dotted name.

    Texts are text, counts whole numbers with ``<NA>`` for none, all else float with NaN for none.
    """
    given = [dict(row) for row in rows]
    first = (*COLUMNS, *(name for name in metric_names(compared=False) if name not in COLUMNS))
    extra = sorted({column for row in given for column in row} - set(first))
    columns = {name: _column(name, [row.get(name) for row in given]) for name in (*first, *extra)}
    for field, values in (swept or {}).items():
        columns[field] = _settings([values.get(str(row["arm"])) for row in given])
    return pd.DataFrame(columns)


def _column(name: str, values: list[Value]) -> pd.Series[Any]:
    if name in TEXT:
        return pd.Series(["" if v is None else str(v) for v in values], dtype=object)
    if name in COUNTS or (name not in COLUMNS and name.startswith("n_")):
        return pd.Series([pd.NA if v is None else v for v in values], dtype="Int64")
    return pd.Series([math.nan if v is None else v for v in values], dtype=np.float64)


def _settings(values: list[str | float | None]) -> pd.Series[Any]:
    """What runs have in a swept field: whole numbers, numbers or text; missing where the arm has no such field."""
    found = pd.Series(values, dtype=object).convert_dtypes()
    return found if pd.api.types.is_numeric_dtype(found) else pd.Series(values, dtype=object).fillna("")


def arm_summary(
    frame: pd.DataFrame,
    reference: str,
    order: Sequence[str],
    *,
    seeds: Iterable[int] | None = None,
    of: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row an arm: what became of its runs, and mean and spread of every metric and of its difference.

    Args:
        frame: a `results_table`.
        reference: the arm the others are compared with.
        order: all arms, in the order wanted.
        seeds: the seeds every arm was to have; none: those found in any arm.
        of: the metrics; None: those that arms are compared in.

    Returns:
        ``arm``, ``n_expected``, ``n_done``, ``n_failed``, ``n_waiting``, ``n_missing``; then for every metric M
        ``M_mean``, ``M_sd``, ``M_n`` over the runs that have it, and ``M_difference``, ``M_difference_sd``,
        ``M_pairs``: this arm minus the reference, seed by seed, over the seeds where both have it. Standard deviations
        divide by n - 1 and are NaN for a single value. The reference has no difference from itself.

    Raises:
        ValueError: the table has an arm or a seed that is not expected, or two runs of one arm and seed.
    """
    expected = set(frame["seed"]) if seeds is None else set(seeds)
    strange = frame[~frame["arm"].isin(order) | ~frame["seed"].isin(expected) | frame.duplicated(["arm", "seed"])]
    if len(strange) or reference not in order:
        runs = strange[["arm", "seed"]].values.tolist()
        raise ValueError(f"of the arms {list(order)} with {reference} and seeds {sorted(expected)} not once: {runs}")
    arms, by_run = list(order), frame.set_index(["arm", "seed"])
    status = by_run["status"].unstack().reindex(arms)
    known = ("done", "failed", "waiting")
    summary = pd.DataFrame({"n_expected": len(expected), **{f"n_{of}": (status == of).sum(axis=1) for of in known}})
    summary["n_missing"] = len(expected) - status.notna().sum(axis=1)
    for metric in metric_names() if of is None else of:
        own = by_run[metric].astype(np.float64).unstack().reindex(arms)
        differences = own - own.loc[reference]
        differences.loc[reference] = math.nan
        for name, n, values in (("", "n", own), ("_difference", "pairs", differences)):
            summary[f"{metric}{name or '_mean'}"] = values.mean(axis=1)
            summary[f"{metric}{name}_sd"] = values.std(axis=1, ddof=1)
            summary[f"{metric}_{n}"] = values.notna().sum(axis=1)
    return summary.rename_axis("arm").reset_index()


# ----------------------------------------------------------------------------------------------------- differences

DIFFERENCE_COLUMNS = (
    "arm", "reference", "metric", "difference", "low_a", "high_a", "low_b", "high_b", "low_c", "high_c", "p", "p_holm",
    "p_superior", "mde", "test_set", "family", "p_bh", "n_seeds", "n_images", "why_no_interval",
)  # fmt: skip
"""Columns of differences.csv, in their order."""

DIFFERENCE_TEXT = ("arm", "reference", "metric", "test_set", "family", "why_no_interval")


def differences_table(analysis: Analysis) -> pd.DataFrame:
    """One row for every comparison, metric and test set: planned ones as the study lists them, then exploratory ones.

    ``difference`` is arm minus reference, the mean over ``n_seeds`` paired seeds; ``low_a`` to ``high_c`` are the
    three intervals, NaN where there is none, and ``why_no_interval`` then says why the primary one is not there. ``p``
    is the primary inference's; a planned comparison has it adjusted by Holm (``p_holm``), an exploratory one by
    Benjamini and Hochberg (``p_bh``), each within metric and test set. ``p_superior`` is the share of seeds in which
    the arm is the better one, ``mde`` the effect that would be detected with 80% power. Equal runs give equal tables.
    """
    rows = [
        _difference(analysis, name, family, one)
        for name, of in analysis.sets.items()
        for family, comparisons in (("planned", of.planned), ("exploratory", of.exploratory))
        for found in comparisons.values()
        for one in found
    ]
    kinds = dict.fromkeys(DIFFERENCE_TEXT, "object") | dict.fromkeys(("n_seeds", "n_images"), "int64")
    frame = pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS), dtype=object)
    return frame.astype({name: kinds.get(name, "float64") for name in DIFFERENCE_COLUMNS})


def _difference(analysis: Analysis, test_set: str, family: str, of: Comparison) -> tuple[str | float | int, ...]:
    holm, bh = (of.p_adjusted, math.nan) if family == "planned" else (math.nan, of.p_adjusted)
    arm, reference, known = analysis.arms[of.arm], analysis.arms[of.reference], of.primary
    return (
        arm, reference, of.metric, known.value, *ends(of), known.p, holm, of.p_superior, of.mde, test_set, family, bh,
        known.n_seeds, known.n_images, known.why_absent,
    )  # fmt: skip


def ends(of: Comparison) -> tuple[float, ...]:
    """``low_a``, ``high_a``, ``low_b``, ``high_b``, ``low_c``, ``high_c``."""
    return tuple(end for estimate in (of.a, of.b, of.c) for end in (estimate.low, estimate.high))


# ----------------------------------------------------------------------------------------------------------- files


def write_whole(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, making its folder; a reader finds the old file or the new one, never a part.

    Raises:
        UsageError: the place cannot be written; what was there is still there.
    """
    try:
        make_folder(path.parent)
        replace_file(path, content)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}. Make room or correct the permissions there, or name "
            "another folder with --out"
        ) from error


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table whole or not at all: UTF-8, one header line, lines that end in a line feed.

    Floats are written with as many digits as read back exactly, missing values as empty cells. A text or a column name
    that a spreadsheet would take for a formula gets an apostrophe in front.

    Raises:
        UsageError: the place cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_inert(str(name)) for name in frame.columns])
    writer.writerows(zip(*([_cell(value) for value in frame[name]] for name in frame.columns), strict=True))
    write_whole(path, text.getvalue().encode())


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _inert(value)
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, float | np.floating):
        return repr(float(value))
    return str(value)


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
