"""Cards on terminals of any width."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim import api
from imil_sim.cli import oracles as oracles_verb
from imil_sim.cli.oracles import reflowed, value_words
from imil_sim.errors import OracleError
from imil_sim.feedback.registry import card, load
from imil_sim.output import gallery as gallery_verb
from imil_sim.registry import Part, parts
from imil_sim.report.figures.interactions import GalleryRow

CARD = """\
Every cell: a first line.

What it needs: a mask called `lung` that is long enough to be wrapped by hand somewhere around here, where a line must
end, and then a little more.
A second paragraph that begins where the first one ended a sentence early, and is long enough to be wrapped by hand,
too.
- a point
- another point with some more words in it

    code = "left as it is, however long it may be, since it would mean something else otherwise"
"""


def test_paragraphs_are_filled_and_lists_labels_and_code_keep_their_place() -> None:
    assert reflowed(CARD, 30).splitlines() == [
        "Every cell: a first line.",
        "",
        "What it needs: a mask called",
        "`lung` that is long enough to",
        "be wrapped by hand somewhere",
        "around here, where a line must",
        "end, and then a little more.",
        "A second paragraph that begins",
        "where the first one ended a",
        "sentence early, and is long",
        "enough to be wrapped by hand,",
        "too.",
        "- a point",
        "- another point with some more",
        "  words in it",
        "",
        '    code = "left as it is, however long it may be, since it would mean something else otherwise"',
    ]


@given(st.integers(20, 130))
def test_no_word_is_lost_at_any_width(width: int) -> None:
    filled = reflowed(CARD, width)
    assert filled.split() == CARD.split()
    assert all(len(line) <= width for line in filled.splitlines() if not line.startswith("    "))
    assert reflowed(filled, 200).split() == CARD.split()


def test_every_card_of_the_house_is_filled_without_a_ragged_line(call: Any) -> None:
    for entry in parts("oracles"):
        if not entry.target.startswith("imil_sim_oracles."):
            continue
        called = call("oracles", entry.name)
        text, _, _ = called.out.partition("\n\noption ")
        assert called.code == 0
        assert text.split() == [entry.name, *card(load(entry.name)).split()]
        lines = text.splitlines()
        for line, following in itertools.pairwise(lines):
            ended = not following or line[:1].strip() == "" or line.endswith((".", '."', ":"))
            assert ended or len(line) + 1 + len(following.split()[0]) > 80, (line, following)


def test_the_list_tells_what_each_simulates_and_hides_no_broken_one(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = call("oracles").out
    for entry in parts("oracles"):
        assert entry.name in listed
    assert "the perfect" in listed
    monkeypatch.setitem(sys.modules, "imil_sim_oracles.lesions", ModuleType("imil_sim_oracles.lesions"))
    called = call("oracles")
    assert called.code == 0
    (line,) = re.findall(r"cannot be used:.*?(?=\nlung-fields)", called.out, re.DOTALL)
    assert "lesions" in line
    assert "all-cells" in called.out


def test_a_broken_guest_is_named_with_its_package_once(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Part("oracles", "uz", "my-package 0.1", "my_package:Uz")

    def broken(name: str) -> Any:
        raise OracleError(f'oracle "{name}" of my-package 0.1 (my_package:Uz) cannot be imported')

    monkeypatch.setattr(oracles_verb, "parts", lambda kind: (guest,))
    monkeypatch.setattr(api, "load_oracle", broken, raising=False)
    assert call("oracles").out.count("my-package 0.1") == 1
    monkeypatch.setattr(api, "load_oracle", lambda name: load("lesions"), raising=False)
    assert "(from my-package 0.1)" in " ".join(call("oracles").out.split())


def test_options_are_in_the_words_of_a_study_and_wrapped(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = call("oracles", "boxes").out.partition("\noption ")[2]
    words = " ".join(text.split())
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 60
    for said in (
        "file text required",
        "list of 2 texts none",
        "threshold number 0.1",
        'one of "lung-fields", "lung-fields"',
    ):
        assert said in words, words
    assert "list of oracles required" in " ".join(call("oracles", "consensus").out.split())
    assert "an oracle none" in " ".join(call("oracles", "cam-hot").out.split())
    assert "true or false true" in " ".join(call("oracles", "replay").out.split())


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (int, "whole number"),
        (int | float | None, "whole number or number"),
        (Optional[bool], "true or false"),  # noqa: UP045  # guests write it so
        (tuple[int, ...], "list of whole numbers"),
        (tuple[int, str], "tuple[int, str]"),
        (list[tuple[float, float]], "list of list of 2 numbers"),
        (dict[str, float], "table"),
        (Path, "Path"),
    ],
)
def test_a_type_in_words(hint: Any, said: str) -> None:
    assert value_words(hint) == said


def test_annotations_that_cannot_be_read_are_shown_as_they_stand(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(load("noisy").__annotations__, "miss", "Nowhere")
    assert "an oracle" not in call("oracles", "noisy").out.partition("\noption ")[2]


def test_the_gallery_of_one_draws_that_one(call: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[GalleryRow] = []
    drawn = gallery_verb.gallery

    def looked_at(questions: Any, given: Any, *, about: str) -> Any:
        rows.extend(given)
        return drawn(questions, given, about=about)

    monkeypatch.setattr(gallery_verb, "gallery", looked_at)
    assert call("oracles", "noisy", "--gallery", "g.PNG").code == 0
    assert [(row.name, row.options) for row in rows] == [("noisy", 'like = "lesions"')]
    for name, said in (("boxes", "file: is missing"), ("nosy", 'Did you mean "noisy"')):
        called = call("oracles", name, "--gallery", "no.png")
        assert (called.code, (here / "no.png").exists()) == (2, False)
        assert said in called.err


def test_a_picture_is_a_png_and_a_study_goes_with_a_picture(call: Any, here: Path) -> None:
    called = call("oracles", "--gallery", "g.jpg")
    assert (called.code, (here / "g.jpg").exists()) == (2, False)
    assert "ends in .png" in called.err
    for arguments in (("oracles",), ("oracles", "noisy")):
        called = call(*arguments, "--study", "images.toml")
        assert (called.code, called.out) == (2, "")
        assert "--gallery" in called.err


def test_the_gallery_takes_the_grid_that_all_arms_of_a_study_share(
    call: Any, here: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grids: list[tuple[int, int]] = []
    drawn = gallery_verb.gallery

    def looked_at(questions: Any, given: Any, *, about: str) -> Any:
        grids.append(questions[0].grid.shape)
        assert f"grid {grids[-1][0]} x {grids[-1][1]}." in about
        return drawn(questions, given, about=about)

    monkeypatch.setattr(gallery_verb, "gallery", looked_at)
    study = here / "images.toml"
    arms = study.read_text()
    study.write_text(arms + "\n[arms.all]\nfeedback = { oracle = 'all-cells', imil_epoch = 1, grid_size = [3, 2] }\n")
    assert call("oracles", "all-cells", "--gallery", "g.png", "--study", "images.toml").code == 0
    study.write_text(study.read_text().replace('"lesions"', '"lesions"\nfeedback.grid_size = [3, 2]'))
    assert call("oracles", "all-cells", "--gallery", "g.png", "--study", "images.toml").code == 0
    assert grids == [(8, 8), (3, 2)]


def test_the_gallery_draws_every_oracle_or_says_why_not(call: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[GalleryRow] = []

    def looked_at(questions: Any, given: Any, *, about: str) -> Any:
        rows.extend(given)
        return drawn(questions, given[:2], about=about)

    drawn = gallery_verb.gallery
    monkeypatch.setattr(gallery_verb, "gallery", looked_at)
    called = call("oracles", "--gallery", "pictures/gallery.png")
    assert (called.code, called.out.strip()) == (0, "pictures/gallery.png")
    assert (here / "pictures" / "gallery.png").read_bytes().startswith(b"\x89PNG")
    assert [row.name for row in rows] == [entry.name for entry in parts("oracles")]
    house = {row.name: row for row in rows}
    assert len(house["lesions"].answers) == gallery_verb.QUESTIONS
    assert house["noisy"].options == 'like = "lesions"'
    assert house["consensus"].options == 'readers = ["lesions", "lung-fields", "noisy"]'
    assert {row.name: row.problem for row in rows if row.problem} == {
        "boxes": "file: is missing",
        "human": house["human"].problem,
        "replay": "session: is missing",
        "replayed-masks": "folder: is missing",
    }


def test_the_gallery_shows_a_studys_own_images(call: Any, here: Path, images: Path) -> None:
    assert call("oracles", "--gallery", "g.png", "--study", "images.toml").code == 0
    assert (here / "g.png").stat().st_size > 10_000
    assert call("oracles", "--gallery", "g.png", "--study", "no.toml").code == 2
