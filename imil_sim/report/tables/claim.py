"""A map from the CLAIM checklist to this report: what it says on each item, and what only the author can say.

Source: Mongan, Moy and Kahn (2020), Checklist for Artificial Intelligence in Medical Imaging (CLAIM), Radiol. Artif.
Intell. 2(2), e200029: 42 items, here in our own words. Its update (Tejani et al. 2024, Radiol. Artif. Intell. 6(4),
e240300) says reference standard for ground truth and testing for validation; the numbers here are those of 2020.
"""

from __future__ import annotations

from typing import NamedTuple

from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Column, Table


class Item(NamedTuple):
    """One item of the checklist."""

    number: int
    part: str
    asks: str
    here: str
    """Where the report speaks of it, or that it does not."""
    author: str
    """What the author must add; empty where nothing."""


_NOT = "Not in this report."

ITEMS = (
    Item(1, "Title", "The kind of AI in the title or abstract", "Study table: model.", "Title and abstract."),
    Item(2, "Abstract", "A structured summary", "The first screen holds the results for it.", "The abstract."),
    Item(3, "Introduction", "Background, intended use and clinical role", _NOT, "All of it."),
    Item(
        4, "Introduction", "Aims and hypotheses", "Planned comparisons in the study table; the estimand.",
        "Why these comparisons.",
    ),
    Item(5, "Study design", "Prospective or retrospective", _NOT, "How the images came about."),
    Item(
        6, "Study design", "Goal of the study", "The comparisons; equality and superiority are told apart by "
        "intervals.", "Exploratory or confirmatory; margins, if it is about non-inferiority.",
    ),
    Item(7, "Data", "Sources of the data", "Study table: images, test sets, fingerprints.", "Where they are had from."),
    Item(8, "Data", "Who was eligible; how, where and when found", _NOT, "From whoever collected the images."),
    Item(
        9, "Data", "Preprocessing", "Study table: size; the documentation says how images are decoded and scaled.",
        "What was done before the files were handed over.",
    ),
    Item(10, "Data", "Selected parts of the data", "Study table: images by part.", "Which images were left out, why."),
    Item(11, "Data", "Definitions of the variables", "Study table: classes.", "What counts as a case of each class."),
    Item(12, "Data", "De-identification", _NOT, "All of it."),
    Item(
        13, "Data", "Missing data", "Runs table; the notes say which masks or attributes are unknown and how many were "
        "estimated.", "Missing clinical data.",
    ),
    Item(14, "Ground truth", "Definition of the reference standard", _NOT, "How the labels were made."),
    Item(15, "Ground truth", "Why that reference standard", _NOT, "All of it."),
    Item(
        16, "Ground truth", "Who annotated, with what training", "For the answers: the oracles by name and options; "
        "they are programs, or recorded readers.", "Who labelled the images; who the recorded readers are.",
    ),
    Item(
        17, "Ground truth", "Tools of annotation", "For the answers: grid and interaction samples.",
        "Tools of the labels.",
    ),
    Item(
        18, "Ground truth", "Variability between and within raters", "Overlap of the oracles' answers.",
        "Variability of the labels.",
    ),
    Item(
        19, "Partitions", "Sample size and how it was chosen", "Seeds and images; minimum detectable effect of every "
        "comparison.", "How both were chosen before running.",
    ),
    Item(20, "Partitions", "How images were assigned to parts", "Study table: split, images by part.", ""),
    Item(
        21, "Partitions", "Level at which parts are disjoint", "Study table: group column, where images have one; else "
        "by image.", "Whether a patient may have several images.",
    ),
    Item(
        22, "Model", "Detailed description", "Study table: torchvision's name of the model; every run's record holds "
        "the whole spec.", "A reference to the architecture.",
    ),
    Item(23, "Model", "Software and its versions", "Study table: versions.", ""),
    Item(24, "Model", "Initial parameters", "Study table: weights; seeds.", "Origin of pretrained weights, if any."),
    Item(
        25, "Training", "Training, augmentation, hyperparameters", "Study table: recipe; arms table: augmentation and "
        "feedback; seeds.", "Anything tried before this study.",
    ),
    Item(
        26, "Training", "How the final model was chosen", "Not chosen: the model of the last epoch is tested, once.",
        "",
    ),
    Item(27, "Training", "Ensembles", "None: every run is one model.", ""),
    Item(28, "Evaluation", "Measures of performance", "Estimand; arms, calibration, sensitivity and specificity.", ""),
    Item(
        29, "Evaluation", "Significance and uncertainty", "Estimand: intervals A, B and C, Holm, Benjamini-Hochberg, "
        "minimum detectable effect.", "",
    ),
    Item(
        30, "Evaluation", "Robustness or sensitivity analysis", "Sweeps; seed by seed; groups of test images; the "
        "placebo and the other controls.", "Which of them were planned.",
    ),
    Item(
        31, "Evaluation", "Explainability and its validation", "Attention: Grad-CAM in the lung, pointing game, AUROC "
        "without lungs; CAM panels.", "What the maps are used for.",
    ),
    Item(32, "Evaluation", "External data", "The sections on further test sets, if the study has any.", "What makes "
         "them external."),
    Item(
        33, "Results", "Flow of cases", "Study table: images by part; runs table: expected, done, failed, waiting, "
        "missing.", "A diagram of the cases before they became files.",
    ),
    Item(
        34, "Results", "Demographic and clinical characteristics", "Groups of test images, where the source has "
        "attributes.", "The table of characteristics by part.",
    ),
    Item(
        35, "Results", "Performance on all parts", "Test sets: all metrics. Training accuracy: results.csv. There is "
        "no tuning part.", "",
    ),
    Item(36, "Results", "Accuracy with its precision", "Arms and differences: each with labelled intervals.", ""),
    Item(
        37, "Results", "Failure analysis", "Disagreement by seed and image; interaction samples show the surest "
        "mistakes in training.", "A reader's look at the misread test images.",
    ),
    Item(
        38, "Discussion", "Limitations", "The notes under the tables; what an oracle is wrong in, its card says.",
        "Bias and generalisability.",
    ),
    Item(39, "Discussion", "Consequences for practice", "None follow: a simulated clinician is no clinician.",
         "All of it."),
    Item(40, "Other", "Registration", _NOT, "Number and registry."),
    Item(
        41, "Other", "Access to the protocol", "The study file is the protocol; with the package and the data it makes "
        "this report again.", "Where file, code and data lie.",
    ),
    Item(42, "Other", "Funding and the part of the funders", _NOT, "All of it."),
)  # fmt: skip


def claim_table(analysis: Analysis) -> Table:
    """Each of the 42 items, where this report speaks of it, and what only the author can supply."""
    external = [name for name in analysis.sets if name != "main"]
    rows = []
    for item in ITEMS:
        here = item.here
        if item.number == 32:
            here = f"Further test sets: {', '.join(external)}." if external else "The study has no further test set."
        rows.append((item.number, item.part, item.asks, here, item.author or None))
    columns = (
        Column("Item"),
        Column("Part"),
        Column("Asks for", explained="in short, in our words"),
        Column("In this report"),
        Column("Only the author can say"),
    )
    notes = (
        "CLAIM: Mongan, Moy and Kahn (2020), Radiology: Artificial Intelligence 2(2), e200029; 42 items. The update of "
        "2024 (Tejani et al., 6(4), e240300) renames and splits some: reference standard for ground truth, testing for "
        "validation. This map is a help in filling in the checklist and no claim to meet it.",
        "A dash: nothing to add.",
    )
    return Table("claim", "The CLAIM checklist and this report", columns, tuple(rows), notes)
