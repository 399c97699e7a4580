"""Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2): where in the image the evidence for a class was found.

Logits before softmax, at the last convolutional block, one image at a time unless asked otherwise, so that a map never
depends on which other images are asked about. Transformers: the tokens before the last attention (ViT) or the last
stage's map (Swin) take the place of the convolutional map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from captum.attr import LayerActivation, LayerGradientXActivation
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imil_sim.errors import StudyError, UsageError, did_you_mean

LAST_BLOCK = ("layer4", "trunk_output", "conv5", "layers", "permute")
"""Of ResNet and kin, RegNet, ShuffleNet, MNASNet and Swin (whose last stage is there (n, channels, height, width))."""


def target_layer(model: nn.Module, name: str | nn.Module = "", inputs: Tensor | None = None) -> nn.Module:
    """The layer whose output Grad-CAM reads: that of this name, or the last block where it is empty.

    Args:
        model: a classifier.
        name: of a layer, or the layer itself.
        inputs: (n, ...), an input of the model: with it, the last block of an architecture that is not known by name
            is found by looking on while the model computes, see `last_spatial_layer`.

    Raises:
        StudyError: no layer has that name, or no last block is known or found.
    """
    if isinstance(name, nn.Module):
        return name
    if name:
        layers = dict(model.named_modules())
        if name not in layers:
            near = did_you_mean(name, [known for known in layers if known])
            raise StudyError(f'model.cam_layer: {type(model).__name__} has no layer "{name}". {near}')
        named: nn.Module = layers[name]
        return named
    if inputs is not None and not type(model).__module__.startswith("torchvision."):
        found = last_spatial_layer(model, inputs)
    else:
        found = _last_block(model)
    if found is None:
        raise StudyError(
            f"no Grad-CAM for {type(model).__name__}: no layer's output has places, as far as is known; name one with "
            "cam_layer"
        )
    return found


def _last_block(model: nn.Module) -> nn.Module | None:
    """The last convolutional block of an architecture of torchvision, or of one with the same names."""
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
    return None


def last_spatial_layer(model: nn.Module, inputs: Tensor) -> nn.Module | None:
    """The layer that is computed last among those whose output has places from which evidence reaches the logits.

    Of a convolutional network that is its last map; of a vision transformer with a class token the normalised tokens
    before its last attention, since of what comes later the logits see the class token alone. None: there is none.
    """
    seen: list[tuple[nn.Module, Tensor]] = []

    def look(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and _has_places(module, output, inputs.shape[-2:]):
            seen.append((module, output))

    handles = [module.register_forward_hook(look) for module in model.modules() if module is not model]
    try:
        with torch.enable_grad():
            logits = as_logits(model(inputs[:1].detach().clone().requires_grad_()))
    finally:
        for handle in handles:
            handle.remove()
    evidence = logits[0].max()
    for module, output in reversed(seen):
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
            evidence, output, retain_graph=True, allow_unused=True
        )
        gradient = gradients[0]
        if gradient is not None and int((_spatial(gradient).abs().sum(1) > 0).sum()) > 1:
            return module
    return None


def _has_places(module: nn.Module, output: Tensor, size: tuple[int, ...]) -> bool:
    """Whether an output is a map of more than one place, in the proportions of the input, or tokens of an image.

    Args:
        module: that gave it.
        output: any tensor.
        size: (height, width) of the input.
    """
    if not output.requires_grad:
        return False
    if output.ndim == 4:
        height, width = _spatial(output).shape[2:]
        return height * width > 1 and abs(height * size[1] - width * size[0]) < max(size)
    # Inside a block of a transformer there are tokens of other meanings (queries, keys, values).
    tokens = output.ndim == 3 and (isinstance(module, nn.LayerNorm) or any(True for _ in module.children()))
    return tokens and output.shape[1] > 3


def as_logits(output: Any) -> Tensor:
    """Logits (n, classes) of what a model returned: itself, its ``logits``, or the first of several.

    One number an image is the log-odds of the positive of two classes: half for that class, half against the other.

    Raises:
        UsageError: it is none of these.
    """
    found = getattr(output, "logits", output)
    if isinstance(found, Mapping):
        found = found.get("logits")
    if isinstance(found, tuple | list) and found:
        found = found[0]
    if isinstance(found, Tensor) and found.ndim == 1:
        found = found[:, None]
    if not isinstance(found, Tensor) or found.ndim != 2:
        what = tuple(found.shape) if isinstance(found, Tensor) else type(output).__name__
        raise UsageError(f"the model gives {what}, not logits (n, classes); say with predict= how they are computed")
    return torch.cat([-found / 2, found / 2], 1) if found.shape[1] == 1 else found


def grad_cam(
    model: nn.Module, inputs: Tensor, classes: NDArray[np.int64], *, layer: str | nn.Module = "", at_once: int = 1
) -> NDArray[np.float32]:
    """Maps (n, height, width) in [0, 1] of the evidence for ``classes`` (n,); all zero where there is none.

    Args:
        model: in evaluation mode afterwards.
        inputs: (n, 3, height, width), normalised.
        classes: the class whose logit is explained, an image.
        layer: the layer that is explained, or its name; empty: the last block, see `target_layer`.
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
    images = images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images
    targets = torch.from_numpy(np.array(classes, np.int64)).to(images.device)
    activation = _spatial(LayerActivation(model, layer).attribute(images))
    gradient = _spatial(LayerGradientXActivation(model, layer, multiply_by_inputs=False).attribute(images, targets))
    weights = gradient.mean((2, 3), keepdim=True)
    coarse = functional.relu((weights * activation).sum(1, keepdim=True)).detach().float()
    fine = functional.interpolate(coarse, images.shape[2:], mode="bilinear", align_corners=False)[:, 0].cpu().numpy()
    top = fine.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(fine, top, out=np.zeros_like(fine), where=top > 0))


def _spatial(output: Tensor) -> Tensor:
    """(n, channels, height, width), from that, from (n, height, width, channels), or from (n, tokens, channels).

    Tokens stand for the places of a square, after those that stand for none (the class, registers).
    """
    if output.ndim == 4:
        last = output.shape[1] == output.shape[2] != output.shape[3]
        return output.permute(0, 3, 1, 2) if last else output
    side = math.isqrt(output.shape[1])
    tokens = output[:, output.shape[1] - side**2 :]
    return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
