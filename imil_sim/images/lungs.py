"""Lung fields estimated from the image alone, for sets that bring no lung masks.

No learned weights and no atlas: two outlines drawn by hand after the anatomy of a frontal image are laid over the image
where they correlate best, and then each is bent, ray by ray, to the strongest border near it. An estimate that no pair
of lungs could have is an abstention with its reason, never a guess.

The outlines cover what a radiologist calls the lung fields: heart and mediastinum left out, clavicles and ribs left
in, down to the diaphragm. Air elsewhere (stomach, outside the body) is dark too and is the commonest trap.

Sources: matching by normalised correlation (Lewis, 1995); the best closed outline by dynamic programming (Amini,
Weymouth and Jain, 1990); the threshold between lung and soft tissue (Otsu, 1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SMALLEST = 32
"""The shortest side in pixels on which lungs are looked for."""

_WORK = 128
"""Side in pixels of the square image on which outlines are fitted; rib edges are still resolved, vessels are not."""
_SEARCH = 48
"""Side in pixels of the square image on which the pair of lungs is looked for."""
_MARGIN = 16
"""Pixels of neutral grey around the search image, so that lungs cut by the border can be matched."""

# One lung each in its own unit box, x from the chest wall (0) to the mediastinum (1), y from apex (0) to base (1).
# Drawn by hand: apex, mediastinal border, diaphragm, costophrenic angle, chest wall. Names are the patient's sides.
_RIGHT_OUTLINE = (
    *((0.66, 0.00), (0.82, 0.03), (0.92, 0.10), (0.93, 0.22), (0.90, 0.34), (0.88, 0.46), (0.90, 0.60), (0.95, 0.74)),
    *((0.98, 0.86), (0.80, 0.83), (0.60, 0.82), (0.38, 0.86), (0.18, 0.93), (0.03, 1.00), (0.00, 0.90), (0.02, 0.74)),
    *((0.06, 0.56), (0.13, 0.38), (0.24, 0.20), (0.38, 0.08), (0.52, 0.02)),
)
_LEFT_OUTLINE = (
    *((0.66, 0.00), (0.82, 0.03), (0.92, 0.10), (0.95, 0.22), (0.93, 0.32), (0.94, 0.42), (0.88, 0.54), (0.79, 0.66)),
    *((0.70, 0.78), (0.62, 0.86), (0.45, 0.91), (0.30, 0.93), (0.16, 0.96), (0.03, 1.00), (0.00, 0.90), (0.02, 0.74)),
    *((0.06, 0.56), (0.13, 0.38), (0.24, 0.20), (0.38, 0.08), (0.52, 0.02)),
)
_CENTRES = ((0.50, 0.50), (0.46, 0.50))
"""From here every point of the outline is seen; the left one stands off the heart."""
_LUNG_WIDTH = 0.46
"""Width of one lung's box over the width of the pair."""

_RAYS = 128
_RADII = np.linspace(0.45, 1.75, 64)
"""Candidate radii on every ray, as multiples of the hand-drawn outline's."""
_JUMP = 3
"""Most candidates that the outline may move from one ray to the next."""
_FITS = 3
"""Rounds of fitting; after each but the last the boxes move to the outlines found."""


