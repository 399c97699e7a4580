from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from imil_sim.feedback import registry
from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import Feedback, ImageIndex, Question, image_sha256
from imil_sim.feedback.registry import OracleRecipe
from imil_sim.sessions.recorded import misfits, session_misfits, unanswerable, unnameable, warnings_of
from imil_sim.sessions.session import Header, Session, SessionAnswer
from imil_sim_oracles.all_cells import AllCells

PIXELS = {"a": np.zeros((4, 4), np.uint8), "b": np.full((4, 4), 7, np.uint8)}
IMAGES = ImageIndex("set", "f" * 64, ("normal", "TB"), {"a": 0, "b": 1}, PIXELS.__getitem__)


def answered(image_id: str, order: int, **changes: object) -> SessionAnswer:
    given = (
        {"image_sha256": image_sha256(PIXELS[image_id]), "label": IMAGES.labels[image_id]} if image_id in PIXELS else {}
    )
    return SessionAnswer.model_validate({"order": order, "image_id": image_id, "cells": (1,), **given, **changes})


def session(*answers: SessionAnswer, **header: object) -> Session:
    head = Header.model_validate({"reader": "r", "grid": (2, 2), **header})
    return Session(head, answers, lines=tuple(range(2, 2 + len(answers))))


GOOD = session(answered("a", 1), answered("b", 2), class_names=("normal", "TB"))


def test_a_session_of_the_same_images_fits() -> None:
    assert session_misfits(GOOD, IMAGES, Grid(2, 2), strict=True) == ()
    assert session_misfits(GOOD, IMAGES, Grid(3, 3), strict=False) == ()


def test_strictly_everything_that_is_another_is_told_with_its_line() -> None:
    wrong = session(
        answered("a", 1, image_sha256="0" * 64, label=1),
        answered("c", 2),
        answered("b", 3, image_sha256=None, label=None),
        class_names=("no", "yes"),
    )
    hint, *told = session_misfits(wrong, IMAGES, Grid(4, 4), strict=True)
    assert "with strict = false an image is known by its id" in hint
    assert told == [
        "line 1: recorded on a grid of 2 x 2, asked about on 4 x 4",
        "line 1: recorded with the classes no, yes, the set set has normal, TB",
        "2 of 3 answers were recorded without the SHA-256 of their image; imil-sim import --study writes it down",
        "2 of 3 answers were recorded without their image's label; imil-sim import --study writes it down",
        'line 2: image "a" has other pixels than it was recorded with; were the set and its size the same?',
        'line 2: image "a" has label 0, and was recorded with 1',
        'line 3: image "c" is not in the set set',
    ]
    assert session_misfits(wrong, IMAGES, Grid(4, 4), strict=False) == ()


def test_a_header_that_names_the_right_set_vouches_for_no_answer() -> None:
    unhashed = session(answered("a", 1), answered("b", 2, image_sha256=None), set_fingerprint=IMAGES.fingerprint)
    assert "1 of 2 answers were recorded without" in session_misfits(unhashed, IMAGES, Grid(2, 2), strict=True)[1]
    other = session(
        answered("stranger", 1, image_sha256="0" * 64, label=0),
        answered("a", 2, label=1),
        answered("b", 3, image_sha256="0" * 64),
        set_fingerprint=IMAGES.fingerprint,
    )
    assert session_misfits(other, IMAGES, Grid(2, 2), strict=True)[1:] == (
        'line 2: image "stranger" is not in the set set',
        'line 3: image "a" has label 0, and was recorded with 1',
        'line 4: image "b" has other pixels than it was recorded with; were the set and its size the same?',
    )


def test_a_session_of_another_set_does_not_fit_even_leniently() -> None:
    other = session(answered("x", 1), answered("y", 2))
    (told,) = session_misfits(other, IMAGES, Grid(2, 2), strict=False)
    assert told == "none of its 2 images is in the set set; was it recorded on another set?"


def test_an_oracle_that_says_nothing_of_images_is_asked_about_any() -> None:
    class Only:
        answerable = frozenset({"a", "z"})
        warnings = ()

        def misfits(self, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
            return ()

        def answer(self, question: object, rng: object) -> object:
            return Feedback.abstain(question, "asked, where nobody should ask")

    assert unanswerable(AllCells(), ["a", "b"]) == frozenset()
    assert unanswerable(Only(), ["a", "b", "c"]) == {"b", "c"}  # type: ignore[arg-type]  # never asked here


@dataclasses.dataclass(frozen=True)
class Recorded:
    """An oracle with recorded answers about the images named."""

    images: str
    fits: bool = False

    @property
    def answerable(self) -> frozenset[str] | None:
        return frozenset(self.images)

    @property
    def warnings(self) -> tuple[str, ...]:
        return (f"torn {self.images}",)

    def misfits(self, images: ImageIndex, grid: Grid) -> tuple[str, ...]:
        return () if self.fits else (f"{self.images} on {grid.rows} x {grid.cols}",)

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback.abstain(question, "asked, where nobody should ask")


@dataclasses.dataclass(frozen=True)
class Wrapper:
    """An oracle that asks others."""

    readers: tuple[OracleRecipe, ...]

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return Feedback.abstain(question, "asked, where nobody should ask")


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {"recorded": Recorded, "wrapper": Wrapper, "all-cells": AllCells}
    monkeypatch.setattr(registry, "load", classes.__getitem__)


@pytest.mark.usefixtures("_installed")
def test_what_an_oracle_asks_within_it_has_its_say_too() -> None:
    ab, bc = OracleRecipe("recorded", {"images": "ab"}), OracleRecipe("recorded", {"images": "bc"})
    inner = OracleRecipe(
        "wrapper", {"readers": [{"oracle": "all-cells"}, {"oracle": "recorded", "options": {"images": "bc"}}]}
    )
    outer = Wrapper((ab, inner))
    assert unanswerable(outer, "abcd") == frozenset("acd")
    assert unanswerable(Wrapper((ab, bc)), "abcd") == frozenset("acd")
    assert unanswerable(Wrapper((OracleRecipe("all-cells"),)), "abcd") == frozenset()
    assert misfits(outer, IMAGES, Grid(2, 3)) == ("ab on 2 x 3", "bc on 2 x 3")
    assert warnings_of(outer) == ("torn ab", "torn bc")


@pytest.mark.usefixtures("_installed")
def test_readers_who_share_no_image_of_the_set_are_told() -> None:
    def asks(*images: str) -> Wrapper:
        return Wrapper(tuple(OracleRecipe("recorded", {"images": several, "fits": True}) for several in images))

    assert misfits(asks("ab", "bc"), IMAGES, Grid(2, 2)) == ()
    for images in (("a", "b"), ("c",)):
        (told,) = misfits(asks(*images), IMAGES, Grid(2, 2))
        assert "there is no image in the set set about which all" in told


def test_images_and_classes_that_no_session_can_name_are_told() -> None:
    strange = ImageIndex("set", "f" * 64, ("normal", "T\nB", ""), {"a\x7f": 0, "b": 1}, PIXELS.__getitem__)
    assert unnameable(IMAGES) == ()
    assert unnameable(strange) == (
        "class 'T\\nB' holds a line break or another character that cannot be printed",
        "class '' is empty, or longer than 200 characters",
        "image 'a\\x7f' holds a backslash or a character that cannot be printed",
    )
