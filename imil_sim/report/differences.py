"""differences.csv: every difference between two arms that a study asks for, as one table."""

from __future__ import annotations

import math

import pandas as pd

from imil_sim.report.analysis import Analysis
from imil_sim.stats import Comparison

COLUMNS = (
    "arm", "reference", "metric", "difference", "low_a", "high_a", "low_b", "high_b", "low_c", "high_c", "p", "p_holm",
    "p_superior", "mde", "test_set", "family", "p_bh", "n_seeds", "n_images", "why_no_interval",
)  # fmt: skip
"""Columns of the table, in their order."""

TEXT, COUNTS = ("arm", "reference", "metric", "test_set", "family", "why_no_interval"), ("n_seeds", "n_images")


def differences_table(analysis: Analysis) -> pd.DataFrame:
    """One row for every comparison, metric and test set: planned ones as the study lists them, then exploratory ones.

    ``difference`` is arm minus reference, the mean over ``n_seeds`` paired seeds; ``low_a`` to ``high_c`` are the
    three intervals, NaN where there is none, and ``why_no_interval`` then says why the primary one is not there. ``p``
    is the primary inference's; a planned comparison has it adjusted by Holm (``p_holm``), an exploratory one by
    Benjamini and Hochberg (``p_bh``), each within metric and test set. ``p_superior`` is the share of seeds in which
    the arm is the better one, ``mde`` the effect that would be detected with 80% power. Equal runs give equal tables.
    """
    rows = []
    for name, of in analysis.sets.items():
        for family, comparisons in (("planned", of.planned), ("exploratory", of.exploratory)):
            rows += [_row(analysis, name, family, one) for found in comparisons.values() for one in found]
    columns = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
    return pd.DataFrame(
        {name: pd.Series(list(values), dtype=_dtype(name)) for name, values in zip(COLUMNS, columns, strict=True)}
    )


def _row(analysis: Analysis, test_set: str, family: str, of: Comparison) -> tuple[str | float | int, ...]:
    holm, bh = (of.p_adjusted, math.nan) if family == "planned" else (math.nan, of.p_adjusted)
    known = of.primary
    return (
        analysis.arms[of.arm], analysis.arms[of.reference], of.metric, known.value, of.a.low, of.a.high, of.b.low,
        of.b.high, of.c.low, of.c.high, known.p, holm, of.p_superior, of.mde, test_set, family, bh, known.n_seeds,
        known.n_images, known.why_absent,
    )  # fmt: skip


def _dtype(column: str) -> str:
    return "object" if column in TEXT else "int64" if column in COUNTS else "float64"
