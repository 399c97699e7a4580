from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imil_sim.errors import StudyError
from imil_sim.images.image_set import ImageSet
from imil_sim.study.spec import ModelSpec
from imil_sim.training.cam import grad_cam, target_layer
from imil_sim.training.evaluate import pointing_game
from imil_sim.training.models import build
from imil_sim.training.train import Normalisation, step


class Small(nn.Module):
    """One 1x1 convolution (channel 0 and channel 1 as they are), the mean over the image, one linear layer."""

    def __init__(self, head: list[list[float]]) -> None:
        super().__init__()
        self.layer4 = nn.Conv2d(3, 2, 1, bias=False)
        self.layer4.weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]])[:, :, None, None]
        self.fc = nn.Linear(2, len(head), bias=False)
        self.fc.weight.data = torch.tensor(head, dtype=torch.float32)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc(self.layer4(inputs).mean((2, 3)))


def test_a_map_worked_by_hand() -> None:
    model = Small([[-1, 0], [2, -1]])
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0] = torch.tensor([[4.0, 1.0], [0.0, 2.0]])
    image[0, 1] = torch.tensor([[2.0, 6.0], [0.0, 3.0]])
    # class 1: the weights of the channels are 2/4 and -1/4 (Selvaraju et al., eq. 1: gradients averaged over the map)
    # the sum is 2 - 0.5, 0.5 - 1.5, 0, 1 - 0.75; what is below zero is cut off, the largest is 1
    found = grad_cam(model, image, np.array([1]))
    np.testing.assert_allclose(found, [[[1, 0], [0, 1 / 6]]], rtol=1e-6)
    assert found.dtype == np.float32


def test_no_evidence_is_an_empty_map() -> None:
    model = Small([[-1, 0], [2, -1]])
    image = torch.rand(1, 3, 4, 4) + 0.1
    np.testing.assert_array_equal(grad_cam(model, image, np.array([0])), np.zeros((1, 4, 4)))
    assert grad_cam(model, image[:0], np.array([], np.int64)).shape == (0, 4, 4)


def test_another_layer_is_explained_where_it_is_named() -> None:
    """Two layers in a row: of the second the map is that of its sum of channels, of the first that of its own."""
    model = Small([[-1, 0], [2, -1]])
    model.layer4 = nn.Sequential(nn.Identity(), model.layer4)  # type: ignore[assignment]
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0] = torch.tensor([[4.0, 1.0], [0.0, 2.0]])
    image[0, 2] = torch.tensor([[0.0, 9.0], [0.0, 0.0]])  # a channel that the convolution does not read
    np.testing.assert_allclose(grad_cam(model, image, np.array([1]), layer="layer4.0"), [[[1, 0.25], [0, 0.5]]])
    with pytest.raises(StudyError, match=re.escape('model.cam_layer: Small has no layer "layr4"')):
        target_layer(model, "layr4")


