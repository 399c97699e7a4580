"""How far the questions of a replayed run are those that were recorded: coverage and divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import spearmanr

from imil_sim.errors import several
from imil_sim.sessions.session import Session
from imil_sim.study.record import Consultation

FEWEST_RANKED = 3
"""Of fewer shared images no rank correlation is told."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """A session and the questions of a run beside each other; counts are of different images."""

    n_asked: int
    """Images the run asked about."""
    n_recorded: int
    """Images the session has an answer about, abstentions included."""
    n_shared: int
    """Images that are both."""
    rank_correlation: float | None
    """Spearman's, in [-1, 1], of the places of the shared images in the order of asking, there and here."""
    no_rank_correlation: str = ""
    """Why there is none; empty where there is one."""
    by_model: bool = True
    """Whether a model chose the images of the session; that of an imported one somebody marked, in whatever order."""

    @property
    def coverage(self) -> float | None:
        """Share of the images asked about that the session answers, in [0, 1]; None where nothing was asked."""
        return self.n_shared / self.n_asked if self.n_asked else None

    @property
    def overlap(self) -> float | None:
        """Jaccard index of the images asked about and the recorded ones, in [0, 1]; None where there are neither."""
        union = self.n_asked + self.n_recorded - self.n_shared
        return self.n_shared / union if union else None


def divergence(session: Session, consultations: Sequence[Consultation]) -> Divergence:
    """How the images a run asked about differ from those of the session that it replayed.

    Images asked about or recorded several times count once, at their first place. The places of the session are by its
    ``order``; where no model asked, that order is none of asking, and there is no rank correlation.
    """
    asked = list(dict.fromkeys(answer.image_id for consultation in consultations for answer in consultation.answers))
    by_order = sorted(session.answers, key=lambda answer: answer.order)
    recorded = list(dict.fromkeys(answer.image_id for answer in by_order))
    shared = [image for image in asked if image in set(recorded)]
    counts = len(asked), len(recorded), len(shared)
    if not _by_model(session):
        return Divergence(
            *counts, None, "no model asked in the session, so its order is none of asking", by_model=False
        )
    if len(shared) < FEWEST_RANKED:
        return Divergence(*counts, None, f"{_images(len(shared))} shared, fewer than {FEWEST_RANKED}")
    there = [recorded.index(image) for image in shared]
    return Divergence(*counts, float(spearmanr(there, range(len(shared))).statistic))


def _by_model(session: Session) -> bool:
    """Whether a model was shown: its states are named, or, where these were lost, what it said of an image."""
    return bool(session.header.states) or any(
        answer.predicted is not None or answer.cam_sha256 is not None for answer in session.answers
    )


def _images(count: int) -> str:
    return f"only {several(count, 'image is', 'images are')}" if count else "no image is"
