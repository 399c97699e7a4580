"""`IMILCallback` for Keras 3 on torch: ``model.fit(..., callbacks=[IMILCallback(imil)])``.

Keras calls its layers in a way of its own, so predictions and Grad-CAM come from here:
``IMIL(..., predict=predict(to_input), cam=grad_cam(to_input))``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras  # optional
import numpy as np
import torch
from numpy.typing import NDArray

from imil_sim.callback import IMIL, Cam, Predict
from imil_sim.dataset import Image
from imil_sim.errors import UsageError
from imil_sim.training.cam import as_logits

ToInput = Callable[[Image], Any]
"""One raw image to one input of the model, without the axis of the batch."""


class IMILCallback(keras.callbacks.Callback):  # type: ignore[misc]  # it has no types
    """Consults after the training epochs."""

    def __init__(self, imil: IMIL) -> None:
        super().__init__()
        self.imil = imil

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Consult, if it is time."""
        self.imil.after_epoch(epoch + 1, self.model)


def predict(to_input: ToInput) -> Predict:
    """Logits of a Keras classifier, for `IMIL`; a softmax or sigmoid at its end is left off."""

    def logits(model: Any, images: Sequence[Image]) -> torch.Tensor:
        with torch.no_grad(), _without_softmax(model):
            return as_logits(model(_batch(to_input, images), training=False))

    return logits


def grad_cam(to_input: ToInput, layer: str = "") -> Cam:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2) of a Keras classifier on torch, for `IMIL`.

    Args:
        to_input: as in `predict`.
        layer: name of the layer that is explained; the last one whose output is a map otherwise.
    """

    def cam(model: Any, image: Image, label: int) -> NDArray[np.float32]:
        with torch.enable_grad(), _without_softmax(model), _watching(model, layer) as seen:
            logits = as_logits(model(_batch(to_input, [image]).requires_grad_(), training=False))
        if not seen:
            raise UsageError(f"no Grad-CAM: {model.name} has no layer {layer or 'whose output is a map'}")
        explained, activation = seen[-1]
        (gradient,) = torch.autograd.grad(logits[0, label], activation)
        first = getattr(explained, "data_format", keras.config.image_data_format()) == "channels_first"
        places, channels = ((1, 2), 0) if first else ((0, 1), 2)
        weights = gradient[0].mean(places, keepdim=True)
        return (weights * activation[0]).sum(channels).clamp(min=0).detach().float().cpu().numpy()

    return cam


def _batch(to_input: ToInput, images: Sequence[Image]) -> torch.Tensor:
    return torch.stack([torch.as_tensor(np.asarray(to_input(np.array(image)))) for image in images])


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)


@contextmanager
def _without_softmax(model: Any) -> Iterator[None]:
    """Inside, the last layer gives what softmax or sigmoid would be computed of."""
    last = list(_layers(model))[-1]
    activation = getattr(last, "activation", None)
    if activation not in (keras.activations.softmax, keras.activations.sigmoid):
        yield
        return
    last.activation = keras.activations.linear
    try:
        yield
    finally:
        last.activation = activation


@contextmanager
def _watching(model: Any, name: str) -> Iterator[list[tuple[Any, torch.Tensor]]]:
    """The layers that were computed inside whose output is a map, in their order, each with its output."""
    seen: list[tuple[Any, torch.Tensor]] = []

    def watched(layer: Any, call: Any) -> Any:
        def and_look(*inputs: Any, **options: Any) -> Any:
            output = call(*inputs, **options)
            if isinstance(output, torch.Tensor) and output.ndim == 4 and output.requires_grad:
                seen.append((layer, output))
            return output

        return and_look

    layers = [layer for layer in _layers(model) if not name or layer.name == name]
    calls = [layer.call for layer in layers]
    for layer, call in zip(layers, calls, strict=True):
        layer.call = watched(layer, call)
    try:
        yield seen
    finally:
        for layer in layers:
            del layer.call
