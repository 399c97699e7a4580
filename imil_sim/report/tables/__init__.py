"""The tables of a report: from an `Analysis` to `Table` objects, a file a table or a few that belong together.

Every table says in its notes why a number is absent. Nothing is rounded but for show, and nothing in a table depends on
anything but the study and its records.
"""

from imil_sim.report.tables.arms import arms_by_metric, arms_overview
from imil_sim.report.tables.attention import attention_table, groups_table, worst_groups_table
from imil_sim.report.tables.calibration import calibration_table
from imil_sim.report.tables.claim import claim_table
from imil_sim.report.tables.differences import exploratory_differences, planned_differences
from imil_sim.report.tables.feedback import agreement_table, feedback_by_class, feedback_table, overlap
from imil_sim.report.tables.operating import operating_table
from imil_sim.report.tables.paper import paper_table
from imil_sim.report.tables.replayed import Replayed, replayed_table
from imil_sim.report.tables.runs import runs_table
from imil_sim.report.tables.seeds import seeds_table
from imil_sim.report.tables.study import arm_definitions, estimand, study_table
from imil_sim.report.tables.sweeps import trends_table

__all__ = [
    "Replayed",
    "agreement_table",
    "arm_definitions",
    "arms_by_metric",
    "arms_overview",
    "attention_table",
    "calibration_table",
    "claim_table",
    "estimand",
    "exploratory_differences",
    "feedback_by_class",
    "feedback_table",
    "groups_table",
    "operating_table",
    "overlap",
    "paper_table",
    "planned_differences",
    "replayed_table",
    "runs_table",
    "seeds_table",
    "study_table",
    "trends_table",
    "worst_groups_table",
]
