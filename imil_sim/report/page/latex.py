"""A table as LaTeX, for a paper."""

from __future__ import annotations

import re

import pandas as pd

from imil_sim.report.document import Table
from imil_sim.report.page.shown import legend, legible, numeric_columns, told

_WRITTEN = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    '"': r"\char34{}",  # \textquotedbl is unknown in the encoding LaTeX starts with
    # at the beginning of a row these would be read as options of the \\ before
    "[": "{[}", "]": "{]}", "*": "{*}",
    "−": "$-$", "–": r"\textendash{}", "×": r"$\times$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "\u00a0": "~",
}  # fmt: skip
_SPECIAL = re.compile("|".join([*map(re.escape, _WRITTEN), r"[{}$&#%_]|-(?=-)|,(?=,)"]))


def render_latex(table: Table) -> str:
    """A floating table in the style of booktabs: caption, label ``tab:NAME``, rules, notes below.

    Every text of the table is inert: it starts no command, group, comment, column or row. Letters that LaTeX does not
    know stay as they are: XeLaTeX and LuaLaTeX show them, if the font has them.
    """
    rows = [[_text(told(cell, column)) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    written = pd.DataFrame(rows, columns=[_text(column.heading) for column in table.columns]).to_latex(
        index=False,
        column_format="".join("r" if right else "l" for right in numeric_columns(table)),
        caption=_text(table.caption),
        label=f"tab:{table.name}",
    )
    notes = [f"{legible(column.heading)}: {legible(column.explained)}" for column in legend(table)] + list(table.notes)
    below = "".join(f"\\par\\smallskip{{\\footnotesize {_text(note)}\\par}}\n" for note in notes if legible(note))
    begin, end = "\\begin{table}\n", "\\end{table}\n"
    inner = written.removeprefix(begin).removesuffix(end)
    return f"% needs \\usepackage{{booktabs}}\n{begin}\\centering\n{inner}{below}{end}"


def _text(text: str) -> str:
    """``text`` as LaTeX that shows it and does nothing; doubled hyphens and commas are kept from becoming one sign."""
    return _SPECIAL.sub(_inert, legible(text))


def _inert(found: re.Match[str]) -> str:
    sign = found[0]
    return _WRITTEN.get(sign) or (f"{sign}{{}}" if sign in "-," else f"\\{sign}")
