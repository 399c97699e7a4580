"""How oracles ask one another: the same answers as alone, and numbers of their own."""

from __future__ import annotations

import numpy as np
import pytest

from imil_sim.errors import OracleFailure
from imil_sim.feedback import Feedback, OracleRecipe, Question, apart, ask_together
from imil_sim.seeds import stream
from imil_sim.testing import sample_questions

QUESTIONS = sample_questions()[:7]
PLAIN = OracleRecipe("random-cells", {"count": 3})
INSIDE = OracleRecipe("noisy", {"like": {"oracle": "random-cells", "options": {"count": 3}}})


def rngs() -> list[np.random.Generator]:
    return [stream(0, "oracle", 1, question.image_id) for question in QUESTIONS]


def same(one: Feedback, other: Feedback) -> bool:
    return (one.image_id, one.note) == (other.image_id, other.note) and np.array_equal(one.cells, other.cells)


@pytest.mark.parametrize("recipe", [PLAIN, INSIDE])
def test_it_answers_as_alone_and_leaves_the_generators_alone(recipe: OracleRecipe) -> None:
    handed = rngs()
    alone = ask_together(recipe.make(), QUESTIONS, rngs())
    assert all(same(*pair) for pair in zip(recipe.answers(QUESTIONS, handed), alone, strict=True))
    assert [rng.random() for rng in handed] == [rng.random() for rng in rngs()]


def test_depth_counts_the_oracles_inside_one_another() -> None:
    assert PLAIN.depth == 1
    assert INSIDE.depth == 2
    assert (
        OracleRecipe("consensus", {"readers": ["lesions", {"oracle": "lazy", "options": {"like": "lesions"}}]}).depth
        == 3
    )


def test_those_beside_one_another_draw_different_numbers_and_the_same_ones_again() -> None:
    def draws(recipe: OracleRecipe) -> list[float]:
        return [rng.random() for rng in recipe.beside(rngs())]

    assert draws(PLAIN) == draws(PLAIN)
    assert len({*draws(PLAIN), *draws(INSIDE), *(rng.random() for rng in rngs())}) == 3 * len(QUESTIONS)


def test_readers_apart_draw_different_numbers() -> None:
    readers = [[rng.random() for rng in own] for own in apart(rngs(), 3)]
    assert readers == [[rng.random() for rng in own] for own in apart(rngs(), 3)]
    assert len({number for reader in readers for number in reader}) == 3 * len(QUESTIONS)
    # More readers leave the first ones as they were.
    assert readers == [[rng.random() for rng in own] for own in apart(rngs(), 5)][:3]


def test_what_is_no_answer_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute:
        def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
            return Feedback(question.image_id, None)

    monkeypatch.setattr(OracleRecipe, "make", lambda self: Mute())
    with pytest.raises(OracleFailure, match=r"oracle Mute gave no valid answer .* abstained without a reason"):
        PLAIN.answers(QUESTIONS, rngs())
