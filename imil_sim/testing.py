"""`check_oracle`: whether an oracle keeps its promises, for the house's own oracles and for guests alike.

An oracle promises that its answer is a function of the question and of the generator it is handed: runs that share a
seed are paired, a forked run equals a straight one, and a stored answer may stand for a new one, only while that
holds. In a test of your own package::

    def test_my_oracle() -> None:
        check_oracle(MyOracle(threshold=0.2))
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import AwaitsAnswers, OracleFailure, listed
from imil_sim.feedback.ask import ask, ask_together
from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import ConsultationOracle, Feedback, Oracle, Question
from imil_sim.feedback.registry import not_an_oracle
from imil_sim.seeds import stream

_T = TypeVar("_T", bound=np.generic)

_WATCHED_SEED = 3_141_592_653

GRIDS = (Grid(4, 4), Grid(3, 5), Grid(8, 8))
"""The grids of the sample questions."""
SHAPES = ((64, 64), (60, 84), (97, 61))
"""The (height, width) of their images, pixels: even, and nothing that divides."""
ALONE = 7
"""Questions that are also asked by themselves: one of every kind, where they are the sample."""


class OracleCheckError(AssertionError):
    """An oracle broke promises; the message lists them all."""


def check_oracle(oracle: Oracle, questions: Iterable[Question] | None = None, *, abstains: bool = False) -> None:
    """Nothing, if ``oracle`` keeps every promise on the ``questions``; `sample_questions` where none are given.

    The promises: it is a frozen dataclass; it answers every question, whatever masks it has, with a `Feedback` about
    that image whose cells are a boolean array of the grid's shape, or with an abstention and its reason; equal
    generator states give equal answers; the order of the questions does not matter; the question stays as it was; all
    chance comes from the generator it is handed. And at least one answer is no abstention, or nothing was checked:
    then hand over questions that it can answer, or say with ``abstains`` that it never answers. An oracle that replays
    what a person recorded is handed questions that the person has answered.

    An oracle that looks at the whole consultation (`ConsultationOracle`) is handed all ``questions`` at once. Its
    answers may depend on which they are, still not on their order; and a question asked by itself is a consultation of
    one.

    Raises:
        OracleCheckError: it breaks one; the message says which, and on which image. It is an ``AssertionError``.
        ValueError: there are no questions, or two have one id.
    """
    asked = [_sealed(question) for question in (sample_questions() if questions is None else questions)]
    if not asked or len({question.image_id for question in asked}) < len(asked):
        raise ValueError("check_oracle needs questions, each about an image of its own")
    problem = not_an_oracle(type(oracle))
    if problem:
        raise OracleCheckError(f"{type(oracle).__name__}: {problem}")
    try:
        problems = _broken_promises(oracle, asked, abstains)
    except (AwaitsAnswers, OracleFailure) as error:
        # Without an answer to every question nothing else can be compared.
        raise OracleCheckError(str(error)) from error
    if problems:
        raise OracleCheckError(f"{type(oracle).__name__} breaks {len(problems)} of its promises:{listed(problems)}")


def sample_questions(grids: Sequence[Grid] = GRIDS, shapes: Sequence[tuple[int, int]] = SHAPES) -> tuple[Question, ...]:
    """Questions of every kind the harness asks, on each grid and image size, drawn from scratch and always the same.

    Each combination has a normal image, a TB image with a lesion, a TB image without an outline, one with an estimated
    lung mask, one whose lesion mask is there and empty, and one without any mask. Some ids hold a ``/``, as those of
    a folder source do. All arrays are read-only.
    """
    images = (image for grid in grids for height, width in shapes for image in _kinds_of_image(grid, height, width))
    return tuple(dataclasses.replace(image, place=place) for place, image in enumerate(images, 1))


def _broken_promises(oracle: Oracle, asked: Sequence[Question], abstains: bool) -> list[str]:
    untouched = [_sealed(question) for question in asked]
    problems = []
    with _global_generators() as touched:
        first = _answers(oracle, asked)
        if touched():
            problems.append("it draws from, or seeds, a global generator (random, numpy.random); draw from rng only")
    again = _answers(oracle, asked)
    backwards = _answers(oracle, asked[::-1])[::-1]
    problems += _where(
        "equal generator states give different answers: something other than question and rng decides",
        asked,
        lambda i: _same(first[i], again[i]),
    )
    problems += _where(
        "the answer depends on the order of the questions", asked, lambda i: _same(first[i], backwards[i])
    )
    if isinstance(oracle, ConsultationOracle):
        problems += _where(
            "answer(question, rng) differs from answer_all() about that question alone",
            asked[:ALONE],
            lambda i: _alone(oracle, asked[i]),
        )
    problems += _where("it modified the question", asked, lambda i: _unchanged(asked[i], untouched[i]))
    if not abstains and all(feedback.cells is None for feedback in first):
        problems.append(f'it abstained from all {len(first)} questions, the first with "{first[0].reason}"')
    return problems


def _answers(oracle: Oracle, questions: Sequence[Question]) -> list[Feedback]:
    """One answer a question, each with the generator the harness would hand over, and copied at once.

    A copy, because an oracle that returns one array again and again changes its earlier answers with every later one.
    """
    if isinstance(oracle, ConsultationOracle):
        return [_copied(feedback) for feedback in ask_together(oracle, questions, [_rng(q) for q in questions])]
    return [_copied(ask(oracle, question, _rng(question))) for question in questions]


def _alone(oracle: ConsultationOracle, question: Question) -> bool:
    """Whether a question by itself is answered as a consultation of one question."""
    return _same(ask(oracle, question, _rng(question)), ask_together(oracle, [question], [_rng(question)])[0])


def _rng(question: Question) -> np.random.Generator:
    return stream(0, "oracle", 0, question.image_id)


def _copied(feedback: Feedback) -> Feedback:
    cells = None if feedback.cells is None else feedback.cells.copy()
    return dataclasses.replace(feedback, cells=cells)


def _where(what: str, asked: Sequence[Question], holds: Callable[[int], bool]) -> list[str]:
    """The problem ``what``, named once with the first image it shows on; nothing where it holds for all."""
    images = [question.image_id for index, question in enumerate(asked) if not holds(index)]
    return [f'{what} (on {len(images)} of {len(asked)} images, the first "{images[0]}")'] if images else []


def _same(one: Feedback, other: Feedback) -> bool:
    if (one.reason, one.note) != (other.reason, other.note):
        return False
    if one.cells is None or other.cells is None:
        return one.cells is other.cells
    return np.array_equal(one.cells, other.cells)


def _unchanged(question: Question, original: Question) -> bool:
    pairs: list[tuple[NDArray[Any], NDArray[Any]]]
    pairs = [(question.image, original.image), (question.cam, original.cam), (question.cam_true, original.cam_true)]
    same_masks = question.masks.keys() == original.masks.keys()
    pairs += [(question.masks[name], original.masks[name]) for name in original.masks] if same_masks else []
    return same_masks and all(np.array_equal(now, before) for now, before in pairs)


@contextmanager
def _global_generators() -> Iterator[Callable[[], bool]]:
    """Whether the global generators were touched since the block began; afterwards they are as they were before it.

    They get a seed that nobody else will choose: an oracle that seeds them, and always to the same, would otherwise
    leave no trace the second time.
    """
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  (watched, not used: here and below)
    random.seed(_WATCHED_SEED)
    np.random.seed(_WATCHED_SEED)  # noqa: NPY002
    watched = _global_state()
    try:
        yield lambda: _global_state() != watched
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def _global_state() -> tuple[object, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return random.getstate(), name, np.asarray(keys).tobytes(), *rest


def _sealed(question: Question) -> Question:
    """A copy of the question whose arrays are its own and read-only."""
    return dataclasses.replace(
        question,
        image=_read_only(question.image),
        cam=_read_only(question.cam),
        cam_true=_read_only(question.cam_true),
        masks=MappingProxyType({name: _read_only(mask) for name, mask in question.masks.items()}),
    )


def _read_only(array: NDArray[_T]) -> NDArray[_T]:
    copy = array.copy()
    copy.setflags(write=False)
    return copy


# --------------------------------------------------------------------------------------------------------- the images


def _kinds_of_image(grid: Grid, height: int, width: int) -> tuple[Question, ...]:
    lung = _ellipse(height, width, 0.5, 0.29, 0.33, 0.15) | _ellipse(height, width, 0.5, 0.71, 0.33, 0.15)
    lesion = _ellipse(height, width, 0.3, 0.71, 0.09, 0.07)
    nothing = np.zeros((height, width), dtype=np.bool_)
    where = f"{grid.rows}x{grid.cols}-{height}x{width}"

    def image(name: str, label: int, masks: dict[str, NDArray[np.bool_]], estimated: tuple[str, ...] = ()) -> Question:
        image_id = f"{name}-{where}"
        rng = stream(0, "phantom", image_id)
        grey = 40.0 + 90.0 * ~lung + 70.0 * (lesion if label else nothing) + rng.normal(0, 8, (height, width))
        question = Question(
            image_id=image_id,
            image=np.clip(grey, 0, 255).astype(np.uint8),
            label=label,
            predicted=1 - label,
            confidence=float(rng.uniform(0.5, 1)),
            class_names=("normal", "TB"),
            cam=_heat(rng, height, width),
            cam_true=_heat(rng, height, width),
            grid=grid,
            masks=masks,
            estimated=frozenset(estimated),
        )
        return _sealed(question)

    return (
        image("normal", 0, {"lung": lung, "lesion": nothing}),
        image("normal/without-masks", 0, {}),
        image("TB/with-lesion", 1, {"lung": lung, "lesion": lesion}),
        image("TB/without-outline", 1, {"lung": lung}),
        image("TB/empty-outline", 1, {"lung": lung, "lesion": nothing}),
        image("TB-lung-estimated", 1, {"lung": lung, "lesion": lesion}, estimated=("lung",)),
        image("TB-without-masks", 1, {}),
    )


def _ellipse(height: int, width: int, y: float, x: float, half_height: float, half_width: float) -> NDArray[np.bool_]:
    """(height, width), True inside the ellipse; centre and half axes as fractions of the image."""
    rows, cols = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    inside: NDArray[np.bool_] = ((rows - y) / half_height)[:, None] ** 2 + ((cols - x) / half_width) ** 2 <= 1
    return inside


def _heat(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """(height, width), in [0, 1]: one warm spot, as a heat-map of a CAM has."""
    y, x = rng.uniform(0.2, 0.8, size=2)
    rows, cols = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    heat: NDArray[np.float32] = np.exp(-20 * ((rows - y)[:, None] ** 2 + (cols - x) ** 2)).astype(np.float32)
    return heat
