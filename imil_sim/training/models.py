"""Classifiers by name, with their initial weights drawn from the run's own stream.

A model is a part (entry-point group ``imil_sim.models``): a function of classes, channels and image size that gives a
module with one logit a class. Names that no package installs are torchvision's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from imil_sim import registry
from imil_sim.errors import DataError, StudyError, did_you_mean
from imil_sim.seeds import torch_seed
from imil_sim.study.paths import resolve
from imil_sim.study.spec import ModelSpec
from imil_sim.training.cam import target_layer
from imil_sim.training.numerics import drawing_from
from imil_sim.training.vision import models

CHANNELS = 3
"""Of the images a model is given: the grey image, three times."""

NEEDS_TWO_LOSSES = frozenset({"googlenet", "inception_v3"})
"""Left out: they answer with auxiliary outputs while training, which want a loss of their own."""


def known_models() -> list[str]:
    """The names `build` takes, sorted: the installed models, and torchvision's."""
    return sorted({*models.list_models(module=models), *registry.names("models")} - NEEDS_TWO_LOSSES)


def resnet10(classes: int, channels: int, size: int) -> nn.Module:
    """A ResNet with one basic block a stage, which torchvision lacks."""
    resnet = models.resnet
    return resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=classes)  # type: ignore[no-any-return]


def check_model(spec: ModelSpec, beside: Path | None = None, *, size: int | None = None) -> None:
    """Nothing, if the model can be built and, where ``size`` is given, trained and explained at that size.

    Raises:
        StudyError: no model has that name, it takes no images of ``size`` x ``size`` pixels, or a local weights file
            does not fit it.
        DataError: the weights file is missing, or cannot be read.
    """
    if spec.name in NEEDS_TWO_LOSSES:
        raise StudyError(f'model.name: "{spec.name}" trains with auxiliary losses, which this loop lacks; use another')
    if spec.name not in known_models():
        near = did_you_mean(spec.name, known_models())
        raise StudyError(f'model.name: there is no model "{spec.name}", installed or of torchvision. {near}')
    if spec.weights == "DEFAULT" and spec.name in registry.names("models"):
        raise StudyError(f'model.weights: torchvision has no weights for "{spec.name}"; use weights = "none" or a file')
    local = _local_weights(spec, beside)
    if size is None:
        return
    with drawing_from(0, torch.device("cpu")):
        model = _untrained(spec.name, 2, size)
    target_layer(model, spec.cam_layer)
    if local is not None:
        _adopt(model, _read_weights(local), spec)
    _forward_without_data(model, spec.name, size)


def _forward_without_data(model: nn.Module, name: str, size: int) -> None:
    """Nothing, if images of ``size`` pixels come through: shapes alone are computed (device ``meta``)."""
    try:
        model.to("meta").eval()(torch.empty((2, 3, size, size), device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise _unfit(name, size, error) from error


def _unfit(name: str, size: int, error: Exception) -> StudyError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return StudyError(
        f'model.name: "{name}" does not take images of {size} x {size} pixels ({reason}); set another images.size, or '
        "choose another model"
    )


def weights_fingerprint(spec: ModelSpec, beside: Path | None = None) -> str:
    """What stands for the initial weights in a key: ``none``, ``DEFAULT``, or the SHA-256 of the local file."""
    local = _local_weights(spec, beside)
    if local is None:
        return spec.weights
    found = local.stat()
    return _digest(local, found.st_mtime_ns, found.st_size)


@cache
def _digest(path: Path, changed: int, size: int) -> str:
    """SHA-256 of a file as it was at that time: every key asks for it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(spec: ModelSpec, *, classes: int, size: int, seed: int, beside: Path | None = None) -> nn.Module:
    """A fresh classifier with ``classes`` logits for images of ``size`` x ``size`` pixels, in fp32 on the CPU.

    Its weights depend on ``seed`` alone (stream ``weights``). Pretrained weights keep everything but the last layer,
    which is drawn anew unless a local file brings one of the right size.

    Raises:
        StudyError: no model has that name, it takes no images of that size, or the weights do not fit it.
        DataError: the weights cannot be read or fetched.
    """
    check_model(spec, beside)
    local = _local_weights(spec, beside)
    with drawing_from(torch_seed(seed, "weights"), torch.device("cpu")):
        model = _untrained(spec.name, classes, size)
        if spec.weights == "DEFAULT":
            _adopt(model, _pretrained(spec.name), spec)
        elif local is not None:
            _adopt(model, _read_weights(local), spec)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _untrained(name: str, classes: int, size: int) -> nn.Module:
    if name in registry.names("models"):
        made: nn.Module = registry.load("models", name)(classes, CHANNELS, size)
        return made
    options: dict[str, Any] = {"image_size": size} if name.startswith("vit_") else {}
    try:
        return models.get_model(name, weights=None, num_classes=classes, **options)  # type: ignore[no-any-return]
    except AssertionError as error:  # a ViT whose patches do not tile the image
        raise _unfit(name, size, error) from error


def _pretrained(name: str) -> dict[str, Tensor]:
    """The weights torchvision recommends, from its own model: some files name the tensors as models did long ago."""
    try:
        return models.get_model(name, weights="DEFAULT", progress=False).state_dict()  # type: ignore[no-any-return]
    except OSError as error:
        raise DataError(
            f'model.weights: the weights of torchvision for "{name}" could not be fetched ({error}); fetch them where '
            "there is a network and name the file"
        ) from error


def _local_weights(spec: ModelSpec, beside: Path | None) -> Path | None:
    """The local file the weights are in; None where they come from elsewhere."""
    if spec.weights in ("none", "DEFAULT"):
        return None
    cure = 'give "none", "DEFAULT", or a .safetensors or .pth file'
    try:
        path = resolve(spec.weights, beside)
    except DataError as error:
        raise DataError(f"model.weights: {error}\n({cure})") from error
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not an ordinary file"
        raise DataError(f'model.weights: "{spec.weights}" is {kind}; {cure}')
    return path


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        # weights_only: the file's pickle may build tensors and nothing else
        safe = path.suffix == ".safetensors"
        loaded = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"model.weights: {path.name} is not a weights file that can be read safely ({reason}); save the model's "
            "state_dict() as .safetensors"
        ) from error
    named = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(named, dict) or not all(isinstance(value, Tensor) for value in named.values()):
        raise DataError(f"model.weights: {path.name} does not hold tensors by name; save the model's state_dict()")
    return named


def _adopt(model: nn.Module, weights: Mapping[str, Tensor], spec: ModelSpec) -> None:
    """Take the weights over; the last layer (a convolution in SqueezeNet) stays fresh where its shape is another."""
    head = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    own = model.state_dict()
    unfit = {name for name in own if name not in weights or weights[name].shape != own[name].shape}
    wrong = sorted(name for name in unfit if not name.startswith(f"{head}."))
    if wrong:
        raise StudyError(
            f'model.weights: "{spec.weights}" does not fit {spec.name}: {len(wrong)} of {len(own)} tensors are missing '
            f"or of another shape, the first {wrong[0]}; give weights of the same model and image size"
        )
    model.load_state_dict({name: value if name in unfit else weights[name] for name, value in own.items()})
