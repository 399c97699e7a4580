from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from imil_sim.errors import OracleError
from imil_sim.feedback import Feedback, Grid, Oracle, OracleRecipe, Question, ask_together, make_oracle
from imil_sim.seeds import stream
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.random_cells import RandomCells

QUESTION = sample_questions(grids=[Grid(4, 4)], shapes=[(64, 64)])[0]
QUESTIONS = [dataclasses.replace(QUESTION, image_id=f"image-{i}") for i in range(200)]


def ask(oracle: Oracle, question: Question) -> Feedback:
    """As the harness does: the generator depends on the image, and not on the oracle."""
    return oracle.answer(question, stream(3, "oracle", 0, question.image_id))


def together(oracle: Oracle, questions: Sequence[Question]) -> tuple[Feedback, ...]:
    """The same for a whole consultation."""
    return ask_together(oracle, questions, [stream(3, "oracle", 0, question.image_id) for question in questions])


def cells(oracle: Oracle, question: Question) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    answer = ask(oracle, question).cells
    assert answer is not None
    return answer


@dataclass(frozen=True)
class Wavering:
    """As many cells as a die says, so that the generator's first number decides."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        chosen = np.arange(16).reshape(4, 4) < rng.integers(1, 7)
        return Feedback(question.image_id, chosen, note="by a die")


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(RandomCells(count=4))
    check_oracle(RandomCells(like=OracleRecipe("lung-fields")))


def test_the_count_is_kept_and_every_cell_is_equally_likely() -> None:
    answers = [cells(RandomCells(count=4), question) for question in QUESTIONS]
    assert {int(answer.sum()) for answer in answers} == {4}
    # 200 answers of 4 in 16 cells: 50 a cell, standard deviation 6.1
    assert abs(np.sum(answers, axis=0) - 50).max() < 4 * 6.1
    assert len({answer.tobytes() for answer in answers}) > 150


def test_it_chooses_as_many_as_the_other_oracle_image_by_image() -> None:
    matched = RandomCells(like=OracleRecipe("lesions", {"threshold": 0.3}))
    questions = sample_questions()
    others = together(make_oracle("lesions", {"threshold": 0.3}), questions)
    for other, answer in zip(others, together(matched, questions), strict=True):
        if other.cells is None:
            assert answer.cells is None
            assert answer.reason == f"lesions abstains: {other.reason}"
        else:
            assert answer.cells is not None
            assert answer.cells.sum() == other.cells.sum()
            assert answer.note.startswith("as many cells as lesions chose")


def test_the_other_oracle_answers_as_in_an_arm_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OracleRecipe, "make", lambda self: Wavering())
    matched = RandomCells(like=OracleRecipe("wavering"))
    counts = [(int(cells(matched, q).sum()), int(cells(Wavering(), q).sum())) for q in QUESTIONS]
    assert all(ours == others for ours, others in counts)
    assert {ours for ours, _ in counts} == {1, 2, 3, 4, 5, 6}
    assert ask(matched, QUESTION).note == "as many cells as wavering chose (by a die)"


def test_its_own_draws_do_not_repeat_those_of_the_other_oracle() -> None:
    other, matched = RandomCells(count=4), RandomCells(like=OracleRecipe("random-cells", {"count": 4}))
    pairs = zip(together(other, QUESTIONS), together(matched, QUESTIONS), strict=True)
    equal = sum(np.array_equal(one.cells, another.cells) for one, another in pairs)
    assert equal <= 2  # of 200, each with a chance of 1 in 1820


def test_inside_one_another_each_draws_for_itself() -> None:
    once = RandomCells(like=OracleRecipe("random-cells", {"count": 4}))
    twice = RandomCells(
        like=OracleRecipe("random-cells", {"like": {"oracle": "random-cells", "options": {"count": 4}}})
    )
    pairs = zip(together(once, QUESTIONS), together(twice, QUESTIONS), strict=True)
    assert sum(np.array_equal(one.cells, another.cells) for one, another in pairs) <= 2


def test_its_numbers_are_those_it_always_drew() -> None:
    # Kept from the first release: reports were made with them.
    drawn = QUESTION.grid.numbers(cells(RandomCells(like=OracleRecipe("lung-fields")), QUESTION))
    assert drawn == (2, 3, 4, 5, 8, 9, 10, 11, 13, 14, 15, 16)


def test_the_other_oracle_may_draw_as_much_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Greedy:
        draws: int

        def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
            rng.random(self.draws)
            return Feedback(question.image_id, np.tri(4, dtype=np.bool_))

    def answered(draws: int) -> list[list[list[bool]]]:
        monkeypatch.setattr(OracleRecipe, "make", lambda self: Greedy(draws))
        return [cells(RandomCells(like=OracleRecipe("greedy")), question).tolist() for question in QUESTIONS[:5]]

    assert answered(0) == answered(1000)


def test_more_cells_than_the_grid_has_are_an_error_that_says_so() -> None:
    with pytest.raises(OracleError, match="count = 17, but a grid of 4 x 4 has only 16 cells"):
        ask(RandomCells(count=17), QUESTION)
    assert cells(RandomCells(count=16), QUESTION).all()


@pytest.mark.parametrize("options", [{}, {"count": 3, "like": OracleRecipe("all-cells")}, {"count": 0}])
def test_exactly_one_option_is_needed(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"exactly one|greater than or equal to 1"):
        RandomCells(**options)
