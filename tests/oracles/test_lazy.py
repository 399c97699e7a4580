from __future__ import annotations

from typing import Any

from imil_sim.feedback import OracleRecipe
from imil_sim.testing import check_oracle
from imil_sim_oracles.lazy import Lazy

LESIONS = OracleRecipe("lesions")


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(Lazy(LESIONS))
    check_oracle(Lazy(LESIONS, repeat=1.0))


def test_who_always_repeats_gives_the_first_answer_for_ever(image: Any, asked: Any, numbers: Any) -> None:
    images = [
        image("c", None, place=1),
        image("b", (2,), place=2),
        image("a", (1,), place=3),
        image("d", None, place=4),
    ]
    answers = asked(Lazy(LESIONS, repeat=1.0), *images)
    assert numbers(answers) == [None, (2,), (2,), (2,)]
    assert [answer.note for answer in answers[1:]] == ["as lesions", "the answer to b again", "the answer to a again"]
    assert numbers(asked(Lazy(LESIONS, repeat=1.0), *images[::-1])) == [(2,), (2,), (2,), None]


def test_a_repeated_answer_is_the_one_before_it(image: Any, asked: Any, numbers: Any) -> None:
    images = [image(f"image-{i}", (1 + i % 16,), place=i) for i in range(1, 401)]
    given = [answer[0] for answer in numbers(asked(Lazy(LESIONS, repeat=0.3), *images))]
    own = [1 + i % 16 for i in range(1, 401)]
    repeated = [i for i in range(400) if given[i] != own[i]]
    assert all(given[i] == given[i - 1] for i in repeated)
    assert abs(len(repeated) - 0.3 * 399) < 5 * 9.2  # 399 images after the first; standard deviation 9.2


def test_who_never_repeats_is_the_other_oracle(image: Any, asked: Any, numbers: Any) -> None:
    images = [image("a", (1,)), image("b", (2,), place=2)]
    assert numbers(asked(Lazy(LESIONS, repeat=0.0), *images)) == [(1,), (2,)]
