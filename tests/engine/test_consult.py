"""A consultation, counted by hand: six images, a grid of 2 x 2, and oracles with prepared answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.errors import DataError, OracleFailure
from imil_sim.feedback import Feedback, Grid, Question
from imil_sim.feedback.selection import select
from imil_sim.images.image_set import ImageSet, MaskSet
from imil_sim.loop import Filling, ask, conclude, questions
from imil_sim.seeds import stream
from imil_sim.study.record import Consultation
from imil_sim.study.spec import FeedbackSpec
from imil_sim.training.overlay import Overlay

IDS = tuple("abcdef")
LABELS = np.array([0, 1, 0, 1, 0, 1])
# Logit of TB against none: a, b, c, d are wrong (b surest, then c, a, d); e and f are right, f the less sure.
TB = [2.0, -4.0, 3.0, -1.0, -3.0, 0.5]
LOGITS = np.array([[0.0, tb] for tb in TB], np.float32)

NONE = np.zeros((2, 2), np.bool_)
ALL = np.ones((2, 2), np.bool_)
TOP_LEFT = np.array([[True, False], [False, False]])
BOTTOM = np.array([[False, False], [True, True]])


def image_set(known_lungs: bool = True) -> ImageSet:
    pixels = np.stack([np.full((4, 6), 10 * (i + 1), np.uint8) for i in range(6)])
    pixels.flags.writeable = False
    lesion = np.zeros((6, 4, 6), np.bool_)
    lesion[1::2, 0, 0] = True
    masks = {"lesion": MaskSet(lesion, np.array([False, True] * 3))}
    if known_lungs:
        masks["lung"] = MaskSet(np.ones((6, 4, 6), np.bool_), np.ones(6, np.bool_))
    return ImageSet("images", IDS, pixels, LABELS, ("normal", "TB"), masks)


@dataclass(frozen=True)
class Prepared:
    """Gives the answers it was made with; None abstains."""

    cells: Mapping[str, NDArray[np.bool_] | None]
    seen: list[Question] = field(default_factory=list)

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        self.seen.append(question)
        cells = self.cells[question.image_id]
        return Feedback.abstain(question, "cannot say") if cells is None else Feedback(question.image_id, cells)


@dataclass(frozen=True)
class Outcome:
    """What comes out of a consultation."""

    consultation: Consultation
    overlay: Overlay

    @property
    def answered(self) -> set[str]:
        return {answer.image_id for answer in self.consultation.answers if answer.cells is not None}


def go(
    cells: Mapping[str, NDArray[np.bool_] | None],
    before: Overlay | None = None,
    answered: Sequence[str] = (),
    **spec: Any,
) -> tuple[Outcome, Prepared]:
    """One consultation after epoch 7 about `image_set`, of two outliers unless ``spec`` says otherwise."""
    feedback = FeedbackSpec.model_validate({"oracle": "prepared", "num_outliers": 2, "grid_size": 2, **spec})
    exclude = () if feedback.revisit else answered
    selection = select(
        "confident-mispredictions", LOGITS, LABELS, IDS, feedback.num_outliers, exclude, feedback.fill_up
    )
    images, oracle = image_set(), Prepared(cells)
    cams = np.linspace(0, 1, len(selection.indices) * 24, dtype=np.float32).reshape(-1, 4, 6)
    asked = questions(images, selection, cams, cams / 2, Grid(*feedback.grid_size))
    answers = ask(oracle, asked, seed=3, number=1)
    outcome = conclude(feedback, 7, selection, asked, answers, images, before or Overlay(), seed=3, number=1)
    return Outcome(*outcome), oracle


# ------------------------------------------------------------------------------------------------------- the counts


def test_every_kind_of_answer_is_counted_and_only_a_choice_changes_a_image() -> None:
    outcome, _ = go({"b": TOP_LEFT, "c": NONE, "a": ALL, "d": None}, num_outliers=4)
    found = outcome.consultation
    assert [answer.image_id for answer in found.answers] == ["b", "c", "a", "d"]
    assert [answer.cells for answer in found.answers] == [(1,), (), (1, 2, 3, 4), None]
    assert [answer.effect for answer in found.answers] == ["replaced", "none", "none", "none"]
    assert [answer.reason for answer in found.answers] == ["", "", "", "cannot say"]
    assert [(answer.label, answer.predicted) for answer in found.answers] == [(1, 0), (0, 1), (0, 1), (1, 0)]
    assert [answer.confidence for answer in found.answers] == pytest.approx(
        [1 / (1 + np.exp(-margin)) for margin in (4, 3, 2, 1)]
    )
    assert (found.epoch, found.grid, found.requested, found.shortage) == (7, (2, 2), 4, 0)
    assert (found.n_asked, found.n_abstained, found.n_nothing, found.n_everything, found.n_replaced) == (4, 1, 1, 1, 1)
    assert (found.n_mispredictions, found.n_excluded, found.n_filled_up) == (4, 0, 0)
    assert list(outcome.overlay.replaced) == [1]
    assert outcome.answered == {"a", "b", "c"}


def test_a_shortage_is_recorded_and_filled_only_where_that_is_asked_for() -> None:
    choices = dict.fromkeys(IDS, TOP_LEFT)
    short = go(choices, num_outliers=6)[0].consultation
    assert (short.n_asked, short.shortage, short.n_filled_up) == (4, 2, 0)
    filled = go(choices, num_outliers=5, fill_up="least-confident-correct")[0].consultation
    assert (filled.n_asked, filled.shortage, filled.n_filled_up, filled.n_mispredictions) == (5, 0, 1, 4)
    assert [(answer.image_id, answer.mispredicted) for answer in filled.answers[3:]] == [("d", True), ("f", False)]


def test_nothing_to_ask_is_a_consultation_too() -> None:
    outcome, _ = go({}, answered=IDS)
    assert outcome.consultation.answers == ()
    assert (outcome.consultation.n_mispredictions, outcome.consultation.n_excluded) == (0, 4)
    assert outcome.consultation.shortage == 2
    assert outcome.overlay.key == ""


# ----------------------------------------------------------------------------------------------------- the overlay


def test_every_other_cell_is_black_and_the_image_itself_is_untouched() -> None:
    outcome, _ = go({"b": TOP_LEFT, "c": BOTTOM})
    of_b, of_c = outcome.overlay.replaced[1], outcome.overlay.replaced[2]
    assert of_b.tolist() == [[20] * 3 + [0] * 3] * 2 + [[0] * 6] * 2
    assert of_c.tolist() == [[0] * 6] * 2 + [[30] * 6] * 2
    assert image_set().pixels[1].tolist() == [[20] * 6] * 4


def test_who_has_been_answered_about_is_not_asked_again_and_who_has_not_is() -> None:
    first, _ = go({"b": TOP_LEFT, "c": None})
    assert first.answered == {"b"}
    second, _ = go({"c": BOTTOM, "a": TOP_LEFT}, before=first.overlay, answered=tuple(first.answered))
    assert [answer.image_id for answer in second.consultation.answers] == ["c", "a"]
    assert (second.consultation.n_excluded, second.consultation.n_mispredictions) == (1, 3)
    assert sorted(second.overlay.replaced) == [0, 1, 2]
    assert second.answered == {"a", "c"}


def test_a_image_that_is_asked_about_again_is_blacked_out_from_the_original() -> None:
    first, _ = go({"b": TOP_LEFT, "c": NONE})
    again, oracle = go({"b": BOTTOM, "c": NONE}, before=first.overlay, answered=tuple(first.answered), revisit=True)
    assert oracle.seen[0].image.tolist() == [[20] * 6] * 4
    assert again.overlay.replaced[1].tolist() == [[0] * 6] * 2 + [[20] * 6] * 2
    assert again.consultation.n_excluded == 0


def test_appending_keeps_the_image_and_adds_the_other() -> None:
    outcome, _ = go({"b": TOP_LEFT, "c": BOTTOM}, mode="append")
    assert outcome.overlay.replaced == {}
    assert [row for row, _ in outcome.overlay.appended] == [1, 2]
    assert [answer.effect for answer in outcome.consultation.answers] == ["appended", "appended"]
    assert outcome.consultation.n_replaced == 2


def test_equal_cells_make_equal_overlays_and_other_cells_others() -> None:
    one, same, other = (go({"b": TOP_LEFT, "c": cells})[0].overlay.key for cells in (BOTTOM, BOTTOM.copy(), TOP_LEFT))
    assert one == same != other
    assert go({"b": NONE, "c": ALL})[0].overlay.key == ""


# -------------------------------------------------------------------------------------------------------- the fill


def filled(fill: str, **changes: Any) -> NDArray[np.uint8]:
    """The image b (grey 20) as it is trained on: its top left cell, and the fill around it."""
    return go({"b": TOP_LEFT, "c": NONE}, fill=fill, **changes)[0].overlay.replaced[1]


def test_another_fill_stands_where_black_stood() -> None:
    for fill, grey in (("black", {0}), ("mean", {35}), ("blur", {20}), ("guided-mixup", {30, 40})):
        image = filled(fill)
        assert (image[:2, :3] == 20).all()
        assert set(np.delete(image.ravel(), [0, 1, 2, 6, 7, 8]).tolist()) <= grey
    # The partner is another TB image, d or f, and for the same run and consultation always the same.
    partner = filled("guided-cutmix")
    assert partner[2, 0] in (40, 60)
    assert partner.tobytes() == filled("guided-cutmix").tobytes()


def test_noise_and_partners_are_those_of_the_seed_the_consultation_and_the_image() -> None:
    images, keep = image_set(), np.zeros((4, 6), np.bool_)

    def made(fill: str, seed: int, number: int, row: int) -> bytes:
        return Filling(fill, images, seed, number)(row, keep).tobytes()

    assert made("noise", 3, 1, 1) == made("noise", 3, 1, 1)
    assert len({made("noise", *which) for which in ((3, 1, 1), (4, 1, 1), (3, 2, 1), (3, 1, 2))}) == 4
    partners = [{made("guided-cutmix", seed, 1, row)[0] // 10 - 1 for seed in range(40)} for row in range(6)]
    assert partners == [{2, 4}, {3, 5}, {0, 4}, {1, 5}, {0, 2}, {1, 3}]  # all of its class, and never itself


def test_a_image_that_is_alone_in_its_class_has_no_partner() -> None:
    images = image_set()
    lonely = replace(images, labels=np.array([0, 1, 0, 0, 0, 0]))
    with pytest.raises(DataError, match="another training image of the class TB beside b, and there is none"):
        Filling("guided-cutmix", lonely, 3, 1)(1, np.zeros((4, 6), np.bool_))


# ---------------------------------------------------------------------------------------------------- the questions


def test_a_question_shows_the_image_its_masks_and_what_the_model_thinks() -> None:
    _, oracle = go({"b": TOP_LEFT, "c": BOTTOM})
    of_b, of_c = oracle.seen
    assert (of_b.place, of_c.place) == (1, 2)
    assert (of_b.label, of_b.predicted, of_b.class_names) == (1, 0, ("normal", "TB"))
    assert set(of_b.masks) == {"lesion", "lung"}
    assert set(of_c.masks) == {"lung"}
    assert of_b.masks["lesion"].sum() == 1
    assert of_b.estimated == frozenset()
    assert of_b.cam.min() == 0.0
    assert of_c.cam.max() == 1.0
    assert np.array_equal(of_c.cam_true, of_c.cam / 2)
    for array in (of_b.image, of_b.cam, of_b.cam_true, *of_b.masks.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_a_missing_lung_mask_is_estimated_and_marked_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from imil_sim.images import image_set as module

    lung = np.zeros((4, 6), np.bool_)
    lung[1:3] = True
    guesses: list[NDArray[np.bool_] | None] = [lung, None]
    monkeypatch.setattr(module, "estimate_lungs", lambda image: type("Guess", (), {"mask": guesses.pop(0)}))
    selection = select("confident-mispredictions", LOGITS, LABELS, IDS, 2)
    cams = np.zeros((2, 4, 6), np.float32)
    first, second = questions(image_set(known_lungs=False), selection, cams, cams, Grid(2, 2))
    assert np.array_equal(first.masks["lung"], lung)
    assert first.estimated == {"lung"}
    assert "lung" not in second.masks
    assert second.estimated == frozenset()


@dataclass(frozen=True)
class Drawing:
    """Says which numbers it drew."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback(question.image_id, TOP_LEFT, note=str(rng.integers(2**60)))


def test_each_answer_draws_from_the_stream_of_its_run_consultation_and_image() -> None:
    selection = select("confident-mispredictions", LOGITS, LABELS, IDS, 4)
    cams = np.zeros((4, 4, 6), np.float32)
    asked = questions(image_set(), selection, cams, cams, Grid(2, 2))
    notes = [feedback.note for feedback in ask(Drawing(), asked, seed=3, number=2)]
    assert notes == [str(stream(3, "oracle", 2, name).integers(2**60)) for name in "bcad"]
    backwards = [feedback.note for feedback in ask(Drawing(), asked[::-1], seed=3, number=2)]
    assert backwards == notes[::-1]
    assert len({*notes, *(f.note for f in ask(Drawing(), asked, seed=3, number=1))}) == 8


def test_an_oracle_that_gives_no_answer_is_named_with_the_image() -> None:
    with pytest.raises(OracleFailure, match='oracle Prepared failed on image "c": KeyError'):
        go({"b": TOP_LEFT})
    with pytest.raises(OracleFailure, match='oracle Prepared gave no valid answer on image "b"'):
        go({"b": np.ones((3, 3), np.bool_), "c": NONE})
