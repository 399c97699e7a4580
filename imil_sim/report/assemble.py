"""A report as a whole: statements, tables and pictures in the order in which they are read.

Tables and figures are parts, found by the registry (`parts.built`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Document, Picture, Section, Table
from imil_sim.report.parts import GROUPS, ReportData, built
from imil_sim.report.sentences import statements
from imil_sim.report.tables.feedback import Replayed

Part = Table | Picture


def assemble(
    analysis: Analysis,
    frame_by_set: Mapping[str, pd.DataFrame],
    replayed: Sequence[Replayed] = (),
    shown: Mapping[str, Sequence[Any]] | None = None,
) -> Document:
    """The report of a study, whatever of it has been run.

    Args:
        analysis: the study with the numbers of all its runs.
        frame_by_set: the `results_table` of every test set of the analysis.
        replayed: the runs whose oracle replayed a session.
        shown: what only the images can show, for the figure parts that draw it, see `ReportData`.

    Raises:
        KeyError: a test set of the analysis has no frame.
        PartError: an installed table or figure cannot be imported.
    """
    data = ReportData(analysis, frame_by_set, shown or {}, replayed)
    groups = built(data)
    return Document(
        name=analysis.study.name,
        title=analysis.study.title or analysis.study.name,
        statements=statements(analysis),
        sections=tuple(
            Section(group, title, parts=_figures_first(groups[group])) for group, title in GROUPS.items()
            if groups[group]
        ),
    )  # fmt: skip


def _figures_first(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The first table, the figures, the other tables."""
    of_tables = [part for part in parts if isinstance(part, Table)]
    return (*of_tables[:1], *(part for part in parts if isinstance(part, Picture)), *of_tables[1:])
