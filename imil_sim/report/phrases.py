"""Words of the sentences of a report: names of arms and of pairs, amounts, p values, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.tables.text import in_same_number, number, told_random
from imil_sim.stats import Comparison, Estimate, metric_named

ALPHA = 0.05
"""An adjusted p below it may make a claim."""

MOST_NAMED = 8
"""So many arms are named in a sentence; of more, it says how many."""


def primary_metric(of: SetAnalysis) -> str:
    """The metric that claims rest on: the first of the analysis."""
    return next(iter(of.components))


def in_primary_metric(of: Mapping[str, tuple[Comparison, ...]]) -> tuple[Comparison, ...]:
    """The comparisons in the primary metric."""
    return next(iter(of.values()), ())


def amount(metric: str, value: float, *, signed: bool = True) -> str:
    """A difference as it is written: in points where that is its unit (the caller says "points"), else three digits."""
    points = metric_named(metric).unit == "points"
    return number(100 * value, signed=signed, digits=1) if points else number(value, signed=signed)


def interval_over(of: Estimate) -> str:
    """``95% interval A (new seeds and new patients)``: what would be drawn anew."""
    factors = {
        "seeds and patients": "A (new seeds and new patients)",
        "seeds and splits": "B (new seeds and splits)",
        "seeds": "B (new seeds)",
        "patients": "C (new patients)",
    }
    return f"{of.level:.0%} interval {factors[of.random_factors]}"


def adjusted_p(of: Comparison) -> str:
    """``Holm p = 0.012``."""
    return f"{_adjustment(of)} {_written(of.p_adjusted)}"


def least_p(of: Sequence[Comparison]) -> str:
    """``smallest Holm p = 0.13``: of comparisons adjusted together."""
    return f"{'smallest ' if len(of) > 1 else ''}{adjusted_p(min(of, key=lambda one: one.p_adjusted))}"


def _adjustment(of: Comparison) -> str:
    return "Holm" if of.adjustment == "holm" else "Benjamini-Hochberg"


def _written(p: float) -> str:
    """With so many digits that it stands on the side of `ALPHA` on which it is: 0.04996 is not written 0.050."""
    if p < 0.001:
        return "p < 0.001"
    digits = 2 if p >= 0.1 else 4 if abs(p - ALPHA) < 0.0005 else 3
    while p != ALPHA and (float(f"{p:.{digits}f}") < ALPHA) != (p < ALPHA):
        digits += 1
    return f"p = {p:.{digits}f}"


def spanned(of: Comparison) -> str:
    """``+0.010 to +0.054``: the interval that claims rest on."""
    return f"{amount(of.metric, of.primary.low)} to {amount(of.metric, of.primary.high)}"


def is_better(of: Comparison) -> bool:
    """Whether the arm is better than its reference, as the metric has it."""
    return metric_named(of.metric).is_better(of.primary.value)


def arm_of(analysis: Analysis, of: Comparison) -> str:
    """The name of the arm that is compared."""
    return analysis.arms[of.arm]


def arms_of(analysis: Analysis, of: Comparison, between: str) -> str:
    """Both arms of a comparison with a word between, controls called by what they are."""
    arm, reference = arm_of(analysis, of), analysis.arms[of.reference]
    if against_random(analysis, of):
        same = in_same_number(analysis, arm, reference)
        random = "random cells in the same number" if same else told_random(analysis, reference)
        return f"{arm}{between}{random} ({reference})"
    return between.join(_called(analysis, name) for name in (arm, reference))


def _called(analysis: Analysis, arm: str) -> str:
    if arm != analysis.placebo:
        return arm
    return "the placebo" if arm == "placebo" else f"the placebo ({arm})"


def against_random(analysis: Analysis, of: Comparison) -> bool:
    """Whether an arm is compared with the random cells that belong to it."""
    return analysis.random_cells.get(arm_of(analysis, of)) == analysis.arms[of.reference]


def images_of(of: SetAnalysis) -> str:
    """``200 test images``."""
    known = of.components[primary_metric(of)]
    return several(known.n_images, "test image") + (" a seed" if known.resplit else "")


def first_of(names: Sequence[str], most: int = MOST_NAMED, rest: str = "more", separator: str = ", ") -> str:
    """The first of the names, and how many more there are."""
    more = len(names) - most
    told = separator.join(names[:most])
    return told if more <= 0 else f"{told} and {more} {rest}"


def capital(text: str) -> str:
    """With a capital where the sentence begins with a word; arms keep their names."""
    return f"T{text[1:]}" if text.startswith("the ") else text
