"""Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2): where in the image the evidence for a class was found.

Logits before softmax, at the last convolutional block, one image at a time unless asked otherwise, so that a map never
depends on which other images are asked about. Transformers: the tokens before the last attention (ViT) or the last
stage's map (Swin) take the place of the convolutional map.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from captum.attr import LayerActivation, LayerGradientXActivation
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imil_sim.errors import StudyError, did_you_mean

LAST_BLOCK = ("layer4", "trunk_output", "conv5", "layers", "permute")
"""Of ResNet and kin, RegNet, ShuffleNet, MNASNet and Swin (whose last stage is there (n, channels, height, width))."""


def target_layer(model: nn.Module, name: str = "") -> nn.Module:
    """The layer whose output Grad-CAM reads: that of this name, or the last block where it is empty.

    Raises:
        StudyError: no layer has that name, or the architecture is not one whose last convolutional block is known.
    """
    if name:
        layers = dict(model.named_modules())
        if name not in layers:
            near = did_you_mean(name, [known for known in layers if known])
            raise StudyError(f'model.cam_layer: {type(model).__name__} has no layer "{name}". {near}')
        found: nn.Module = layers[name]
        return found
    children = dict(model.named_children())
    if "conv_proj" in children:  # ViT: after its last block only the class token reaches the logits
        return model.get_submodule("encoder.layers")[-1].ln_1  # type: ignore[index, no-any-return]
    if "blocks" in children:  # MaxViT
        return children["blocks"][-1]  # type: ignore[index, no-any-return]
    for name in LAST_BLOCK:
        if name in children:
            return children[name]
    features = children.get("features")
    if isinstance(features, nn.Sequential):  # VGG and AlexNet end by pooling the last block away
        return next(layer for layer in reversed(features) if not isinstance(layer, nn.MaxPool2d))
    raise StudyError(
        f"model.name: no Grad-CAM for {type(model).__name__}: its last convolutional block is not known; use a "
        "ResNet, DenseNet, EfficientNet, ConvNeXt, MobileNet, VGG, ViT or Swin"
    )


def grad_cam(
    model: nn.Module, inputs: Tensor, classes: NDArray[np.int64], *, layer: str = "", at_once: int = 1
) -> NDArray[np.float32]:
    """Maps (n, height, width) in [0, 1] of the evidence for ``classes`` (n,); all zero where there is none.

    Args:
        model: in evaluation mode afterwards.
        inputs: (n, 3, height, width), normalised.
        classes: the class whose logit is explained, an image.
        layer: name of the layer that is explained; empty: the last block, see `target_layer`.
        at_once: images explained together. More is faster, but the last bits of a map may then depend on its
            neighbours: only for images that always stand together.

    Raises:
        StudyError: see `target_layer`.
    """
    model.eval()
    explained = target_layer(model, layer)
    if not len(inputs):
        return np.zeros((0, *inputs.shape[2:]), np.float32)
    parts = [slice(start, start + at_once) for start in range(0, len(inputs), at_once)]
    return np.concatenate([_maps(model, explained, inputs[part], classes[part]) for part in parts])


def _maps(model: nn.Module, layer: nn.Module, images: Tensor, classes: NDArray[np.int64]) -> NDArray[np.float32]:
    images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(np.array(classes, np.int64)).to(images.device)
    activation = _spatial(LayerActivation(model, layer).attribute(images))
    gradient = _spatial(LayerGradientXActivation(model, layer, multiply_by_inputs=False).attribute(images, targets))
    weights = gradient.mean((2, 3), keepdim=True)
    coarse = functional.relu((weights * activation).sum(1, keepdim=True)).detach().float()
    fine = functional.interpolate(coarse, images.shape[2:], mode="bilinear", align_corners=False)[:, 0].cpu().numpy()
    top = fine.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(fine, top, out=np.zeros_like(fine), where=top > 0))


def _spatial(output: Tensor) -> Tensor:
    """(n, channels, height, width), from that shape or from (n, 1 + height * width, channels) tokens."""
    if output.ndim == 4:
        return output
    tokens = output[:, 1:]
    side = math.isqrt(tokens.shape[1])
    return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
