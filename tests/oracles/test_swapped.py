from __future__ import annotations

from typing import Any

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.swapped import Swapped

SWAPPED = Swapped(OracleRecipe("lesions"))


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(SWAPPED)


def test_every_answer_is_given_once_and_to_another_image(image: Any, asked: Any, numbers: Any) -> None:
    images = [image(f"image-{i}", (i,)) for i in range(1, 17)]
    for seed in range(20):
        given = [answer[0] for answer in numbers(asked(SWAPPED, *images, seed=seed))]
        assert sorted(given) == list(range(1, 17))
        assert all(number != own for own, number in enumerate(given, 1))


def test_who_swaps_with_whom_is_drawn(image: Any, asked: Any, numbers: Any) -> None:
    images = [image(name, (i,)) for i, name in enumerate("abc", 1)]
    assert {tuple(numbers(asked(SWAPPED, *images, seed=seed))) for seed in range(20)} == {
        ((2,), (3,), (1,)),
        ((3,), (1,), (2,)),
    }


def test_images_without_an_answer_keep_out_of_it(image: Any, asked: Any, numbers: Any) -> None:
    answers = asked(SWAPPED, image("a", (1,)), image("b", None), image("c", (3,)))
    assert numbers(answers) == [(3,), None, (1,)]
    assert answers[0].note == "lesions's cells for c"
    assert answers[1].reason == "lesions abstains: TB image without a lesion outline"


def test_equal_answers_are_said_to_be_the_same(image: Any, asked: Any) -> None:
    notes = [answer.note for answer in asked(SWAPPED, image("a", (5, 6)), image("b", (5, 6)))]
    assert notes == [
        "lesions's cells for b, the same as for this image",
        "lesions's cells for a, the same as for this image",
    ]


def test_nobody_to_swap_with_is_an_abstention(image: Any, asked: Any) -> None:
    for answers in (asked(SWAPPED, image("a", (1,))), asked(SWAPPED, image("a", (1,)), image("b", None))):
        assert answers[0].reason == "no other image of this consultation was answered about"
