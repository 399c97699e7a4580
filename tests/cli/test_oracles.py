"""Cards on terminals of any width."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.cli import gallery as gallery_verb
from imil_sim.cli.oracles import reflowed
from imil_sim.feedback.registry import card, installed, load
from imil_sim.report.gallery import GalleryRow

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
    for entry in installed():
        if not entry.target.startswith("oracles."):
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
    for entry in installed():
        assert entry.name in listed
    assert "the perfect" in listed
    monkeypatch.setitem(sys.modules, "oracles.lesions", ModuleType("oracles.lesions"))
    called = call("oracles")
    assert called.code == 0
    assert "cannot be used" in called.out
    assert "all-cells" in called.out


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
    assert [row.name for row in rows] == [entry.name for entry in installed()]
    house = {row.name: row for row in rows}
    assert len(house["lesions"].answers) == gallery_verb.QUESTIONS
    assert house["noisy"].options == 'like = "lesions"'
    assert house["consensus"].options == 'readers = ["lesions", "lung-fields", "noisy"]'
    assert {row.name: row.problem for row in rows if row.problem} == {
        "boxes": 'option "file" is missing',
        "human": house["human"].problem,
        "replay": 'option "session" is missing',
        "replayed-masks": 'option "folder" is missing',
    }


def test_the_gallery_shows_a_studys_own_films(call: Any, here: Path, films: Path) -> None:
    assert call("oracles", "--gallery", "g.png", "--study", "films.toml").code == 0
    assert (here / "g.png").stat().st_size > 10_000
    assert call("oracles", "--gallery", "g.png", "--study", "no.toml").code == 2
