"""`IMIL`: the loop inside a training that somebody else wrote, here plain PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from imil_sim.callback import IMIL, to_model_input
from imil_sim.errors import AwaitsAnswers, DataError, UsageError
from imil_sim.feedback import Feedback, Question

SIDE, COUNT = 16, 24


@dataclass(frozen=True)
class LeftHalf:
    """Keeps the left half of the grid."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        cells = np.zeros(question.grid.shape, np.bool_)
        cells[:, : question.grid.cols // 2] = True
        return Feedback(question.image_id, cells)


def pictures(seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(1, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)


LABELS = np.arange(COUNT) % 2


class Network(nn.Module):
    """Somebody's own: convolution, batch norm, dropout, one logit."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.drop(self.body(inputs).mean((2, 3))))  # type: ignore[no-any-return]


def network(seed: int = 0) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Network()


def callback(images: Any = None, **options: Any) -> IMIL:
    options = {"oracle": LeftHalf(), "imil_epoch": 1, "num_outliers": 3} | options
    return IMIL(pictures() if images is None else images, LABELS, **options)


def seen(dataset: Dataset[tuple[Any, int]], **loading: Any) -> list[Tensor]:
    """Every image of the dataset, as it comes out of a loader."""
    return [image for batch, _ in DataLoader(dataset, batch_size=5, **loading) for image in batch]


# ------------------------------------------------------------------------------------------------------ what it does


def test_after_the_epoch_the_surest_mistakes_have_their_right_half_blacked_out() -> None:
    model, imil = network().eval(), callback()
    with torch.no_grad():
        logit = model(torch.stack([to_model_input(image) for image in pictures()]))[:, 0].numpy()
    wrong = (logit > 0) != (LABELS == 1)
    surest = [row for row in np.argsort(-np.abs(logit)) if wrong[row]][:3]

    assert callback(imil_epoch=2).after_epoch(1, model) is None
    found = imil.after_epoch(1, model)

    assert found is not None
    assert [answer.image_id for answer in found.answers] == [str(row) for row in surest]
    assert set(imil.replaced) == set(surest)
    for row, image in imil.replaced.items():
        assert np.array_equal(image[:, :8], pictures()[row][:, :8])
        assert not image[:, 8:].any()
    assert imil.after_epoch(2, model) is None  # held once


@pytest.mark.parametrize("loading", [{}, {"num_workers": 1, "persistent_workers": True}], ids=["here", "worker"])
def test_a_loader_that_lives_on_gives_the_new_images_before_the_transform(loading: dict[str, Any]) -> None:
    imil = callback()
    loader = DataLoader(imil.dataset(lambda image: torch.from_numpy(image.mean(axis=0))), batch_size=5, **loading)
    before = torch.cat([batch for batch, _ in loader])
    imil.after_epoch(1, network())
    after = torch.cat([batch for batch, _ in loader])
    changed = [row for row in range(COUNT) if not torch.equal(before[row], after[row])]
    assert changed == sorted(imil.replaced)
    assert not after[changed][:, 8:].any()


def test_what_is_appended_comes_after_the_originals_with_the_label_of_its_image() -> None:
    imil = callback(mode="append")
    dataset = imil.dataset(lambda image: image)
    imil.after_epoch(1, network())
    assert len(dataset) == COUNT + 3
    rows = [row for row, _ in imil.overlay.appended]
    assert [dataset[COUNT + place][1] for place in range(3)] == LABELS[rows].tolist()
    assert all(np.array_equal(dataset[row][0], pictures()[row]) for row in range(COUNT))


def test_a_dataset_of_ones_own_asks_for_the_image_that_stands_there() -> None:
    imil = callback()
    imil.after_epoch(1, network())
    own = np.full((SIDE, SIDE), 7, np.uint8)
    for row in range(COUNT):
        assert np.array_equal(imil.image(row, own), imil.replaced.get(row, own))


@pytest.mark.parametrize("kind", ["list", "function", "paths", "colour", "sizes"])
def test_images_come_in_every_shape(kind: str, tmp_path: Path) -> None:
    import cv2

    images: Any = pictures()
    if kind == "list":
        images = list(images)
    elif kind == "function":
        images = images.__getitem__
    elif kind == "paths":
        paths = [tmp_path / f"{row}.png" for row in range(COUNT)]
        for path, image in zip(paths, pictures(), strict=True):
            cv2.imwrite(str(path), image)
        images = paths
    elif kind == "colour":
        images = np.repeat(images[..., None], 3, axis=3)
    elif kind == "sizes":
        images = [np.pad(image, ((0, row % 3), (0, 0)), mode="edge") for row, image in enumerate(images)]
    squared = lambda image: to_model_input(np.ascontiguousarray(image[:SIDE]))  # noqa: E731
    grey, imil = callback(), callback(images, transform=squared)
    one, other = grey.after_epoch(1, network()), imil.after_epoch(1, network())
    assert one is not None
    assert other is not None
    assert [a.image_id for a in one.answers] == [a.image_id for a in other.answers]
    for row, image in imil.replaced.items():
        plain = image if image.ndim == 2 else image[..., 0]
        assert np.array_equal(plain[:SIDE], grey.replaced[row])


# ------------------------------------------------------------------------------------------------ what it leaves alone


def test_the_model_and_the_generators_are_left_as_they_were() -> None:
    model = network()
    model.body[1].eval()  # somebody keeps his batch norm frozen
    modes = [module.training for module in model.modules()]
    weights = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    callback().after_epoch(1, model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_frozen_model_is_explained_too_and_inside_inference_mode() -> None:
    model = network().requires_grad_(False)
    with torch.inference_mode():
        found = callback().after_epoch(1, model)
    assert found is not None
    assert found.n_asked == 3


def test_the_state_in_a_checkpoint_goes_on_where_it_was() -> None:
    imil = callback(imil_epoch=(1, 2))
    imil.after_epoch(1, network())
    other = callback(imil_epoch=(1, 2))
    other.load_state_dict(copy.deepcopy(imil.state_dict()))
    assert other.overlay.key == imil.overlay.key
    assert other.after_epoch(2, network()) == imil.after_epoch(2, network())
    assert other.overlay.key == imil.overlay.key


# ------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("error", "make"),
    [
        (DataError, lambda: callback(pictures()[:5])),
        (DataError, lambda: callback(ids=["same"] * COUNT)),
        (DataError, lambda: callback(pictures().astype(np.float32)).after_epoch(1, network())),
        (DataError, lambda: callback(class_names=("only",))),
        (UsageError, lambda: callback(num_outliers=0)),
        (UsageError, lambda: callback(grid="4x4")),
        (UsageError, lambda: callback().after_epoch(2, network())),
        (UsageError, lambda: callback().after_epoch(1, nn.Identity())),
        (
            DataError,
            lambda: callback(predict=lambda model, images: np.full((len(images), 2), np.nan)).after_epoch(1, 0),
        ),
    ],
    ids=["few", "ids", "float", "names", "none", "field", "late", "no-logits", "nan"],
)
def test_what_cannot_work_is_refused(error: type[Exception], make: Callable[[], object]) -> None:
    with pytest.raises(error):
        make()


@dataclass(frozen=True)
class Absent:
    """A person who answers about some images only."""

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        if question.place == 2:
            raise AwaitsAnswers("not yet")
        return LeftHalf().answer(question, rng)


def test_images_a_person_has_not_answered_about_are_skipped_where_the_caller_says_so() -> None:
    found = callback(oracle=Absent(), when_waiting="skip").after_epoch(1, network())
    assert found is not None
    assert [answer.effect for answer in found.answers] == ["replaced", "none", "replaced"]


# --------------------------------------------------------------------------------------------------------- distributed


def _train(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    model = nn.parallel.DistributedDataParallel(network())
    asked = LeftHalf() if rank == 0 else Absent()  # the second process never asks
    imil = callback(oracle=asked)
    found = imil.after_epoch(1, model)
    assert found is not None
    Path(folder, f"{rank}.txt").write_text(imil.overlay.key)
    torch.distributed.destroy_process_group()


def test_in_a_distributed_training_one_process_asks_and_all_have_the_overlay(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_train, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    alone = callback()
    alone.after_epoch(1, network())
    assert [Path(tmp_path, f"{rank}.txt").read_text() for rank in (0, 1)] == [alone.overlay.key] * 2
