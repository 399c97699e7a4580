"""Predictions of a trained model, and where it looks: computed once, at the end, on every test set.

Always in evaluation mode and fp32, whatever the precision of training: bf16 has too few digits to rank confidences.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imil_sim.errors import NonFiniteLoss
from imil_sim.feedback.fill import blackout
from imil_sim.feedback.selection import softmax
from imil_sim.images.image_set import ImageSet
from imil_sim.study.record import Predictions, TrainingPredictions
from imil_sim.training.cam import grad_cam
from imil_sim.training.train import Normalisation

EVALUATION_REVISION = 4
"""Raised whenever predictions, CAMs or attention change for the same weights; it enters the keys of what is kept."""

EXAMPLES = 4
"""Images of each class whose CAM is kept as a picture; of all others only shares and hits are."""

CHUNK = 64
"""Images predicted at once; fixed, since the bits of a prediction may depend on it."""


def logits(
    model: nn.Module, pixels: NDArray[np.uint8], normalise: Normalisation, device: torch.device
) -> NDArray[np.float32]:
    """Logits (n, classes) of images (n, height, width).

    Raises:
        NonFiniteLoss: one of them is infinite or not a number: training diverged in its very last steps.
    """
    model.eval()
    found: list[Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(pixels), CHUNK):
            chunk = torch.from_numpy(np.array(pixels[start : start + CHUNK])).to(device)
            found.append(model(normalise(chunk)).float().cpu())
    answers = torch.cat(found).numpy()
    if not np.isfinite(answers).all():
        broken = int((~np.isfinite(answers)).any(axis=1).sum())
        raise NonFiniteLoss(
            f"the trained model's logits for {broken} of {len(answers)} images are not finite; lower "
            "training.learning_rate"
        )
    return answers


def evaluate(
    model: nn.Module,
    images: ImageSet,
    estimated: NDArray[np.bool_],
    normalise: Normalisation,
    device: torch.device,
    cam_layer: str = "",
) -> Predictions:
    """Probabilities and attention of every image of a test set.

    Args:
        model: a trained classifier.
        images: the test set; its ``lung`` and ``lesion`` masks are used where present.
        estimated: (n,): which lung masks were estimated from the image.
        normalise: as in training.
        device: where the model is.
        cam_layer: the layer Grad-CAM explains, see `grad_cam`.
    """
    found = logits(model, images.pixels, normalise, device)
    shown = softmax(found)
    cams = _cams(model, images, found.argmax(axis=1), normalise, device, cam_layer)
    true_cams = _cams(model, images, np.array(images.labels), normalise, device, cam_layer)
    lung, has_lung = _mask(images, "lung")
    lesion, has_lesion = _mask(images, "lesion")
    examples = example_rows(images.labels, has_lesion)
    hidden, only = np.full_like(shown, np.nan), np.full_like(shown, np.nan)
    if has_lung.any():
        rows = np.flatnonzero(has_lung)
        outside = np.stack([blackout(images.pixels[i], ~lung[i]) for i in rows])
        inside = np.stack([blackout(images.pixels[i], lung[i]) for i in rows])
        hidden[rows] = softmax(logits(model, outside, normalise, device))
        only[rows] = softmax(logits(model, inside, normalise, device))
    return Predictions(
        ids=images.ids,
        labels=np.array(images.labels),
        probabilities=shown,
        lungs_hidden=hidden,
        lungs_only=only,
        cam_in_lung=share_inside(cams, lung, has_lung),
        lung_share=np.where(has_lung, lung.mean(axis=(1, 2)), np.nan),
        lung_estimated=estimated & has_lung,
        pointing=pointing_game(true_cams, lesion, has_lesion),
        attributes=dict(images.attributes),
        cam_rows=examples,
        cams=np.round(cams[examples] * 255).astype(np.uint8),
    )


def fit(model: nn.Module, images: ImageSet, normalise: Normalisation, device: torch.device) -> TrainingPredictions:
    """What the model says of the images it was trained on, as they were before any feedback."""
    shown = softmax(logits(model, images.pixels, normalise, device))
    return TrainingPredictions(np.array(images.labels), shown)


def example_rows(labels: NDArray[np.int64], has_lesion: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows, ascending, of the first `EXAMPLES` images of each class, those with a lesion mask before the others."""
    chosen = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    first = [rows[np.argsort(~has_lesion[rows], kind="stable")][:EXAMPLES] for rows in chosen]
    return np.sort(np.concatenate(first)).astype(np.int64)


def share_inside(
    cams: NDArray[np.float32], masks: NDArray[np.bool_], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The share (n,) of each map that lies in the mask, in [0, 1]; NaN without mask, or where the map is all zero."""
    total = cams.sum(axis=(1, 2), dtype=np.float64)
    inside = np.where(masks, cams, 0).sum(axis=(1, 2), dtype=np.float64)
    usable = present & (total > 0)
    return np.where(usable, inside / np.where(usable, total, 1), np.nan)


def pointing_game(
    cams: NDArray[np.float32], masks: NDArray[np.bool_], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """1 where the map's maximum lies in the mask, 0 where beside (Zhang et al. 2016); NaN without a mask or a map.

    Of several equal maxima the one nearest the middle of the image counts, then the first row by row: a map enlarged
    from a few cells is flat beyond the middle of its outermost cells, so its maximum may be a whole corner, of which
    the pixel nearest the middle is where the cell's centre lies. An empty mask (a normal image) is no mask.
    """
    rows, cols = np.indices(cams.shape[1:])
    middle = (cams.shape[1] - 1) / 2, (cams.shape[2] - 1) / 2
    distance = (rows - middle[0]) ** 2 + (cols - middle[1]) ** 2
    top = cams.max(axis=(1, 2), keepdims=True)
    at = np.where(cams == top, distance, np.inf).reshape(len(cams), -1).argmin(axis=1)
    hit = masks.reshape(len(masks), -1)[np.arange(len(cams)), at]
    usable = present & masks.any(axis=(1, 2)) & (top[:, 0, 0] > 0)
    return np.where(usable, hit.astype(np.float64), np.nan)


def _cams(
    model: nn.Module,
    images: ImageSet,
    classes: NDArray[np.int64],
    normalise: Normalisation,
    device: torch.device,
    layer: str,
) -> NDArray[np.float32]:
    maps = []
    for start in range(0, len(images), CHUNK):
        chunk = torch.from_numpy(np.array(images.pixels[start : start + CHUNK])).to(device)
        explained = classes[start : start + CHUNK]
        maps.append(grad_cam(model, normalise(chunk), explained, layer=layer, at_once=CHUNK))
    return np.concatenate(maps)


def _mask(images: ImageSet, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The masks (n, height, width) of that name, and which of them (n,) are there; an empty one is not."""
    if name not in images.masks:
        return np.zeros(images.pixels.shape, np.bool_), np.zeros(len(images), np.bool_)
    masks = images.masks[name]
    return masks.values, masks.present & masks.values.any(axis=(1, 2))