@dataclass(frozen=True, slots=True)
class LungEstimate:
    """Both lungs of one image, or why there is no estimate."""

    mask: NDArray[np.bool_] | None
    """(height, width) of the image, True in either lung; None where the estimate would be implausible."""
    reason: str
    """Why there is no mask; empty otherwise."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the pair of lungs lies on an image."""

    correlation: float
    """Normalised correlation of the image with the drawn pair, in [-1, 1]."""
    boxes: NDArray[np.float64]
    """(2 lungs, [x, y, width, height]) as fractions of the image; the lung at the image's left first."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """The two outlines bent to an image."""

    points: NDArray[np.float64]
    """(2 lungs, rays, [x, y]) as fractions of the image."""
    contrast: NDArray[np.float64]
    """(2,): mean step from lung to surroundings along the outline, in local standard deviations."""


def estimate_lungs(image: NDArray[np.uint8]) -> LungEstimate:
    """Both lungs of a frontal chest image, as a mask of the image's size, or the reason for none.

    Args:
        image: (height, width), grayscale, 0 black, air dark; any size and aspect. Not changed.

    Deterministic: no chance is drawn, and the number of threads does not matter.

    Raises:
        ValueError: the image is not a two-dimensional array of uint8.
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"lungs are estimated on a (height, width) uint8 image, not on {image.shape} {image.dtype}")
    if min(image.shape) < SMALLEST:
        return LungEstimate(None, f"the image is {image.shape[0]}x{image.shape[1]} px; at least {SMALLEST} are needed")
    gray = _shrunk(np.ascontiguousarray(image), _WORK, _WORK)
    if gray.std() < 5:
        return LungEstimate(None, "the image is almost uniform")
    place = _locate(gray)
    if place.correlation < 0.35:
        return LungEstimate(None, f"no pair of lungs was found (correlation {place.correlation:.2f})")
    reason = ""
    for stiffness in (1.0, 4.0):  # an outline that ran off, often into the air outside, gets one stiffer try
        fit = _bend(gray, place.boxes, stiffness)
        reason = _implausible(fit)
        if not reason:
            left, right = _filled(fit.points, image.shape[0], image.shape[1])
            return LungEstimate(left | right, "")
    return LungEstimate(None, reason)


# --- where the lungs are ---------------------------------------------------------------------------------------------


def _locate(image: NDArray[np.float32]) -> _Place:
    """The place and size of the drawn pair that correlates best with the image."""
    flat = np.pad(np.clip(_flattened(_shrunk(image, _SEARCH, _SEARCH), 8), -2, 2), _MARGIN)
    best, place = -np.inf, _Place(-1.0, np.zeros((2, 4)))
    for width, height, margin, drawing in _pairs():
        correlation = cv2.matchTemplate(flat, drawing, cv2.TM_CCOEFF_NORMED)
        y, x = np.ogrid[: correlation.shape[0], : correlation.shape[1]]
        y, x = y + margin - _MARGIN, x + margin - _MARGIN
        inside = (x >= -2) & (y >= -2) & (x + width <= _SEARCH + 2) & (y + height <= _SEARCH + 3)
        # A small pair inside the lungs correlates as well as one that fills them, so size is rewarded; images are
        # centred, so distance from the middle is not.
        size = 0.2 * np.log(width * height / _SEARCH**2)
        score = np.where(inside, correlation + size - ((x + width / 2) / _SEARCH - 0.5) ** 2, -np.inf)
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        if score[row, column] > best:
            best = float(score[row, column])
            box = np.array([x[0, column], y[row, 0], width * _LUNG_WIDTH, height]) / _SEARCH
            shift = np.array([width * (1 - _LUNG_WIDTH) / _SEARCH, 0, 0, 0])
            place = _Place(float(correlation[row, column]), np.stack([box, box + shift]))
    return place


@cache
def _pairs() -> tuple[tuple[int, int, int, NDArray[np.float32]], ...]:
    """Drawings of the pair at all sizes looked for: (width, height, margin, drawing) in search pixels.

    A drawing is -1 in the lungs, +1 in the tissue close around them and 0 farther off.
    """
    sizes = [(w, h) for w in range(20, 47, 3) for h in range(18, 45, 3) if 0.6 <= h / w <= 1.5]
    return tuple((w, h, round(0.16 * w), _drawing(w, h, round(0.16 * w))) for w, h in sizes)


