"""A map from the CLAIM checklist to this report: where it speaks of each item, and what only the author can say.

Source: Mongan, Moy and Kahn (2020), Checklist for Artificial Intelligence in Medical Imaging (CLAIM), Radiol. Artif.
Intell. 2(2), e200029: 42 items, here in our own words. Its update (Tejani et al. 2024, Radiol. Artif. Intell. 6(4),
e240300) says reference standard for ground truth and testing for validation; the numbers here are those of 2020.
"""

from __future__ import annotations

from collections.abc import Iterator

from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import frame_of, table_of

ITEMS = (
    ("Kind of AI in title or abstract", "Study table: model", "Title and abstract"),
    ("Structured summary", "First screen", "The abstract"),
    ("Background, intended use, clinical role", "", "All of it"),
    ("Aims and hypotheses", "Planned comparisons", "Why these comparisons"),
    ("Prospective or retrospective", "", "How the images came about"),
    ("Goal of the study", "Planned comparisons, with intervals", "Exploratory or confirmatory; margins, if any"),
    ("Sources of the data", "Study table: images, test sets, fingerprints", "Where they can be obtained"),
    ("Eligibility", "", "Who, how, where and when"),
    ("Preprocessing", "Study table: size; documentation of the image sets", "What was done to the files before"),
    ("Selected parts of the data", "Study table: images by part", "Which images were left out, and why"),
    ("Definitions of the variables", "Study table: classes", "What counts as a case of each class"),
    ("De-identification", "", "All of it"),
    ("Missing data", "Table of unfinished runs; notes on estimated masks", "Missing clinical data"),
    ("Definition of the reference standard", "", "How the labels were made"),
    ("Why that reference standard", "", "All of it"),
    (
        "Annotators and their training",
        "Table of arms: oracles (programs, or recorded readers)",
        "Who labelled, who read",
    ),
    ("Annotation tools", "Grid; interaction samples", "Tools of the labels"),
    ("Variability between and within raters", "Agreement between readers", "Variability of the labels"),
    ("Sample size", "Seeds and images; MDE of every comparison", "How both were chosen before running"),
    ("How images were assigned to parts", "Study table: split, images by part", ""),
    (
        "Level at which parts are disjoint",
        "Study table: group column, else by image",
        "Whether patients have several images",
    ),
    ("Description of the model", "Study table: model; records of the runs", "A reference to the architecture"),
    ("Software and versions", "Study table: versions", ""),
    ("Initial parameters", "Study table: weights, seeds", "Origin of pretrained weights, if any"),
    ("Training, augmentation, hyperparameters", "Study table: training; table of arms", "Anything tried before"),
    ("How the final model was chosen", "Not chosen: the model of the last epoch is tested, once", ""),
    ("Ensembles", "None: every run is one model", ""),
    ("Measures of performance", "Tables of arms and of calibration", ""),
    ("Significance and uncertainty", "Legends of the tables of comparisons", ""),
    ("Robustness or sensitivity analysis", "Sweeps, seeds, groups of test images, controls", "Which were planned"),
    ("Explainability and its validation", "Where the models look", "What the maps are used for"),
    ("External data", "Further test sets: {external}", "What makes them external"),
    ("Flow of cases", "Study table: images by part, runs", "Cases before they became files"),
    ("Demographic and clinical characteristics", "Groups of test images", "Characteristics by part"),
    ("Performance on all parts", "Tables of arms; results.csv for training", ""),
    ("Accuracy with its precision", "Tables of arms and differences", ""),
    ("Failure analysis", "Disagreement by image; interaction samples", "A reader's look at misread test images"),
    ("Limitations", "Notes of the tables; cards of the oracles", "Bias and generalisability"),
    ("Consequences for practice", "None follow: a simulated clinician is no clinician", "All of it"),
    ("Registration", "", "Number and registry"),
    ("Access to the protocol", "The study file", "Where file, code and data can be obtained"),
    ("Funding", "", "All of it"),
)
"""What an item asks for, where this report speaks of it, and what the author must add; items are numbered from 1."""


def build(data: ReportData) -> Iterator[Table]:
    """The 42 items."""
    columns = (Column("Item"), Column("Asks for"), Column("In this report"), Column("Only the author can say"))
    external = ", ".join(name for name in data.analysis.sets if name != "main") or "none"
    rows = [
        (number, asks, here.format(external=external) or None, author or None)
        for number, (asks, here, author) in enumerate(ITEMS, 1)
    ]
    notes = (
        "CLAIM: Mongan, Moy and Kahn (2020), Radiology: Artificial Intelligence 2(2), e200029, in our words; the "
        "update of 2024 renames and splits some items. A help in filling it in, no claim to meet it.",
    )
    yield table_of(
        "claim", "The CLAIM checklist and this report", columns, frame_of(rows, columns), notes, dash="nothing to say"
    )


PART = TablePart("provenance", build, place=90)
