"""The phantom: procedural frontal chest images with exact lung and lesion masks, read from nowhere.

An image is a sum of water-equivalent thicknesses (soft tissue, air, bone, vessels, lesions) seen through a saturating
curve, so a rib is plain over the lung and faint over the mediastinum, as on a real image. All anatomy is drawn in chest
coordinates: x from the midline (positive to the right of the picture, the patient's left), y downwards, both in
sides of the picture; a pose per image (turn, scale, shift) carries it to the picture. The size enters only when shapes
become pixels: a small image is the large image, area-averaged.

What an image shows is decided by three streams of chance: anatomy, lesions, marker. The label decides only whether the
lesions are added, the marker only whether its glyph is: nothing else on an image differs between the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator

from imil_sim.images.image_set import ImageSet, MaskSet, Pictures
from imil_sim.images.source import DrawnSource
from imil_sim.seeds import stream
from imil_sim.study.spec import MOST_IMAGES, MOST_PIXELS, MOST_SIDE, Fraction

Part = Literal["train", "test"]
Marker = Literal["L", "R"]
Points = NDArray[np.float64]
"""(..., 2): x and y in chest coordinates, unless the text says picture."""
Layer = NDArray[np.uint8]
"""(side, side): a canvas on which shapes are drawn, 255 full."""
Plane = NDArray[np.float32]
"""(size, size): one number a pixel of the image."""

PHANTOM_REVISION = 1
"""Raised whenever the images of a seed change; it enters the key of the cache."""

CLASS_NAMES = ("normal", "TB")
MARKER_OF_CLASS: tuple[Marker, Marker] = ("L", "R")
"""The form of the side marker that goes with each class; the other form disagrees with the label."""

_SUBPIXEL_BITS = 4  # of OpenCV's fixed-point positions
_GRAINS = 256  # grains of noise along a side of the image
_COARSE = 64  # side of the canvas on which soft shapes are softened, pixels


@dataclass(frozen=True, slots=True)
class Image:
    """One image with the truth about it; all arrays are (size, size)."""

    pixels: NDArray[np.uint8]
    """Gray levels, 0 black."""
    lung: NDArray[np.bool_]
    """Both lungs, without what heart, mediastinum and diaphragm cover; lesions belong to the lung they lie in."""
    lesion: NDArray[np.bool_]
    """All lesions, cut to the lungs; empty on a normal image."""


class PhantomSource(DrawnSource):
    """Procedural chest images with exact masks; nothing is read from disk."""

    revision: ClassVar[int] = PHANTOM_REVISION

    size: int = Field(64, ge=16, le=MOST_SIDE, description="Height and width of the images, pixels.")
    train: int = Field(400, ge=4, le=MOST_IMAGES, description="Training images, half of them TB.")
    test: int = Field(200, ge=4, le=MOST_IMAGES, description="Test images, half of them TB.")
    seed: int = Field(0, ge=0, description="Seed of the images: the set is the same for every run of a study.")
    conspicuity: PositiveFloat = Field(1.0, le=1_000_000, description="Contrast of the lesions; smaller is harder.")
    marker_train: Fraction | None = Field(
        None, description="Share of training images whose side marker agrees with the label; none: no marker at all."
    )
    marker_test: Fraction | None = Field(None, description="The same for test images; 0.5 makes the marker useless.")

    @model_validator(mode="after")
    def _fits_into_memory(self) -> PhantomSource:
        if (pixels := (self.train + self.test) * self.size**2) > MOST_PIXELS:
            raise ValueError(
                f"train and test have {pixels:,} pixels, more than {MOST_PIXELS:,}; draw fewer or smaller ones"
            )
        return self

    @model_validator(mode="after")
    def _markers_together(self) -> PhantomSource:
        if (self.marker_train is None) != (self.marker_test is None):
            raise ValueError("marker_train and marker_test go together: give both, or neither")
        return self

    def draw(self) -> Pictures:
        """The pixels and the masks (``lung``, ``lesion``) of the images, in their order.

        Training part first, labels alternating normal, TB, normal, ... within each part. Image ``i`` of a part depends
        on the seed, the part and ``i`` alone, so a longer set begins with the shorter one.
        """
        plan = _plan(self)
        shape = (len(plan), self.size, self.size)
        pixels = np.empty(shape, np.uint8)
        masks = {name: np.empty(shape, np.bool_) for name in ("lung", "lesion")}
        for row, (part, index, agrees) in enumerate(plan):
            label = index % 2
            marker = None if agrees is None else MARKER_OF_CLASS[label if agrees else 1 - label]
            contrast = self.conspicuity
            one = image(self.seed, part, index, self.size, diseased=label == 1, conspicuity=contrast, marker=marker)
            pixels[row], masks["lung"][row], masks["lesion"][row] = one.pixels, one.lung, one.lesion
        return Pictures(pixels, masks)

    def image_set(self, pictures: Pictures) -> ImageSet:
        """The image set of what `draw` gave.

        With a marker, ``share * n``, rounded half up, of the ``n`` images of each class and part agree with their
        label, evenly spread: the count is exact for every beginning of the part too. The attribute ``marker`` of an
        image is ``agrees``, ``disagrees``, or ``""`` where the images have no marker.
        """
        plan = _plan(self)
        for array in (pictures.pixels, *pictures.masks.values()):
            array.flags.writeable = False
        words = {None: "", True: "agrees", False: "disagrees"}
        return ImageSet(
            name="phantom",
            ids=tuple(f"{part}-{index:04d}" for part, index, _ in plan),
            pixels=pictures.pixels,
            labels=np.array([index % 2 for _, index, _ in plan], np.int64),
            class_names=CLASS_NAMES,
            masks={name: MaskSet(values, np.ones(len(plan), np.bool_)) for name, values in pictures.masks.items()},
            parts=tuple(part for part, _, _ in plan),
            attributes={"marker": tuple(words[agrees] for _, _, agrees in plan)},
        )


def phantom(source: PhantomSource) -> ImageSet:
    """The images of ``source``, drawn now."""
    return source.image_set(source.draw())


def _plan(source: PhantomSource) -> list[tuple[Part, int, bool | None]]:
    """(part, index, whether the marker agrees with the label; None without a marker) of every image."""
    parts: tuple[tuple[Part, int, float | None], ...] = (
        ("train", source.train, source.marker_train),
        ("test", source.test, source.marker_test),
    )
    return [
        (part, index, None if share is None else _agrees(share, index // 2))
        for part, count, share in parts
        for index in range(count)
    ]


def image(
    seed: int,
    part: Part,
    index: int,
    size: int,
    *,
    diseased: bool,
    conspicuity: float = 1.0,
    marker: Marker | None = None,
) -> Image:
    """Image ``index`` of a part, ``size`` pixels a side; with ``diseased``, the same image with lesions added.

    The contour of a lesion is where its added thickness has fallen to half: of its centre for an infiltrate (before its
    patches) or a nodule, of its wall for a cavity, whose dark centre is inside the contour. ``conspicuity`` scales the
    thickness, not the contour. The mask is the union of the lesions, cut to the lungs; at least one pixel is marked for
    each, however small the image.

    Args:
        seed: of the set.
        part: ``train`` or ``test``; images of two parts are as different as images of two seeds.
        index: within the part, from 0.
        size: height and width, pixels, at least 16.
        diseased: whether lesions are added.
        conspicuity: contrast of the lesions, above 0; 1 is the difficulty the demo is tuned for.
        marker: the letter in the top corner of the side it names; none for no marker.

    Raises:
        ValueError: size or conspicuity outside their ranges.
    """
    if size < 16 or not conspicuity > 0:
        raise ValueError(f"an image needs size >= 16 and conspicuity > 0, not {size} and {conspicuity}")
    rng = stream(seed, "phantom", part, index)
    chest = _chest(rng)
    plate = _Plate(size, chest.pose)
    lung = plate.coverage(_lung_layer(plate, chest))
    thickness = _healthy(rng, plate, chest, lung)
    exposure, grains = _exposure(rng), _grains(rng, size)
    lesion = np.zeros((size, size), np.bool_)
    if diseased:
        for opacity in _opacities(stream(seed, "phantom", part, index, "lesions"), chest):
            shape = _shape(plate, opacity)
            thickness += np.float32(conspicuity * opacity.strength) * shape.thickness * lung
            lesion |= _marked(np.where(lung >= 0.5, shape.inside, 0))
    gray = _developed(thickness, exposure) + grains
    if marker is not None:
        glyph = _glyph(stream(seed, "phantom", part, index, "marker"), marker, size)
        gray += glyph * (np.float32(250) - gray)
    return Image(np.clip(np.rint(gray), 0, 255).astype(np.uint8), lung >= 0.5, lesion)


def _agrees(share: float, rank: int) -> bool:
    """Whether the image of this rank within its class has a marker that agrees: the running count never strays."""
    return int((rank + 1) * share + 0.5) > int(rank * share + 0.5)


# ---------------------------------------------------------------------------------------------------------- drawing


@dataclass(frozen=True, slots=True)
class _Plate:
    """Where shapes in chest coordinates become layers of pixels.

    Shapes are drawn on a canvas a whole number of times as fine as the image, at least twice and never below 256
    pixels, then averaged over each pixel of the image: a line thinner than a pixel keeps its weight.
    """

    size: int
    pose: NDArray[np.float64]
    """(2, 3): chest coordinates to picture coordinates, [0, 1] from the top left corner."""

    @property
    def side(self) -> int:
        """Height and width of the canvas, pixels."""
        return self.size * max(2, -(-256 // self.size))

    def blank(self) -> Layer:
        """An empty canvas."""
        return np.zeros((self.side, self.side), np.uint8)

    def dots(self, points: Points) -> NDArray[np.int32]:
        """Canvas positions in OpenCV's fixed point, a pixel's centre at whole numbers."""
        picture = points @ self.pose[:, :2].T + self.pose[:, 2]
        return np.rint((picture * self.side - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)

    def fill(self, layer: Layer, outline: Points, value: int) -> None:
        """Fill a closed outline, (k, 2), on the layer."""
        cv2.fillPoly(layer, [self.dots(outline)], value, cv2.LINE_AA, _SUBPIXEL_BITS)

    def line(self, layer: Layer, lines: Points | Sequence[Points], width: float, value: float) -> None:
        """Draw open lines, (lines, k, 2), of a width in sides of the picture; under a pixel they are fainter."""
        pixels = width * self.side
        drawn = max(1, round(pixels))
        shade = round(min(255.0, value * pixels / drawn))
        cv2.polylines(layer, list(self.dots(np.asarray(lines))), False, shade, drawn, cv2.LINE_AA, _SUBPIXEL_BITS)

    def disc(self, layer: Layer, centre: Points, radius: float, value: float) -> None:
        """Fill a disc on the layer."""
        x, y = (int(v) for v in self.dots(centre))
        reach = round(radius * self.side * (1 << _SUBPIXEL_BITS))
        cv2.circle(layer, (x, y), reach, value, -1, cv2.LINE_AA, _SUBPIXEL_BITS)

    def coverage(self, layer: Layer, blur: float = 0.0) -> Plane:
        """The layer averaged over the pixels of the image, in [0, 1], softened by ``blur`` sides of the picture."""
        if blur * _COARSE > 1:  # so soft a shape holds no detail that the coarse canvas would lose, and it is cheap
            coarse = cv2.resize(layer, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
            return _resized(_blurred(_unit(coarse), blur), self.size)
        fine = cv2.GaussianBlur(layer, (0, 0), blur * self.side) if blur * self.side > 0.3 else layer
        return _unit(cv2.resize(fine, (self.size, self.size), interpolation=cv2.INTER_AREA))


def _unit(layer: NDArray[np.generic]) -> Plane:
    return layer.astype(np.float32) * np.float32(1 / 255)


def _blurred(field: Plane, blur: float) -> Plane:
    """The field softened by ``blur`` sides of the picture, on the coarse canvas."""
    coarse = _resized(field, _COARSE)
    return np.asarray(cv2.GaussianBlur(coarse, (0, 0), blur * _COARSE), np.float32)


def _resized(field: Plane, size: int) -> Plane:
    """The field at another size."""
    way = cv2.INTER_CUBIC if size > field.shape[0] else cv2.INTER_AREA
    return np.asarray(cv2.resize(field, (size, size), interpolation=way), np.float32)


_BETWEEN_KNOTS = np.linspace(0, 1, 8, endpoint=False)[None, :, None]


def _curve(knots: Sequence[tuple[float, float]] | Points, closed: bool = False) -> Points:
    """A smooth line through the knots (Catmull and Rom 1974), eight points a knot."""
    p = np.asarray(knots, np.float64)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    t = _BETWEEN_KNOTS
    line = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([line.reshape(-1, 2), p[-2:-1]])


def _mirrored(points: Points, side: int) -> Points:
    """The points on the given side of the chest: 1 the patient's left (right of the picture), -1 the right."""
    return np.asarray(points * np.array([side, 1.0]))


