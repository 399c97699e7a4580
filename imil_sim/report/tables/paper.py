"""Table 1 of Rao et al. (2024) beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.feedback import Replayed
from imil_sim.report.tables.study import fields_of
from imil_sim.report.tables.text import made_by_sweeps, mean_sd, table_of
from imil_sim.stats import metric_named
from imil_sim.study.spec import ArmSpec
from imil_sim.text import capital, joined


class PaperRow(NamedTuple):
    """A row of the paper's Table 1: one run."""

    method: str
    augmentation: str | None
    """The augmentation of our arm that does the same; None for the residents, whom no arm of ours is."""
    accuracy: float
    auroc: float
    ece: float


TABLE_1 = (
    PaperRow("Baseline", "none", 0.804, 0.832, 0.200),
    PaperRow("CutMix", "cutmix", 0.812, 0.853, 0.150),
    PaperRow("CutOut", "cutout", 0.797, 0.817, 0.201),
    PaperRow("MixUp", "mixup", 0.834, 0.878, 0.161),
    PaperRow("IMIL, resident 1", None, 0.846, 0.857, 0.179),
    PaperRow("IMIL, resident 2", None, 0.835, 0.853, 0.175),
    PaperRow("IMIL, resident 3", None, 0.824, 0.858, 0.183),
)
"""In the order of the paper; ECE with 15 bins."""

CONFIGURATION = {
    "images.source": "shenzhen", "images.size": "224", "model.name": "resnet50", "training.epochs": "100",
    "training.batch_size": "64", "training.optimizer": "sgd", "training.learning_rate": "0.001",
    "feedback.num_outliers": "20", "feedback.imil_epoch": "70", "feedback.grid_size": "4, 4",
}  # fmt: skip
"""What the paper states of its runs, in the fields of a spec as `fields_of` writes them."""

PAPER_TEST_IMAGES = 132

FLAGS = (
    "The paper's numbers are of one run a method: a gain of 4.2 points for the best of three residents is within reach "
    "of chance (5 to 25% under no effect, depending on how the seeds correlate).",
    "None of the paper's seven accuracies is k/132 for a whole number k: they are no fractions of its test images.",
    "The paper's ECE of the baseline and the residents lies above 1 - accuracy, which the ECE of the top label cannot "
    "reach where a model is overconfident: its convention is unknown, so both of ours stand here.",
)

OURS = ("accuracy", "auroc", "ece_top_label", "ece_positive")

DASH = "no such arm or number, or no run of it is done"


def build(data: ReportData) -> Iterator[Table]:
    """Nothing where the study is not of the paper's images."""
    if of_the_papers_set(data.analysis):
        yield table_1(data.analysis, data.replayed)


def of_the_papers_set(analysis: Analysis) -> bool:
    """Whether the study's own images are those of the paper."""
    return any(arm.images.source == CONFIGURATION["images.source"] for arm in analysis.study.arms.values())


def table_1(analysis: Analysis, replayed: Sequence[Replayed] = ()) -> Table:
    """Our arms in the paper's metrics; in a study of the paper's images beside its Table 1.

    Our arms of feedback follow the residents: an oracle simulates a clinician and is none of the three. Arms that only
    a sweep made are left out; beside the paper so are arms that combine feedback with an augmentation.

    Args:
        analysis: the study with the numbers of all its runs.
        replayed: the runs whose oracle replayed a session; the readers of these sessions are named.
    """
    named = {name: analysis.study.arms[name] for name in analysis.arms if name not in made_by_sweeps(analysis)}
    ours = f"Ours: mean over {several(len(analysis.seeds), 'seed')} (standard deviation)."
    if not of_the_papers_set(analysis):
        return table_of("paper", "The arms", {Column("Arm"): named, **_ours(analysis, [*named])}, [ours], DASH)
    rows: list[tuple[Cell, ...]] = []
    left = []
    for of in TABLE_1:
        same = [n for n, arm in named.items() if not arm.feedback and arm.augmentation.name == of.augmentation]
        first = analysis.study.reference if analysis.study.reference in same else next(iter(same), None)
        left += [name for name in same if name != first]
        rows.append((of.method, of.accuracy, of.auroc, of.ece, first))
    for name, arm in named.items():
        if arm.feedback and arm.augmentation.name == "none":
            readers = list(dict.fromkeys(run.reader for run in replayed if run.arm == name))
            session = f", session{'s' if readers[1:] else ''} of {joined(readers)}" if readers else ""
            asked = f"IMIL, oracle {arm.feedback.oracle}{session}"
            rows.append(("Placebo, nothing replaced" if name == analysis.placebo else asked, None, None, None, name))
        elif arm.feedback:
            left.append(name)
    notes = [ours]
    if unlike := list(_unlike(analysis, named)):
        notes.append(f"Not comparable number by number, since ours differs in: {'; '.join(unlike)}.")
    if left:
        notes.append(f"Without a place in the paper's table: {', '.join(left)}.")
    columns = (
        Column("Method"),
        Column("Paper: accuracy", 3),
        Column("Paper: AUROC", 3),
        Column("Paper: ECE", 3, explained="15 bins, convention unknown"),
        Column("Our arm"),
    )
    shown = {
        **dict(zip(columns, zip(*rows, strict=True), strict=True)),
        **_ours(analysis, [r[-1] for r in rows], "Ours: "),
    }
    return table_of("paper", "Table 1 of Rao et al. (2024) beside ours", shown, (*notes, *FLAGS), DASH)


def _ours(analysis: Analysis, arms: Sequence[Cell], before: str = "") -> dict[Column, list[Cell]]:
    """Our numbers of these arms, by column; none of None."""
    main = analysis.sets.get("main")
    columns = {}
    for name in OURS:
        known = (
            dict(zip(analysis.arms, main.components[name].values, strict=True))
            if main and name in main.components
            else {}
        )
        label = f"{before}{metric_named(name).label}"
        columns[Column(capital(label))] = [mean_sd(known.get(str(arm), ())) for arm in arms]
    return columns


def _unlike(analysis: Analysis, arms: Mapping[str, ArmSpec]) -> Iterator[str]:
    """In what our study differs from what the paper states."""
    fields = fields_of(arms)
    for field, paper in CONFIGURATION.items():
        ours = list(fields[field].dropna().unique()) if field in fields else []
        if ours not in ([], [paper]):
            yield f"{field} {' or '.join(ours)} (paper: {paper})"
    main = analysis.sets.get("main")
    if main and main.ids and len(main.ids) != PAPER_TEST_IMAGES:
        yield f"{len(main.ids)} test images (paper: {PAPER_TEST_IMAGES})"


PART = TablePart("comparisons", build, place=80)
