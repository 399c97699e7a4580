from __future__ import annotations

from imil_sim.report.document import Column, Table
from imil_sim.report.page import render_latex


def test_a_table_by_hand() -> None:
    table = Table(
        "table-1",
        "Ours & theirs, 95% intervals",
        (Column("arm"), Column("AUROC", 3, signed=True, explained="area"), Column("p", 3, never_zero=True)),
        (("[all]_cells", -0.5, 0.0001), ("b -- c", 0.25, None), ("d – e", 0.0, 0.04)),
        ("{n} = 10",),
    )
    assert (
        render_latex(table)
        == r"""% needs \usepackage{booktabs}
\begin{table}
\centering
\caption{Ours \& theirs, 95\% intervals}
\label{tab:table-1}
\begin{tabular}{lrr}
\toprule
arm & AUROC & p \\
\midrule
{[}all{]}\_cells & $-$0.500 & \textless{} 0.001 \\
b -{}- c & +0.250 & \textendash{} \\
d \textendash{} e & 0.000 & 0.040 \\
\bottomrule
\end{tabular}
\par\smallskip{\footnotesize AUROC: area\par}
\par\smallskip{\footnotesize \{n\} = 10\par}
\end{table}
"""
    )
