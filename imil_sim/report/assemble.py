"""A report as a whole: statements, tables and pictures in the order in which they are read.

Tables and figures are parts, found by the registry (`parts.built`). Those that are no parts yet are listed here, and
left out as soon as an installed part makes one of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from imil_sim.report import tables
from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Document, Picture, Section, Table
from imil_sim.report.parts import GROUPS, ReportData, built
from imil_sim.report.sentences import statements

Part = Table | Picture


def assemble(
    analysis: Analysis,
    frame_by_set: Mapping[str, pd.DataFrame],
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    replayed: Sequence[tables.Replayed] = (),
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
    for group, part in (*_tables(data), *((group, one) for group, of in (pictures or {}).items() for one in of)):
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


def _tables(data: ReportData) -> Iterator[tuple[str, Table]]:
    """The tables that are no parts yet, by group."""
    analysis, main = data.analysis, data.main
    own: dict[str, list[Table | None]] = {group: [] for group in GROUPS}
    if main:
        frame = data.frames[main.name]
        own["comparisons"] += [
            *tables.planned_differences(analysis, main),
            tables.seeds_table(analysis, main),
            tables.trends_table(analysis, main),
            *tables.exploratory_differences(analysis, main),
        ]
        own["arms"] += [
            tables.arms_overview(analysis, main),
            *tables.arms_by_metric(analysis, main),
            tables.operating_table(analysis, main, frame),
        ]
        own["calibration"] += [tables.calibration_table(analysis, main, frame)]
        own["attention"] += [
            tables.attention_table(analysis, main, frame),
            tables.worst_groups_table(analysis, main, frame),
            tables.groups_table(analysis, main, frame),
        ]
    for of in data.further:
        own["comparisons"] += _in_short(analysis, of, data.frames[of.name])
    own["comparisons"] += [tables.paper_table(analysis, data.replayed)]
    own["feedback"] += [
        tables.feedback_table(analysis),
        tables.feedback_by_class(analysis),
        tables.agreement_table(analysis, tables.overlap(analysis)),
        tables.replayed_table(data.replayed),
    ]
    own["provenance"] += [
        tables.runs_table(analysis),
        tables.study_table(analysis),
        tables.arm_definitions(analysis),
        tables.estimand(analysis),
        tables.claim_table(analysis),
    ]
    yield from ((group, table) for group, of in own.items() for table in of if table is not None)


def _in_short(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> list[Table | None]:
    """What is said of a further test set: the arms, the planned differences in every metric, and the rest in a row."""
    return [
        tables.arms_overview(analysis, of),
        *tables.planned_differences(analysis, of),
        tables.calibration_table(analysis, of, frame),
        tables.attention_table(analysis, of, frame),
        tables.worst_groups_table(analysis, of, frame),
        tables.operating_table(analysis, of, frame),
    ]
