from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from imil_sim.report.document import Column, Document, Picture, Section, Statement, Table
from imil_sim.report.page import csv_tables, render_markdown
from imil_sim.report.page.markdown import MOST_ROWS


def test_a_report_by_hand(png: Callable[..., bytes]) -> None:
    arms = Table(
        "arms",
        "All *arms*",
        (Column("arm"), Column("AUROC", digits=3, signed=True, explained="area under the curve")),
        (("top_label|1", 0.5), ("b", -0.25), ("c", None)),
        ("1. Ten seeds.",),
    )
    forest = Picture("forest", "Differences", "A [forest]", png(2, 2), b"<svg/>", pd.DataFrame({"n": [3]}))
    document = Document(
        "ring-grid",
        "What it was worth",
        (Statement("Nothing differs."), Statement("See www.x.y and https://z, a@b.c.", "caution")),
        (Section("results", "Results", ("A $5 paragraph.", " "), (arms, forest)),),
    )
    assert (
        render_markdown(document, "fig ures")
        == """\
# What it was worth

Study **ring-grid**

Nothing differs.

- **Caution:** See www<!-- -->.x.y and https:<!-- -->//z, a@<!-- -->b.c.

## Results

A &#36;5 paragraph.

**Table 1.** All \\*arms\\*

| arm | AUROC |
| --- | ---: |
| top_label&#124;1 | +0.500 |
| b | −0.250 |
| c | – |

- **AUROC**: area under the curve

1\\. Ten seeds.

![A \\[forest\\]](fig%20ures/forest.svg)

**Figure 1.** Differences
"""
    )


def test_long_tables_and_the_numbers_of_figures_stand_in_files_beside_it(png: Callable[..., bytes]) -> None:
    columns = (Column("arm"), Column("AUROC", digits=3))
    long = Table("long", "Every run", columns, tuple((f"a{n}", n / 7) for n in range(MOST_ROWS + 1)))
    short = Table("short", "A few", columns, (("a, b", 0.123456),))
    forest = Picture("forest", "Differences", "A forest", png(2, 2), None, pd.DataFrame({"n": [3]}))
    document = Document("s", "t", (), (Section("a", "A", (), (long, short, forest)),))
    text = render_markdown(document, tables_folder="tables")
    assert "[long.csv](tables/long.csv)" in text
    assert "[figure-forest.csv](tables/figure-forest.csv)" in text
    assert "| a0 |" not in text
    assert "| a, b | 0.123 |" in text
    files = csv_tables(document)
    assert set(files) == {"long.csv", "short.csv"}
    assert files["short.csv"] == b'arm,AUROC\n"a, b",0.123456\n'


def test_a_picture_without_svg_is_shown_as_png(png: Callable[..., bytes]) -> None:
    images = Picture("images", "ImageIndex", "Four images", png(2, 2))
    text = render_markdown(Document("s", "t", (), (Section("a", "A", (), (images,)),)))
    assert "![Four images](figures/images.png)" in text
