"""A table of the report: how many runs an arm has."""

from __future__ import annotations

from collections.abc import Iterator

from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart


def build(data: ReportData) -> Iterator[Table]:
    """One row an arm."""
    rows = tuple((arm, str(len(of))) for arm, of in data.frames["main"].groupby("arm"))
    yield Table("guest-counts", "Runs, as a guest counts them", (Column("Arm"), Column("Runs")), rows)


PART = TablePart("provenance", build)
