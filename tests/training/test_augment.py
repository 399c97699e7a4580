from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.study.spec import AugmentationSpec
from imil_sim.training.augment import Draw, augmentation, cutout

BLENDS = ("mixup", "cutmix")


class Centres(np.random.Generator):
    """A generator that draws the given centres."""

    def __new__(cls, *centres: tuple[int, int]) -> Centres:
        return super().__new__(cls, np.random.PCG64(0))

    def __init__(self, *centres: tuple[int, int]) -> None:
        super().__init__(np.random.PCG64(0))
        self.centres = np.array(centres)

    def integers(self, low: Any, high: Any = None, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        assert tuple(low) == (6, 5)
        assert size == self.centres.shape
        return self.centres


@pytest.mark.parametrize(
    ("side", "centre", "rows", "cols"),
    [
        (3, (2, 2), slice(1, 4), slice(1, 4)),
        (3, (0, 0), slice(0, 2), slice(0, 2)),  # cut off above and at the left
        (3, (5, 3), slice(4, 6), slice(2, 5)),  # and below
        (2, (3, 4), slice(2, 4), slice(3, 5)),
        (1, (5, 4), slice(5, 6), slice(4, 5)),
        (20, (3, 3), slice(0, 6), slice(0, 5)),
    ],
)
def test_cutout_blackens_the_square_around_the_centre(
    side: int, centre: tuple[int, int], rows: slice, cols: slice
) -> None:
    image = np.arange(1, 31, dtype=np.uint8).reshape(6, 5)
    expected = image.copy()
    expected[rows, cols] = 0
    images = torch.from_numpy(np.stack([image, image]))
    result = cutout(images, side, Centres(centre, (0, 4)))
    np.testing.assert_array_equal(result[0].numpy(), expected)
    assert not np.array_equal(result[1].numpy(), expected) or side == 20
    np.testing.assert_array_equal(images.numpy(), np.stack([image, image]))


@given(st.integers(1, 12), st.integers(0, 2**32))
def test_cutout_is_one_square_cut_off_at_the_border(side: int, seed: int) -> None:
    images = torch.full((3, 9, 9), 7, dtype=torch.uint8)
    for image in cutout(images, side, np.random.default_rng(seed)).numpy():
        rows, cols = np.flatnonzero((image == 0).any(1)), np.flatnonzero((image == 0).any(0))
        assert (image[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1] == 0).all()
        assert (image == 0).sum() == len(rows) * len(cols)
        for hit in (rows, cols):
            touches = hit.min() == 0 or hit.max() == 8
            assert len(hit) == side or ((touches and (side + 1) // 2 <= len(hit) <= side) or len(hit) == 9)


def test_cutout_centres_may_lie_anywhere() -> None:
    hit = (cutout(torch.ones((2000, 4, 4), dtype=torch.uint8), 1, np.random.default_rng(0)) == 0).float().mean(0)
    assert float(hit.min()) > 0.04  # 1/16 each
    assert float(hit.max()) < 0.09


@pytest.mark.parametrize(("size", "side"), [(224, 50), (64, 14), (32, 7)])
def test_the_square_of_cutout_grows_with_the_image(size: int, side: int) -> None:
    images = torch.ones((64, size, size), dtype=torch.uint8)
    done = augmentation(AugmentationSpec(name="cutout")).pixels(images, Draw(0, 1, 0))
    assert int((done == 0).sum((1, 2)).max()) == side**2


def test_cutout_depends_on_seed_epoch_and_batch_and_on_nothing_else() -> None:
    images = torch.ones((8, 32, 32), dtype=torch.uint8)
    spec = AugmentationSpec(name="cutout")

    def done(seed: int, epoch: int, batch: int) -> bytes:
        return bytes(augmentation(spec).pixels(images, Draw(seed, epoch, batch)).numpy().tobytes())

    assert done(0, 1, 2) == done(0, 1, 2)
    assert len({done(0, 1, 2), done(1, 1, 2), done(0, 2, 2), done(0, 1, 3)}) == 4


def blended(name: str, *, alpha: float | None = None, seed: int = 0, epoch: int = 1, batch: int = 0) -> Any:
    """Images of one gray value each (0, 1, 2, 3), with labels 0, 1, 2, 0."""
    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    spec = AugmentationSpec.model_validate({"name": name, "alpha": alpha})
    before = images.clone()
    mixed, targets = augmentation(spec).images(images, torch.tensor([0, 1, 2, 0]), 3, Draw(seed, epoch, batch))
    assert torch.equal(images, before)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    return mixed, targets


@pytest.mark.parametrize("name", BLENDS)
@pytest.mark.parametrize("batch", range(8))
def test_targets_are_blended_as_the_pixels_are(name: str, batch: int) -> None:
    mixed, targets = blended(name, alpha=1.0, batch=batch)
    torch.testing.assert_close(targets.sum(1), torch.ones(4))
    # image 1 is blended with image 0, which is black: what is left of it is its own share
    if name == "cutmix":
        assert set(mixed[1].unique().tolist()) <= {0.0, 1.0}
    own = float(mixed[1].mean())
    assert float(targets[1, 1]) == pytest.approx(own, abs=1e-5)
    assert float(targets[1, 0]) == pytest.approx(1 - own, abs=1e-5)
    # and the first with the last, by the same share
    assert float(mixed[0].mean()) == pytest.approx(3 * (1 - own), abs=1e-5)
    assert targets[0].tolist() == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("name", BLENDS)
def test_blends_depend_on_seed_epoch_and_batch_and_leave_the_global_generator(name: str) -> None:
    def done(**draw: int) -> bytes:
        return bytes(blended(name, alpha=1.0, **draw)[0].numpy().tobytes())

    before = torch.get_rng_state()
    assert done() == done()
    assert len({done(), done(seed=1), done(epoch=2), done(batch=1)}) == 4
    assert torch.equal(torch.get_rng_state(), before)


def test_alpha_shapes_the_blend_and_has_the_defaults_of_the_papers() -> None:
    shares = {
        alpha: np.array([float(blended("mixup", alpha=alpha, batch=b)[1][1, 1]) for b in range(60)])
        for alpha in (None, 0.2, 1.0, 500.0)
    }
    np.testing.assert_array_equal(shares[None], shares[0.2])
    assert abs(shares[500.0] - 0.5).max() < 0.1
    assert abs(shares[0.2] - 0.5).mean() > abs(shares[1.0] - 0.5).mean() + 0.05
    assert torch.equal(blended("cutmix")[0], blended("cutmix", alpha=1.0)[0])


@pytest.mark.parametrize("name", ["none", "mixup", "cutmix"])
def test_raw_pixels_are_only_touched_by_cutout(name: str) -> None:
    images = torch.ones((2, 8, 8), dtype=torch.uint8)
    spec = AugmentationSpec.model_validate({"name": name})
    assert torch.equal(augmentation(spec).pixels(images, Draw(0, 1, 0)), torch.ones_like(images))


@pytest.mark.parametrize("name", ["none", "cutout"])
def test_targets_stay_labels_without_a_blend(name: str) -> None:
    mixed, targets = blended(name)
    assert targets.tolist() == [0, 1, 2, 0]
    assert mixed[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
