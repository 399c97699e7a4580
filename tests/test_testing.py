from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from imil_sim.feedback import Feedback, Grid, Oracle, Question
from imil_sim.testing import GRIDS, SHAPES, OracleCheckError, check_oracle, sample_questions


@dataclass(frozen=True)
class Sound:
    """Keeps every promise, and uses chance, masks and heat-map while it does."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        if "lung" not in question.masks:
            return Feedback.abstain(question, "no lung mask")
        return self.about(question, rng)

    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        warm = question.grid.cells_from_mask(question.cam > rng.uniform(0.2, 0.6))
        return Feedback(question.image_id, warm & (rng.random(question.grid.shape) < 0.8), note="warm cells")


# ----------------------------------------------------------------------------------- twins, each broken in one way


@dataclass(frozen=True)
class Transposed(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback(question.image_id, np.ones((question.grid.cols, question.grid.rows), dtype=np.bool_))


@dataclass(frozen=True)
class Fractions(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback(question.image_id, np.ones(question.grid.shape))


@dataclass(frozen=True)
class Bare(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        return np.ones(question.grid.shape, dtype=np.bool_)


@dataclass(frozen=True)
class WrongImage(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        return dataclasses.replace(super().about(question, rng), image_id=question.image_id.split("/")[-1])


@dataclass(frozen=True)
class Silent(Sound):
    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback(question.image_id, None) if "lung" not in question.masks else self.about(question, rng)


@dataclass(frozen=True)
class Undecided(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        return dataclasses.replace(super().about(question, rng), reason="not sure")


@dataclass(frozen=True)
class NeedsLungs(Sound):
    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback(question.image_id, question.grid.cells_from_mask(question.masks["lung"]))


@dataclass(frozen=True)
class FourByFour(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        cells = np.zeros(question.grid.shape, dtype=np.bool_)
        cells[3, 3] = True
        return Feedback(question.image_id, cells)


@dataclass(frozen=True)
class OwnDice(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        return super().about(question, np.random.default_rng())


@dataclass(frozen=True)
class GlobalNumpy(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        np.random.seed(0)  # noqa: NPY002  (that is what is wrong with it)
        return super().about(question, np.random.default_rng(np.random.randint(9)))  # noqa: NPY002


@dataclass(frozen=True)
class GlobalPython(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        random.seed(question.image_id)
        return super().about(question, np.random.default_rng(random.randrange(9)))


@dataclass(frozen=True)
class Scribbler(Sound):
    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        question.image[0, 0] = 0
        return super().about(question, rng)


@dataclass(frozen=True)
class Stealthy(Sound):
    what: str = "image"

    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        array = question.masks["lung"] if self.what == "lung" else getattr(question, self.what)
        array.setflags(write=True)
        array[:] = 0
        array[1, 1] = 1
        return super().about(question, np.random.default_rng(0))


@dataclass(frozen=True)
class Tired(Sound):
    """Answers the question after a TB image differently."""

    last: ClassVar[list[int]] = [0]

    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        before, self.last[0] = self.last[0], question.label
        return dataclasses.replace(super().about(question, rng), note="tired" if before else "")


@dataclass(frozen=True)
class Counting(Sound):
    """Knows how often it was asked."""

    asked: list[str] = field(default_factory=list)

    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        self.asked.append(question.image_id)
        cells = np.zeros(question.grid.shape, dtype=np.bool_)
        cells.flat[len(self.asked) % cells.size] = True
        return Feedback(question.image_id, cells)


@dataclass(frozen=True)
class SameSheet(Sound):
    """Writes every answer onto one sheet, which the next answer overwrites; harmless only while nobody keeps it."""

    sheets: ClassVar[dict[tuple[int, int], np.ndarray]] = {}

    def about(self, question: Question, rng: np.random.Generator) -> Feedback:
        sheet = self.sheets.setdefault(question.grid.shape, np.zeros(question.grid.shape, dtype=np.bool_))
        sheet |= rng.random(question.grid.shape) < 0.01
        return Feedback(question.image_id, sheet)


@dataclass(frozen=True)
class Mute(Sound):
    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback.abstain(question, "no opinion")


@dataclass(frozen=True)
class Companion(Sound):
    """Sees the whole consultation and makes honest use of it: how many images, and which comes next by id."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return self.answer_all([question], [rng])[0]

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        ids = sorted(question.image_id for question in questions)
        pairs = zip(questions, rngs, strict=True)
        return [self.beside(Sound().answer(q, rng), ids[ids.index(q.image_id) - 1], len(ids)) for q, rng in pairs]

    def beside(self, own: Feedback, neighbour: str, count: int) -> Feedback:
        return own if own.cells is None else dataclasses.replace(own, note=f"beside {neighbour} of {count}")


@dataclass(frozen=True)
class Queue(Companion):
    """Goes by the order in which the questions are handed over."""

    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        answers = super().answer_all(questions, rngs)
        return [
            answer if answer.cells is None else dataclasses.replace(answer, note=f"number {place}")
            for place, answer in enumerate(answers)
        ]


