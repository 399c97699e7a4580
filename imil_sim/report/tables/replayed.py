"""How far the questions of replayed runs are those that were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imil_sim.report.document import Column, Table
from imil_sim.report.tables.text import MOST_NAMED, grouped, joined
from imil_sim.sessions.divergence import Divergence

_SEVERAL = (
    "Where one run replays several sessions, each is held against all images of the run: those that only another "
    "reader "
    "was asked about count as not answered."
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run whose oracle, or one that it asks, replayed a session, and how far its questions are the recorded ones."""

    arm: str
    seed: int
    reader: str
    """Whose session it is."""
    divergence: Divergence


def replayed_table(runs: Sequence[Replayed]) -> Table | None:
    """One row a run and session: coverage of its questions by it, and divergence from it; None without such a run."""
    if not runs:
        return None
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
    rows = tuple(
        (
            f"{run.arm}, seed {run.seed}", run.reader, of.n_asked, of.n_recorded, of.n_shared, of.coverage, of.overlap,
            of.rank_correlation,
        )
        for run in runs
        for of in [run.divergence]
    )  # fmt: skip
    missing = [
        (f"{run.arm}, seed {run.seed} ({run.reader})", f"No rank correlation: {run.divergence.no_rank_correlation}")
        for run in runs
        if run.divergence.rank_correlation is None
    ]
    notes = (
        *_whose_images(runs),
        *([_SEVERAL] if len({(run.arm, run.seed) for run in runs}) < len(runs) else []),
        *grouped(missing, len(rows)),
    )
    return Table("replayed", "Replayed sessions: coverage and divergence", columns, rows, notes)


def _whose_images(runs: Sequence[Replayed]) -> tuple[str, ...]:
    """Whence the images of the sessions are, and what follows for the coverage."""
    rest = "the rest went unanswered or to another oracle, as the study says."
    marked = list(dict.fromkeys(run.reader for run in runs if not run.divergence.by_model))
    if not marked:
        return (
            "A replayed reader answers what the recorded model asked about. Where another model errs on other images, "
            f"coverage falls, and {rest}",
        )
    whom = joined(marked) if len(marked) <= MOST_NAMED else f"{len(marked)} readers"
    told = (
        f"No model asked in what is replayed of {whom}, as where a session was imported: its images are those that "
        f"somebody marked. Coverage says how many of the images that a run asked about are among them; {rest}"
    )
    if all(not run.divergence.by_model for run in runs):
        return (told,)
    return (
        told,
        "Any other replayed reader answers what the recorded model asked about: where another model errs on other "
        "images, coverage falls.",
    )
