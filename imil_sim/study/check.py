"""`CheckSpec`: the table [check] of a study file, what ``imil-sim check`` holds the study to.

In a study file::

    [check]
    non_inferiority.auroc = 0.05
    equivalence.cam_in_lung = 0.1
    expectations = [
        "abstain == baseline on predictions",
        "lesions >= inverted on in_lung_share",
        "lesions > random-cells on accuracy by 0.02",
    ]
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat

from imil_sim import registry
from imil_sim.errors import did_you_mean
from imil_sim.study.spec import Spec

Operator = Literal[">=", ">", "<=", "<", "==", "!="]

PREDICTIONS = "predictions"
"""What an expectation names for the predicted probabilities of all test images, instead of a metric."""

HIGHER_IS_BETTER = ("train_accuracy", "attention_ratio", "cam_in_lung", "pointing")
"""Numbers of results.csv beside the metrics of which more is better."""
NEITHER = (
    "auroc_lungs_hidden", "auroc_lungs_only", "n_outliers_asked", "n_outliers_replaced", "n_mispredictions",
    "n_outliers_abstained", "n_nothing", "n_everything", "shortage", "n_attention", "n_pointing", "n_lungs",
    "n_lungs_estimated", "n_train", "n_test",
)  # fmt: skip
"""Numbers of results.csv of which neither more nor less is better in itself."""

SYNONYMS = {"in_lung_share": "cam_in_lung"}
"""Other names of columns."""

_GROUP = re.compile(r"(?:worst_)?(?:accuracy|auroc)_.+|n_.+")
"""Columns of attribute groups, such as ``accuracy_marker_agrees``: which there are is known with the images."""

_FORM = re.compile(r"(?P<arm>\S+)\s+(?P<operator>\S+)\s+(?P<other>\S+)\s+on\s+(?P<metric>.+?)(?:\s+by\s+(?P<by>\S+))?")

_EXAMPLE = '"ARM >= OTHER on METRIC" or "ARM > OTHER on METRIC by 0.02"'


@dataclass(frozen=True, slots=True)
class Expectation:
    """A relation between two arms that must hold whenever the study is run."""

    arm: str
    operator: Operator
    other: str
    metric: str
    """A column of results.csv, or ``predictions``."""
    by: float = 0.0
    """The least difference; 0: the sign alone."""

    def __str__(self) -> str:
        by = f" by {self.by:g}" if self.by else ""
        return f"{self.arm} {self.operator} {self.other} on {self.metric}{by}"


def parse_expectation(text: Any) -> Expectation:
    """The expectation that a line of the study file says.

    >>> parse_expectation("lesions > random-cells on in_lung_share by 0.02")
    Expectation(arm='lesions', operator='>', other='random-cells', metric='cam_in_lung', by=0.02)

    Raises:
        ValueError: it says none; the message names everything that is wrong with it but the arms.
    """
    found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"an expectation is written as {_EXAMPLE}")
    metric, operator, by = SYNONYMS.get(found["metric"], found["metric"]), found["operator"], found["by"]
    wrong = []
    if operator not in get_args(Operator):
        wrong.append(f'there is no operator "{operator}"; known: {" ".join(get_args(Operator))}')
    if found["arm"] == found["other"]:
        wrong.append(f'"{found["arm"]}" is compared with itself')
    if metric == PREDICTIONS and operator in (">=", ">", "<=", "<"):
        wrong.append("predictions are equal or not, so they go with == and !=")
    if metric != PREDICTIONS and not _known(metric):
        wrong.append(f'there is no metric "{metric}". {did_you_mean(metric, [*numbers(), *SYNONYMS, PREDICTIONS])}')
    if by is not None and operator in ("==", "!="):
        wrong.append(f'"by" goes with >=, >, <= and <, not with {operator}')
    least = _number(by) if by is not None else 0.0
    if not 0 <= least < math.inf or (by is not None and least == 0):
        wrong.append(f'"by" is a number above 0, not "{by}"')
    if wrong:
        raise ValueError("; ".join(wrong))
    return Expectation(found["arm"], operator, found["other"], metric, least)  # type: ignore[arg-type]  # looked up


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _known(metric: str) -> bool:
    return metric in numbers() or _GROUP.fullmatch(metric) is not None


def _any_metric(name: str) -> str:
    if not _known(SYNONYMS.get(name, name)):
        raise ValueError(f'there is no metric "{name}". {did_you_mean(name, [*numbers(), *SYNONYMS])}')
    return name


def _directed_metric(name: str) -> str:
    metric = SYNONYMS.get(_any_metric(name), name)
    if metric in NEITHER or metric.startswith("n_"):
        raise ValueError(f"of {name} neither more nor less is worse; give it a margin of equivalence")
    return name


def _by_column(margins: dict[str, float]) -> dict[str, float]:
    for short, name in SYNONYMS.items():
        if {short, name} <= margins.keys():
            raise ValueError(f"{short} and {name} are the same metric; give one margin")
    return {SYNONYMS.get(name, name): width for name, width in margins.items()}


_AnyMargins = Annotated[dict[Annotated[str, AfterValidator(_any_metric)], PositiveFloat], AfterValidator(_by_column)]
_DirectedMargins = Annotated[
    dict[Annotated[str, AfterValidator(_directed_metric)], PositiveFloat], AfterValidator(_by_column)
]


class CheckSpec(Spec):
    """What ``imil-sim check`` holds a study to, beside its baseline to the bit."""

    non_inferiority: _DirectedMargins = Field(
        default_factory=dict,
        description="By metric, how much worse than the baseline an arm may be in another environment.",
    )
    equivalence: _AnyMargins = Field(
        default_factory=dict,
        description="By metric, how far an arm may lie from the baseline, either way, in another environment.",
    )
    expectations: tuple[Annotated[Expectation, BeforeValidator(parse_expectation, json_schema_input_type=str)], ...] = (
        Field((), description="Relations between arms that hold in every environment, as text.")
    )

    @property
    def margins(self) -> Iterator[Margin]:
        """Every margin of the table."""
        for metric, width in self.non_inferiority.items():
            yield Margin("non-inferiority", metric, width)
        for metric, width in self.equivalence.items():
            yield Margin("equivalence", metric, width)


NOTHING = CheckSpec()
"""A study without the table: it is held to its baseline to the bit, and to nothing beside."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How far a metric may lie from the baseline in another environment."""

    kind: Literal["non-inferiority", "equivalence"]
    metric: str
    width: float
    """Above 0, in units of the metric."""


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of a metric is the better one; of those that have a better side."""
    return metric not in registry.names("metrics") or bool(registry.load("metrics", metric).higher_is_better)


def numbers() -> tuple[str, ...]:
    """Every number of results.csv that margins and expectations may be about, those of attribute groups apart."""
    return (*registry.names("metrics"), *HIGHER_IS_BETTER, *NEITHER)
