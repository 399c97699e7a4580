from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from imil_sim.feedback import Feedback, Grid, Question
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.lung_fields import LungFields

RNG = np.random.default_rng(0)


def image(**changes: object) -> Question:
    """10 x 10 pixels, 2 x 2 cells: the lungs fill cell 1, half of cell 2, and 1 of 25 pixels of cell 4."""
    lung = np.zeros((10, 10), dtype=np.bool_)
    lung[:5, :5], lung[:5, 5:8], lung[9, 9] = True, True, True
    lung[4, 5:8] = False
    question = sample_questions(grids=[Grid(2, 2)], shapes=[(10, 10)])[0]
    return dataclasses.replace(question, masks={"lung": lung}, **changes)


def answer(question: Question, oracle: LungFields | None = None) -> Feedback:
    return (oracle or LungFields()).answer(question, RNG)


def numbers(**options: float) -> tuple[int, ...]:
    cells = answer(image(), LungFields(**options)).cells
    assert cells is not None
    return image().grid.numbers(cells)


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(LungFields())
    check_oracle(LungFields(threshold=0.5, single_region=True))


def test_the_cells_the_lung_covers_worked_out_by_hand() -> None:
    assert (answer(image()).reason, answer(image()).note) == ("", "")
    assert numbers() == (1, 2)
    assert numbers(threshold=0.04) == (1, 2, 4)
    assert numbers(threshold=0.5) == (1,)


def test_one_region_is_the_one_with_more_lung() -> None:
    lung = np.zeros((40, 40), dtype=np.bool_)
    lung[:30, :10], lung[:, 30:] = True, True
    question = dataclasses.replace(image(), grid=Grid(4, 4), masks={"lung": lung})
    both, one = answer(question).cells, answer(question, LungFields(single_region=True)).cells
    assert both is not None
    assert one is not None
    assert (both.sum(), one.sum(), one[:, 3].all()) == (7, 4, True)


def test_an_estimated_mask_is_said_in_the_note() -> None:
    estimated = answer(image(estimated=frozenset({"lung"})))
    assert estimated.note == "lung mask estimated"
    assert (estimated.cells == answer(image()).cells).all()
    assert answer(image(estimated=frozenset({"lesion"}))).note == ""


def test_without_a_mask_it_abstains_and_says_why() -> None:
    assert answer(dataclasses.replace(image(), masks={})).reason == "no lung mask, and none could be estimated"
    empty = answer(dataclasses.replace(image(), masks={"lung": np.zeros((10, 10), dtype=np.bool_)}))
    assert (empty.cells, empty.reason) == (None, "the lung mask is empty")


def test_it_knows_neither_label_nor_model() -> None:
    flipped = image(label=1, predicted=0, confidence=0.5, cam=image().cam_true)
    assert (answer(flipped).cells == answer(image()).cells).all()


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold\n"):
        LungFields(threshold=0)


# ------------------------------------------------------------------------------------------ one lung, a zone, a margin

RIGHT, LEFT = (slice(4, 34), slice(4, 14)), (slice(10, 40), slice(24, 38))
"""Two lungs on an image of 40 x 40 pixels: the patient's right one lies on the left of the image."""


def chest(hot: tuple[slice, slice] = RIGHT, *, joined: bool = False) -> Question:
    lung, cam = np.zeros((40, 40), dtype=np.bool_), np.zeros((40, 40), dtype=np.float32)
    lung[RIGHT], lung[LEFT] = True, True
    lung[20, 10:30] |= joined
    cam[hot] = 1.0
    return dataclasses.replace(
        image(), grid=Grid(40, 40), masks={"lung": lung}, cam=cam, image=np.zeros((40, 40), np.uint8)
    )


def box(*slices: slice) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    area = np.zeros((40, 40), dtype=np.bool_)
    area[slices] = True
    return area


def test_the_options_keep_the_promises_too() -> None:
    check_oracle(LungFields(side="missed", zone="lower", margin=0.05))
    check_oracle(LungFields(side="left", zone="middle", margin=-0.02))


def test_left_and_right_are_the_patients() -> None:
    assert (answer(chest(), LungFields(side="right")).cells == box(*RIGHT)).all()
    assert (answer(chest(), LungFields(side="left")).cells == box(*LEFT)).all()


def test_lungs_that_touch_are_parted_in_the_middle_of_the_image() -> None:
    right = answer(chest(joined=True), LungFields(side="right")).cells
    assert (right == (box(*RIGHT) | box(slice(20, 21), slice(10, 20)))).all()


def test_a_speck_of_the_mask_is_no_lung() -> None:
    question = chest()
    lung = box(*RIGHT)
    lung[39, 0] = True  # by its middle it would lie to the left of the only lung
    alone = dataclasses.replace(question, masks={"lung": lung})
    assert (answer(alone, LungFields(side="right")).cells == lung).all()
    assert answer(alone, LungFields(side="left")).reason == (
        "nothing of the lungs is left at side left, zone all, margin 0"
    )


def test_the_missed_side_is_the_one_the_heat_map_is_colder_on() -> None:
    missed = LungFields(side="missed")
    assert (answer(chest(hot=RIGHT), missed).cells == box(*LEFT)).all()
    assert answer(chest(hot=RIGHT), missed).note == "the left lung: the heat-map is colder there"
    assert (answer(chest(hot=LEFT), missed).cells == box(*RIGHT)).all()


def test_a_zone_is_a_third_of_the_height() -> None:
    thirds = [answer(chest(), LungFields(side="right", zone=zone)).cells for zone in ("upper", "middle", "lower")]
    for number, third in enumerate(thirds):
        assert (third == box(slice(4 + 10 * number, 14 + 10 * number), RIGHT[1])).all()
    both = answer(chest(), LungFields(zone="upper")).cells  # of the height of both together, rows 4 to 40
    assert (both == (box(slice(4, 16), RIGHT[1]) | box(slice(10, 16), LEFT[1]))).all()


def test_a_margin_widens_and_narrows() -> None:
    wide, narrow = (answer(chest(), LungFields(side="right", margin=margin)).cells for margin in (0.05, -0.05))
    assert wide is not None
    assert (wide.any(axis=1).sum(), wide.any(axis=0).sum()) == (34, 14)  # two pixels more on every side
    assert not wide[2, 2]  # a corner lies further than two pixels away
    assert (narrow == box(slice(6, 32), slice(6, 12))).all()
    with pytest.raises(ValueError, match=r"margin\n.*less than or equal to 0.25"):
        LungFields(margin=2)


def test_what_is_narrowed_away_is_an_abstention() -> None:
    assert answer(chest(), LungFields(margin=-0.25)).reason.startswith("nothing of the lungs is left")
