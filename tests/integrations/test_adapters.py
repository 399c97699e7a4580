"""The loop in Lightning and Keras: the questions and the images of plain PyTorch, and the same heat maps."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import imil_sim.training.vision  # noqa: F401 - before Lightning and timm import torchvision
from imil_sim.callback import IMIL, Image
from imil_sim.training.cam import grad_cam, target_layer

os.environ.setdefault("KERAS_BACKEND", "torch")

SIDE, COUNT = 8, 20
IMAGES = np.random.default_rng(3).integers(1, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
LABELS = np.arange(COUNT) % 2

# One channel that is the image itself and one that is dark where it is bright; TB is bright and not dark.
CHANNELS, BIAS = (1.0, -1.0), (0.0, 1.0)
LOGITS = ((-2.0, 1.0), (2.0, -1.0))
OFFSET = (1.0, -0.9)


def grey_input(image: Image) -> Tensor:
    return torch.from_numpy(image)[None].float() / 255


def by_torch() -> nn.Sequential:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(2, 2)
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor(CHANNELS)[:, None, None, None])
        network[0].bias.copy_(torch.tensor(BIAS))
        network[5].weight.copy_(torch.tensor(LOGITS))
        network[5].bias.copy_(torch.tensor(OFFSET))
    return network


def by_keras() -> Any:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(2, 1, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.set_weights([np.array(CHANNELS).reshape(1, 1, 1, 2), np.array(BIAS), np.array(LOGITS).T, np.array(OFFSET)])
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    return model


def keras_input(image: Image) -> Tensor:
    return torch.from_numpy(image)[..., None].float() / 255


def in_plain_pytorch(imil: IMIL) -> None:
    model = by_torch().train()
    imil.after_epoch(1, model)
    imil.after_epoch(2, model)


def in_lightning(imil: IMIL) -> None:
    pytest.importorskip("lightning")
    from imil_sim.integrations.lightning import IMILCallback, lightning

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = by_torch()

        def forward(self, inputs: Tensor) -> Tensor:
            return self.network(inputs)  # type: ignore[no-any-return]

        def training_step(self, batch: Any, number: int) -> Tensor:
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.0)

    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[IMILCallback(imil)],
    )  # fmt: skip
    trainer.fit(Module(), DataLoader(imil.dataset(), batch_size=10))


def in_keras(imil: IMIL) -> None:
    model = by_keras()
    from imil_sim.integrations.keras import IMILCallback

    model.fit(
        DataLoader(imil.dataset(keras_input), batch_size=10), epochs=2, verbose=0, shuffle=False,
        callbacks=[IMILCallback(imil)],
    )  # fmt: skip


def of_keras() -> dict[str, Any]:
    pytest.importorskip("keras")
    from imil_sim.integrations.keras import grad_cam, predict

    return {"predict": predict(keras_input), "cam": grad_cam(keras_input)}


TRAININGS: dict[str, tuple[Callable[[IMIL], None], Callable[[], dict[str, Any]]]] = {
    "pytorch": (in_plain_pytorch, dict),
    "lightning": (in_lightning, dict),
    "keras": (in_keras, of_keras),
}


def held(library: str) -> IMIL:
    fit, options = TRAININGS[library]
    imil = IMIL(IMAGES, LABELS, oracle="cam-hot", imil_epoch=(1, 2), num_outliers=3, transform=grey_input, **options())
    fit(imil)
    return imil


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)  # of the libraries themselves
@pytest.mark.parametrize("library", ["lightning", "keras"])
def test_equal_states_get_the_same_questions_and_the_same_images(library: str) -> None:
    plain, other = held("pytorch"), held(library)
    for one, two in zip(plain.consultations, other.consultations, strict=True):
        assert [answer.image_id for answer in one.answers] == [answer.image_id for answer in two.answers]
        assert [answer.cells for answer in one.answers] == [answer.cells for answer in two.answers]
    assert len(plain.consultations) == 2
    assert plain.overlay.key == other.overlay.key != ""


def test_grad_cam_is_what_a_hand_works_out() -> None:
    """Class 1 weighs the two channels x and 1 - x by 2 and -1: its map is relu(2x - (1 - x)), up to its maximum."""
    x = IMAGES[0] / 255
    by_hand = np.maximum(3 * x - 1, 0)
    network = by_torch().eval()
    inputs = grey_input(IMAGES[0])[None]
    found = grad_cam(network, inputs, np.array([1]), layer=target_layer(network, "", inputs))[0]
    np.testing.assert_allclose(found, by_hand / by_hand.max(), atol=1e-6)
    opposite = np.maximum(1 - 3 * x, 0)
    found = grad_cam(network, inputs, np.array([0]), layer=target_layer(network, "", inputs))[0]
    np.testing.assert_allclose(found, opposite / opposite.max(), atol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_grad_cam_of_keras_is_what_a_hand_works_out() -> None:
    by_hand = np.maximum(3 * (IMAGES[0] / 255) - 1, 0)
    found = of_keras()["cam"](by_keras(), IMAGES[0], 1)
    np.testing.assert_allclose(found / found.max(), by_hand / by_hand.max(), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet18", "layer4"), ("vit_tiny_patch16_224", "blocks.11.norm1"), ("swin_tiny_patch4_window7_224", "norm")],
)
def test_the_layer_to_explain_is_found_in_networks_of_timm(name: str, layer: str) -> None:

    timm = pytest.importorskip("timm")
    network = timm.create_model(name, num_classes=2).eval()
    inputs = torch.rand(1, 3, 224, 224)
    found = target_layer(network, "", inputs)
    assert found is network.get_submodule(layer)
    both = [grad_cam(network, inputs, np.array([label]), layer=found).max() for label in (0, 1)]
    assert max(both) == pytest.approx(1)  # of random weights one of the two may be all against it
