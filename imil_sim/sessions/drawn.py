"""`Drawn`: what a reader drew on an image, in the image's original pixels, and the cells of any grid it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from imil_sim.feedback.grid import Grid, chosen
from imil_sim.study.spec import Spec

SAMPLES = 1024
"""Along each side of an image, when the cells under polygons are found."""

MAX_PIXELS = 100_000_000
"""Of an image that something is drawn on; a larger claim is refused before anything is made of it."""

_Pixels = Annotated[int, Field(ge=1, le=100_000)]
_Run = Annotated[int, Field(ge=0, le=MAX_PIXELS)]
Box: TypeAlias = tuple[float, float, float, float]
Point: TypeAlias = tuple[float, float]
Polygon: TypeAlias = Annotated[tuple[Point, ...], Field(min_length=1, max_length=100_000)]


class Drawn(Spec):
    """Boxes, polygons and a mask on one image; what was drawn is their union.

    Coordinates run over the image from its top left corner: pixel (row, column) is the square from (column, row) to
    (column + 1, row + 1).
    """

    width: _Pixels = Field(description="Of the original image, pixels.")
    height: _Pixels = Field(description="Of the original image, pixels.")
    boxes: tuple[Box, ...] = Field((), description="Left, top, right, bottom of each box, original pixels.")
    polygons: tuple[Polygon, ...] = Field(
        (),
        description="Corners x, y of each polygon, original pixels; it closes itself, even-odd where it crosses.",
    )
    mask: tuple[_Run, ...] | None = Field(
        None,
        description="Run lengths of the mask row by row from the top left: pixels outside, inside, outside, ...; "
        "the first may be 0; they add up to width x height.",
    )

    @model_validator(mode="after")
    def _within_the_image(self) -> Drawn:
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(f"an image of {self.width} x {self.height} pixels has more than {MAX_PIXELS:,}")
        points = [p for left, top, right, bottom in self.boxes for p in ((left, top), (right, bottom))]
        points += [point for polygon in self.polygons for point in polygon]
        for x, y in points:
            if not (0 <= x <= self.width and 0 <= y <= self.height):
                raise ValueError(f"the point ({x:g}, {y:g}) lies outside the image of {self.width} x {self.height}")
        for box in self.boxes:
            if box[0] >= box[2] or box[1] >= box[3]:
                raise ValueError(f"a box is left, top, right, bottom with left < right and top < bottom, not {box}")
        if self.mask is not None and sum(self.mask) != self.width * self.height:
            raise ValueError(
                f"the runs of the mask add up to {sum(self.mask)} pixels, the image has {self.width * self.height}"
            )
        return self

    def cells(self, grid: Grid, threshold: float = 0.1) -> NDArray[np.bool_]:
        """(rows, cols): the cells of ``grid`` that it covers, chosen as `Grid.cells_from_mask` chooses.

        Boxes alone are exact, and so is a mask, in its pixels. Polygons, and boxes beside them, are drawn on an image
        of `SAMPLES` a side (or eight times the grid, if that is more); a polygon with the line itself, as masks are
        commonly drawn from outlines, which makes it larger by half a sample all around.

        Raises:
            ValueError: ``threshold`` is not in (0, 1].
            UsageError: the grid is finer than the image.
        """
        if self.mask is not None:
            return chosen(grid.coverage(self.to_mask()), threshold)
        if not self.polygons:
            scale = np.array([self.width, self.height] * 2, dtype=np.float64)
            return grid.cells_from_boxes(np.reshape(self.boxes, (-1, 4)) / scale, threshold)
        samples = max(SAMPLES, 8 * max(grid.shape))
        return chosen(grid.coverage(self._on((samples, samples))), threshold)

    def to_mask(self) -> NDArray[np.bool_]:
        """(height, width), True where something was drawn: pixels whose middle is in a box, polygons with line."""
        shape = self.height, self.width
        drawn = self._on(shape)
        return drawn if self.mask is None else drawn | mask_of(self.mask, shape)

    def _on(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """``shape``, True on the samples of boxes and polygons."""
        drawn = np.zeros(shape, dtype=np.uint8)
        across, down = shape[1] / self.width, shape[0] / self.height
        for left, top, right, bottom in self.boxes:
            # From the first sample whose middle lies within.
            x0, y0, x1, y1 = np.ceil(np.array((left * across, top * down, right * across, bottom * down)) - 0.5).astype(
                int
            )
            drawn[y0:y1, x0:x1] = 1
        for polygon in self.polygons:
            corners = np.round(np.asarray(polygon, dtype=np.float64) * (across, down)).astype(np.int32)
            cv2.fillPoly(drawn, [corners], 1)
        return drawn > 0


def runs_of(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """The run lengths of a mask, row by row: outside, inside, outside, ...

    >>> runs_of(np.array([[True, True, False], [False, True, False]]))
    (0, 2, 2, 1, 1)
    """
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    runs = np.diff(edges).tolist()
    return (0, *runs) if flat[0] else tuple(runs)


def mask_of(runs: Sequence[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(height, width): the mask with these runs; the inverse of `runs_of`."""
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, np.asarray(runs, dtype=np.int64)).reshape(shape)
