"""`Verdict`: what a check found, a row for each thing looked at; as lines of text, as JUnit XML, as a document.

Names of arms and studies are safe, reasons and names of attribute groups are not: whatever becomes markup is escaped.
How long anything took is nowhere in here: a verdict is about numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from imil_sim.report.document import Cell, Column, Document, Section, Statement, Table

Kind = Literal["run", "exact", "non-inferiority", "equivalence", "expectation"]
"""Whether the run is there at all; equal to the bit; no worse than, or close to, the baseline; a relation of arms."""

Compared = Literal["to the bit", "with margins", "with nothing"]

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that an XML 1.0 file cannot hold, not even escaped."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at."""

    kind: Kind
    subject: str
    """The arm; of an expectation all of it, as the study file has it."""
    quantity: str
    """The metric, or what else was compared."""
    passed: bool
    reason: str
    """Why it passed or failed, in words."""
    test_set: str = "main"
    before: float | None = None
    """Mean over seeds in the baseline; of an expectation, of the arm on the right."""
    now: float | None = None
    """Mean over seeds now; of an expectation, of the arm on the left."""
    difference: float | None = None
    """Now minus before; of rows that are compared to the bit, the largest of any seed."""
    margin: float | None = None
    """How much was allowed, or, of an expectation, asked for; None where the sign alone counts."""

    @property
    def where(self) -> str:
        """The quantity, with the test set where it is not the study's own."""
        return self.quantity if self.test_set == "main" else f"{self.quantity} ({self.test_set})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of a study found."""

    study: str
    runs: int
    compared: Compared
    """How the runs were compared with the baseline; with nothing where there is none."""
    environment: tuple[str, ...]
    """In what the environment differs from the baseline's, where that may move numbers."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know beside."""

    @property
    def passed(self) -> bool:
        """Whether every row passed."""
        return all(row.passed for row in self.rows)

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that did not pass."""
        return tuple(row for row in self.rows if not row.passed)

    @property
    def comparisons(self) -> tuple[Row, ...]:
        """The rows about runs and the baseline."""
        return tuple(row for row in self.rows if row.kind != "expectation")

    @property
    def expectations(self) -> tuple[Row, ...]:
        """The rows about arms and each other."""
        return tuple(row for row in self.rows if row.kind == "expectation")

    @property
    def sentences(self) -> Iterator[str]:
        """What was found, in plain sentences."""
        yield self._about_runs()
        if self.environment:
            yield f"The environment is not the baseline's ({'; '.join(self.environment)})."
        if self.expectations:
            held = sum(row.passed for row in self.expectations)
            yield f"{held} of {len(self.expectations)} expectations hold."
        yield from self.notes

    def _about_runs(self) -> str:
        failed = sum(not row.passed for row in self.comparisons)
        one = self.runs == 1
        runs = "1 run" if one else f"{self.runs} runs"
        if self.compared == "with nothing":
            return f"{runs}, compared with no baseline" + (f"; {failed} not done." if failed else ".")
        how = "to the bit" if self.compared == "to the bit" else "with the margins of the study"
        if not failed:
            return f"{runs} {'is' if one else 'are'} as in the baseline, compared {how}."
        rows = "1 row" if len(self.comparisons) == 1 else f"{len(self.comparisons)} rows"
        fail = f"{failed} of {rows} fail{'s' * (failed == 1)}"
        return f"{runs} {'was' if one else 'were'} compared with the baseline {how}; {fail}."


# ------------------------------------------------------------------------------------------------------------- as text


def lines_of(verdict: Verdict) -> list[str]:
    """The verdict in plain lines: the sentences, then every failure with its reason."""
    lines = [f"{verdict.study}: {'passed' if verdict.passed else 'FAILED'}", *verdict.sentences]
    return lines + [f"FAILED {row.kind}: {line_of(row)}" for row in verdict.failures]


def line_of(row: Row) -> str:
    """What a row is about, its numbers and its reason."""
    what = row.subject if row.kind == "expectation" else f"{row.subject}, {row.where}"
    return f"{what}: {row.reason}"


# -------------------------------------------------------------------------------------------------------- as JUnit XML


def junit_of(verdict: Verdict) -> bytes:
    """The verdict as JUnit XML, a test case a row, in the form that CI servers read; without any time."""
    failed = str(len(verdict.failures))
    suites = ElementTree.Element("testsuites", tests=str(len(verdict.rows)), failures=failed)
    title = _legal(f"imil-sim check {verdict.study}")
    counts = {"name": title, "tests": str(len(verdict.rows)), "failures": failed, "errors": "0", "skipped": "0"}
    suite = ElementTree.SubElement(suites, "testsuite", counts)
    properties = ElementTree.SubElement(suite, "properties")
    for number, sentence in enumerate(verdict.sentences, 1):
        ElementTree.SubElement(properties, "property", name=f"finding-{number}", value=_legal(sentence))
    for row in verdict.rows:
        about = row.kind if row.kind == "expectation" else f"{row.subject}"
        name = row.subject if row.kind == "expectation" else f"{row.kind}: {row.where}"
        case = ElementTree.SubElement(
            suite, "testcase", classname=_legal(f"{verdict.study}.{about}"), name=_legal(name)
        )  # fmt: skip
        if not row.passed:
            failure = ElementTree.SubElement(case, "failure", type=row.kind, message=_legal(row.reason))
            failure.text = _legal(line_of(row))
    ElementTree.indent(suites)
    text: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _legal(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


# -------------------------------------------------------------------------------------------------------- as a document


def document_of(verdict: Verdict) -> Document:
    """The verdict as a document, to be rendered as any other: what failed, what moved, the expectations."""
    word = "passed" if verdict.passed else "failed"
    statements = [Statement(f"The check {word}.", "good" if verdict.passed else "bad")]
    statements += [Statement(sentence) for sentence in verdict.sentences]
    statements += [Statement(f"Failed: {line_of(row)}.", "bad") for row in verdict.failures]
    tables = [table for table in (_comparisons(verdict), _expectations(verdict)) if table.rows]
    parts = (Section("rows", "What was looked at", parts=tuple(tables)),) if tables else ()
    return Document(verdict.study, f"imil-sim check {verdict.study}: {word}", tuple(statements), parts)


def _comparisons(verdict: Verdict) -> Table:
    columns = ("arm", "of", "check", "baseline", "now", "moved by", "margin", "")
    rows = tuple((row.subject, row.where, row.kind, *numbers(row), _word(row)) for row in verdict.comparisons)
    return Table("baseline", "The runs and the baseline", tuple(Column(name) for name in columns), rows)


def _expectations(verdict: Verdict) -> Table:
    columns = ("expectation", "left", "right", "left - right", "asked", "")
    rows = tuple((row.subject, *numbers(row), _word(row)) for row in verdict.expectations)
    return Table("expectations", "What must hold between arms", tuple(Column(name) for name in columns), rows)


def numbers(row: Row) -> tuple[Cell, Cell, Cell, Cell]:
    """Before, now, moved by, and margin, as a table shows them; of an expectation left, right, their difference, asked.

    None where there is no number.
    """
    first, second = (row.now, row.before) if row.kind == "expectation" else (row.before, row.now)
    margin = "none" if row.kind == "exact" and row.margin == 0 else _shown(row.margin)
    return _shown(first), _shown(second), _shown(row.difference, "+"), margin


def _shown(value: float | None, sign: str = "") -> str | None:
    return None if value is None or value != value else f"{value:{sign}.4g}"


def _word(row: Row) -> str:
    return "holds" if row.passed else "FAILS"