def _drawing(width: int, height: int, margin: int) -> NDArray[np.float32]:
    fine = 4  # drawn finer and averaged down, so that a border falls between pixels
    lungs = np.zeros(((height + 2 * margin) * fine, (width + 2 * margin) * fine), np.uint8)
    for outline, mirrored in ((_RIGHT_OUTLINE, False), (_LEFT_OUTLINE, True)):
        points = np.array(outline) * [_LUNG_WIDTH, 1]
        if mirrored:
            points[:, 0] = 1 - points[:, 0]
        cv2.fillPoly(lungs, [((points * [width, height] + margin) * fine).astype(np.int32)], (1,))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin * fine + 1,) * 2)
    drawn = cv2.dilate(lungs, around).astype(np.float32) - 2 * lungs.astype(np.float32)
    return _shrunk(drawn, height + 2 * margin, width + 2 * margin)


def _shrunk(image: NDArray[np.uint8] | NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The image at (height, width), area-averaged (interpolated where that is larger)."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _flattened(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """The image less its local mean, over its local standard deviation (Gaussian window, pixels)."""

    def local_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)

    mean = local_mean(image)
    variance = local_mean(image * image) - mean * mean
    # 5 grey levels are added in quadrature, so that grain in flat air is not blown up into structure.
    return np.asarray((image - mean) / np.sqrt(np.maximum(variance, 0) + 25), np.float32)


# --- bending the outlines --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    """The drawn outlines as rays, in box units and image orientation."""

    centres: NDArray[np.float64]
    """(2, [x, y])"""
    rays: NDArray[np.float64]
    """(2, rays, [x, y]): from the centre to the outline."""
    outward: NDArray[np.float64]
    """(2, rays): how much a larger radius is preferred on each ray, in units of cost per radius."""


@cache
def _shape() -> _Shape:
    centres, rays = np.array(_CENTRES), np.stack([_rays(_RIGHT_OUTLINE, 0), _rays(_LEFT_OUTLINE, 1)])
    ends = centres[:, None] + rays

    def near(x: float, y: float, radius: float) -> NDArray[np.float64]:
        return np.exp(-0.5 * (np.hypot(ends[..., 0] - x, ends[..., 1] - y) / radius) ** 2)

    # Clavicle and first rib draw borders inside the apex, and the costophrenic angle is thin and bright: of two borders
    # there, the outer one is the lung's.
    apex = np.clip((0.22 - ends[..., 1]) / 0.22, 0, 1)
    outward = 2 * apex + 3 * near(0, 1, 0.12)
    # The heart's border is fainter than the spine's behind it: of two borders there, the inner one is the lung's.
    outward -= 3 * np.stack([near(1.0, 0.8, 0.2)[0], near(0.65, 0.75, 0.2)[1]])
    mirror = np.array([[1, 1], [-1, 1]])
    return _Shape(np.array([centres[0], [1 - centres[1, 0], centres[1, 1]]]), rays * mirror[:, None], outward)


def _rays(outline: tuple[tuple[float, float], ...], lung: int) -> NDArray[np.float64]:
    """(rays, [x, y]): from the centre to where each ray meets the outline (the farthest point, were there several)."""
    start = np.array(outline) - _CENTRES[lung]
    side = np.roll(start, -1, axis=0) - start
    angles = np.arange(_RAYS) / _RAYS * 2 * np.pi
    direction = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    crossing = _cross(direction[:, None], side)
    safe = np.where(crossing == 0, 1.0, crossing)
    radius = _cross(start, side) / safe
    along = _cross(start, direction[:, None]) / safe
    met = (crossing != 0) & (along >= -1e-9) & (along <= 1 + 1e-9) & (radius > 0)
    return np.asarray(direction * np.where(met, radius, 0).max(axis=1)[:, None])


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _bend(image: NDArray[np.float32], boxes: NDArray[np.float64], stiffness: float) -> _Fit:
    """The outlines bent to the image, starting from the boxes; a stiffer one stays closer to the drawing."""
    edges = _flattened(image, 4)
    stretch = np.log(_RADII) ** 2
    for fit in range(_FITS):
        early = fit < _FITS - 1
        firm = stiffness * (2 if early else 1)  # the first rounds only place the box; the last one follows the border
        points = _on_rays(boxes)
        sampled = _sampled(edges, points)
        step = 0.75 * _step(sampled, 2) + 0.6 * _step(sampled, 5)
        cost = 0.35 * firm * stretch - step + (8 if early else 3) * _tissue_inside(_sampled(image, points))
        cost -= _shape().outward[..., None] * _RADII
        chosen = _smoothest(cost.astype(np.float32), 0.03 * firm)
        outline = np.take_along_axis(points, chosen[..., None, None], axis=2)[:, :, 0]
        if early:
            boxes = _boxes_around(outline)
    contrast = np.take_along_axis(step, chosen[..., None], axis=2)[..., 0].mean(axis=1)
    return _Fit(outline, contrast)


def _on_rays(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, rays, radii, [x, y]): every candidate point, as fractions of the image."""
    shape = _shape()
    offsets = shape.rays[:, :, None] * _RADII[:, None]
    return boxes[:, None, None, :2] + (shape.centres[:, None, None] + offsets) * boxes[:, None, None, 2:]


def _sampled(image: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """The image at the points, (2, rays, radii), bilinear; beyond the border its nearest pixel."""
    x, y = np.moveaxis((points * _WORK - 0.5).astype(np.float32).reshape(2 * _RAYS, -1, 2), -1, 0)
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32).reshape(2, _RAYS, -1)


def _step(sampled: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """How much brighter the next ``reach`` samples outwards are than the last ``reach`` inwards, at every radius."""
    padded = np.pad(sampled, ((0, 0), (0, 0), (reach, reach)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (0, 0), (1, 0))), axis=-1)
    window = (total[..., reach:] - total[..., :-reach]) / reach
    n = sampled.shape[-1]
    return np.asarray(window[..., reach + 1 : reach + 1 + n] - window[..., :n], np.float32)


def _tissue_inside(greys: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cost of every radius for the soft tissue it takes in and the lung it leaves out, area-weighted along the ray."""
    near = greys[:, :, _RADII < 1.3]
    cost = np.zeros(greys.shape)
    for lung in range(2):
        threshold = _otsu(near[lung])
        dark = near[lung] < threshold
        if dark.all() or not dark.any():  # a box that strayed off the image sees one grey only
            continue
        low, high = near[lung][dark].mean(), near[lung][~dark].mean()
        cost[lung] = np.clip((greys[lung] - (low + 0.65 * (high - low))) / ((high - low) / 2), -2, 2)
    # Well outside the drawing darkness earns nothing: there it is as likely the air outside the body, or a stomach's.
    cost = np.where(_RADII > 1.1, np.maximum(cost, 0), cost)
    return np.cumsum(cost * _RADII, axis=-1) / len(_RADII)


def _otsu(values: NDArray[np.float32]) -> float:
    """The threshold that best parts the values in two, the darkest and brightest 1% left out of account."""
    low, high = np.percentile(values, [1, 99])
    scaled = np.clip((values - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled.reshape(-1, 1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(low + (level + 0.5) / 255 * (high - low))


def _smoothest(cost: NDArray[np.float32], jump_cost: float) -> NDArray[np.int64]:
    """(2, rays): the radius chosen on every ray, the closed outline of least cost (ties to the smaller radius).

    Dynamic programming over one and a half turns, of which the middle turn is read: far enough from the open ends for
    the outline to close.
    """
    turns = _RAYS + _RAYS // 2
    penalty = (jump_cost * np.arange(-_JUMP, _JUMP + 1) ** 2).astype(np.float32)
    total = np.full((turns, 2, cost.shape[2] + 2 * _JUMP), 1e9, np.float32)
    # (jumps, rays, lungs, radii): what each jump would come from; the jumps stand first, where numpy is quick.
    reached = np.moveaxis(sliding_window_view(total, 2 * _JUMP + 1, axis=2), -1, 0)
    total[0, :, _JUMP:-_JUMP] = cost[:, 0]
    jumps = np.empty((turns, 2, cost.shape[2]), np.int64)
    for t in range(1, turns):
        options = reached[:, t - 1] + penalty[:, None, None]
        jumps[t] = options.argmin(axis=0)
        np.add(options.min(axis=0), cost[:, t % _RAYS], out=total[t, :, _JUMP:-_JUMP])
    chosen = np.empty((2, turns), np.int64)
    chosen[:, -1] = total[-1, :, _JUMP:-_JUMP].argmin(axis=1)
    for t in range(turns - 1, 0, -1):
        chosen[:, t - 1] = chosen[:, t] + jumps[t, (0, 1), chosen[:, t]] - _JUMP
    first = _RAYS // 4
    return np.roll(chosen[:, first : first + _RAYS], first, axis=1)


def _boxes_around(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """The boxes in which the drawn outlines have the extent of these (their 4th to 96th percentile, against spikes)."""
    shape = _shape()
    low, high = np.percentile(outline, [4, 96], axis=1)
    drawn_low, drawn_high = np.percentile(shape.centres[:, None] + shape.rays, [4, 96], axis=1)
    size = (high - low) / (drawn_high - drawn_low)
    return np.concatenate([low - drawn_low * size, size], axis=1)


# --- judging the outcome ---------------------------------------------------------------------------------------------


def _filled(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """(2, height, width): the inside of each outline."""
    masks = np.zeros((2, height, width), np.uint8)
    for mask, outline in zip(masks, points, strict=True):
        # 4 fractional bits; OpenCV's whole numbers are pixel centres.
        cv2.fillPoly(mask, [np.round((outline * [width, height] - 0.5) * 16).astype(np.int32)], (1,), shift=4)
    return masks.astype(np.bool_)


def _implausible(fit: _Fit) -> str:
    """What about the outlines no pair of lungs would have; empty where nothing.

    The bounds lie well outside what good outlines show: a shrunken lung is still an estimate, air beside an arm is not.
    """
    masks = _filled(fit.points, _WORK, _WORK)
    areas = masks.mean(axis=(1, 2))
    outside = ((fit.points < -0.01) | (fit.points > 1.01)).any(axis=2).mean(axis=1).max()
    overlap = (masks[0] & masks[1]).mean() / max(areas.min(), 1e-9)
    middles, extents = fit.points.mean(axis=1), np.ptp(fit.points, axis=1)
    between, apart, stagger = middles[:, 0].mean(), middles[1, 0] - middles[0, 0], abs(middles[1, 1] - middles[0, 1])
    slimness, solidity = (extents[:, 1] / extents[:, 0]).min(), min(_solidity(outline) for outline in fit.points)
    contrast = fit.contrast.min()
    for wrong, what in (
        (contrast < 0.6, f"a lung barely differs from its surroundings (contrast {contrast:.2f})"),
        (outside > 0.05, f"{outside:.0%} of an outline lies off the image"),
        (areas.min() < 0.02, f"a lung covers {areas.min():.1%} of the image"),
        (areas.max() > 0.30, f"a lung covers {areas.max():.1%} of the image"),
        (areas.min() < 0.2 * areas.max(), f"one lung is {areas.max() / max(areas.min(), 1e-9):.1f} times the other"),
        (overlap > 0.02, f"the lungs overlap by {overlap:.0%}"),
        (apart < 0.15, "the lungs do not lie side by side"),
        (abs(between - 0.5) > 0.15, f"the middle of the chest lies at {between:.0%} of the image's width"),
        (stagger > 0.2, f"one lung lies {stagger:.0%} of the image above the other"),
        (slimness < 0.9, f"a lung is {1 / slimness:.1f} times as wide as high"),
        (solidity < 0.75, f"an outline fills {solidity:.0%} of its convex hull"),
    ):
        if wrong:
            return what
    return ""


def _solidity(outline: NDArray[np.float64]) -> float:
    """Area of the outline over that of its convex hull."""
    points = outline.astype(np.float32)
    return float(cv2.contourArea(points) / max(cv2.contourArea(cv2.convexHull(points)), 1e-9))
