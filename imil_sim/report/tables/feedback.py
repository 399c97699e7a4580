"""What the oracles were asked, what they answered, how far they agree, and how far replayed sessions apply."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.readers import ReaderAgreement, components, reader_agreement
from imil_sim.report.tables.text import attributes, grouped, made_by_sweeps, table_of
from imil_sim.sessions.recorded import Divergence
from imil_sim.stats import metric_named
from imil_sim.study.record import RunRecord
from imil_sim.text import DIGITS, number

MOST_COMPARED = 12
"""Arms of feedback that are compared cell by cell: where there are more, first the levels of sweeps are left out."""

COUNTS = {
    "n_mispredictions": Column("Mistakes", 1, explained="training images predicted wrong and open to a question"),
    "n_asked": Column("Asked", 1, explained="questions put to the oracle"),
    "n_filled_up": Column("Filled up", 1, explained="of these, images predicted right, where mispredictions ran short"),
    "shortage": Column("Shortage", 1, explained="questions fewer than the study asked for"),
    "n_abstained": Column("Abstained", 1, explained="no answer; the image stays"),
    "n_nothing": Column("Nothing", 1, explained="answers that chose no cell; the image stays"),
    "n_everything": Column("Everything", 1, explained="answers that chose every cell; the image stays"),
    "n_replaced": Column("Replaced", 1, explained="answers that changed the training set"),
}
"""What is counted of a consultation, and what the table calls it."""

CELLS = Column("Cells", DIGITS, explained="share of the grid chosen, mean over answers")


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
    rows = [
        (
            arm, *(sum(getattr(c, name) for c in record.consultations) for name in COUNTS),
            record.seconds.get("consult") or math.nan,
        )
        for arm in arms
        for record in _records(analysis, arm)
    ]  # fmt: skip
    runs = pd.DataFrame(rows, columns=["arm", *COUNTS, "seconds"]).set_index("arm").astype(float)
    means = runs.groupby(level=0).mean().reindex(arms)
    columns: dict[Column, Any] = {
        Column("Arm"): arms,
        Column("Runs", explained="that are done"): [len(_records(analysis, arm)) for arm in arms],
        **{column: means[name] for name, column in COUNTS.items()},
        CELLS: answers.groupby("arm")["share"].mean().reindex(arms),
        Column(
            "Seconds", 2, explained="wall time, of the runs that asked; equal questions are asked once in a study"
        ): (means["seconds"]),
    }
    return table_of(
        "feedback", "Consultations: asked, answered, replaced", columns,
        ("Means over runs, the consultations of a run added up.",),
        "no run is done, no question was answered, or the answers were in the store",
    )  # fmt: skip


def _answers(analysis: Analysis, arms: list[str]) -> pd.DataFrame:
    """A row an answer, arms in their order: of whom, about what, and what became of it."""
    rows = [
        (
            arm, a.label, a.predicted, a.mispredicted, _class(record, a.label),
            _class(record, a.predicted) if a.mispredicted else "the same", a.cells is None, a.effect != "none",
            math.nan if a.cells is None else len(a.cells) / math.prod(consultation.grid), a.confidence,
        )
        for arm in arms
        for record in _records(analysis, arm)
        for consultation in record.consultations
        for a in consultation.answers
    ]  # fmt: skip
    names = ["label", "predicted", "wrong", "true", "called", "abstained", "replaced", "share", "confidence"]
    return pd.DataFrame(rows, columns=["arm", *names]).astype({"share": float, "abstained": bool})


def _by_class(analysis: Analysis, arms: list[str], answers: pd.DataFrame) -> Table:
    """The same by what was mistaken for what: a normal image called TB has no lesion to point at, a missed TB has."""
    ordered = answers.assign(arm=pd.Categorical(answers["arm"], arms), asked=1)
    groups = ordered.groupby(["arm", "label", "predicted", "wrong", "true", "called"], observed=True)
    shown = groups[["asked", "abstained", "replaced"]].sum().join(groups[["share", "confidence"]].mean()).reset_index()
    runs = shown["arm"].map(lambda arm: len(_records(analysis, arm))).astype(int)
    columns: dict[Column, Any] = {
        Column("Arm"): shown["arm"],
        Column("True class"): shown["true"],
        Column("Called", explained="what the model predicted when the oracle was asked"): shown["called"],
        Column("Asked", 1): shown["asked"] / runs,
        Column("Abstained", 1): shown["abstained"] / runs,
        Column("Replaced", 1): shown["replaced"] / runs,
        CELLS: shown["share"],
        Column("Confidence", DIGITS, explained="of the model in what it predicted, mean over questions"): shown[
            "confidence"
        ],
    }
    return table_of(
        "feedback-classes", "Consultations by class", columns,
        ("Means over runs. A normal image holds no lesion: an oracle that points at lesions falls back to something "
         "else there, or abstains.",),
        "the oracle answered none of these questions",
    )  # fmt: skip


def _class(record: RunRecord, number: int) -> str:
    return record.class_names[number] if number < len(record.class_names) else f"class {number}"


def overlap(analysis: Analysis) -> ReaderAgreement | None:
    """How far any two arms of feedback agree; None where fewer than two ever answered."""
    arms = _consulting(analysis)
    if len(arms) > MOST_COMPARED:
        arms = [arm for arm in arms if arm not in made_by_sweeps(analysis)][:MOST_COMPARED]
    answers = _answers(analysis, arms)
    answered = set(answers.loc[~answers["abstained"], "arm"])
    done = {place: r.record.consultations for place, r in analysis.runs.items() if r.record and r.status == "done"}
    found = {arm: [done.get((arm, seed), ()) for seed in analysis.seeds] for arm in arms if arm in answered}
    return reader_agreement(found) if len(found) > 1 else None


def _agreement(analysis: Analysis, of: ReaderAgreement) -> Table:
    """Every two arms of feedback as two readers, and how far readers and seeds move the result."""
    pairs = [(j, i) for i in range(len(of.readers)) for j in range(i)]
    columns = {
        Column("Reader"): [of.readers[j] for j, _ in pairs],
        Column("Other reader"): [of.readers[i] for _, i in pairs],
        Column("Questions", explained="answered by both: same seed, same consultation, same image"): [
            of.images[pair] for pair in pairs
        ],
        Column("Dice", 2, explained="of the chosen cells, mean over these questions"): [of.dice[p] for p in pairs],
        Column("Cohen's kappa", 2, explained="over all cells of these questions; 0 is what chance makes of it"): [
            of.kappa[pair] for pair in pairs
        ],
    }
    notes = [
        "A reader is an arm of feedback; after the first consultation the arms are different models.",
        f"All {len(of.readers)} readers on the {several(of.answered_by_all, 'question')} that every one answered: "
        f"Fleiss' kappa {'unknown' if math.isnan(of.fleiss) else number(of.fleiss, digits=2)}.",
        *_readers_and_seeds(analysis, of),
    ]
    if (left := len(_consulting(analysis)) - len(of.readers)) > 0:
        notes.append(f"Not compared: {several(left, 'more arm')} of feedback.")
    return table_of(
        "agreement", "Agreement between readers", columns, notes,
        "no question in common, or nothing in which the two could have differed",
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


REPLAYED = {
    "n_asked": Column("Asked", explained="images that the run asked about"),
    "n_recorded": Column("Recorded", explained="images that the session has an answer about, abstentions included"),
    "n_shared": Column("Shared", explained="images that are both"),
    "coverage": Column("Coverage", 2, explained="share of the images asked about that the session answers"),
    "overlap": Column("Overlap", 2, explained="shared images over all images asked about or recorded (Jaccard)"),
    "rank_correlation": Column(
        "Rank correlation", 2, explained="of the order of asking, there and here, over the shared images"
    ),
}
"""What the table shows of a `Divergence`."""


def _replayed(runs: Sequence[Replayed]) -> Table:
    """One row a run and session: coverage of its questions by it, and divergence from it."""
    names = [f"{run.arm}, seed {run.seed}" for run in runs]
    missing = [
        (f"{name}, {run.reader}", f"No rank correlation: {run.divergence.no_rank_correlation}")
        for name, run in zip(names, runs, strict=True)
        if run.divergence.no_rank_correlation
    ]
    notes = (
        "Of an imported session the images are those that somebody marked, of a recorded one those that its model "
        "asked about: coverage falls where another model errs elsewhere.",
        *grouped(missing, len(runs)),
    )
    columns = {
        Column("Run"): names,
        Column("Reader", explained="whose session was replayed"): [run.reader for run in runs],
        **attributes([run.divergence for run in runs], REPLAYED),
    }
    return table_of(
        "replayed", "Replayed sessions: coverage and divergence", columns, notes,
        "nothing was asked or recorded, or too few images are shared",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------- the records


def _consulting(analysis: Analysis) -> list[str]:
    return [arm for arm in analysis.arms if analysis.study.arms[arm].feedback]


def _records(analysis: Analysis, arm: str) -> list[RunRecord]:
    runs = [analysis.runs[arm, seed] for seed in analysis.seeds]
    return [run.record for run in runs if run.record and run.status == "done"]


PART = TablePart("feedback", build)
