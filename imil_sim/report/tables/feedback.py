"""What the oracles were asked, what they answered, how far they agree, and how far replayed sessions apply."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.readers import ReaderAgreement, components, reader_agreement
from imil_sim.report.tables.text import frame_of, grouped, made_by_sweeps, table_of
from imil_sim.sessions.recorded import Divergence
from imil_sim.stats import metric_named
from imil_sim.study.record import Consultation, RunRecord
from imil_sim.text import DIGITS, number

MOST_COMPARED = 12
"""Arms of feedback that are compared cell by cell: where there are more, first the levels of sweeps are left out."""


COUNTS = {
    Column("Mistakes", 1, explained="training images predicted wrong and open to a question"): "n_mispredictions",
    Column("Asked", 1, explained="questions put to the oracle"): "n_asked",
    Column("Filled up", 1, explained="of these, images predicted right, where mispredictions ran short"): "n_filled_up",
    Column("Shortage", 1, explained="questions fewer than the study asked for"): "shortage",
    Column("Abstained", 1, explained="no answer; the image stays"): "n_abstained",
    Column("Nothing", 1, explained="answers that chose no cell; the image stays"): "n_nothing",
    Column("Everything", 1, explained="answers that chose every cell; the image stays"): "n_everything",
    Column("Replaced", 1, explained="answers that changed the training set"): "n_replaced",
}
"""What is counted of a consultation, by the column that shows it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run whose oracle, or one that it asks, replayed a session, and how far its questions are the recorded ones."""

    arm: str
    seed: int
    reader: str
    """Whose session it is."""
    divergence: Divergence


def build(data: ReportData) -> Iterator[Table]:
    """Nothing of a study without feedback."""
    if arms := _consulting(data.analysis):
        answers = _answers(data.analysis, arms)
        yield _counts(data.analysis, arms, answers)
        if len(answers):
            yield _by_class(data.analysis, arms, answers)
        if found := overlap(data.analysis):
            yield _agreement(data.analysis, found)
    if data.replayed:
        yield _replayed(data.replayed)


def _counts(analysis: Analysis, arms: list[str], answers: pd.DataFrame) -> Table:
    """What every arm of feedback was asked and what became of it, a run on average."""
    columns = (
        Column("Arm"),
        Column("Runs", explained="that are done"),
        *COUNTS,
        Column("Cells", DIGITS, explained="share of the grid chosen, mean over answers"),
        Column("Seconds", 2, explained="wall time, of the runs that asked; equal questions are asked once in a study"),
    )
    names = [column.heading for column in columns]
    rows = [
        (
            arm, *(sum(getattr(c, name) for c in record.consultations) for name in COUNTS.values()),
            record.seconds.get("consult") or math.nan,
        )
        for arm in arms
        for record in _records(analysis, arm)
    ]  # fmt: skip
    runs = pd.DataFrame(rows, columns=["Arm", *names[2:-2], "Seconds"]).set_index("Arm").astype(float)
    shown = runs.groupby(level=0).mean().reindex(arms)
    shown["Runs"] = [len(_records(analysis, arm)) for arm in arms]
    shown["Cells"] = answers.groupby("arm")["share"].mean().reindex(arms)
    return table_of(
        "feedback", "Consultations: asked, answered, replaced", columns, shown.reset_index()[names],
        ("Means over runs, the consultations of a run added up.",),
        dash="no run is done, no question was answered, or the answers were in the store",
    )  # fmt: skip


def _answers(analysis: Analysis, arms: list[str]) -> pd.DataFrame:
    """A row an answer, arms in their order: of whom, about what, and what became of it."""
    rows = []
    for arm in arms:
        for record in _records(analysis, arm):
            for consultation in record.consultations:
                size = consultation.grid[0] * consultation.grid[1]
                for a in consultation.answers:
                    share = math.nan if a.cells is None else len(a.cells) / size
                    called = _class(record, a.predicted) if a.mispredicted else "the same"
                    of_class = (a.label, a.predicted, a.mispredicted, _class(record, a.label), called)
                    rows.append((arm, *of_class, a.cells is None, a.effect != "none", share, a.confidence))
    names = ["label", "predicted", "wrong", "true", "called", "abstained", "replaced", "share", "confidence"]
    return pd.DataFrame(rows, columns=["arm", *names]).astype({"share": float})


def _by_class(analysis: Analysis, arms: list[str], answers: pd.DataFrame) -> Table:
    """The same by what was mistaken for what: a normal image called TB has no lesion to point at, a missed TB has."""
    columns = (
        Column("Arm"),
        Column("True class"),
        Column("Called", explained="what the model predicted when the oracle was asked"),
        Column("Asked", 1),
        Column("Abstained", 1),
        Column("Replaced", 1),
        Column("Cells", DIGITS, explained="share of the grid chosen, mean over answers"),
        Column("Confidence", DIGITS, explained="of the model in what it predicted, mean over questions"),
    )
    ordered = answers.assign(arm=pd.Categorical(answers["arm"], arms), asked=1)
    groups = ordered.groupby(["arm", "label", "predicted", "wrong", "true", "called"], observed=True)
    counts = groups[["asked", "abstained", "replaced"]].sum().astype(float)
    shown = counts.join(groups[["share", "confidence"]].mean()).reset_index()
    runs = shown["arm"].map(lambda arm: len(_records(analysis, arm))).astype(int)
    shown[list(counts.columns)] = shown[list(counts.columns)].div(runs, axis=0)
    return table_of(
        "feedback-classes", "Consultations by class", columns, shown.drop(columns=["label", "predicted", "wrong"]),
        ("Means over runs. A normal image holds no lesion: an oracle that points at lesions falls back to something "
         "else there, or abstains.",),
        dash="the oracle answered none of these questions",
    )  # fmt: skip


def _class(record: RunRecord, number: int) -> str:
    return record.class_names[number] if number < len(record.class_names) else f"class {number}"


def overlap(analysis: Analysis) -> ReaderAgreement | None:
    """How far any two arms of feedback agree; None where fewer than two ever answered."""
    arms = _consulting(analysis)
    if len(arms) > MOST_COMPARED:
        arms = [arm for arm in arms if arm not in made_by_sweeps(analysis)][:MOST_COMPARED]
    answers = _answers(analysis, arms)
    answered = set(answers.loc[~answers["abstained"].astype(bool), "arm"])
    found = {arm: [_consultations(analysis, arm, seed) for seed in analysis.seeds] for arm in arms if arm in answered}
    return reader_agreement(found) if len(found) > 1 else None


def _agreement(analysis: Analysis, of: ReaderAgreement) -> Table:
    """Every two arms of feedback as two readers, and how far readers and seeds move the result."""
    columns = (
        Column("Reader"),
        Column("Other reader"),
        Column("Questions", explained="answered by both: same seed, same consultation, same image"),
        Column("Dice", 2, explained="of the chosen cells, mean over these questions"),
        Column("Cohen's kappa", 2, explained="over all cells of these questions; 0 is what chance makes of it"),
    )
    pairs = [(j, i) for i in range(len(of.readers)) for j in range(i)]
    rows = [(of.readers[j], of.readers[i], int(of.images[i, j]), of.dice[i, j], of.kappa[i, j]) for j, i in pairs]
    notes = [
        "A reader is an arm of feedback; after the first consultation the arms are different models.",
        f"All {len(of.readers)} readers on the {several(of.answered_by_all, 'question')} that every one answered: "
        f"Fleiss' kappa {'unknown' if math.isnan(of.fleiss) else number(of.fleiss, digits=2)}.",
        *_readers_and_seeds(analysis, of),
    ]
    if (left := len(_consulting(analysis)) - len(of.readers)) > 0:
        notes.append(f"Not compared: {several(left, 'more arm')} of feedback.")
    return table_of(
        "agreement", "Agreement between readers", columns, frame_of(rows, columns), notes,
        dash="no question in common, or nothing in which the two could have differed",
    )  # fmt: skip


def _readers_and_seeds(analysis: Analysis, of: ReaderAgreement) -> Iterator[str]:
    """What another reader moves, beside what another seed does."""
    if not (main := analysis.sets.get("main")):
        return
    metric, found = next(iter(main.components.items()))
    values = found.values[[analysis.place(arm) for arm in of.readers]]
    values = values[:, ~np.isnan(values).any(axis=0)]
    if values.shape[1] > 1:
        parts = components(values)
        sd = {name: number(math.sqrt(getattr(parts, name))) for name in ("reader", "seed", "residual")}
        yield (
            f"Standard deviation in {metric_named(metric).label}: {sd['reader']} between readers, {sd['seed']} between "
            f"seeds, {sd['residual']} residual ({values.shape[1]} seeds)."
        )


def _replayed(runs: Sequence[Replayed]) -> Table:
    """One row a run and session: coverage of its questions by it, and divergence from it."""
    columns = (
        Column("Run"),
        Column("Reader", explained="whose session was replayed"),
        Column("Asked", explained="images that the run asked about"),
        Column("Recorded", explained="images that the session has an answer about, abstentions included"),
        Column("Shared", explained="images that are both"),
        Column("Coverage", 2, explained="share of the images asked about that the session answers"),
        Column("Overlap", 2, explained="shared images over all images asked about or recorded (Jaccard)"),
        Column("Rank correlation", 2, explained="of the order of asking, there and here, over the shared images"),
    )
    rows, missing = [], []
    for run in runs:
        of, name = run.divergence, f"{run.arm}, seed {run.seed}"
        rows.append(
            (name, run.reader, of.n_asked, of.n_recorded, of.n_shared, of.coverage, of.overlap, of.rank_correlation)
        )
        if of.no_rank_correlation:
            missing.append((f"{name}, {run.reader}", f"No rank correlation: {of.no_rank_correlation}"))
    notes = (
        "Of an imported session the images are those that somebody marked, of a recorded one those that its model "
        "asked about: coverage falls where another model errs elsewhere.",
        *grouped(missing, len(rows)),
    )
    return table_of(
        "replayed", "Replayed sessions: coverage and divergence", columns, frame_of(rows, columns), notes,
        dash="nothing was asked or recorded, or too few images are shared",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------- the records


def _consulting(analysis: Analysis) -> list[str]:
    return [arm for arm in analysis.arms if analysis.study.arms[arm].feedback]


def _records(analysis: Analysis, arm: str) -> list[RunRecord]:
    runs = [analysis.runs[arm, seed] for seed in analysis.seeds]
    return [run.record for run in runs if run.record and run.status == "done"]


def _consultations(analysis: Analysis, arm: str, seed: int) -> tuple[Consultation, ...]:
    record = analysis.runs[arm, seed].record
    return record.consultations if record and record.status == "done" else ()


PART = TablePart("feedback", build)