# ---------------------------------------------------------------------------------------------------------- anatomy

_CAGE_Y = np.array([0.135, 0.16, 0.20, 0.26, 0.34, 0.45, 0.58, 0.70, 0.85])
_CAGE_X = np.array([0.150, 0.196, 0.231, 0.262, 0.293, 0.320, 0.339, 0.347, 0.350])
"""Inner border of the ribs, from the midline."""
_RIGHT_Y = np.array([-0.1, 0.14, 0.22, 0.30, 0.37, 0.44, 0.52, 0.60, 0.68, 0.80])
_RIGHT_X = np.array([0.046, 0.046, 0.044, 0.047, 0.049, 0.051, 0.068, 0.081, 0.072, 0.060])
"""Right border of the mediastinum: superior vena cava, right atrium."""
_LEFT_Y = np.array([-0.1, 0.14, 0.21, 0.255, 0.29, 0.325, 0.375, 0.42, 0.49, 0.57, 0.64, 0.70, 0.80])
_LEFT_X = np.array([0.044, 0.044, 0.046, 0.062, 0.068, 0.057, 0.060, 0.070, 0.112, 0.162, 0.184, 0.180, 0.15])
"""Left border: subclavian artery, aortic knob, pulmonary trunk, left ventricle."""
_DOME_X = np.array([0.0, 0.05, 0.12, 0.19, 0.26, 0.31, 0.345, 0.40])
_DOME_Y = np.array([0.030, 0.020, 0.004, 0.0, 0.018, 0.052, 0.105, 0.17])
"""A dome of the diaphragm, below its top."""


