from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from imil_sim.images.image_set import ImageSet
from imil_sim.training.overlay import Overlay, TrainingRows

CPU = torch.device("cpu")


def plain(images: ImageSet, value: int) -> NDArray[np.uint8]:
    return np.full(images.shape, value, np.uint8)


def test_replaced_and_appended_images_reach_the_batch_and_the_originals_stay(images: ImageSet) -> None:
    originals = np.array(images.pixels)
    overlay = Overlay().replace(7, plain(images, 70)).replace(2, plain(images, 20)).append(5, plain(images, 50))
    rows = TrainingRows(images, overlay, CPU)
    assert len(rows) == 11
    batch = torch.tensor([10, 2, 0, 7, 2])
    expected = np.stack([plain(images, 50), plain(images, 20), originals[0], plain(images, 70), plain(images, 20)])
    np.testing.assert_array_equal(rows.pixels(batch).numpy(), expected)
    np.testing.assert_array_equal(rows.labels(batch).numpy(), images.labels[[5, 2, 0, 7, 2]])
    rows.pixels(batch)[:] = 1  # a batch is a copy
    np.testing.assert_array_equal(rows.pixels(torch.arange(10)).numpy()[[0, 5]], originals[[0, 5]])
    np.testing.assert_array_equal(images.pixels, originals)


def test_without_overlay_the_batch_is_the_images(images: ImageSet) -> None:
    rows = TrainingRows(images, Overlay(), CPU)
    order = [3, 9, 0]
    np.testing.assert_array_equal(rows.pixels(torch.tensor(order)).numpy(), images.pixels[order])


def test_the_key_says_the_content_and_not_the_order_of_the_answers(images: ImageSet) -> None:
    a, b = plain(images, 1), plain(images, 2)
    one = Overlay().replace(3, a).replace(8, b)
    assert Overlay().key == ""
    assert one.key == Overlay().replace(8, b.copy()).replace(3, a.copy()).key
    assert one.key == Overlay().replace(3, b).replace(8, b).replace(3, a).key
    others = {
        Overlay().replace(3, a).key,
        Overlay().replace(3, b).replace(8, a).key,
        Overlay().append(3, a).append(8, b).key,
        Overlay().append(8, b).append(3, a).key,  # added images are trained on in the order of adding
        Overlay().replace(3, a).append(8, b).key,
        Overlay().replace(3, a.reshape(16, 64)).replace(8, b).key,
    }
    assert len(others | {one.key, ""}) == 8


def test_an_overlay_is_not_changed_by_what_is_made_of_it(images: ImageSet) -> None:
    first = Overlay().replace(1, plain(images, 1))
    key = first.key
    first.replace(2, plain(images, 2)).append(1, plain(images, 3))
    assert (list(first.replaced), first.appended) == ([1], ())
    assert Overlay(first.replaced, first.appended).key == key


@pytest.mark.parametrize("kinds", ["", "r", "a", "raar"])
def test_arrays_and_back(kinds: str, images: ImageSet) -> None:
    overlay = Overlay()
    for i, kind in enumerate(kinds):
        overlay = (overlay.replace if kind == "r" else overlay.append)(9 - i, plain(images, i))
    back = Overlay.from_arrays(overlay.to_arrays())
    assert back.key == overlay.key
    assert sorted(back.replaced) == sorted(overlay.replaced)
    assert [row for row, _ in back.appended] == [row for row, _ in overlay.appended]
    shown = [TrainingRows(images, o, CPU).pixels(torch.arange(10 + kinds.count("a"))) for o in (overlay, back)]
    assert torch.equal(*shown)


@pytest.mark.parametrize(
    ("row", "shape", "dtype"),
    [(10, (32, 32), "uint8"), (-1, (32, 32), "uint8"), (0, (32, 16), "uint8"), (0, (32, 32), "f4")],
)
def test_an_overlay_of_other_images_is_refused(row: int, shape: tuple[int, int], dtype: str, images: ImageSet) -> None:
    image = np.zeros(shape, dtype)
    for overlay in (Overlay().replace(row, image), Overlay().append(row, image)):
        with pytest.raises(ValueError, match="an overlay of 10 images"):
            TrainingRows(images, overlay, CPU)


def test_a_reordered_overlay_is_another_state_though_it_changes_no_image(images: ImageSet) -> None:
    placebo = Overlay(reordered=True)
    assert placebo.key not in ("", Overlay().replace(3, plain(images, 1)).key)
    assert placebo.replace(3, plain(images, 1)).key != Overlay().replace(3, plain(images, 1)).key
    assert placebo.append(3, plain(images, 1)).without(3).key == placebo.key
    assert Overlay.from_arrays(placebo.to_arrays()).key == placebo.key
    old = {name: array for name, array in Overlay().to_arrays().items() if name != "reordered"}
    assert not Overlay.from_arrays(old).reordered
