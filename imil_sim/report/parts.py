"""What a report is made of: tables and figures, each a part that says in which group it stands.

A part is one file that declares a `TablePart` or a `FigurePart`; the registry finds ours and guests' alike, so that no
list of them is written anywhere::

    [project.entry-points."imil_sim.tables"]
    calibration = "imil_sim.report.tables.calibration:PART"

Parts of a group stand in the order of their places, tables and figures together, so that a figure can stand before or
after the table it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from imil_sim.report.analysis import MAIN, Analysis, SetAnalysis
from imil_sim.report.document import Picture, Table

GROUPS = {
    "comparisons": "Comparisons",
    "arms": "Arms",
    "calibration": "Calibration",
    "attention": "Attention",
    "feedback": "Feedback",
    "provenance": "Provenance",
}
"""Anchors and titles of the groups of a report, in reading order; one with nothing in it is left out."""


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report is made of: the numbers, and what may be shown of the images."""

    analysis: Analysis
    frames: Mapping[str, pd.DataFrame]
    """By test set, ``results.csv`` as a table: a row for every expected run."""
    shown: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """What only the images themselves can show (samples, panels), by the name of the figure part that draws it."""
    replayed: Sequence[Any] = ()
    """The runs whose oracle replayed a session."""

    @property
    def main(self) -> SetAnalysis | None:
        """The study's own test set; None where no run is done."""
        return self.analysis.sets.get(MAIN)

    @property
    def further(self) -> tuple[SetAnalysis, ...]:
        """The further test sets."""
        return tuple(of for name, of in self.analysis.sets.items() if name != MAIN)


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table of the report."""

    section: str
    """A key of `GROUPS`."""
    build: Callable[[ReportData], Iterable[Table | None]]
    """None, one or several tables, in order; a None among them is left out."""
    place: int = 50
    """Parts of a group stand in the order of their places, then of their names."""

    def __post_init__(self) -> None:
        _check_group(self.section)


@dataclass(frozen=True, slots=True)
class FigurePart:
    """A figure of the report."""

    section: str
    """A key of `GROUPS`."""
    draw: Callable[[ReportData], Iterable[Picture | None]]
    """None, one or several pictures, in order; a None among them is left out."""
    place: int = 50
    lead: bool = False
    """Whether its first picture is the plot of the first screen; of several such parts the one with the first place."""

    def __post_init__(self) -> None:
        _check_group(self.section)


def _check_group(section: str) -> None:
    if section not in GROUPS:
        raise ValueError(f"a report has no group {section!r}; it has {', '.join(GROUPS)}")