@dataclass(frozen=True, slots=True)
class _Chest:
    """The person on the image: what differs from one to the next and places everything else."""

    pose: NDArray[np.float64]
    """(2, 3), see `_Plate`."""
    dome: dict[int, float]
    """Height of the top of each diaphragm dome, by side."""
    dome_depth: float
    heart: float
    """Width of the heart, 1 the average."""
    knob: float
    """Prominence of the aortic knob, 1 the average."""
    bulk: float
    """Thickness of the soft tissue, 1 the average."""
    arm: float
    """How far the arms are raised from the trunk."""

    def cage(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of the ribs' inner border from the midline at height ``y``."""
        return np.asarray(np.interp(y, _CAGE_Y, _CAGE_X))

    def mediastinum(self, y: NDArray[np.float64], side: int) -> NDArray[np.float64]:
        """Distance of the mediastinal border from the midline at height ``y``."""
        if side < 0:
            scale = np.where(_RIGHT_Y > 0.48, 0.5 + 0.5 * self.heart, 1.0)
            return np.asarray(np.interp(y, _RIGHT_Y, _RIGHT_X * scale))
        scale = np.where(_LEFT_Y > 0.46, self.heart, np.where(np.abs(_LEFT_Y - 0.28) < 0.04, self.knob, 1.0))
        return np.asarray(np.interp(y, _LEFT_Y, _LEFT_X * scale))

    def diaphragm(self, x: NDArray[np.float64], side: int) -> NDArray[np.float64]:
        """Height of the diaphragm at distance ``x`` from the midline."""
        return np.asarray(self.dome[side] + self.dome_depth * np.interp(x, _DOME_X, _DOME_Y))


def _chest(rng: np.random.Generator) -> _Chest:
    top = float(np.clip(rng.normal(0.65, 0.025), 0.61, 0.71))  # lesions reach down to 0.6
    return _Chest(
        pose=_pose(rng),
        dome={-1: top, 1: top + rng.uniform(0.005, 0.035)},
        dome_depth=rng.uniform(0.8, 1.15),
        heart=rng.uniform(0.86, 1.16),
        knob=rng.uniform(0.9, 1.15),
        bulk=rng.uniform(0.86, 1.14),
        arm=rng.uniform(0.0, 1.0),
    )


def _pose(rng: np.random.Generator) -> NDArray[np.float64]:
    """A turn of a few degrees, a scale each way, a shift; the chest's midline comes to the middle of the picture."""
    turn = np.deg2rad(rng.normal(0, 1.6))
    scale = rng.uniform(0.94, 1.1) * np.array([rng.uniform(0.92, 1.06), 1.0])
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    centre = np.array([0.5, 0.5]) + rng.normal(0, 0.018, 2)
    return np.column_stack([linear, centre - linear @ np.array([0.0, 0.47])])


def _lung_layer(plate: _Plate, chest: _Chest) -> Layer:
    """Both lungs: what lies inside the ribs and outside mediastinum, heart and diaphragm."""
    layer = plate.blank()
    y = np.linspace(0.15, 0.9, 16)
    for side in (-1, 1):
        outer = np.column_stack([chest.cage(y), y])
        apex = np.array([(0.125, 0.128), (0.088, 0.142), (0.055, 0.19), (0.03, 0.25)])
        outline = _curve(np.concatenate([outer[::-1], apex]))
        plate.fill(layer, _mirrored(np.concatenate([outline, [(0.0, 0.25), (0.0, 0.9)]]), side), 255)
    for side in (-1, 1):
        plate.fill(layer, _mirrored(_below_dome(chest, side), side), 0)
    plate.fill(layer, _central(chest), 0)
    return layer


def _below_dome(chest: _Chest, side: int) -> Points:
    x = np.linspace(0, 0.42, 12)
    return np.concatenate([_curve(np.column_stack([x, chest.diaphragm(x, side)])), [(0.42, 1.3), (-0.02, 1.3)]])


def _central(chest: _Chest) -> Points:
    """Outline of the mediastinum with the heart, from above the picture to below the domes."""
    right = np.column_stack([-chest.mediastinum(_RIGHT_Y, -1), _RIGHT_Y])
    left = np.column_stack([chest.mediastinum(_LEFT_Y, 1), _LEFT_Y])
    return np.concatenate([_curve(left), _curve(right)[::-1]])


def _healthy(rng: np.random.Generator, plate: _Plate, chest: _Chest, lung: Plane) -> Plane:
    """Water-equivalent thickness, about 0 to 3, of the image without lesions."""
    body = plate.coverage(_body_layer(rng, plate, chest), 0.004)
    wall = np.clip(0.04 + 1.0 * _resized(_blurred(body, 0.03), plate.size), 0, 1)
    thickness = np.float32(1.25 * chest.bulk) * body * wall
    if rng.random() < 0.45:
        thickness += _breasts(rng, plate) * body
    thickness += (_central_shadow(rng, plate, chest) + _bones(rng, plate, chest)) * body
    air = cv2.GaussianBlur(lung, (0, 0), 0.004 * plate.size + 0.05) * (
        0.55 + 0.45 * _resized(_blurred(lung, 0.03), plate.size)
    )
    thickness -= np.float32(0.92 * chest.bulk) * air * (np.float32(rng.uniform(0.86, 1.0)) + _clouds(rng, plate.size))
    thickness += _vessels(rng, plate, chest) * lung
    thickness += _incidental(rng, plate, chest) * body
    return np.asarray(thickness, np.float32)


def _body_layer(rng: np.random.Generator, plate: _Plate, chest: _Chest) -> Layer:
    """Neck, shoulders, arms and trunk."""
    layer = plate.blank()
    waist, slope = rng.uniform(-0.02, 0.02), rng.uniform(-0.012, 0.02)
    for side in (-1, 1):
        trunk = [(0.0, -0.3), (0.105, -0.2), (0.1, -0.02), (0.135, 0.03), (0.24, 0.06 + slope), (0.36, 0.09 + slope)]
        trunk += [(0.44, 0.14 + slope), (0.46, 0.24), (0.43, 0.36), (0.4, 0.46), (0.395, 0.6), (0.39 + waist, 0.8)]
        trunk += [(0.40 + waist, 1.3), (0.0, 1.3)]
        plate.fill(layer, _mirrored(_curve(trunk), side), 255)
        reach = 0.09 * chest.arm
        arm = np.array(
            [(0.41, 0.19 + slope), (0.475 + reach, 0.36), (0.515 + 2 * reach, 0.56), (0.53 + 3 * reach, 0.9)]
        )
        plate.line(layer, [_mirrored(_curve(arm), side)], 0.13, 255)
    return layer


def _breasts(rng: np.random.Generator, plate: _Plate) -> Plane:
    layer = plate.blank()
    low, radius = rng.uniform(0.58, 0.66), rng.uniform(0.11, 0.15)
    for side in (-1, 1):
        plate.disc(layer, np.array([side * rng.uniform(0.2, 0.23), low + rng.normal(0, 0.006)]), radius, 255)
    return plate.coverage(layer, 0.014) * np.float32(rng.uniform(0.1, 0.24))


def _central_shadow(rng: np.random.Generator, plate: _Plate, chest: _Chest) -> Plane:
    """Heart, mediastinum, spine with its discs, windpipe, hila, and what lies below the diaphragm."""
    heart, spine, low, hila, dark = (plate.blank() for _ in range(5))
    plate.fill(heart, _central(chest), 255)
    for side in (-1, 1):
        plate.fill(low, _mirrored(_below_dome(chest, side), side), 255)
        y = 0.405 - 0.012 * side + rng.normal(0, 0.006)
        outward = chest.mediastinum(np.array([y]), side)[0]
        plate.disc(hila, np.array([side * outward, y]), rng.uniform(0.024, 0.036), 255)
        plate.disc(hila, np.array([side * (outward + 0.014), y + 0.045]), rng.uniform(0.018, 0.028), 255)
    np.maximum(heart, low, out=low)
    _spine(rng, plate, spine)
    plate.line(dark, [np.array([(0.004, -0.2), (0.004, 0.335)])], 0.034, 255)
    plate.line(dark, [np.array([(0.004, 0.33), (side * 0.06, 0.4)]) for side in (-1, 1)], 0.022, 150)
    if rng.random() < 0.6:
        _stomach_bubble(rng, plate, chest, dark)
    return np.asarray(
        0.32 * plate.coverage(low, 0.0035)
        + 0.2 * plate.coverage(low, 0.045)
        + 0.3 * plate.coverage(heart, 0.03)
        + 0.34 * plate.coverage(spine, 0.003)
        + 0.28 * plate.coverage(hila, 0.012)
        - 0.55 * plate.coverage(dark, 0.005),
        np.float32,
    )


def _spine(rng: np.random.Generator, plate: _Plate, layer: Layer) -> None:
    """Vertebral bodies with darker discs between them, and the processes seen end on."""
    middles = rng.uniform(-0.08, -0.03) + rng.uniform(0.05, 0.056) * np.arange(20)
    plate.line(layer, [np.array([(0.0, -0.3), (0.0, 1.3)])], 0.07, 150)
    plate.line(layer, [np.array([(-0.028, y), (0.028, y)]) for y in middles], 0.03, 215)
    plate.line(layer, [np.array([(0.0, y + 0.006), (0.0, y + 0.02)]) for y in middles], 0.012, 255)


def _stomach_bubble(rng: np.random.Generator, plate: _Plate, chest: _Chest, dark: Layer) -> None:
    """Gas below the left dome, flat below where it meets the fluid."""
    x, width = rng.uniform(0.13, 0.2), rng.uniform(0.03, 0.065)
    top = chest.diaphragm(np.array([x]), 1)[0] + 0.02
    height = rng.uniform(0.3, 0.9) * width
    around = np.linspace(np.pi, 2 * np.pi, 14)
    plate.fill(dark, np.column_stack([x + width * np.cos(around), top + height + height * np.sin(around)]), 230)


# ---------------------------------------------------------------------------------------------------------- details


def _bones(rng: np.random.Generator, plate: _Plate, chest: _Chest) -> Plane:
    """Ribs behind and, fainter, in front; collar bones; shoulder blades; heads of the upper arms."""
    back, front, girdle = plate.blank(), plate.blank(), plate.blank()
    shift, tilt = rng.normal(0, 0.01), rng.uniform(0.85, 1.2)
    width = rng.uniform(0.016, 0.021)
    behind = np.stack([_back_rib(chest, level, shift, tilt) for level in range(10)])
    before = np.stack([_front_rib(chest, level, shift, tilt) for level in range(7)])
    for layer, half in ((back, behind), (front, before)):
        lines = np.concatenate([half, _mirrored(half, -1)])
        plate.line(layer, lines, width, 255)
        plate.line(layer, lines, 0.62 * width, 170)
    _girdle(rng, plate, girdle)
    y = np.linspace(0.19, 0.8, 12)
    rim = np.column_stack([chest.cage(y) + 0.008, y])
    plate.line(front, np.stack([rim, _mirrored(rim, -1)]), 0.012, 230)
    strength = rng.uniform(0.8, 1.2)
    bone = 0.22 * plate.coverage(back, 0.0016) + 0.12 * plate.coverage(front, 0.0022)
    return np.asarray(strength * (bone + 0.36 * plate.coverage(girdle, 0.0025)), np.float32)


def _back_rib(chest: _Chest, level: int, shift: float, tilt: float) -> Points:
    """From the spine outwards, rising a little, then falling towards the side of the chest."""
    start = 0.135 + 0.054 * level + shift
    drop = tilt * (0.02 + 0.010 * min(level, 6))
    t = np.linspace(0, 1, 14)
    y = start - 0.016 * np.sin(np.pi * np.minimum(1.6 * t, 1)) + drop * t**2.2
    end = chest.cage(np.array([y[-1]]))[0] + 0.004
    return np.column_stack([0.035 + (end - 0.035) * np.sin(0.5 * np.pi * t) ** 0.92, y])


def _front_rib(chest: _Chest, level: int, shift: float, tilt: float) -> Points:
    """From the side of the chest down and inwards, ending where the bone turns to cartilage."""
    start = 0.215 + 0.056 * level + shift
    t = np.linspace(0, 1, 12)
    y = start + tilt * (0.115 + 0.006 * level) * t
    outer = chest.cage(np.array([start]))[0]
    return np.column_stack([outer + 0.004 - (outer - 0.10 - 0.008 * level) * t**1.5, y])


def _girdle(rng: np.random.Generator, plate: _Plate, layer: Layer) -> None:
    lift = rng.normal(0, 0.012)
    for side in (-1, 1):
        tip = 0.108 + lift + rng.normal(0, 0.006)
        collar = [(0.035, 0.195), (0.1, 0.183), (0.19, 0.155 + 0.4 * lift), (0.27, tip + 0.014), (0.355, tip)]
        line = _mirrored(_curve(collar), side)
        plate.line(layer, [line], 0.023, 230)
        plate.line(layer, [line], 0.012, 170)
        blade = [(0.37, 0.16), (0.325, 0.2), (0.325, 0.32), (0.345, 0.43), (0.375, 0.36), (0.395, 0.22)]
        plate.fill(layer, _mirrored(_curve(blade, closed=True), side), 90)
        plate.line(layer, [_mirrored(_curve(blade[1:4]), side)], 0.006, 190)
        head = _mirrored(np.array([0.405, 0.185]), side)
        plate.disc(layer, head, 0.042, 190)
        plate.line(layer, [_mirrored(np.array([(0.41, 0.2), (0.47, 0.36), (0.56, 0.7)]), side)], 0.05, 140)


def _vessels(rng: np.random.Generator, plate: _Plate, chest: _Chest) -> Plane:
    """Two generations of vessels that leave the hila, taper, and cross the lungs; some seen end on."""
    layer, ends = plate.blank(), plate.blank()
    trunks = np.concatenate([_fan(rng, chest, side) for side in (-1, 1)])
    twigs = np.concatenate([_twigs(rng, trunks, at) for at in (2, 3, 4)])
    for segment in range(twigs.shape[1] - 1):
        plate.line(layer, twigs[:, segment : segment + 2], 0.0036 - 0.0006 * segment, 150)
    for segment in range(trunks.shape[1] - 1):
        plate.line(layer, trunks[:, segment : segment + 2], 0.0105 - 0.0016 * segment, 160 - 10 * segment)
    for _ in range(rng.poisson(2.5)):
        trunk, at, radius = rng.integers(len(trunks)), rng.integers(1, 4), rng.uniform(0.004, 0.009)
        plate.disc(ends, trunks[trunk, at], radius, rng.uniform(120, 255))
    strength = np.float32(rng.uniform(0.17, 0.3))
    return strength * (plate.coverage(layer, 0.0016) + np.float32(0.8) * plate.coverage(ends, 0.0016))


def _fan(rng: np.random.Generator, chest: _Chest, side: int) -> Points:
    """(9, 6, 2): the main vessels of one lung, spread from upwards to downwards."""
    count, steps = 9, 6
    y = 0.41 - 0.012 * side
    angle = np.linspace(-1.25, 1.3, count) + rng.normal(0, 0.1, count)
    bend = rng.normal(0, 0.22, (count, steps - 1)).cumsum(1) + 0.1 * np.arange(steps - 1) * np.sign(angle)[:, None]
    stride = rng.uniform(0.028, 0.05, (count, 1)) * (1 + 0.25 * np.abs(np.sin(angle))[:, None])
    heading = angle[:, None] + 0.6 * bend
    step = np.stack([np.cos(heading) * stride, np.sin(heading) * stride], axis=-1)
    root = np.array([chest.mediastinum(np.array([y]), side)[0], y]) + rng.normal(0, 0.006, (count, 1, 2))
    root[:, 0, 1] += 0.032 * np.sin(angle)
    return _mirrored(np.concatenate([root, root + step.cumsum(1)], axis=1), side)


def _twigs(rng: np.random.Generator, trunks: Points, at: int) -> Points:
    """(trunks, 4, 2): one side branch of each trunk, leaving at its point ``at``."""
    along = trunks[:, at + 1] - trunks[:, at]
    turn = rng.choice([-1.0, 1.0], len(trunks)) * rng.uniform(0.4, 0.9, len(trunks))
    cos, sin = np.cos(turn), np.sin(turn)
    heading = np.stack([cos * along[:, 0] - sin * along[:, 1], sin * along[:, 0] + cos * along[:, 1]], axis=-1)
    reach = np.array([0.0, 0.75, 1.4, 2.1])[None, :, None]
    wander = rng.normal(0, 0.006, (len(trunks), 4, 2)).cumsum(1)
    return np.asarray(trunks[:, at, None] + reach * heading[:, None] + wander * (reach > 0))


def _incidental(rng: np.random.Generator, plate: _Plate, chest: _Chest) -> Plane:
    """What is no disease but may look like it: nipples, old calcified specks, a callus on a rib, a veiled apex."""
    sharp, soft = plate.blank(), plate.blank()
    if rng.random() < 0.35:
        low = rng.uniform(0.54, 0.62)
        for side in (-1, 1):
            plate.disc(sharp, np.array([side * rng.uniform(0.17, 0.22), low + rng.normal(0, 0.01)]), 0.011, 110)
    for _ in range(rng.poisson(0.7)):
        spot = _inside(rng, chest, rng.choice([-1, 1]), rng.uniform(0.2, 0.6))
        plate.disc(sharp, spot, rng.uniform(0.003, 0.007), rng.uniform(150, 255))
    for _ in range(rng.poisson(0.5)):
        level, side = int(rng.integers(2, 8)), int(rng.choice([-1, 1]))
        callus = _mirrored(_back_rib(chest, level, 0.0, 1.0)[rng.integers(5, 12)], side)
        plate.disc(soft, callus, rng.uniform(0.012, 0.02), rng.uniform(80, 190))
    if rng.random() < 0.3:
        apex = np.array([rng.choice([-1, 1]) * 0.125, 0.15])
        plate.disc(soft, apex, rng.uniform(0.04, 0.06), rng.uniform(60, 130))
    return np.float32(0.34) * plate.coverage(sharp, 0.002) + np.float32(0.25) * plate.coverage(soft, 0.008)


def _inside(rng: np.random.Generator, chest: _Chest, side: int, y: float) -> Points:
    """A point of the lung at height ``y``, away from its borders."""
    near, far = chest.mediastinum(np.array([y]), side)[0], chest.cage(np.array([y]))[0]
    return np.array([side * (near + rng.uniform(0.2, 0.84) * (far - near)), y])


def _clouds(rng: np.random.Generator, size: int) -> Plane:
    """Uneven aeration of the lungs at three scales: the ground from which an infiltrate must stand out."""
    cells = [rng.standard_normal((n, n)).astype(np.float32) for n in (6, 12, 24)]
    weights = (0.04, 0.035, 0.03)
    whole = sum(
        w * cv2.resize(c, (_COARSE, _COARSE), interpolation=cv2.INTER_CUBIC)
        for w, c in zip(weights, cells, strict=True)
    )
    return _resized(np.asarray(whole, np.float32), size)


# ---------------------------------------------------------------------------------------------------------- lesions


@dataclass(frozen=True, slots=True)
class _Opacity:
    """One lesion: an irregular blot, hollow where it is a cavity."""

    kind: Literal["infiltrate", "nodule", "cavity"]
    centre: Points
    radius: float
    strength: float
    """Added thickness at the centre, or in the wall."""
    bulges: NDArray[np.float64]
    """(2, 4): amplitude and phase of the outline's harmonics 2 to 5."""
    patches: Plane
    """(8, 8): unevenness of an infiltrate."""
    wall: float
    """Thickness of a cavity's wall, in radii."""


class _Shape(NamedTuple):
    thickness: Plane
    """1 at the centre, or in the wall of a cavity."""
    inside: Plane
    """Share of the pixel inside the contour."""


def _opacities(rng: np.random.Generator, chest: _Chest) -> list[_Opacity]:
    """One to four sites, three in four of them in the upper zones; a site is an infiltrate, a cavity, or nodules."""
    found: list[_Opacity] = []
    for _ in range(rng.choice([1, 2, 3, 4], p=[0.25, 0.35, 0.25, 0.15])):
        side = rng.choice([-1, 1])
        y = rng.uniform(0.19, 0.36) if rng.random() < 0.75 else rng.uniform(0.36, 0.58)
        site = _inside(rng, chest, side, y)
        kind = rng.choice(["infiltrate", "nodules", "cavity"], p=[0.5, 0.25, 0.25])
        if kind == "infiltrate":
            found.append(_opacity(rng, "infiltrate", site, rng.uniform(0.045, 0.1), rng.uniform(0.35, 0.7)))
        elif kind == "cavity":
            found.append(_opacity(rng, "cavity", site, rng.uniform(0.035, 0.06), rng.uniform(0.4, 0.65)))
            found.append(_opacity(rng, "infiltrate", site, rng.uniform(0.045, 0.075), rng.uniform(0.1, 0.25)))
        else:
            for _ in range(rng.integers(2, 7)):
                spot = _inside(rng, chest, side, float(np.clip(y + rng.normal(0, 0.04), 0.18, 0.6)))
                found.append(_opacity(rng, "nodule", spot, rng.uniform(0.014, 0.028), rng.uniform(0.35, 0.6)))
    return found


def _opacity(
    rng: np.random.Generator,
    kind: Literal["infiltrate", "nodule", "cavity"],
    centre: Points,
    radius: float,
    strength: float,
) -> _Opacity:
    swell = {"infiltrate": 0.13, "nodule": 0.05, "cavity": 0.06}[kind]
    return _Opacity(
        kind=kind,
        centre=centre,
        radius=radius,
        strength=strength,
        bulges=np.stack([rng.normal(0, swell, 4) / np.arange(1, 5) ** 0.5, rng.uniform(0, 2 * np.pi, 4)]),
        patches=rng.normal(1, 0.3, (8, 8)).astype(np.float32),
        wall=rng.uniform(0.28, 0.42),
    )


def _shape(plate: _Plate, opacity: _Opacity) -> _Shape:
    """The opacity on the image; its contour, at a distance of 1 from its centre, is where the thickness is half."""
    fine = plate.side
    thickness, inside = np.zeros((fine, fine), np.float32), plate.blank()
    turned = plate.pose[:, :2] @ opacity.centre + plate.pose[:, 2]
    reach = 2.4 * opacity.radius
    (x0, y0), (x1, y1) = (np.clip(np.rint((turned + d) * fine), 0, fine).astype(int) for d in (-reach, reach))
    x = ((np.arange(x0, x1) + 0.5) / fine - turned[0])[None, :].astype(np.float32)
    y = ((np.arange(y0, y1) + 0.5) / fine - turned[1])[:, None].astype(np.float32)
    angle = np.arctan2(y, x)
    amplitude, phase = opacity.bulges.astype(np.float32)
    outline = 1 + sum(a * np.cos(k * angle + p) for k, a, p in zip(range(2, 6), amplitude, phase, strict=True))
    distance = np.hypot(x, y) / (np.float32(opacity.radius) * outline)
    thickness[y0:y1, x0:x1] = _profile(opacity, distance, x / reach, y / reach)
    inside[y0:y1, x0:x1] = 255 * (distance <= 1)
    small = cv2.resize(thickness, (plate.size, plate.size), interpolation=cv2.INTER_AREA)
    return _Shape(np.asarray(small, np.float32), plate.coverage(inside))


def _profile(opacity: _Opacity, distance: Plane, x: Plane, y: Plane) -> Plane:
    """Thickness at a distance in radii; ``x`` and ``y`` in [-1, 1] place the patches of an infiltrate."""
    if opacity.kind == "infiltrate":
        across, down = np.broadcast_arrays((x + 1) * 3.5, (y + 1) * 3.5)
        patches = cv2.remap(opacity.patches, np.ascontiguousarray(across), np.ascontiguousarray(down), cv2.INTER_CUBIC)
        return np.asarray(np.exp2(-(distance**2)) * patches, np.float32)
    rim = 1 / (1 + np.exp((distance - 1) / 0.13))
    if opacity.kind == "nodule":
        return np.asarray(rim, np.float32)
    hollow = 1 / (1 + np.exp((distance - (1 - opacity.wall)) / 0.07))
    return np.asarray(rim - 1.25 * hollow, np.float32)


def _marked(coverage: Plane) -> NDArray[np.bool_]:
    """Pixels at least half covered; the most covered one where none is."""
    return np.asarray(coverage >= min(0.5, float(coverage.max())), np.bool_) & (coverage > 0)


# ---------------------------------------------------------------------------------------------- image, grain, marker


class _Exposure(NamedTuple):
    dose: float
    fog: float
    white: float
    gamma: float


def _exposure(rng: np.random.Generator) -> _Exposure:
    return _Exposure(rng.uniform(0.92, 1.08), rng.uniform(6, 24), rng.uniform(240, 254), rng.uniform(0.94, 1.08))


def _developed(thickness: Plane, exposure: _Exposure) -> Plane:
    """Gray levels: the more thickness, the less reaches the image, and the brighter it is."""
    size = thickness.shape[0]
    thickness = np.maximum(thickness, np.float32(0.02))
    blurred = cv2.GaussianBlur(thickness, (0, 0), 0.0018 * size + 0.05)
    shade = (1 - np.exp(-np.float32(exposure.dose) * blurred)) ** np.float32(exposure.gamma)
    return np.asarray(exposure.fog + (exposure.white - exposure.fog) * shade, np.float32)


def _grains(rng: np.random.Generator, size: int) -> Plane:
    """Grain of the image, gray levels: 256 x 256 grains whatever the size, so a larger pixel averages over more."""
    level = np.float32(rng.uniform(1.5, 4.0))
    grains = rng.standard_normal((_GRAINS, _GRAINS), np.float32)
    way = cv2.INTER_AREA if size <= _GRAINS else cv2.INTER_LINEAR
    return level * np.asarray(cv2.resize(grains, (size, size), interpolation=way), np.float32)


_LETTERS: dict[Marker, list[list[tuple[float, float]]]] = {
    "L": [[(0, 0), (0, 1), (0.7, 1)]],
    "R": [[(0, 1), (0, 0), (0.5, 0), (0.7, 0.15), (0.7, 0.35), (0.5, 0.5), (0, 0.5)], [(0.35, 0.5), (0.7, 1)]],
}
"""The strokes of each letter, in heights of the letter from its top left."""


def _glyph(rng: np.random.Generator, marker: Marker, size: int) -> Plane:
    """Share of marker in each pixel: a lead letter in the top corner of the patient's own side."""
    plate = _Plate(size, np.eye(2, 3))
    layer = plate.blank()
    left = (0.86 if marker == "L" else 0.09) + rng.uniform(-0.03, 0.03)
    top = 0.035 + rng.uniform(-0.01, 0.02)
    shade = rng.uniform(120, 255)
    for stroke in _LETTERS[marker]:
        plate.line(layer, [np.array(stroke) * 0.034 + (left, top)], 0.0055, shade)
    return plate.coverage(layer)
