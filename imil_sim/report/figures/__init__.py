"""Figures of a report: arrays and estimates in, a `Picture` out; no file, no record, no torch.

Every picture has a caption, a text for somebody who cannot see it, computed from the numbers, and the numbers as a
table. Equal input gives equal bytes, whatever the user's matplotlib settings.
"""

from imil_sim.report.figures.attention import attention
from imil_sim.report.figures.augmentations import augmentations
from imil_sim.report.figures.cam_panels import CamRow, cam_panels
from imil_sim.report.figures.cells import cells
from imil_sim.report.figures.contact_sheet import contact_sheet
from imil_sim.report.figures.disagreement import disagreement, hits_of
from imil_sim.report.figures.dose_response import DoseLine, dose_response
from imil_sim.report.figures.forest import forest
from imil_sim.report.figures.interactions import Sample, interaction_sheet, interactions, sample_of, write_png
from imil_sim.report.figures.reliability import reliability
from imil_sim.report.figures.roc import roc
from imil_sim.report.figures.slopes import slopes

__all__ = [
    "CamRow",
    "DoseLine",
    "Sample",
    "attention",
    "augmentations",
    "cam_panels",
    "cells",
    "contact_sheet",
    "disagreement",
    "dose_response",
    "forest",
    "hits_of",
    "interaction_sheet",
    "interactions",
    "reliability",
    "roc",
    "sample_of",
    "slopes",
    "write_png",
]
