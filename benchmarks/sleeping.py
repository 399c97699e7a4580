"""The engine with its training asleep: what is left of a study when stages only take their time.

The functions of the training room that steps call are replaced by ones that sleep or make something up; keys, claims,
overlays, oracles, the store's writes and checks, and Dask's way to a worker and back are the real ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imil_sim.engine import steps
from imil_sim.engine.cluster import WorkerConfig
from imil_sim.engine.run import UNOBSERVED, Observer
from imil_sim.engine.steps import StepRunner
from imil_sim.images.image_set import ImageSet
from imil_sim.study.record import EpochRow, Predictions, TrainingPredictions
from imil_sim.training.train import Snapshot, Trained

NAP = 0.1
"""Seconds a stage takes."""
WEIGHTS = 1000
"""Numbers in a state of training: small, so that the disk is asked for its latency and not for its speed."""


class SleepingConfig(WorkerConfig):
    """Sets up a step_runner in whose process nothing is trained any more."""

    def step_runner(self, observer: Observer = UNOBSERVED) -> StepRunner:
        """See `WorkerConfig.step_runner`."""
        put_to_sleep()
        return super().step_runner(observer)


def put_to_sleep() -> None:
    """Nothing; from now on no step of this process trains, predicts or explains."""
    stand_ins: dict[str, Callable[..., Any]] = {
        "train": _train,
        "start_model": lambda *_: torch.nn.Identity(),
        "logits": _logits,
        "grad_cam": _grad_cam,
        "evaluate": _evaluate,
        "fit": _fit,
    }
    for name, stand_in in stand_ins.items():
        if not callable(getattr(steps, name, None)):
            raise AttributeError(f"steps call no {name} any more: the stand-ins must follow")
        setattr(steps, name, stand_in)


def _train(
    recipe: Any, images: Any, overlay: Any, start: Snapshot | None, until: int, *, on_epoch: Any, **_: Any
) -> Trained:
    """A state of training, after a nap instead of work; its epochs are counted all the same."""
    done = start.epoch if start else 0
    rows = [EpochRow(epoch=epoch, loss=0.0, accuracy=0.5) for epoch in range(done + 1, until + 1)]
    time.sleep(NAP)
    for row in rows:
        on_epoch(row)
    return Trained(Snapshot(until, {"model.numbers": torch.zeros(WEIGHTS)}), tuple(rows))


def _logits(model: Any, pixels: NDArray[np.uint8], *_: Any) -> NDArray[np.float32]:
    """Every image is normal, so that half of them are asked about."""
    return np.tile(np.array([1, 0], np.float32), (len(pixels), 1))


def _grad_cam(model: Any, inputs: torch.Tensor, *_: Any) -> NDArray[np.float32]:
    return np.zeros((len(inputs), *inputs.shape[2:]), np.float32)


def _evaluate(model: Any, images: ImageSet, estimated: NDArray[np.bool_], *_: Any) -> Predictions:
    nothing, even = np.zeros(len(images)), np.full((len(images), 2), 0.5)
    return Predictions(
        ids=images.ids,
        labels=np.array(images.labels),
        probabilities=even,
        lungs_hidden=even,
        lungs_only=even,
        cam_in_lung=nothing,
        lung_share=nothing,
        lung_estimated=estimated,
        pointing=nothing,
        attributes=dict(images.attributes),
        cam_rows=np.zeros(0, np.int64),
        cams=np.zeros((0, *images.shape), np.uint8),
    )


def _fit(model: Any, images: ImageSet, *_: Any) -> TrainingPredictions:
    return TrainingPredictions(np.array(images.labels), np.full((len(images), 2), 0.5))
