"""A table of our own: how long every arm trains."""

from __future__ import annotations

from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart


def build(data: ReportData) -> list[Table]:
    """A row an arm."""
    rows = tuple((name, arm.training.epochs) for name, arm in data.analysis.study.arms.items())
    return [Table("guest-epochs", "Epochs of every arm", (Column("Arm"), Column("Epochs")), rows)]


PART = TablePart("arms", build)
