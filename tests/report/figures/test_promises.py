"""What holds for every figure: its bytes, its words and where they lie."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import pytest
from matplotlib import _pylab_helpers

from imil_sim.report.document import Picture

Draw = Callable[[str, Sequence[str]], Picture]

OF_IMAGES = ("images", "cams", "interactions-a")
FIGURES = (
    "forest-auroc", "seeds-auroc", "roc", "reliability-top-label", "disagreement", "attention", "overlap", *OF_IMAGES,
)  # fmt: skip
THREE = ("baseline", "lesions", "random-cells")
NASTY = ("<script>alert(1)</script>", "$x$", "$\\frac{$ --><b>", "\u202eevil\x00\n日本")
TWELVE = tuple(f"lesions-that-a-clinician-of-some-experience-has-found@cells={n:03}" for n in range(12))
"""Names of 63 characters that differ only at their end."""


@pytest.mark.parametrize("name", FIGURES)
def test_equal_input_gives_equal_bytes_whatever_the_users_settings(name: str, draw: Draw) -> None:
    first = draw(name, NASTY)
    odd = {"figure.dpi": 50, "font.size": 20, "svg.fonttype": "none", "axes.grid": True, "image.cmap": "jet",
           "savefig.bbox": "tight", "lines.linewidth": 9, "text.color": "red"}  # fmt: skip
    with matplotlib.rc_context(odd):  # type: ignore[arg-type]
        before = dict(matplotlib.rcParams)
        second = draw(name, NASTY)
        assert dict(matplotlib.rcParams) == before
    assert (first.png, first.svg, first.alt, first.caption) == (second.png, second.svg, second.alt, second.caption)
    assert not _pylab_helpers.Gcf.figs  # nothing is left in pyplot's care
    assert b"tEXt" not in first.png
    assert (first.svg is None) == (first.data is None) == (name in OF_IMAGES)
    assert first.name == name
    assert first.data is None or len(first.data)
    assert re.search(r"\d.*\.$", first.alt, re.DOTALL)
    if first.svg is not None:
        # Fault 35: as a formula the third name would have raised by now, a missing glyph would have warned.
        ElementTree.fromstring(first.svg)
        assert not re.search(rb"matplotlib\.org|<dc:date|<text|<script|<b>|\x00|\xe2\x80\xae", first.svg)


@pytest.mark.parametrize("arms", [THREE, TWELVE], ids=["three", "twelve"])
@pytest.mark.parametrize("name", FIGURES)
def test_words_lie_inside_and_do_not_touch(name: str, arms: Sequence[str], draw: Draw, seen: Any) -> None:
    draw(name, arms)
    width, height = seen.figure.canvas.get_width_height()
    assert seen.texts
    for text, box, size in seen.texts:
        assert size >= 8, text
        assert (box.x0 >= -1, box.y0 >= -1, box.x1 <= width + 1, box.y1 <= height + 1) == (True,) * 4, text
    for place, (text, box, _) in enumerate(seen.texts):
        for other, beside, _ in seen.texts[:place]:
            apart = min(box.x1, beside.x1) - max(box.x0, beside.x0), min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert min(apart) <= 1.5, (text, other)  # pixels: extents are those of the letters, rounded
