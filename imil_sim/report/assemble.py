"""A report as a whole: statements, tables and pictures in the order in which they are read.

Tables and figures are parts, found by the registry (`parts.built`). Figures that are no parts yet are given beside
them, and left out as soon as an installed part makes one of the same name.
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
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    replayed: Sequence[Replayed] = (),
    shown: Mapping[str, Sequence[Any]] | None = None,
) -> Document:
    """The report of a study, whatever of it has been run.

    Args:
        analysis: the study with the numbers of all its runs.
        frame_by_set: the `results_table` of every test set of the analysis.
        pictures: figures that are no parts yet, by the group of `parts.GROUPS` they belong to.
        replayed: the runs whose oracle replayed a session.
        shown: what only the images can show, for the figure parts that draw it, see `ReportData`.

    Raises:
        KeyError: a test set of the analysis has no frame.
        PartError: an installed table or figure cannot be imported.
    """
    data = ReportData(analysis, frame_by_set, shown or {}, replayed)
    groups = built(data)
    made = {(type(part), part.name) for parts in groups.values() for part in parts}
    for group, part in ((group, one) for group, of in (pictures or {}).items() for one in of):
        if (type(part), part.name) not in made:
            groups.setdefault(_GROUP_OF.get(group, group), []).append(part)
    return Document(
        name=analysis.study.name,
        title=analysis.study.title or analysis.study.name,
        statements=statements(analysis),
        sections=tuple(
            Section(group, title, parts=_figures_first(groups[group])) for group, title in GROUPS.items()
            if groups[group]
        ),
    )  # fmt: skip


_GROUP_OF = {
    "differences": "comparisons", "seeds": "comparisons", "sweeps": "comparisons", "discrimination": "arms",
    "augmentations": "arms",
}  # fmt: skip
"""Of the figures that are no parts yet."""


def _figures_first(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The first table, the figures, the other tables."""
    of_tables = [part for part in parts if isinstance(part, Table)]
    return (*of_tables[:1], *(part for part in parts if isinstance(part, Picture)), *of_tables[1:])
