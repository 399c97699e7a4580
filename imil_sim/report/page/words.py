"""Findings in words: the macros of ``templates/findings.j2``, as plain text that a renderer escapes."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from imil_sim.report.document import Statement, Tone
from imil_sim.report.findings import ALPHA, Conclusion, Finding, Findings
from imil_sim.stats import metric_named
from imil_sim.stats.contrast import FEWEST_SEEDS
from imil_sim.text import joined, number

MOST_ASKED = 3
"""So many groups of arms get a badge of the images asked about; of more, none does and the table says it."""

MOST_CHARACTERS = 100
"""Of the reason why a run failed."""

_PATH = re.compile(r"(?<![\w.~/\\-])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\"/\\,;()]+[/\\])*([^\s'\"/\\,;()]+)")
"""An absolute path with its last part: the rest is the machine's."""


def conclusion(of: Findings) -> Statement:
    """The sentence that answers the study's question."""
    tone: Tone = "plain"
    if of.conclusion.kind == "claims":
        kinds = {one.better for one in of.conclusion.claimed}
        tone = "plain" if len(kinds) > 1 else "good" if kinds == {True} else "bad"
    return Statement(_say("conclusion", of.conclusion), tone)


def sweeps(of: Findings) -> tuple[Statement, ...]:
    """Every sweep in a sentence: its strongest factors, and its best setting against the controls."""
    return tuple(Statement(_say("sweep", one)) for one in of.sweeps)


def cautions(of: Findings) -> tuple[Statement, ...]:
    """What to doubt, a line each, the gravest first."""
    return tuple(Statement(_say("caution", one), "caution") for one in of.cautions)


def comparisons(of: Findings) -> tuple[Statement, ...]:
    """Every planned comparison in a sentence, the exploratory ones in one, and one a further test set."""
    tones: dict[bool, Tone] = {True: "good", False: "bad"}
    told = [
        Statement(_say("finding", one), tones[one.better] if one.outcome == "claimed" else "plain")
        for one in of.conclusion.planned
    ]
    if of.exploratory:
        told.append(Statement(_say("exploratory", of.exploratory)))
    told += [Statement(_say("further", name, found)) for name, found in of.further.items() if found]
    return tuple(told)


def badges(of: Findings) -> tuple[Statement, ...]:
    """What the answer rests on, a few words each."""
    total, done = sum(of.runs.values()), of.runs.get("done", 0)
    told = [Statement("1 seed" if of.n_seeds == 1 else f"{of.n_seeds} seeds")]
    if of.n_images:
        told.append(Statement(f"{of.n_images} test images"))
    if done == total:
        told.append(Statement(f"all {total} runs done"))
    else:
        told.append(Statement(f"{done} of {total} runs done, {_counted(of.runs)}", "caution"))
    if found := of.conclusion.detectable:
        span = " to ".join(dict.fromkeys(_amount(value, of.conclusion.metric, False) for value in found))
        told.append(Statement(f"detectable: {_label(of.conclusion.metric)} {span}{_unit(of.conclusion.metric)}"))
    if len(of.asked) <= MOST_ASKED:
        told += [Statement(_say("asked", one, len(of.asked) == 1)) for one in of.asked]
    return tuple(told)


def _say(macro: str, *given: Any) -> str:
    return " ".join(str(getattr(_macros(), macro)(*given)).split())


@functools.cache
def _macros() -> Any:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imil_sim.report.page"), undefined=jinja2.StrictUndefined, autoescape=False
    )  # fmt: skip
    environment.globals["fewest_seeds"] = FEWEST_SEEDS
    environment.filters |= {
        "metric": _label, "amount": _amount, "unit": _unit, "p_value": p_value, "names": first_of, "counted": _counted,
        "by_class": _by_class, "most": lambda of: max(of, key=of.get), "leads": _leads, "seed_counts": _seed_counts,
        "ends": lambda of: _ends(list(of)), "first_sentence": first_sentence, "field_name": _field_name,
    }  # fmt: skip
    return environment.get_template("findings.j2").module


# ----------------------------------------------------------------------------------------------------------- filters


def first_of(names: Sequence[str], most: int) -> str:
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


def first_sentence(reason: str) -> str:
    """The first sentence of a reason, without places of the machine, cut between words where it is long."""
    line = re.split(r"(?<=[.!?])\s+(?=[A-Z])", _PATH.sub(r"\1", " ".join(reason.split())))[0].rstrip(".")
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS + 1].rsplit(' ', 1)[0]} ..."


def _label(metric: str) -> str:
    return metric_named(metric).label


def _field_name(field: str) -> str:
    return field.rsplit(".", 1)[-1].replace("_", " ")


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


def _by_class(questions: Mapping[str, float]) -> str:
    return ", ".join(f"{count:g} {name}" for name, count in questions.items())


def _leads(found: Sequence[Finding]) -> list[Finding]:
    known = [one for one in found if one.p_adjusted < ALPHA and one.estimate.n_seeds >= FEWEST_SEEDS]
    return sorted(known, key=lambda one: one.p_adjusted)


def _seed_counts(of: Conclusion) -> list[int]:
    return sorted({one.estimate.n_seeds for one in of.planned if one.outcome != "not compared"}) or [0]


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)
