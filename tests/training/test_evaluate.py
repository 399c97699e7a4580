from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imil_sim.errors import NonFiniteLoss
from imil_sim.images.image_set import ImageSet, MaskSet
from imil_sim.study.spec import ModelSpec
from imil_sim.training import evaluate as room
from imil_sim.training.cam import grad_cam
from imil_sim.training.evaluate import evaluate, example_rows, fit, logits, pointing_game, share_inside
from imil_sim.training.models import build
from imil_sim.training.train import Normalisation

CPU = torch.device("cpu")
IDENTITY = Normalisation(0, 1 / 255)
"""Gray values as they are."""


class Brightness(nn.Module):
    """The logit of the second class is the image's mean gray value, its map the image itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer4 = nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        mean = self.layer4(inputs).mean((1, 2, 3))
        return torch.stack([torch.zeros_like(mean), mean], 1)


def test_predictions_do_not_depend_on_training_mode_dropout_or_batch_statistics(images: ImageSet) -> None:
    model = build(ModelSpec(name="mobilenet_v3_small"), classes=2, size=32, seed=0)
    normalise = Normalisation.of(images, ModelSpec())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = logits(model.train(), images.pixels, normalise, CPU)
    assert found.shape == (10, 2)
    assert found.dtype == np.float32
    assert logits(model.train(), images.pixels, normalise, CPU).tobytes() == found.tobytes()
    np.testing.assert_allclose(logits(model, images.pixels[4:5], normalise, CPU), found[4:5], atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_predictions_are_in_the_order_of_the_images_over_several_chunks(
    images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CHUNK", 4)
    found = logits(Brightness(), images.pixels, IDENTITY, CPU)
    np.testing.assert_allclose(found[:, 1], images.pixels.mean((1, 2)), rtol=1e-5)
    cams = room._cams(Brightness(), images, np.ones(10, np.int64), IDENTITY, CPU, "")
    np.testing.assert_allclose(cams, images.pixels / images.pixels.max((1, 2), keepdims=True), rtol=1e-5, atol=1e-6)


def test_answers_that_are_not_finite_are_a_failed_run(images: ImageSet) -> None:
    broken = Normalisation(0, float("nan"))
    with pytest.raises(NonFiniteLoss, match=r"logits for 10 of 10 images are not finite; lower training.learning_rate"):
        logits(Brightness(), images.pixels, broken, CPU)


def test_share_inside_worked_by_hand() -> None:
    cams = np.array([[[1, 0.5], [0.5, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]], np.float32)
    masks = np.array([[[1, 0], [1, 1]], [[0, 1], [1, 1]], [[1, 1], [1, 1]], [[1, 1], [0, 0]]], np.bool_)
    found = share_inside(cams, masks, np.array([True, True, True, False]))
    np.testing.assert_array_equal(found, [0.75, 0, np.nan, np.nan])  # an empty map, and no mask, have no share


def test_pointing_game_worked_by_hand() -> None:
    cams = np.array([[[0.2, 1], [0, 0]]] * 4 + [[[0, 0], [0, 0]], [[0, 1], [1, 0]]], np.float32)
    hit, beside, empty, full = [[0, 1], [0, 0]], [[1, 0], [1, 1]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]
    masks = np.array([hit, beside, empty, full, full, beside], np.bool_)
    found = pointing_game(cams, masks, np.array([True, True, True, False, True, True]))
    # beside the mask; no lesion; no mask; no map; of two maxima the first counts
    np.testing.assert_array_equal(found, [1, 0, np.nan, np.nan, np.nan, 0])


def test_the_middle_of_a_flat_maximum_is_what_points() -> None:
    # a map enlarged from 2 x 2 cells is flat in the corner; the cell's centre lies where the flat part ends
    cams = np.zeros((1, 8, 8), np.float32)
    cams[0, :3, :3] = 1
    lesion = np.zeros((2, 1, 8, 8), np.bool_)
    lesion[0, 0, 2, 2] = lesion[1, 0, 0, 0] = True
    present = np.array([True])
    assert pointing_game(cams, lesion[0], present) == [1]
    assert pointing_game(cams, lesion[1], present) == [0]


def test_an_evaluation_worked_by_hand() -> None:
    pixels = np.zeros((4, 2, 2), np.uint8)
    pixels[:] = [[4, 0], [0, 8]]
    lung = np.zeros((4, 2, 2), np.bool_)
    lung[0, 1, 1] = lung[1, 0, 0] = lung[3, 0, 0] = True
    lesion = np.zeros((4, 2, 2), np.bool_)
    lesion[0, 1, 1] = lesion[1, 0, 0] = True
    images = ImageSet(
        name="four",
        ids=("a", "b", "c", "d"),
        pixels=pixels,
        labels=np.array([1, 0, 1, 0]),
        class_names=("normal", "TB"),
        masks={
            "lung": MaskSet(lung, np.array([True, True, True, False])),  # c: present and empty; d: not there
            "lesion": MaskSet(lesion, np.array([True, True, True, True])),
        },
        attributes={"sex": ("f", "m", "", "f")},
    )
    found = evaluate(Brightness(), images, np.array([False, True, True, True]), IDENTITY, CPU)

    def tb(*gray: float) -> list[float]:
        return [1 / (1 + np.exp(-g)) for g in gray]

    nan = np.nan
    assert found.ids == images.ids
    np.testing.assert_array_equal(found.labels, images.labels)
    np.testing.assert_allclose(found.probabilities[:, 1], tb(3, 3, 3, 3), rtol=1e-6)
    np.testing.assert_allclose(found.probabilities.sum(1), 1)
    np.testing.assert_allclose(found.lungs_hidden[:, 1], [*tb(1, 2), nan, nan], rtol=1e-6)
    np.testing.assert_allclose(found.lungs_only[:, 1], [*tb(2, 1), nan, nan], rtol=1e-6)
    np.testing.assert_allclose(found.cam_in_lung, [8 / 12, 4 / 12, nan, nan], rtol=1e-6)
    np.testing.assert_array_equal(found.lung_share, [0.25, 0.25, nan, nan])
    np.testing.assert_array_equal(found.lung_estimated, [False, True, False, False])
    # b is predicted TB but is normal, of which this model finds no evidence: the true class's map points nowhere
    np.testing.assert_array_equal(found.pointing, [1, nan, nan, nan])
    assert found.attributes == {"sex": ("f", "m", "", "f")}
    np.testing.assert_array_equal(images.pixels, pixels)


def test_a_set_without_masks_has_predictions_and_no_attention(images: ImageSet) -> None:
    found = evaluate(Brightness(), replace(images, masks={}), np.zeros(10, np.bool_), IDENTITY, CPU)
    assert np.isfinite(found.probabilities).all()
    for name in ("lungs_hidden", "lungs_only", "cam_in_lung", "lung_share", "pointing"):
        assert np.isnan(getattr(found, name)).all(), name
    assert not found.lung_estimated.any()


def test_attention_is_of_the_predicted_class(images: ImageSet) -> None:
    model = build(ModelSpec(name="resnet10"), classes=2, size=32, seed=0)
    normalise = Normalisation.of(images, ModelSpec())
    found = evaluate(model, images, np.zeros(10, np.bool_), normalise, CPU)
    inputs = normalise(torch.from_numpy(np.array(images.pixels)))
    cams = grad_cam(model, inputs, found.probabilities.argmax(1))
    lung = images.masks["lung"]
    np.testing.assert_allclose(found.cam_in_lung, share_inside(cams, lung.values, lung.present))
    assert np.isfinite(found.cam_in_lung).any()


def test_the_cams_kept_are_the_first_of_each_class_those_with_a_lesion_before_the_others() -> None:
    labels = np.array([0, 1, 1, 0, 1, 1, 1, 1])
    lesion = np.array([0, 0, 1, 0, 1, 1, 0, 0], np.bool_)
    assert example_rows(labels, lesion).tolist() == [0, 1, 2, 3, 4, 5]
    assert example_rows(labels[:1], lesion[:1]).tolist() == [0]


def test_the_cams_kept_are_those_of_the_predicted_class(images: ImageSet) -> None:
    shown = evaluate(Brightness(), images, np.zeros(10, np.bool_), IDENTITY, CPU)
    inputs = IDENTITY(torch.from_numpy(np.array(images.pixels)))
    maps = grad_cam(Brightness(), inputs, shown.probabilities.argmax(1))
    assert shown.cams.dtype == np.uint8
    assert len(shown.cam_rows) == len(shown.cams) == 8
    np.testing.assert_array_equal(shown.cams, np.round(maps[shown.cam_rows] * 255))
    assert shown.cams.any()


def test_the_fit_is_of_every_training_image(images: ImageSet) -> None:
    found = fit(Brightness(), images, IDENTITY, CPU)
    np.testing.assert_array_equal(found.labels, images.labels)
    gray = images.pixels.mean((1, 2))
    np.testing.assert_allclose(found.probabilities[:, 1], 1 / (1 + np.exp(-gray)), rtol=1e-4)
