"""Fault 35: a text from outside shows in every format, and does nothing in any."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from imil_sim.report.document import Document, Picture, Section, Table, legible
from imil_sim.report.page import render_html, render_latex, render_markdown

HARMLESS = "Q7Z"
MARKUP = (
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg/onload=alert(1)>', "' onclick='x",
    "</", "</title>", "</style>", "<!--", "-->", "]]>", "&lt;b&gt;", "&#60;b>", "&amp", "{{ 7 * 7 }}", "{% raw %}",
    "{#", "<", "javascript:alert(1)", "](http://evil.example)", "![x](y)", "<http://evil.example>",
    "https://evil.example", "www.evil.example", "WWW.x.y", "a@b.example", "@someone", "[^1]", "**", "__", "~~", "`",
    "``` ", "| --- |", "|", "\\|", "\\", "#", "# ", "- ", "+ ", "1. ", "1) ", "===", "---", "***", "> ", "    code",
    "\n\n", "\r", "\t", "$x$", "$$", "\\input{/etc/passwd}", "\\write18{rm}", "\\end{table}", "\\\\", "%", "^^5c",
    "{", "}", "~", "--", ",,", "''", '"', "&", "[0.1, 0.2]", "*", "_", "a_b", "\u202e", "\u2066", "\u200f", "\u061c",
    "\u200b", "\ufeff", "\0", "\x1b[31m", "\x85", "\u2028", "\ud800", "\udfff", "\uffff", "=1+1", "אב", "−", "–",
    "\u00a0", "\u3000", "é", "🫁",
)  # fmt: skip
texts = st.one_of(
    st.lists(st.one_of(st.sampled_from(MARKUP), st.text(max_size=3)), min_size=1, max_size=6).map("".join),
    st.text(st.characters(), min_size=1, max_size=30),
).filter(legible)
"""Anything Python holds in a str, lone surrogates too, rich in what means something to somebody."""
everything = example(text=" x ".join(MARKUP))


@pytest.mark.parametrize(
    "point", [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0, 7, 0x1B, 0x7F, 0x9F, 0xD800]
)
def test_what_acts_unseen_shows_its_number(point: int) -> None:
    assert legible(f"a{chr(point)}b") == f"a[U+{point:04X}]b"


def test_letters_of_every_script_stay_and_lines_become_one() -> None:
    assert legible("שלום سلام Ünï 中 🫁 می\u200cخواهم") == "שלום سلام Ünï 中 🫁 می\u200cخواهم"
    assert legible("\t two \r\n\n lines\u2028more \x85") == "two lines more"


@given(st.text(st.characters()))
def test_a_legible_text_is_one_line_of_unicode_and_stays_as_it_is(text: str) -> None:
    once = legible(text)
    assert legible(once) == once
    assert len(once.splitlines()) <= 1
    assert once.encode().decode() == once


@everything
@given(text=texts)
def test_fault_35_a_text_adds_no_element_and_no_attribute_to_the_page(
    text: str, saying: Callable[[str], Document], elements: Callable[[str], Any]
) -> None:
    as_long = HARMLESS.ljust(len(text), "x")  # a text's length decides whether it may be broken
    harmless = elements(render_html(saying(as_long)).decode())
    found = elements(render_html(saying(text)).decode())
    shown = legible(text)
    assert sum(part.count(as_long) for part in harmless.texts) > 20, "the text stands in every place"
    assert found.elements == harmless.elements
    assert found.texts == [part.replace(as_long, shown) for part in harmless.texts]
    assert found.attributes == [
        (tag, name, value and value.replace(as_long, shown)) for tag, name, value in harmless.attributes
    ]


def by_github(markdown: str) -> str:
    """HTML that a Markdown reader makes, raw HTML let through."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)


@everything
@given(text=texts)
def test_fault_35_a_text_is_no_markdown(
    text: str, saying: Callable[[str], Document], elements: Callable[[str], Any]
) -> None:
    markdown = render_markdown(saying(text))
    harmless, found = (elements(by_github(source)) for source in (render_markdown(saying(HARMLESS)), markdown))
    shown = legible(text)
    assert found.elements == harmless.elements
    assert found.texts == [part.replace(HARMLESS, shown) for part in harmless.texts]
    assert found.values("img", "alt") == [shown]
    assert found.values("img", "src") == ["figures/forest.png"]
    # GitHub makes links of bare addresses too, and the reader above does not.
    written = re.sub(r"^!\[.*", "", markdown, flags=re.MULTILINE)
    assert not re.search(r"://|www\.|@[^<]", written, re.IGNORECASE)


LATEX = {
    r"\textbackslash{}": "\\", r"\{": "{", r"\}": "}", r"\$": "$", r"\&": "&", r"\#": "#", r"\%": "%", r"\_": "_",
    r"\textasciicircum{}": "^", r"\textasciitilde{}": "~", r"\textless{}": "<", r"\textgreater{}": ">",
    r"\textbar{}": "|", r"\textasciigrave{}": "`", r"\textquotesingle{}": "'", r"\char34{}": '"', "{[}": "[",
    "{]}": "]", "{*}": "*", "-{}": "-", ",{}": ",", "$-$": "−", r"\textendash{}": "–", "~": "\u00a0",
}  # fmt: skip


def read_latex(source: str) -> str:
    """What a line of LaTeX shows, if it holds nothing but letters and the signs above."""
    token = re.compile("|".join(map(re.escape, sorted(LATEX, key=len, reverse=True))) + r"|[^\\{}$&#%_^~<>|`'\"\[\]*]")
    shown = ""
    while source:
        found = token.match(source)
        assert found, f"LaTeX reads a command in {source!r}"
        shown += LATEX.get(found[0], found[0])
        source = source[found.end() :]
    return shown


@everything
@given(text=texts.filter(lambda text: not set(text) & set("…—±×·≤≥≈≠∞→←αβγδΔμµσταχ\u202f\u2009")))
def test_fault_35_a_text_is_no_latex(text: str, saying: Callable[[str], Document]) -> None:
    harmless, found = (render_latex(table_of(saying(given))) for given in (HARMLESS, text))
    written = found.split("\\caption{", 1)[1].split("}\n", 1)[0]
    assert read_latex(written) == legible(text)
    assert found == harmless.replace(HARMLESS, written)


def table_of(document: Document) -> Table:
    return next(part for part in document.sections[0].parts if isinstance(part, Table))


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", 'x"onload="y', "Ü", "", "-x", "a/b", "a.svg"])
def test_fault_35_a_name_that_becomes_a_file_or_an_address_is_checked(name: str, png: Callable[..., bytes]) -> None:
    with pytest.raises(ValueError, match="a-z, 0-9 and hyphens"):
        Table(name, "", (), ())
    with pytest.raises(ValueError, match="a-z, 0-9 and hyphens"):
        Picture(name, "", "", png(1, 1))
    with pytest.raises(ValueError, match="a-z, 0-9 and hyphens"):
        Section(name, "")


def test_two_parts_of_one_name_would_share_an_address() -> None:
    twice = Section("results", "", (), (Table("arms", "", (), ()), Table("arms", "", (), ())))
    with pytest.raises(ValueError, match="several tables named arms"):
        Document("s", "t", (), (twice,))
    with pytest.raises(ValueError, match="several sections named results"):
        Document("s", "t", (), (Section("results", ""), Section("results", "")))
