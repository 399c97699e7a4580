"""The cells that the boxes of a CSV file cover: readers who drew rectangles, once.

What it simulates: the reader, or the readers together, who drew the boxes. The same image gets the same answer in every
run, whatever the model made of it.
What it may know: the boxes of the image that is asked about, and the lung mask of an image without boxes.
What it needs: `file`, a CSV file: an absolute path, or one relative to IMIL_SIM_DATA or to the current folder. A line
is a box, its image in the column `image_column`, its left, top, right and bottom edge in `box_columns`:

    image_id,rad_id,x_min,y_min,x_max,y_max
    a,R1,0.12,0.30,0.41,0.52

Coordinates are shares of the image's width and height, from 0 to 1 and from the top left. An oracle sees an image at
the size of the study only, so pixels are understood with the size of the original beside them: `size_columns` names the
columns of its width and height. A line without coordinates says that the image was read and nothing was found.
Options beside these: `reader`, to take only the lines with that name in `reader_column` (as in the VinDr sets, whose
images have three readers each), else all boxes of an image count together; `threshold`, the share of a cell that the
boxes must cover (the best-covered cell is always chosen); `no_box`, what to answer about an image that was read and has
no box: `"lung-fields"`, as the oracle `lesions` does with a normal image (an abstention where there is no lung mask),
`"nothing"`, or `"abstain"`.
An image that is not in the file is an abstention. A line that is no box ends the study before it trains, and is named.
Where it is wrong: a box is larger than its finding, the more so the more it slants; and the reader saw the image, not
this model's heat-map.
Source: the layout of VinDr-CXR, Nguyen et al. 2022.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.errors import DataError, listed
from imil_sim.feedback import Feedback, OracleError, Question, Share, covered_cells, note_if_estimated, resolve
from imil_sim.images.listing import read_table

MOST_NAMED = 10
"""Faulty lines in one message."""


class Box(NamedTuple):
    """A rectangle on an image: shares of its width and height, in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Boxes:
    """Chooses the cells that the boxes of the image cover."""

    file: str
    """The CSV file."""
    image_column: str = "image_id"
    """Column of the image's id."""
    box_columns: tuple[str, str, str, str] = ("x_min", "y_min", "x_max", "y_max")
    """Columns of the left, top, right and bottom edge."""
    size_columns: tuple[str, str] | None = None
    """Columns of the image's width and height where edges are in pixels; none: edges are shares."""
    reader_column: str = "rad_id"
    """Column of the reader; looked at only with `reader`."""
    reader: str | None = None
    """Whose boxes; none: all."""
    threshold: Share = 0.1
    """Share of a cell, in (0, 1]."""
    no_box: Literal["lung-fields", "nothing", "abstain"] = "lung-fields"
    """What to answer about an image that was read and has no box."""

    def __post_init__(self) -> None:
        if not self._boxes:  # read now, so that what is wrong with the file is said before anything trains
            whose = f' of reader "{self.reader}"' if self.reader is not None else ""
            raise OracleError(f"boxes: {self.file} has no line{whose}; name another file or reader")

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells of the image's boxes; ``rng`` is not used."""
        boxes = self._boxes.get(question.image_id)
        if boxes is None:
            by = f" by {self.reader}" if self.reader is not None else ""
            return Feedback.abstain(question, f"no line about this image{by} in {self.file}")
        if boxes:
            return Feedback(question.image_id, question.grid.cells_from_boxes(boxes, self.threshold))
        if self.no_box == "abstain":
            return Feedback.abstain(question, "no box on this image")
        if self.no_box == "nothing":
            nothing = np.zeros(question.grid.shape, dtype=np.bool_)
            return Feedback(question.image_id, nothing, note="no box on this image: nothing matters")
        return self._lungs(question)

    def _lungs(self, question: Question) -> Feedback:
        lung = question.masks.get("lung")
        if lung is None or not lung.any():
            return Feedback.abstain(question, "no box on this image, and no lung mask")
        notes = ["no box on this image: lung fields instead", note_if_estimated(question, "lung")]
        return covered_cells(question, lung, threshold=self.threshold, note="; ".join(filter(None, notes)))

    @cached_property
    def _boxes(self) -> dict[str, list[Box]]:
        """The boxes by image; an image that was read without any has an empty list."""
        needed = [self.image_column, *self.box_columns, *(self.size_columns or ())]
        needed += [self.reader_column] if self.reader is not None else []
        try:
            table = read_table(resolve(self.file, None), needed)
        except DataError as error:
            raise OracleError(f"boxes: file {error}") from error
        found: dict[str, list[Box]] = {}
        problems: list[str] = []
        for number, row in zip(table.lines, table.rows, strict=True):
            if self.reader is not None and row[self.reader_column] != self.reader:
                continue
            boxes = found.setdefault(row[self.image_column], [])
            try:
                box = self._box(row)
            except ValueError as error:
                problems.append(f"line {number}: {error}")
            else:
                boxes += [box] if box is not None else []
        if problems:
            more = [f"... and {len(problems) - MOST_NAMED} more lines"] if len(problems) > MOST_NAMED else []
            raise OracleError(f"boxes: {self.file} has lines that are no boxes:{listed(problems[:MOST_NAMED] + more)}")
        return found

    def _box(self, row: Mapping[str, str]) -> Box | None:
        """The box of a line in shares of the image; None where it has no coordinates."""
        texts = [row[name] for name in self.box_columns]
        if not any(texts):
            return None
        width, height = (_number(row[name], name) for name in self.size_columns) if self.size_columns else (1.0, 1.0)
        if width <= 0 or height <= 0:
            raise ValueError(f"an image of {width:g} x {height:g} pixels")
        edges = [_number(text, name) for text, name in zip(texts, self.box_columns, strict=True)]
        box = Box(edges[0] / width, edges[1] / height, edges[2] / width, edges[3] / height)
        if not (0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1):
            units = "" if self.size_columns else "; edges are shares from 0 to 1, unless size_columns says otherwise"
            raise ValueError(
                f"({', '.join(f'{edge:g}' for edge in edges)}) is no box on the image: left < right and top < bottom, "
                f"all inside{units}"
            )
        return box


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'{name} is "{text[:40]}", not a number')
    return value