@dataclass(frozen=True)
class TwoFaced(Companion):
    """Answers a question by itself otherwise than in a consultation of one."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Sound().answer(question, rng)


@dataclass(frozen=True)
class Short(Companion):
    def answer_all(self, questions: Sequence[Question], rngs: Sequence[np.random.Generator]) -> list[Feedback]:
        return super().answer_all(questions, rngs)[1:]


@dataclass
class Mutable:
    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Sound().answer(question, rng)


class Undeclared(Sound):
    pass


GLOBAL = "global generator"
AGAIN = "equal generator states give different answers"
ORDER = "depends on the order of the questions"
MODIFIED = "modified the question"


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        (Transposed(), r"shape \(3, 5\), not an array of bool of shape \(5, 3\)"),
        (Fractions(), "not an array of float64"),
        (Bare(), "must return a Feedback, not a ndarray"),
        (WrongImage(), 'about image "with-lesion'),
        (Silent(), "abstained without a reason"),
        (Undecided(), "cells and a reason to abstain"),
        (NeedsLungs(), "KeyError: 'lung'"),
        (FourByFour(), "IndexError"),
        (OwnDice(), AGAIN),
        (GlobalNumpy(), GLOBAL),
        (GlobalPython(), GLOBAL),
        (Scribbler(), "read-only"),
        (Stealthy("image"), MODIFIED),
        (Stealthy("cam"), MODIFIED),
        (Stealthy("cam_true"), MODIFIED),
        (Stealthy("lung"), MODIFIED),
        (Tired(), ORDER),
        (Counting(), AGAIN),
        (SameSheet(), AGAIN),
        (Mute(), 'abstained from all 63 questions, the first with "no opinion"'),
        (Queue(), ORDER),
        (TwoFaced(), r"answer\(question, rng\) differs from answer_all\(\)"),
        (Short(), "one Feedback a question, in their order, not 62 answers"),
        (Mutable(), "frozen dataclass"),
        (Undeclared(), "frozen dataclass"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Oracle) else "",
)
def test_a_broken_twin_is_caught_for_what_is_broken(oracle: Oracle, message: str) -> None:
    with pytest.raises(OracleCheckError, match=message) as caught:
        check_oracle(oracle)
    assert type(oracle).__name__ in str(caught.value)
    assert isinstance(caught.value, AssertionError)


def test_the_sound_one_passes_and_the_check_leaves_no_trace() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    check_oracle(Sound())
    check_oracle(Companion())
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


@pytest.mark.parametrize("oracle", [GlobalNumpy(), GlobalPython(), Stealthy("cam"), Mute()])
def test_one_broken_promise_is_named_as_one(oracle: Oracle) -> None:
    with pytest.raises(OracleCheckError, match="breaks 1 of its promises"):
        check_oracle(oracle)


def test_all_broken_promises_are_named_at_once() -> None:
    @dataclass(frozen=True)
    class Hopeless(Stealthy):
        def about(self, question: Question, rng: np.random.Generator) -> Feedback:
            random.random()
            note = str(np.random.default_rng().random())
            return dataclasses.replace(super().about(question, rng), note=note)

    with pytest.raises(OracleCheckError) as caught:
        check_oracle(Hopeless())
    assert all(part in str(caught.value) for part in (GLOBAL, AGAIN, ORDER, MODIFIED))


def test_who_never_answers_must_be_said_to() -> None:
    check_oracle(Mute(), abstains=True)
    with pytest.raises(OracleCheckError, match=AGAIN):
        check_oracle(OwnDice(), abstains=True)  # the other promises hold all the same


def with_lungs() -> list[Question]:
    return [question for question in sample_questions() if "lung" in question.masks]


def test_own_questions_are_asked_instead_and_left_alone() -> None:
    questions = with_lungs()
    check_oracle(NeedsLungs(), questions)
    with pytest.raises(OracleCheckError, match=MODIFIED):
        check_oracle(Stealthy("image"), questions)
    assert all((one.image == other.image).all() for one, other in zip(questions, with_lungs(), strict=True))


def test_no_questions_and_doubled_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="needs questions"):
        check_oracle(Sound(), [])
    with pytest.raises(ValueError, match="an image of its own"):
        check_oracle(Sound(), [sample_questions()[0]] * 2)


def outlined(question: Question) -> bool:
    return "lesion" in question.masks and bool(question.masks["lesion"].any())


def test_the_sample_has_every_kind_of_question_and_is_always_the_same() -> None:
    questions = sample_questions()
    assert [question.place for question in questions] == list(range(1, 64))
    assert {question.grid for question in questions} == set(GRIDS)
    assert {question.image.shape for question in questions} == set(SHAPES)
    kinds = {(q.label, tuple(sorted(q.masks)), bool(q.estimated), outlined(q)) for q in questions}
    assert kinds == {
        (0, ("lesion", "lung"), False, False),
        (0, (), False, False),
        (1, ("lesion", "lung"), False, True),
        (1, ("lung",), False, False),
        (1, ("lesion", "lung"), False, False),
        (1, ("lesion", "lung"), True, True),
        (1, (), False, False),
    }
    for question, again in zip(questions, sample_questions(), strict=True):
        assert question.predicted != question.label
        assert 0.5 <= question.confidence <= 1
        assert question.image.dtype == np.uint8
        for heat in (question.cam, question.cam_true):
            assert heat.dtype == np.float32
            assert 0 <= heat.min() < heat.max() <= 1
        arrays = (question.image, question.cam, question.cam_true, *question.masks.values())
        assert not any(array.flags.writeable for array in arrays)
        assert {array.shape for array in arrays} == {question.image.shape}
        assert question.image.tobytes() == again.image.tobytes()
        assert (question.image_id, question.confidence) == (again.image_id, again.confidence)


def test_own_grids_and_sizes_are_drawn() -> None:
    questions = sample_questions(grids=[Grid(2, 7)], shapes=[(20, 30)])
    assert {(q.grid, q.image.shape) for q in questions} == {(Grid(2, 7), (20, 30))}
