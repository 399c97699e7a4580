"""A report as a whole: findings in words, tables and pictures, in the order in which they are read.

Tables and figures are parts that the registry finds; the words are macros of ``page/templates/findings.j2``, plain text
that a renderer escapes.
"""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain
from math import isnan
from typing import Any

import pandas as pd

from imil_sim import registry
from imil_sim.report.analysis import MAIN, Analysis
from imil_sim.report.document import Cell, Column, Document, Picture, Section, Statement, Table, Tone
from imil_sim.report.findings import ALPHA, Conclusion, Finding, Findings, findings
from imil_sim.report.page import templates
from imil_sim.report.parts import GROUPS, FigurePart, ReportData, TablePart
from imil_sim.report.tables.feedback import Replayed
from imil_sim.report.tables.text import interval, made_by_sweeps
from imil_sim.stats import metric_named
from imil_sim.stats.contrast import FEWEST_SEEDS
from imil_sim.text import DIGITS, joined, number

MOST_ROWS = 10
"""Of the table of the first screen."""

MOST_ASKED = 3
"""So many groups of arms get a badge of the images asked about; of more, none does and the table says it."""

MOST_CHARACTERS = 100
"""Of the reason why a run failed."""

_FOLDERS = re.compile(r"(?<![^\s'\"])(?:~|[A-Za-z]:)?[/\\]\S*[/\\]")
"""Of an absolute path: they are the machine's."""


def assemble(
    analysis: Analysis,
    frame_by_set: Mapping[str, pd.DataFrame],
    replayed: Sequence[Replayed] = (),
    shown: Mapping[str, Sequence[Any]] | None = None,
) -> Document:
    """The report of a study, whatever of it has been run.

    Args:
        analysis: the study with the numbers of all its runs.
        frame_by_set: the `results_table` of every test set of the analysis.
        replayed: the runs whose oracle replayed a session.
        shown: what only the images can show, for the figure parts that draw it, see `ReportData`.

    Raises:
        KeyError: a test set of the analysis has no frame.
        PartError: an installed table or figure cannot be imported.
    """
    found = findings(analysis)
    said = {"comparisons": comparisons(found)}
    groups, plot = _built(
        ReportData(analysis, frame_by_set, shown or {}, replayed), f"forest-{found.conclusion.metric}"
    )
    lead = (plot, _first_table(analysis, found))
    parts = {group: tuple(part for part in of if part is not plot) for group, of in groups.items()}
    return Document(
        name=analysis.study.name,
        title=analysis.study.title or analysis.study.name,
        statements=(conclusion(found), *sweeps(found)),
        sections=tuple(
            Section(group, title, parts=parts[group], statements=said.get(group, ()))
            for group, title in GROUPS.items()
            if parts[group] or said.get(group)
        ),
        badges=badges(found),
        lead=tuple(part for part in lead if part is not None),
        cautions=cautions(found),
    )


def _built(data: ReportData, forest: str) -> tuple[dict[str, list[Table | Picture]], Picture | None]:
    """What every installed part makes of a study, by group; and the plot of the first screen."""
    installed: list[tuple[int, str, TablePart | FigurePart]] = [
        (part.place, name, part) for kind in ("tables", "figures") for name, part in registry.load_all(kind).items()
    ]
    groups: dict[str, list[Table | Picture]] = {group: [] for group in GROUPS}
    leads: list[Picture] = []
    for _, _, part in sorted(installed, key=lambda one: one[:2]):
        if isinstance(part, TablePart):
            groups[part.section] += [table for table in part.build(data) if table is not None]
        else:
            drawn = [picture for picture in part.draw(data) if picture is not None]
            groups[part.section] += drawn
            leads += drawn[:1] if part.lead else []
    forests = (part for part in groups["comparisons"] if isinstance(part, Picture) and part.name == forest)
    return groups, next(chain(leads, forests), None)


# ---------------------------------------------------------------------------------------------------- the first table


def _first_table(analysis: Analysis, found: Findings) -> Table | None:
    """The table of the first screen: at most `MOST_ROWS` arms, as in the paper's Table 1, and what is planned of them.

    The reference leads; arms that no plan names come last and are the first to be left out. Of a sweep only what is
    planned and the best setting stand there.
    """
    of = analysis.sets.get(MAIN)
    if of is None:
        return None
    metric, reference = found.conclusion.metric, analysis.study.reference
    planned = {(one.arm, one.reference): one for one in found.conclusion.planned}
    others = [pair for pair in planned if pair[1] != reference]
    swept = made_by_sweeps(analysis) - {one.best.arm for one in found.sweeps if one.best} - {arm for arm, _ in planned}
    arms = sorted(set(analysis.arms) - swept, key=lambda arm: (
        arm != reference, (arm, reference) not in planned, analysis.place(arm)
    ))  # fmt: skip
    arms = arms[: max(1, MOST_ROWS - len(others))]
    values = {name: of.arms[name] for name in ("accuracy", "auroc", "ece_top_label") if name in of.arms}
    rows: list[tuple[Cell, ...]] = [
        (arm, *(summaries[analysis.place(arm)].mean for summaries in values.values()),
         *_difference(planned.get((arm, reference))))
        for arm in arms
    ]  # fmt: skip
    dashes = (None,) * len(values)
    rows += [(f"{arm} − {other}", *dashes, *_difference(planned[arm, other])) for arm, other in others]
    columns = (
        Column("Arm"), *(Column(_heading(name), DIGITS) for name in values),
        Column(f"Δ {_heading(metric)} (95% CI)"), Column("Holm p", DIGITS, never_zero=True),
    )  # fmt: skip
    left = len(analysis.arms) - len(arms)
    notes = [
        f"Means over seeds; Δ is the difference from {reference}, a dash where none is planned.",
        "Holm p is corrected for the number of planned comparisons, intervals are not.",
        *([f"{left} more arms stand under Arms."] if left else []),
    ]
    return Table("first", "Arms, and their planned comparisons", columns, tuple(rows[:MOST_ROWS]), (" ".join(notes),))


