"""A figure of the report: one grey pixel."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from imil_sim.report.document import Picture
from imil_sim.report.parts import FigurePart, ReportData


def draw(data: ReportData) -> Iterator[Picture]:
    """The pixel."""
    _, png = cv2.imencode(".png", np.full((1, 1), 128, dtype=np.uint8))
    yield Picture("guest-dot", "A guest's dot", "One grey pixel.", png.tobytes())


PART = FigurePart("provenance", draw)
