from __future__ import annotations

from typing import Any

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from oracles.swapped import Swapped

SWAPPED = Swapped(OracleRecipe("lesions"))


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(SWAPPED)


def test_every_answer_is_given_once_and_to_another_film(film: Any, asked: Any, numbers: Any) -> None:
    films = [film(f"film-{i}", (i,)) for i in range(1, 17)]
    for seed in range(20):
        given = [answer[0] for answer in numbers(asked(SWAPPED, *films, seed=seed))]
        assert sorted(given) == list(range(1, 17))
        assert all(number != own for own, number in enumerate(given, 1))


def test_who_swaps_with_whom_is_drawn(film: Any, asked: Any, numbers: Any) -> None:
    films = [film(name, (i,)) for i, name in enumerate("abc", 1)]
    assert {tuple(numbers(asked(SWAPPED, *films, seed=seed))) for seed in range(20)} == {
        ((2,), (3,), (1,)),
        ((3,), (1,), (2,)),
    }


def test_films_without_an_answer_keep_out_of_it(film: Any, asked: Any, numbers: Any) -> None:
    answers = asked(SWAPPED, film("a", (1,)), film("b", None), film("c", (3,)))
    assert numbers(answers) == [(3,), None, (1,)]
    assert answers[0].note == "lesions's cells for c"
    assert answers[1].reason == "lesions abstains: TB film without a lesion outline"


def test_equal_answers_are_said_to_be_the_same(film: Any, asked: Any) -> None:
    notes = [answer.note for answer in asked(SWAPPED, film("a", (5, 6)), film("b", (5, 6)))]
    assert notes == [
        "lesions's cells for b, the same as for this film",
        "lesions's cells for a, the same as for this film",
    ]


def test_nobody_to_swap_with_is_an_abstention(film: Any, asked: Any) -> None:
    for answers in (asked(SWAPPED, film("a", (1,))), asked(SWAPPED, film("a", (1,)), film("b", None))):
        assert answers[0].reason == "no other film of this consultation was answered about"