def _heading(metric: str) -> str:
    """``ECE`` of "ECE, top label": a heading has little room."""
    label = metric_named(metric).label.split(",")[0]
    return label[:1].upper() + label[1:]


def _difference(of: Finding | None) -> tuple[Cell, Cell]:
    if of is None or isnan(of.estimate.value):
        return None, None
    low_to_high = interval(of.estimate)
    return number(of.estimate.value, signed=True) + (f" ({low_to_high})" if low_to_high else ""), of.p_adjusted


# -------------------------------------------------------------------------------------------------- findings in words


def conclusion(of: Findings) -> Statement:
    """The sentence that answers the study's question."""
    better = {one.better for one in of.conclusion.claimed}
    tones: dict[bool, Tone] = {True: "good", False: "bad"}
    return Statement(say("conclusion", of.conclusion), tones[better.pop()] if len(better) == 1 else "plain")


def sweeps(of: Findings) -> tuple[Statement, ...]:
    """Every sweep in a sentence: its strongest factors, and its best setting against the controls."""
    return tuple(Statement(say("sweep", one)) for one in of.sweeps)


def cautions(of: Findings) -> tuple[Statement, ...]:
    """What to doubt, a line each, the gravest first."""
    return tuple(Statement(say("caution", one), "caution") for one in of.cautions)


def comparisons(of: Findings) -> tuple[Statement, ...]:
    """Every planned comparison in a sentence, the exploratory ones in one, and one a further test set."""
    tones: dict[bool, Tone] = {True: "good", False: "bad"}
    found = [
        Statement(say("finding", one), tones[one.better] if one.outcome == "claimed" else "plain")
        for one in of.conclusion.planned
    ]
    if of.exploratory:
        found.append(Statement(say("exploratory", of.exploratory)))
    return (*found, *(Statement(say("further", name, there)) for name, there in of.further.items() if there))


def badges(of: Findings) -> tuple[Statement, ...]:
    """What the answer rests on, a few words each."""
    found = [Statement(say("seeds", of.n_seeds))]
    if of.n_images:
        found.append(Statement(f"{of.n_images} test images"))
    found.append(Statement(say("runs", of.runs), "plain" if of.runs.keys() == {"done"} else "caution"))
    if of.conclusion.detectable:
        found.append(Statement(say("detectable", of.conclusion)))
    if len(of.asked) <= MOST_ASKED:
        found += [Statement(say("asked", one, len(of.asked) == 1)) for one in of.asked]
    return tuple(found)


def say(macro: str, *given: Any) -> str:
    """What a macro of ``findings.j2`` makes of findings, on one line."""
    return " ".join(str(getattr(_macros(), macro)(*given)).split())


@functools.cache
def _macros() -> Any:
    environment = templates(str, autoescape=False).overlay(trim_blocks=False)
    environment.globals["fewest_seeds"] = FEWEST_SEEDS
    environment.filters |= {
        "metric": lambda metric: metric_named(metric).label, "amount": _amount, "unit": _unit, "p_value": p_value,
        "names": _first_of, "counted": _counted, "leads": _leads, "seed_counts": _seed_counts,
        "by_class": lambda of: ", ".join(f"{count:g} {name}" for name, count in of.items()),
        "most": lambda of: max(of, key=of.get), "ends": lambda of: (min(of := list(of)), max(of)),
        "short": lambda why: textwrap.shorten(_FOLDERS.sub("", why), MOST_CHARACTERS, placeholder=" ...").rstrip("."),
        "field_name": lambda field: field.rsplit(".", 1)[-1].replace("_", " "),
    }  # fmt: skip
    return environment.get_template("findings.j2").module


def _first_of(names: Sequence[str], most: int) -> str:
    """``a, b and c``, or the first of them and how many more there are."""
    more = len(names) - most
    return joined(list(names)) if more <= 0 else f"{', '.join(names[:most])} and {more} more"


def p_value(p: float) -> str:
    """``p = 0.012``, with so many digits that it stands on the side of `ALPHA` on which it is.

    >>> p_value(0.04996), p_value(0.0002)
    ('p = 0.04996', 'p < 0.001')
    """
    if p < 0.001:
        return "p < 0.001"
    digits = 2 if p >= 0.1 else 4 if abs(p - ALPHA) < 0.0005 else 3
    while p != ALPHA and (float(f"{p:.{digits}f}") < ALPHA) != (p < ALPHA):
        digits += 1
    return f"p = {p:.{digits}f}"


def _amount(value: float, metric: str, signed: bool = True) -> str:
    """A difference as it is written: in hundredths where the metric's unit is points, else three digits."""
    points = metric_named(metric).unit == "points"
    return number(100 * value, signed=signed, digits=1) if points else number(value, signed=signed)


def _unit(metric: str) -> str:
    unit = metric_named(metric).unit
    return f" {unit}" if unit else ""


def _counted(runs: Mapping[str, int]) -> str:
    words = {"failed": "failed", "waiting": "waiting for answers", "missing": "missing"}
    return ", ".join(f"{runs[status]} {word}" for status, word in words.items() if runs.get(status))


def _leads(found: Sequence[Finding]) -> list[Finding]:
    known = [one for one in found if one.p_adjusted < ALPHA and one.estimate.n_seeds >= FEWEST_SEEDS]
    return sorted(known, key=lambda one: one.p_adjusted)


def _seed_counts(of: Conclusion) -> list[int]:
    return sorted({one.estimate.n_seeds for one in of.planned if one.outcome != "not compared"}) or [0]
