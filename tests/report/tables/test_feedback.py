from __future__ import annotations

import math
from typing import Any, Literal

import pytest

from imil_sim.report.analysis import analyse
from imil_sim.report.tables import feedback as module
from imil_sim.report.tables.feedback import PART, Replayed, overlap
from imil_sim.sessions.recorded import Divergence
from imil_sim.study.record import Answer, Consultation

SCORES = [0.1, 0.4, 0.35, 0.8]
LABELS = [0, 0, 1, 1]
ARMS = {
    "one": {"feedback": {"oracle": "lesions", "imil_epoch": [2, 4], "grid_size": 2}},
    "other": {"feedback": {"oracle": "lung-fields", "imil_epoch": [2, 4], "grid_size": 2}},
}


def answer(image: str, cells: tuple[int, ...] | None, label: int = 1, mispredicted: bool = True) -> Answer:
    effect: Literal["replaced", "none"] = "replaced" if cells and len(cells) < 4 else "none"
    return Answer(
        image_id=image, label=label, predicted=1 - label if mispredicted else label, confidence=0.75,
        mispredicted=mispredicted, cells=cells, effect=effect,
    )  # fmt: skip


def consultation(*answers: Answer, grid: tuple[int, int] = (2, 2), epoch: int = 2) -> Consultation:
    return Consultation(
        epoch=epoch, grid=grid, requested=6, n_mispredictions=5, n_excluded=0,
        n_filled_up=sum(not a.mispredicted for a in answers), answers=answers,
    )  # fmt: skip


def test_what_was_asked_and_answered_worked_out_by_hand(hand_made: Any, made: Any) -> None:
    first = consultation(answer("a", (1, 2)), answer("b", None), answer("c", ()), answer("d", (1, 2, 3, 4), label=0))
    second = consultation(answer("e", (3,), label=0, mispredicted=False), epoch=4)
    analysis = hand_made(
        {"baseline": [SCORES, SCORES], "one": [SCORES, SCORES], "other": [None, None]}, LABELS, arms=ARMS,
        consultations={("one", 0): [first, second], ("one", 1): [first]}, seconds={("one", 0): 3.0},
    )  # fmt: skip
    table = made(PART, analysis)["feedback"]
    one, other = table.rows
    # Runs, then means of two runs: mistakes, asked, filled up, shortage, abstained, nothing, everything, replaced.
    assert one[:2] == ("one", 2)
    assert one[2:10] == (7.5, 4.5, 0.5, 4.5, 1.0, 1.0, 1.0, 1.5)
    assert one[10] == pytest.approx((0.5 + 0 + 1 + 0.25 + 0.5 + 0 + 1) / 7)
    assert one[11] == 3.0  # the second run did not ask itself
    assert other == ("other", 0, *[None] * 10)


def test_normal_images_called_tb_stand_apart_from_missed_tb(hand_made: Any, made: Any) -> None:
    asked = consultation(
        answer("a", (1,)), answer("b", None), answer("c", (1, 2), label=0), answer("d", (), mispredicted=False)
    )
    analysis = hand_made(
        {"baseline": [SCORES], "one": [SCORES]}, LABELS, arms=ARMS, consultations={("one", 0): [asked]}
    )
    table = made(PART, analysis)["feedback-classes"]
    assert table.rows == (
        ("one", "normal", "TB", 1.0, 0.0, 1.0, 0.5, 0.75),
        ("one", "TB", "normal", 2.0, 1.0, 1.0, 0.25, 0.75),
        ("one", "TB", "the same", 1.0, 0.0, 0.0, 0.0, 0.75),
    )


def test_agreement_counts_only_what_both_were_asked_and_answered(hand_made: Any, made: Any) -> None:
    one = [
        consultation(answer("a", (1, 2)), answer("b", ()), answer("c", None), answer("d", (1,))),
        consultation(answer("e", (1,)), epoch=4),
    ]
    other = [
        consultation(answer("e", (1,)), answer("a", (2, 3)), answer("b", ()), answer("c", (1,))),
        consultation(answer("d", (1,)), epoch=4),
    ]
    analysis = hand_made(
        {"baseline": [SCORES], "one": [SCORES], "other": [SCORES]}, LABELS, arms=ARMS,
        consultations={("one", 0): one, ("other", 0): other},
    )  # fmt: skip
    found = overlap(analysis)
    assert found is not None
    assert found.readers == ("one", "other")
    # Both answered about a (one cell in common of two and two: 1/2) and b (nothing and nothing) in one consultation.
    assert found.dice.tolist() == [[1.0, 0.5], [0.5, 1.0]]
    assert found.images.tolist() == [[4, 2], [2, 5]]
    table = made(PART, analysis)["agreement"]
    # Of 8 cells 6 alike; each chose 2 of 8, so chance alone makes 10/16 alike: (6/8 - 10/16) / (1 - 10/16) = 1/3.
    assert table.rows == (("one", "other", 2, 0.5, pytest.approx(1 / 3)),)


def test_other_grids_and_other_seeds_are_other_questions(hand_made: Any, made: Any) -> None:
    same, finer = consultation(answer("a", (1,))), consultation(answer("a", (1,)), grid=(4, 4))
    analysis = hand_made(
        {"baseline": [SCORES] * 2, "one": [SCORES] * 2, "other": [SCORES] * 2}, LABELS, arms=ARMS,
        consultations={("one", 0): [same], ("other", 0): [finer], ("other", 1): [same]},
    )  # fmt: skip
    found = overlap(analysis)
    assert found is not None
    assert math.isnan(found.dice[0, 1])
    table = made(PART, analysis)["agreement"]
    assert table.rows == (("one", "other", 0, None, None),)


def test_without_feedback_there_is_no_table(hand_made: Any, made: Any) -> None:
    analysis = hand_made({"baseline": [SCORES]}, LABELS)
    assert made(PART, analysis) == {}
    assert overlap(analysis) is None


def test_levels_of_sweeps_are_left_out_where_there_are_many(synthetic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = {"n": {"base": "lesions", "vary": {"feedback": {"num_outliers": [5, 10]}}}}
    analysis = analyse(*synthetic({"baseline": 0.0, "lesions": 0.0, "human": 0.0}, seeds=1, images=20, sweeps=sweeps))
    found = overlap(analysis)
    assert found is not None
    assert len(found.readers) == 4
    monkeypatch.setattr(module, "MOST_COMPARED", 3)
    fewer = overlap(analysis)
    assert fewer is not None
    assert fewer.readers == ("lesions", "human")


def test_coverage_and_divergence_of_every_replayed_run(hand_made: Any, made: Any) -> None:
    why = "no model asked in the session"
    replayed = [
        Replayed("resident", 0, "ann", Divergence(20, 20, 15, 0.5)),
        Replayed("resident", 1, "ann", Divergence(20, 20, 2, None, "only 2 images are shared, fewer than 3")),
        Replayed("replay", 0, "bob", Divergence(20, 5, 5, None, why, by_model=False)),
    ]
    table = made(PART, hand_made({"baseline": [SCORES]}, LABELS), replayed)["replayed"]
    assert table.rows == (
        ("resident, seed 0", "ann", 20, 20, 15, 0.75, 15 / 25, 0.5),
        ("resident, seed 1", "ann", 20, 20, 2, 0.1, 2 / 38, None),
        ("replay, seed 0", "bob", 20, 5, 5, 0.25, 0.25, None),
    )
    assert sum("only 2 images are shared" in note or why in note for note in table.notes) == 2
