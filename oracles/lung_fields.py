"""The cells that the lungs cover: a clinician who knows anatomy and nothing of the disease.

What it simulates: "look at the lungs, not at the markers, the collar bones or the edge of the image".
What it may know: the lung mask, and with `side = "missed"` the heat-map; not the label or the lesions.
What it needs: a mask called `lung`. The harness hands over the set's own mask, and where there is none an estimate
from the image, which is then said in the note of the answer. Without either it abstains.
Options: `threshold`, the share of a cell that the lungs must cover (the best-covered cell is always chosen);
`single_region`, to keep only the connected region with the most lung in it, mostly one lung where the grid is fine;
`side`, one lung instead of both: `"left"` and `"right"` as the patient says it (the left lung is on the right of the
image), or `"missed"`, the lung in which the heat-map of the prediction is colder on average (the left one where they
are equal), as a clinician switches the model's focus to the other side; `zone`, the upper, middle or lower third of the
height of what is left; `margin`, by which share of the image's height the lungs looked at are widened (so that pleura
and hilum are in) or, below 0, narrowed, before a zone is cut out of them.
Where it is wrong: on findings outside the lung mask (effusions and consolidations at the base, lymph nodes at the
hilum), and whenever the estimate is; on a coarse grid it keeps much that is not lung. Lungs that touch in the mask, or
of which only one is there, are parted at the middle of the image, which is not the middle of a turned patient.
Source: Rao et al. 2024, section 5 speaks of refocusing on the lungs; masks as in Candemir et al. 2014.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from scipy import ndimage

from imil_sim.feedback import Feedback, Question, Share, covered_cells, note_if_estimated

ZONES = ("upper", "middle", "lower")
WIDEST = 0.25
"""Beyond this a margin says nothing of lungs any more."""
SMALLEST_LUNG = 0.1
"""Share of the lung area below which a piece of the mask is no lung of its own."""


@dataclass(frozen=True)
class LungFields:
    """Chooses the cells that the lung mask covers."""

    threshold: Share = 0.1
    """Share of a cell, in (0, 1]."""
    single_region: bool = False
    """Keep only the connected region with the most coverage."""
    side: Literal["both", "left", "right", "missed"] = "both"
    """Which lung; left and right are the patient's."""
    zone: Literal["all", "upper", "middle", "lower"] = "all"
    """Which third of the height."""
    margin: Annotated[float, Field(ge=-WIDEST, le=WIDEST)] = 0.0
    """What the lungs are widened by, as a share of the image's height; below 0: narrowed."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells of the lungs; ``rng`` is not used."""
        lung = question.masks.get("lung")
        if lung is None:
            return Feedback.abstain(question, "no lung mask, and none could be estimated")
        if not lung.any():
            return Feedback.abstain(question, "the lung mask is empty")
        sided, remarks = self._of_side(question, lung)
        area = self._of_zone(sided)
        if not area.any():
            left = f"side {self.side}, zone {self.zone}, margin {self.margin:g}"
            return Feedback.abstain(question, f"nothing of the lungs is left at {left}")
        return covered_cells(
            question,
            area,
            threshold=self.threshold,
            single_region=self.single_region,
            note="; ".join([*remarks, *filter(None, [note_if_estimated(question, "lung")])]),
        )

    def _of_side(self, question: Question, lung: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[str]]:
        """What is looked at of the lungs, widened, and what is to be said about it."""
        if self.side == "both":
            return _widened(lung, self.margin), []
        lungs = {"right": lung & _image_left(lung)}
        lungs["left"] = lung & ~lungs["right"]
        side, remarks = self.side, list[str]()
        if side == "missed":
            side = min(("left", "right"), key=lambda name: _warmth(question.cam, lungs[name]))
            remarks.append(f"the {side} lung: the heat-map is colder there")
        return _widened(lungs[side], self.margin), remarks

    def _of_zone(self, area: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if self.zone == "all" or not area.any():
            return area
        rows = np.flatnonzero(area.any(axis=1))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        third = np.rint(np.linspace(top, bottom, 4)).astype(np.int64)
        number = ZONES.index(self.zone)
        zone = np.zeros_like(area)
        zone[third[number] : third[number + 1]] = area[third[number] : third[number + 1]]
        return zone


def _widened(area: NDArray[np.bool_], margin: float) -> NDArray[np.bool_]:
    """The area and all pixels within ``margin`` image heights of it; below 0 without those so near to its edge."""
    reach = abs(margin) * area.shape[0]
    if not margin or not area.any():
        return area
    if margin > 0:
        near: NDArray[np.bool_] = ndimage.distance_transform_edt(~area) <= reach
        return near
    inner: NDArray[np.bool_] = ndimage.distance_transform_edt(area) > reach
    return inner


def _image_left(lung: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(height, width), True on the lung that lies on the left of the image, the patient's right one.

    Pieces of the mask go to a side as wholes, by their middle, where two of them are large enough to be lungs;
    otherwise the mask is cut down the middle of the image.
    """
    pieces, count = ndimage.label(lung)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    large = 1 + np.argsort(-sizes, kind="stable")[:2]
    if count < 2 or sizes[large[1] - 1] < SMALLEST_LUNG * sizes.sum():
        return np.broadcast_to(np.arange(lung.shape[1]) < lung.shape[1] / 2, lung.shape)
    middles = np.array([middle[1] for middle in ndimage.center_of_mass(lung, pieces, range(1, count + 1))])
    left = np.concatenate([[False], middles < middles[large - 1].mean()])
    on_left: NDArray[np.bool_] = left[pieces]
    return on_left


def _warmth(cam: NDArray[np.float32], area: NDArray[np.bool_]) -> float:
    """The mean of the heat-map over the area; a lung that is not there is as warm as can be: nobody points to it."""
    return float(cam[area].mean(dtype=np.float64)) if area.any() else 1.0
