"""What the tests of this room share: a few small images, and the conditions every stage runs under."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imil_sim.images.image_set import ImageSet
from imil_sim.images.phantom import PhantomSource, phantom
from imil_sim.study.spec import AugmentationSpec, ModelSpec, TrainingSpec
from imil_sim.training.numerics import deterministic
from imil_sim.training.train import Recipe


@pytest.fixture(autouse=True)
def _as_in_a_stage() -> Iterator[None]:
    with deterministic():
        yield


@pytest.fixture(scope="session")
def images() -> ImageSet:
    """Ten images of 32 px, five of each class, with lung and lesion masks."""
    return phantom(PhantomSource(source="phantom", size=32, train=10, test=4, seed=3)).take(range(10))


@pytest.fixture(scope="session")
def recipe() -> Callable[..., Recipe]:
    """Makes a recipe: ``recipe(seed=1, model="resnet10", augmentation="mixup", optimizer="adam", ...)``."""

    def make(*, seed: int = 0, model: str = "resnet10", augmentation: str = "none", **training: Any) -> Recipe:
        options = {"batch_size": 4, "learning_rate": 0.01, **training}
        return Recipe(
            ModelSpec(name=model),
            TrainingSpec(**options),
            AugmentationSpec.model_validate({"name": augmentation}),
            seed,
        )

    return make
