"""The page in a real browser: it is whole, it can be used without a mouse, and it asks nobody for anything."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from imil_sim.report.document import Column, Document, Picture, Section, Statement, Table
from imil_sim.report.page import render_html

pytestmark = pytest.mark.browser


def curve() -> Picture:
    figure = Figure(figsize=(7.5, 3), dpi=60)
    figure.subplots().plot([0, 1], [0, 1])
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png")
    figure.savefig(svg, format="svg")
    return Picture("curve", "A line", "A line from 0 to 1", png.getvalue(), svg.getvalue())


def document(png: Callable[..., bytes]) -> Document:
    wide = Table(
        "wide",
        "A table of many columns, with a caption that is itself too long for one line of a small screen",
        (Column("arm"), *(Column(f"metric {i}", 3, explained=f"what {i} means") for i in range(14))),
        (("a", *[0.5] * 14), ("an-arm-of-a-very-long-name-without-any-blank-in-it", *[None] * 14)),
    )
    rows = (
        ("b", -2.0, "−0.031 to +0.017"), ("c", None, None), ("a", 10.0, "+0.004 to +0.120"),
        ("d", -10.0, "−0.200 to +0.500"),
    )  # fmt: skip
    order = Table("order", "To be sorted", (Column("arm"), Column("d", 1), Column("interval")), rows)
    long = Table("long", "Every run", (Column("run"), Column("why")), tuple((i, "w" * 90) for i in range(40)))
    images = Picture("images", "ImageIndex", "Four images", png(900, 300))
    sections = (
        Section("tables", "Tables", ("A paragraph",), (wide, order)),
        Section("figures", "Figures-" + "x" * 120, (), (images,)),
        Section("runs", "Runs", (), (long,)),
    )
    first = Table("first", "First", (Column("arm"), Column("AUROC", 3)), (("a", 0.5),))
    return Document(
        "s" * 200, "Title " + "t" * 100, (Statement("u" * 150, "good"), Statement("Failed.", "bad")), sections,
        badges=(Statement("5 seeds"), Statement("b" * 90)), lead=(curve(), first),
        cautions=tuple(Statement(f"Caution {n}.", "caution") for n in range(5)),
    )  # fmt: skip


class Visit:
    """One page opened from a file, and what it tried meanwhile."""

    def __init__(self, browser: Any, path: Path, content: bytes, width: int, scheme: str) -> None:
        path.write_bytes(content)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.failed: dict[str, str] = {}
        self.page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("requestfailed", lambda request: self.failed.update({request.url: request.failure}))
        self.page.route(lambda url: not url.startswith(("file:", "data:")), lambda route: route.abort())
        self.page.goto(path.as_uri())
        self.elsewhere = [url for url in self.asked if url != path.as_uri() and not url.startswith("data:")]


@pytest.fixture
def visit(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    opened: list[Visit] = []

    def open_page(content: bytes, width: int = 1280, scheme: str = "light") -> Visit:
        opened.append(Visit(chromium, tmp_path / "report.html", content, width, scheme))
        return opened[-1]

    yield open_page
    for one in opened:
        one.page.close()


@pytest.fixture(scope="module")
def content(png: Callable[..., bytes]) -> bytes:
    return render_html(document(png))


@pytest.mark.parametrize("width", [375, 768, 1280])
def test_the_page_is_whole_quiet_and_no_wider_than_the_screen(
    visit: Callable[..., Visit], content: bytes, width: int
) -> None:
    opened = visit(content, width)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].map((image) => image.complete && image.naturalWidth > 0)") == [True] * 2
    assert page.evaluate("document.images[0].naturalWidth") == 720
    # no frame hides its end: what is too wide for the screen can be scrolled to
    overflows = page.evaluate("[...document.querySelectorAll('.frame')].map((f) => getComputedStyle(f).overflowX)")
    assert overflows == ["auto"] * 4
    assert page.locator(".answer").bounding_box()["y"] < 400, "the first screen says what the study says"
    assert page.locator("details.group[open]").count() == 0
    if width == 375:  # a phone shows the plot right after the answer
        below = [page.locator(what).first.bounding_box()["y"] for what in (".answer", ".drawing", ".badges")]
        assert below == sorted(below)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (opened.errors, opened.elsewhere) == ([], [])


def test_a_link_to_something_folded_unfolds_it(visit: Callable[..., Visit], content: bytes) -> None:
    page = visit(content, 375).page
    page.evaluate("location.hash = 'table.order'")
    page.wait_for_function("document.getElementById('tables').open")
    assert page.evaluate("document.getElementById('figures').open") is False
    assert -1 <= page.evaluate("document.getElementById('table.order').getBoundingClientRect().top") < 800


def test_paper_shows_what_is_folded(visit: Callable[..., Visit], content: bytes) -> None:
    page = visit(content).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.group:not([open])").count() == 0


def unfold(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details.group').forEach((group) => { group.open = true; })")


def test_a_table_is_sorted_from_the_keyboard(visit: Callable[..., Visit], content: bytes) -> None:
    opened = visit(content)
    page = opened.page
    unfold(page)
    table = page.get_by_role("table", name="To be sorted")
    heading = table.get_by_role("columnheader", name="d")

    def rows() -> list[str]:
        return [text.split()[0] for text in table.locator("tbody tr").all_inner_texts()]

    page.get_by_role("region", name="To be sorted").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "d"
    found = [(rows(), heading.get_attribute("aria-sort"))]
    for key in ("Enter", "Space", "Enter"):
        page.keyboard.press(key)
        found.append((rows(), heading.get_attribute("aria-sort")))
    assert found == [
        (["b", "c", "a", "d"], None),
        (["d", "b", "a", "c"], "ascending"),  # as numbers: -10 before -2, and none last
        (["a", "b", "d", "c"], "descending"),
        (["b", "c", "a", "d"], None),
    ]
    table.get_by_role("columnheader", name="arm").get_by_role("button").press("Enter")
    assert rows() == ["a", "b", "c", "d"]
    of_intervals = table.get_by_role("columnheader", name="interval").get_by_role("button")
    found = []
    for _ in range(2):
        of_intervals.press("Enter")
        found.append(rows())
    assert found == [["d", "b", "a", "c"], ["a", "b", "d", "c"]]  # by their lower ends; as text -0.031 comes first
    assert opened.errors == []


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_is_cut_says_so_without_being_touched_and_is_whole_on_paper(
    visit: Callable[..., Visit], content: bytes, width: int, scheme: str
) -> None:
    page = visit(content, width, scheme).page
    unfold(page)
    frame, sign = page.locator(".frame.long"), page.locator(".frame.long .rows")
    last = frame.locator("tbody tr").last
    frame.scroll_into_view_if_needed()

    def edges() -> tuple[float, float, float]:
        boxes = [one.bounding_box() for one in (frame, sign, last)]
        return (
            boxes[0]["y"] + boxes[0]["height"],
            boxes[1]["y"] + boxes[1]["height"],
            boxes[2]["y"] + boxes[2]["height"],
        )

    box, shown, end = edges()
    assert sign.inner_text().endswith("40 rows in all; this table scrolls")
    assert abs(box - shown) <= 2, "the sign stands at the lower edge of what is shown"
    assert end > box, "and rows follow below it"
    assert sign.bounding_box()["width"] <= frame.bounding_box()["width"]
    frame.evaluate("(frame) => frame.scrollTo(0, frame.scrollHeight)")
    assert edges()[2] <= sign.bounding_box()["y"] + 1, "at the end the sign hides no row"
    page.emulate_media(media="print")
    assert not sign.is_visible()
    assert frame.evaluate("(frame) => frame.scrollHeight <= frame.clientHeight + 1")


def test_a_figure_made_small_can_be_read_at_its_own_size(visit: Callable[..., Visit], content: bytes) -> None:
    page = visit(content, 375).page
    image = page.locator("img").first
    button = page.get_by_role("button", name="Full size").first
    assert image.bounding_box()["width"] < 375
    button.press("Enter")
    assert image.bounding_box()["width"] == 720
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.get_by_role("button", name="Fit to the page").press("Enter")
    assert image.bounding_box()["width"] < 375
    assert visit(content, 1280).page.get_by_role("button", name="Full size").count() == 1


def test_dark_is_dark_and_paper_is_white(visit: Callable[..., Visit], content: bytes) -> None:
    def ground(page: Any) -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    light, dark = visit(content).page, visit(content, scheme="dark").page
    assert ground(light) > 700
    assert ground(dark) < 100
    figure = "getComputedStyle(document.querySelector('.drawing')).backgroundColor"
    assert light.evaluate(figure) == dark.evaluate(figure) == "rgb(255, 255, 255)"
    dark.emulate_media(media="print")
    assert ground(dark) > 700


def test_fault_35_in_a_browser(visit: Callable[..., Visit], saying: Callable[[str], Document]) -> None:
    text = "</script></style></title><script>alert(1)</script><img src=http://127.0.0.1:9/ onerror=alert(2)>\u202e\0"
    opened = visit(render_html(saying(text)))
    assert opened.page.locator("h1").inner_text() == text.replace("\u202e", "[U+202E]").replace("\0", "[U+0000]")
    assert opened.page.evaluate("[document.scripts.length, document.images.length]") == [1, 1]
    assert (opened.errors, opened.elsewhere) == ([], [])


def test_what_would_slip_through_is_stopped_by_the_policy(visit: Callable[..., Visit], content: bytes) -> None:
    broken = (
        "<script>document.title = 'ran'</script><script src='http://127.0.0.1:9/x.js'></script>"
        "<img src='data:,' onerror='document.title = \"ran\"'><img src='http://127.0.0.1:9/x.png'>"
        "<iframe src='http://127.0.0.1:9/'></iframe>"
    )
    opened = visit(content.replace(b"<main>", broken.encode() + b"<main>", 1))
    assert opened.page.title().startswith("Title ")
    assert sum("Content Security Policy" in error for error in opened.errors) >= 4
    # announced by the browser, and stopped before they reached any network
    assert "http://127.0.0.1:9/x.png" in opened.elsewhere
    assert {opened.failed.get(url) for url in opened.elsewhere} == {"csp"}
