from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from imil_sim.report.document import Column, Document, Picture, Section, Statement, Table
from imil_sim.report.page import render_html

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="36pt" height="18pt" viewBox="0 0 36 18"/>'


@pytest.fixture
def document(png: Callable[..., bytes]) -> Document:
    arms = Table(
        "arms",
        "Arms",
        (Column("arm"), Column("AUROC", digits=3, explained="area under the curve"), Column("n")),
        (("baseline", 0.8, 10), ("lesions", -0.5, None)),
        ("Ten seeds.",),
    )
    forest = Picture("forest", "Differences", "A forest plot", png(8, 4), SVG, pd.DataFrame({"arm": ["a"]}))
    images = Picture("images", "ImageIndex", "Four images", png(30, 20))
    return Document(
        "ring-grid",
        "What it was worth",
        (Statement("Nothing differs."), Statement("Two runs failed.", "bad")),
        (
            Section("results", "Results", ("A paragraph.",), (arms, forest)),
            Section("images", "ImageIndex", (), (images,)),
        ),
    )


def test_equal_documents_give_equal_bytes(document: Document) -> None:
    assert render_html(document) == render_html(document)


def test_the_policy_names_the_script_that_is_there_and_nothing_comes_from_elsewhere(
    document: Document, elements: Callable[[str], Any]
) -> None:
    page = render_html(document).decode()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    hashed = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = elements(page).values("meta", "content")[0]
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"
    )
    found = elements(page)
    assert all(value.startswith("data:") for value in found.values("img", "src"))
    assert all(value.startswith(("#", "data:,")) for tag in ("a", "link") for value in found.values(tag, "href"))
    assert not re.search(r"@import|url\(", page)


def test_headings_and_what_is_folded(document: Document, elements: Callable[[str], Any]) -> None:
    page = render_html(document).decode()
    found = elements(page)
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {"results", "images"} <= set(ids)
    assert {value for _, name, value in found.attributes if name == "aria-labelledby"} <= set(ids)
    assert [tag for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)] == ["h1", "h2", "h2"]
    tags = [tag for tag, _ in found.elements]
    assert [tags.count(tag) for tag in ("main", "header")] == [1, 1]
    assert found.values("html", "lang") == ["en"]
    # Where nothing leads, the first section is open; a plot and a table that lead leave all folded.
    assert page.count('<details class="group"') == 2
    assert re.findall(r'id="(\w+)" open', page) == ["results"]
    arms = Table("first", "", (Column("arm"),), (("a",),))
    assert " open" not in render_html(replace(document, lead=(arms,))).decode().split("<main>")[1].split("<script")[0]


def test_three_cautions_stand_on_the_first_screen_and_more_are_folded(document: Document) -> None:
    many = tuple(Statement(f"Caution number {number}.", "caution") for number in range(5))
    page = render_html(replace(document, cautions=many)).decode()
    seen, folded = page.split("<summary>2 more cautions</summary>")
    assert [one.text in seen for one in many] == [True] * 3 + [False] * 2
    assert folded.index("Caution number 4.") < folded.index('class="group"')


def test_tables_can_be_read_without_eyes(document: Document, elements: Callable[[str], Any]) -> None:
    page = render_html(document).decode()
    found = elements(page)
    tags = [tag for tag, _ in found.elements]
    assert tags.count("table") == tags.count("caption") == 1
    assert found.values("th", "scope") == ["col", "col", "col", "row", "row"]
    assert '<td class="n s">−0.500</td><td class="n s">–</td>' in page
    assert found.values("abbr", "title") == ["area under the curve"]
    assert page.count("<dt>AUROC</dt> <dd>area under the curve</dd>") == 1
    assert page.count("<b>Table 1.</b> Arms") == 1
    assert "figure-forest.csv" not in page
    assert "figure-forest.csv" in elements(render_html(document, "tables").decode()).values("a", "href")[-1]


def test_tones_are_words(document: Document) -> None:
    page = render_html(document).decode()
    assert '<p class="answer plain">Nothing differs.</p>' in page
    assert '<li class="bad"><span class="tone">Unfavourable</span> <span class="text">Two runs failed.</span>' in page


def test_pictures_lie_in_the_page(document: Document, elements: Callable[[str], Any]) -> None:
    found = elements(render_html(document).decode())
    forest, images = found.values("img", "src")
    assert base64.b64decode(forest.removeprefix("data:image/svg+xml;base64,"), validate=True) == SVG
    assert images.startswith("data:image/png;base64,")
    assert found.values("img", "alt") == ["A forest plot", "Four images"]


def test_a_long_table_scrolls_in_its_frame_and_an_empty_one_says_so() -> None:
    long = Table("long", "Many", (Column("i"),), tuple((i,) for i in range(31)))
    empty = Table("empty", "None", (Column("i"), Column("j")), ())
    page = render_html(Document("s", "t", (), (Section("a", "A", (), (long, empty)),))).decode()
    assert page.count('class="frame long"') == 1
    assert page.count('<p class="rows">') == page.count('<p class="rows">31 rows in all; this table scrolls</p>') == 1
    assert '<td colspan="2">No rows.</td>' in page


def test_of_a_long_table_with_a_file_the_first_rows_are_shown_and_the_file_is_named(
    elements: Callable[[str], Any],
) -> None:
    long = Table("long", "Many", (Column("i"),), tuple((i,) for i in range(31)))
    page = render_html(Document("s", "t", (), (Section("a", "A", (), (long,)),)), "tables").decode()
    assert page.count('<th scope="row"') == 30
    assert elements(page).values("a", "href") == ["tables/long.csv"]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_colour_of_a_text_can_be_read_on_both_papers(document: Document) -> None:
    page = render_html(document).decode()
    schemes = re.findall(r":root \{[^}]*--paper[^}]*\}", page)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", scheme))
        for text in ("ink", "soft", "link", "good", "bad", "caution"):
            for ground in ("paper", "raised"):
                light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {ground}"