def explained(model: nn.Module, image: Tensor, target: int) -> NDArray[np.float32]:
    """Grad-CAM in plain torch: the layer's output is handed on as a copy, so nothing done in place reaches it."""
    held: list[Tensor] = []

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        held.append(output)
        return output.clone()

    handle = target_layer(model).register_forward_hook(hook)
    logits = model.eval()(image)
    handle.remove()
    (activation,) = held
    (gradient,) = torch.autograd.grad(logits[0, target], activation)
    if activation.ndim == 3:
        side = int((activation.shape[1] - 1) ** 0.5)
        activation, gradient = (t[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2) for t in (activation, gradient))
    coarse = functional.relu((gradient.mean((2, 3), keepdim=True) * activation).sum(1, keepdim=True))
    fine = functional.interpolate(coarse, image.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    return (fine / fine.max().clamp_min(1e-30)).detach().numpy()


@pytest.mark.parametrize(
    ("name", "size", "cells"),
    [
        ("resnet18", 64, 2),
        ("densenet121", 64, 2),
        ("vit_b_16", 32, 2),
        ("swin_t", 64, 2),
        ("mobilenet_v3_small", 64, 2),
        ("efficientnet_b0", 64, 2),
        ("convnext_tiny", 64, 2),
        ("vgg11", 32, 2),
        ("regnet_x_400mf", 64, 2),
        ("shufflenet_v2_x0_5", 64, 2),
        ("mnasnet0_5", 64, 2),
        ("squeezenet1_1", 64, 3),
    ],
)
def test_models_are_explained_at_their_last_block(name: str, size: int, cells: int) -> None:
    """Beside an independent computation; a ReLU in place after DenseNet's last normalisation must not leak in."""
    model = build(ModelSpec(name=name), classes=2, size=size, seed=0)
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, size, size, generator=rng)
    if name == "vit_b_16":  # its last layer starts at zero: there would be no evidence for anything
        model.get_parameter("heads.head.weight").data.normal_(generator=rng)
    shapes: list[torch.Size] = []
    handle = target_layer(model).register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    found = [grad_cam(model, images, np.array([c, c])) for c in (0, 1)]
    handle.remove()
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert {shape[1:2] if len(shape) == 3 else shape[2:] for shape in shapes} == {
        (1 + cells**2,) if name == "vit_b_16" else (cells, cells)
    }
    images = images.contiguous(memory_format=torch.channels_last)
    for target in (0, 1):
        for i in (0, 1):
            expected = explained(model, images[i : i + 1], target)
            np.testing.assert_allclose(found[target][i], expected, atol=1e-4)
    assert max(maps.max() for maps in found) == 1
    assert min(maps.min() for maps in found) >= 0


def test_a_map_does_not_depend_on_the_other_images() -> None:
    model = build(ModelSpec(name="resnet10"), classes=2, size=64, seed=0)
    images = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    classes = np.array([0, 1, 0, 1, 1])
    together = grad_cam(model, images, classes)
    assert len({one.tobytes() for one in together}) == 5
    for order in ([3], [4, 3], [2, 1, 0, 3]):
        alone = grad_cam(model.train(), images[order], classes[order])
        assert alone.tobytes() == together[order].tobytes()


class Finder(nn.Module):
    """Two small convolutional layers and the mean over the image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.layer4 = nn.Sequential(
            nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True)
        )
        self.fc = nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc(self.layer4(self.stem(inputs)).mean((2, 3)))


def test_the_map_points_to_where_the_evidence_is() -> None:
    """Images of noise; the second class has a bright square in one of four corners."""
    rng = np.random.default_rng(0)
    images = rng.normal(0, 0.3, (64, 1, 24, 24)).astype(np.float32)
    masks = np.zeros((64, 24, 24), np.bool_)
    for i in range(64):
        row, col = 12 * (i % 4 // 2), 12 * (i % 2)
        masks[i, row : row + 12, col : col + 12] = True
        images[i, 0, row + 3 : row + 9, col + 3 : col + 9] += 2 * (i < 32)
    labels = torch.from_numpy((np.arange(64) < 32).astype(np.int64))
    inputs = torch.from_numpy(images).expand(-1, 3, -1, -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Finder()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        hits = (step(model, optimizer, inputs, labels, bf16=False).logits.argmax(1) == labels).float().mean()
    assert float(hits) == 1
    maps = grad_cam(model, inputs[:32], np.ones(32, np.int64))
    there = np.ones(32, np.bool_)
    assert np.mean(pointing_game(maps, masks[:32], there)) == 1
    assert np.mean(pointing_game(np.roll(maps, 1, axis=0), masks[:32], there)) == 0  # each the map of another corner
    assert np.mean(pointing_game(maps[:, ::-1].copy(), masks[:32], there)) == 0


def test_images_explained_together_have_the_maps_they_have_alone(images: ImageSet) -> None:
    model = build(ModelSpec(name="resnet18"), classes=2, size=32, seed=3)
    inputs = Normalisation(0.5, 0.25)(torch.from_numpy(np.array(images.pixels[:5])))
    inputs = functional.interpolate(inputs, (96, 96), mode="bilinear")  # so that the map has 3 x 3 cells, not one
    classes = np.array([0, 1, 1, 0, 1])
    alone = grad_cam(model, inputs, classes)
    assert alone.std(axis=(1, 2)).min() > 0.01
    np.testing.assert_allclose(grad_cam(model, inputs, classes, at_once=3), alone, atol=1e-4)
