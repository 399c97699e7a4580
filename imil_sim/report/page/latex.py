"""A table as LaTeX, for a paper."""

from __future__ import annotations

import re

from imil_sim.report.document import Table
from imil_sim.report.page.shown import MINUS, legend, legible, numeric_columns, told

_WRITTEN = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    '"': r"\char34{}",  # \textquotedbl is unknown in the encoding LaTeX starts with
    # at the beginning of a row these would be read as options of the \\ before
    "[": "{[}", "]": "{]}", "*": "{*}",
    MINUS: "$-$", "–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\ldots{}", "±": r"$\pm$", "×": r"$\times$",
    "·": r"$\cdot$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "≠": r"$\neq$", "∞": r"$\infty$",
    "→": r"$\rightarrow$", "←": r"$\leftarrow$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$",
    "δ": r"$\delta$", "Δ": r"$\Delta$", "μ": r"$\mu$", "µ": r"$\mu$", "σ": r"$\sigma$", "τ": r"$\tau$",
    "χ": r"$\chi$", "\u00a0": "~", "\u202f": r"\,", "\u2009": r"\,",
}  # fmt: skip
_SPECIAL = re.compile("|".join(map(re.escape, _WRITTEN)) + "|-(?=-)|,(?=,)")


def render_latex(table: Table) -> str:
    """A floating table in the style of booktabs: caption, label ``tab:NAME``, rules, notes below.

    Every text of the table is inert: it starts no command, group, comment, column or row. Letters that LaTeX does not
    know stay as they are: XeLaTeX and LuaLaTeX show them, if the font has them.
    """
    numeric = numeric_columns(table)
    rows = [[told(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_text(table.caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}",
        r"    \toprule",
        _row([column.heading for column in table.columns]),
        r"    \midrule",
        *(_row(row) for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}",
    ]
    notes = [f"{legible(column.heading)}: {legible(column.explained)}" for column in legend(table)] + list(table.notes)
    lines += [rf"  \par\smallskip{{\footnotesize {_text(note)}\par}}" for note in notes if legible(note)]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _row(cells: list[str]) -> str:
    return "    " + " & ".join(map(_text, cells)) + r" \\"


def _text(text: str) -> str:
    """``text`` as LaTeX that shows it and does nothing; doubled hyphens and commas are kept from becoming one sign."""
    return _SPECIAL.sub(lambda found: _WRITTEN.get(found[0], f"{found[0]}{{}}"), legible(text))
