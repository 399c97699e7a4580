"""What a report is made of: tables and figures, each a part that says in which section it stands.

A part is one file that declares a `TablePart` or a `FigurePart`; the registry finds ours and guests' alike (entry-point
groups ``imil_sim.tables`` and ``imil_sim.figures``), so that no list of them is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Picture, Table


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
        return self.analysis.sets.get("main")


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table of the report."""

    section: str
    """Anchor of the section it stands in, a key of `assemble.SECTIONS`."""
    build: Callable[[ReportData], Iterable[Table]]
    """None, one or several tables, in order."""
    place: int = 50
    """Parts of a section stand in the order of their places, then of their names."""


@dataclass(frozen=True, slots=True)
class FigurePart:
    """A figure of the report."""

    section: str
    draw: Callable[[ReportData], Iterable[Picture]]
    place: int = 50
