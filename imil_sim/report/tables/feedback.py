"""What the oracles were asked, what they answered, and how far they agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.readers import ReaderAgreement, components, reader_agreement
from imil_sim.report.tables.text import DIGITS, METRIC_NAMES, capital, grouped, made_by_sweeps, named, number
from imil_sim.study.record import Answer, Consultation, RunRecord

MOST_COMPARED = 12
"""Arms of feedback that are compared cell by cell: where there are more, first the levels of sweeps are left out."""


def feedback_table(analysis: Analysis) -> Table | None:
    """What every arm of feedback was asked and what became of it, a run on average; None without such an arm."""
    arms = _consulting(analysis)
    if not arms:
        return None
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, str]] = []
    for arm in arms:
        records = _records(analysis, arm)
        each = [record.consultations for record in records]
        counts = (
            _mean([sum(c.n_mispredictions for c in of) for of in each]),
            _mean([sum(c.n_asked for c in of) for of in each]),
            _mean([sum(c.n_filled_up for c in of) for of in each]),
            _mean([sum(c.shortage for c in of) for of in each]),
            _mean([sum(c.n_asked - c.n_abstained for c in of) for of in each]),
            _mean([sum(c.n_abstained for c in of) for of in each]),
            _mean([sum(c.n_nothing for c in of) for of in each]),
            _mean([sum(c.n_everything for c in of) for of in each]),
            _mean([sum(c.n_replaced for c in of) for of in each]),
        )
        shares = [_share(a, c) for of in each for c in of for a in c.answers if a.cells is not None]
        seconds = [record.seconds["consult"] for record in records if record.seconds.get("consult")]
        rows.append((arm, len(records), *counts, _mean(shares), _mean(seconds)))
        if not records:
            told.append((arm, "No numbers: no run of it is done"))
        elif not shares:
            told.append((arm, "No share of cells: no question was answered"))
        if records and not seconds:
            told.append((arm, "No seconds: its answers were in the store, or another run had asked the same"))
    columns = (
        Column("Arm"),
        Column("Runs", explained="that are done"),
        Column("Mistakes", 1, explained="training images predicted wrong and open to a question"),
        Column("Asked", 1, explained="questions put to the oracle"),
        Column("Filled up", 1, explained="of these, images predicted right, where mispredictions ran short"),
        Column("Shortage", 1, explained="questions fewer than the study asked for"),
        Column("Answered", 1),
        Column("Abstained", 1, explained="no answer; the image stays"),
        Column("Nothing", 1, explained="answers that chose no cell; the image stays"),
        Column("Everything", 1, explained="answers that chose every cell; the image stays"),
        Column("Replaced", 1, explained="answers that changed the training set"),
        Column("Cells", DIGITS, explained="share of the grid chosen, mean over answers"),
        Column("Seconds", 2, explained="wall time of the consultations, where the run asked itself"),
    )
    notes = (
        "Counts are means a run, several consultations of a run added up. Abstaining, choosing nothing and choosing "
        "everything are three answers and leave the image as it was.",
        "Seconds are those of the runs that put the questions themselves: equal questions are asked once in a study.",
        *grouped(told, len(rows)),
    )
    return Table("feedback", "Consultations: asked, answered, replaced", columns, tuple(rows), notes)


def feedback_by_class(analysis: Analysis) -> Table | None:
    """The same by what was mistaken for what: a normal image called TB has no lesion to point at, a missed TB has."""
    arms = _consulting(analysis)
    if not arms:
        return None
    rows: list[tuple[Cell, ...]] = []
    silent = []
    for arm in arms:
        records = _records(analysis, arm)
        groups: dict[tuple[int, int, bool], list[tuple[Answer, Consultation]]] = {}
        for answer, of in _answers(records):
            groups.setdefault((answer.label, answer.predicted, answer.mispredicted), []).append((answer, of))
        for (label, predicted, wrong), found in sorted(groups.items()):
            names = records[0].class_names
            shares = [_share(answer, of) for answer, of in found if answer.cells is not None]
            confidence = _mean([answer.confidence for answer, _ in found])
            abstained = sum(answer.cells is None for answer, _ in found)
            replaced = sum(answer.effect != "none" for answer, _ in found)
            rows.append(
                (
                    arm, _class(names, label), _class(names, predicted) if wrong else "the same",
                    len(found) / len(records), abstained / len(records), replaced / len(records), _mean(shares),
                    confidence,
                )
            )  # fmt: skip
        if not groups:
            silent.append(arm)
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
    notes = [
        "Counts are means a run. An image of the normal class holds no lesion: an oracle that points at lesions falls "
        "back to something else there, or abstains."
    ]
    if silent:
        notes.append(f"Without a question in any run that is done: {named(silent, len(arms))}.")
    if any(row[6] is None for row in rows):
        notes.append("A dash among the cells: the oracle answered none of these questions.")
    return Table("feedback-classes", "Consultations by class", columns, tuple(rows), tuple(notes))


def overlap(analysis: Analysis) -> ReaderAgreement | None:
    """How far any two arms of feedback agree; None where fewer than two ever answered."""
    arms = [arm for arm in _compared(analysis) if _answered(analysis, arm)]
    if len(arms) < 2:
        return None
    return reader_agreement({arm: [_consultations(analysis, arm, seed) for seed in analysis.seeds] for arm in arms})


def agreement_table(analysis: Analysis, of: ReaderAgreement | None) -> Table | None:
    """Every two arms of feedback as two readers, and how far readers and seeds move the result; None without two."""
    if of is None:
        return None
    rows = tuple(
        (of.readers[j], of.readers[i], int(of.images[i, j]), *(_known(m[i, j]) for m in (of.dice, of.kappa)))
        for i in range(len(of.readers))
        for j in range(i)
    )
    columns = (
        Column("Reader"),
        Column("Other reader"),
        Column("Questions", explained="answered by both: same seed, same consultation, same image"),
        Column("Dice", 2, explained="of the chosen cells, mean over these questions"),
        Column("Cohen's kappa", 2, explained="over all cells of these questions; 0 is what chance makes of it"),
    )
    notes = [
        "A reader is an arm of feedback. After the first consultation the arms are different models and have fewer "
        "questions in common.",
        f"All {len(of.readers)} readers on the {several(of.answered_by_all, 'question')} that every one answered: "
        f"Fleiss' kappa {'unknown' if math.isnan(of.fleiss) else number(of.fleiss, digits=2)}.",
        *_readers_and_seeds(analysis, of),
    ]
    if (left := len(_consulting(analysis)) - len(of.readers)) > 0:
        notes.append(f"{several(left, 'more arm')} of feedback {'is' if left == 1 else 'are'} not compared here.")
    if any(None in row for row in rows):
        notes.append("A dash: no question in common, or nothing in which the two could have differed.")
    return Table("agreement", "Agreement between readers", columns, rows, tuple(notes))


def _readers_and_seeds(analysis: Analysis, of: ReaderAgreement) -> list[str]:
    """What another reader moves, beside what another seed does."""
    main = analysis.sets.get("main")
    if main is None:
        return []
    metric, found = next(iter(main.components.items()))
    values = found.values[[analysis.place(arm) for arm in of.readers]]
    values = values[:, ~np.isnan(values).any(axis=0)]
    if values.shape[1] < 2:
        return ["Readers and seeds cannot be told apart: fewer than two seeds have a run of every reader."]
    parts = components(values)
    sd = {name: number(math.sqrt(getattr(parts, name)), digits=DIGITS) for name in ("reader", "seed", "residual")}
    return [
        f"{capital(METRIC_NAMES[metric])} over {values.shape[1]} seeds: standard deviation {sd['reader']} between "
        f"readers, {sd['seed']} between seeds, {sd['residual']} of what is left."
    ]


# --------------------------------------------------------------------------------------------------------- the answers


def _consulting(analysis: Analysis) -> list[str]:
    return [arm for arm in analysis.arms if analysis.study.arms[arm].feedback]


def _compared(analysis: Analysis) -> list[str]:
    arms = _consulting(analysis)
    swept = made_by_sweeps(analysis)
    return arms if len(arms) <= MOST_COMPARED else [arm for arm in arms if arm not in swept][:MOST_COMPARED]


def _records(analysis: Analysis, arm: str) -> list[RunRecord]:
    runs = [analysis.runs[arm, seed] for seed in analysis.seeds]
    return [run.record for run in runs if run.record and run.status == "done"]


def _answers(records: Sequence[RunRecord]) -> Iterator[tuple[Answer, Consultation]]:
    for record in records:
        for consultation in record.consultations:
            for answer in consultation.answers:
                yield answer, consultation


def _answered(analysis: Analysis, arm: str) -> bool:
    return any(answer.cells is not None for answer, _ in _answers(_records(analysis, arm)))


def _consultations(analysis: Analysis, arm: str, seed: int) -> tuple[Consultation, ...]:
    record = analysis.runs[arm, seed].record
    return record.consultations if record and record.status == "done" else ()


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _share(answer: Answer, of: Consultation) -> float:
    return len(answer.cells or ()) / (of.grid[0] * of.grid[1])


def _class(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else f"class {number}"


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
