"""A report as a whole: statements, tables and pictures in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from imil_sim.report import tables
from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Document, Picture, Section, Table
from imil_sim.report.sentences import statements

SECTIONS = {
    "differences": "Differences between arms",
    "arms": "The arms",
    "seeds": "Seed by seed",
    "test-sets": "Further test sets",
    "sweeps": "Exploratory: sweeps and comparisons that were not planned",
    "calibration": "Calibration",
    "discrimination": "ROC curves and disagreement",
    "attention": "Where the models look, and for whom they fail",
    "feedback": "What the clinicians were asked and answered",
    "augmentations": "The augmentations side by side",
    "paper": "Beside the paper",
    "operating": "Sensitivity and specificity",
    "runs": "Runs that are not in the numbers",
    "study": "The study and its provenance",
    "claim": "The CLAIM checklist",
}
"""Anchors and titles of the sections, in reading order; a section with nothing in it is left out."""

FURTHER = "figures"
"""The anchor of the section for pictures that belong to no other."""

Part = Table | Picture


def assemble(
    analysis: Analysis,
    frame_by_set: Mapping[str, pd.DataFrame],
    pictures: Mapping[str, Sequence[Picture]],
    replayed: Sequence[tables.Replayed] = (),
) -> Document:
    """The report of a study, whatever of it has been run.

    Args:
        analysis: the study with the numbers of all its runs.
        frame_by_set: the `results_table` of every test set of the analysis.
        pictures: by the anchor of the section (of `SECTIONS`) they belong to; those under another key are put into a
            section of their own, so that none is lost. Within a section they stand after its first table.
        replayed: the runs whose oracle replayed a session.

    Raises:
        KeyError: a test set of the analysis has no frame.
    """
    own = dict(_tables(analysis, frame_by_set, replayed))
    found = {name: _in_order(own.get(name, ()), pictures.get(name, ())) for name in SECTIONS}
    found[FURTHER] = tuple(picture for key, given in pictures.items() if key not in SECTIONS for picture in given)
    titles = {**SECTIONS, FURTHER: "Further figures"}
    return Document(
        name=analysis.study.name,
        title=analysis.study.title or analysis.study.name,
        statements=statements(analysis),
        sections=tuple(
            Section(name, title, _paragraphs(name, analysis), found[name])
            for name, title in titles.items()
            if found.get(name)
        ),
    )


def _tables(
    analysis: Analysis, frame_by_set: Mapping[str, pd.DataFrame], replayed: Sequence[tables.Replayed]
) -> Iterable[tuple[str, list[Table]]]:
    """The tables of every section, by its anchor; one of pictures only has none."""
    main = analysis.sets.get("main")
    agreement = tables.agreement_table(analysis, tables.overlap(analysis))
    if main:
        yield from _of_main(analysis, main, frame_by_set[main.name]).items()
    further = [of for name, of in analysis.sets.items() if name != "main"]
    yield "test-sets", [table for of in further for table in _in_short(analysis, of, frame_by_set[of.name])]
    sessions = tables.replayed_table(replayed)
    yield "feedback", _there(tables.feedback_table(analysis), tables.feedback_by_class(analysis), agreement, sessions)
    yield "paper", [tables.paper_table(analysis, replayed)]
    yield "runs", [tables.runs_table(analysis)]
    yield "study", [tables.study_table(analysis), tables.arm_definitions(analysis), tables.estimand(analysis)]
    yield "claim", [tables.claim_table(analysis)]


def _of_main(analysis: Analysis, main: SetAnalysis, frame: pd.DataFrame) -> dict[str, list[Table]]:
    """The tables of the study's own test set, by section."""
    return {
        "differences": list(tables.planned_differences(analysis, main)),
        "arms": [tables.arms_overview(analysis, main), *tables.arms_by_metric(analysis, main)],
        "seeds": [tables.seeds_table(analysis, main)],
        "sweeps": [
            *_there(tables.trends_table(analysis, main)), *tables.exploratory_differences(analysis, main)
        ],
        "calibration": [tables.calibration_table(analysis, main, frame)],
        "attention": _there(
            tables.attention_table(analysis, main, frame),
            tables.worst_groups_table(analysis, main, frame),
            tables.groups_table(analysis, main, frame),
        ),
        "operating": [tables.operating_table(analysis, main, frame)],
    }  # fmt: skip


def _in_short(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> list[Table]:
    """What is said of a further test set: the arms, the planned differences in every metric, and the rest in a row."""
    return [
        tables.arms_overview(analysis, of),
        *tables.planned_differences(analysis, of),
        tables.calibration_table(analysis, of, frame),
        tables.attention_table(analysis, of, frame),
        *_there(tables.worst_groups_table(analysis, of, frame)),
        tables.operating_table(analysis, of, frame),
    ]


def _there(*found: Table | None) -> list[Table]:
    return [table for table in found if table is not None]


def _in_order(of: Sequence[Table], pictures: Sequence[Picture]) -> tuple[Part, ...]:
    return (*of[:1], *pictures, *of[1:])


def _paragraphs(section: str, analysis: Analysis) -> tuple[str, ...]:
    """What a reader should know before the tables of a section."""
    metric = "a table a metric, the primary one first"
    study = analysis.study
    words = {
        "differences": f"The planned comparisons: {metric}. What the letters A, B and C mean stands under "
        f"“{SECTIONS['study']}”; A, new seeds and new patients, is the one that claims rest on.",
        "arms": f"Each arm by itself: all metrics in one table, then {metric}. Two intervals of arms that overlap say "
        "nothing about their difference, since the arms are paired; look at the differences.",
        "test-sets": "The same models on sets that no training image is from.",
        "sweeps": "Results that nobody planned suggest something; to show it takes a study of its own.",
        "attention": "A model that is right for the right reason looks at the lungs and fails without them.",
        "paper": "Rao et al., IMIL: Interactive Medical Image Learning Framework, CVPR step runners 2024, Table 1.",
        "study": f"Everything here comes from the study file {study.name} and the records of its runs.",
    }
    return (words[section],) if section in words else ()
