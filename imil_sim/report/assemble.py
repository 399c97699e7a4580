"""A report as a whole: statements, tables and pictures in the order in which they are read.

Tables and figures are parts, found by the registry (`parts.built`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Cell, Column, Document, Picture, Section, Table
from imil_sim.report.findings import Finding, Findings, findings
from imil_sim.report.page import words
from imil_sim.report.parts import GROUPS, ReportData, built
from imil_sim.report.tables.feedback import Replayed
from imil_sim.report.tables.text import interval, made_by_sweeps
from imil_sim.stats import metric_named
from imil_sim.text import DIGITS, number

Part = Table | Picture

MOST_ROWS = 10
"""Of the table of the first screen."""


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
    parts_built = built(data)
    groups = parts_built.groups
    found = findings(analysis)
    said = {"comparisons": words.comparisons(found)}
    forest = next((part for part in groups["comparisons"] if part.name == f"forest-{found.conclusion.metric}"), None)
    plot = parts_built.lead or forest
    lead = [part for part in (plot, _first_table(analysis, found)) if part is not None]
    parts = {group: [part for part in of if part is not plot] for group, of in groups.items()}
    return Document(
        name=analysis.study.name,
        title=analysis.study.title or analysis.study.name,
        statements=(words.conclusion(found), *words.sweeps(found)),
        sections=tuple(
            Section(group, title, parts=_figures_first(parts[group]), statements=said.get(group, ()))
            for group, title in GROUPS.items()
            if parts[group] or said.get(group)
        ),
        badges=words.badges(found),
        lead=tuple(lead),
        cautions=words.cautions(found),
    )


def _first_table(analysis: Analysis, found: Findings) -> Table | None:
    """The table of the first screen: at most `MOST_ROWS` arms, as in the paper's Table 1, and what is planned of them.

    The reference leads; arms that no plan names come last and are the first to be left out. Of a sweep only what is
    planned and the best setting stand there.
    """
    of = analysis.sets.get("main")
    if of is None:
        return None
    metric, reference = found.conclusion.metric, analysis.study.reference
    planned = {(one.arm, one.reference): one for one in found.conclusion.planned}
    others = [pair for pair in planned if pair[1] != reference]
    swept = made_by_sweeps(analysis) - {one.best for one in found.sweeps} - {arm for arm, _ in planned}
    arms = sorted(set(analysis.arms) - swept, key=lambda arm: (
        arm != reference, (arm, reference) not in planned, analysis.place(arm)
    ))  # fmt: skip
    arms = arms[: max(1, MOST_ROWS - len(others))]
    values = {name: of.arms[name] for name in ("accuracy", "auroc", "ece_top_label") if name in of.arms}
    rows: list[tuple[Cell, ...]] = [
        (arm, *(summaries[analysis.place(arm)].mean for summaries in values.values()),
         *_difference(planned.get((arm, reference))))
        for arm in arms
    ]  # fmt: skip
    dashes = (None,) * len(values)
    rows += [(f"{arm} − {other}", *dashes, *_difference(planned[arm, other])) for arm, other in others]
    columns = (
        Column("Arm"), *(Column(_heading(name), DIGITS) for name in values),
        Column(f"Δ {_heading(metric)} (95% CI)"), Column("Holm p", DIGITS, never_zero=True),
    )  # fmt: skip
    left = len(analysis.arms) - len(arms)
    note = f"Means over seeds; Δ is the difference from {reference}" + (
        f"; {left} more arms stand under Arms." if left else "."
    )
    return Table("first", "Arms, and their planned comparisons", columns, tuple(rows[:MOST_ROWS]), (note,))


def _heading(metric: str) -> str:
    """``ECE`` of "ECE, top label": a heading has little room."""
    label = metric_named(metric).label.split(",")[0]
    return label[:1].upper() + label[1:]


def _difference(of: Finding | None) -> tuple[Cell, Cell]:
    if of is None or isnan(of.estimate.value):
        return None, None
    low_to_high = interval(of.estimate)
    return number(of.estimate.value, signed=True) + (f" ({low_to_high})" if low_to_high else ""), of.p_adjusted


def _figures_first(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The first table, the figures, the other tables."""
    of_tables = [part for part in parts if isinstance(part, Table)]
    return (*of_tables[:1], *(part for part in parts if isinstance(part, Picture)), *of_tables[1:])
