"""The phantom: exact masks, one cause for the label, and an image that depends on nothing but its place and seed."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.images.image_set import ImageSet
from imil_sim.images.phantom import Image, PhantomSource, image, phantom


def images(**fields: object) -> ImageSet:
    """A small phantom set, with the given fields of its source changed."""
    return phantom(PhantomSource.model_validate({"source": "phantom", "size": 32, "train": 8, "test": 4} | fields))


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Overlap of two masks, 1 where they are equal."""
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def halved(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The image averaged over 2 x 2 pixels."""
    half = image.shape[0] // 2
    return image.reshape(half, 2, half, 2).mean(axis=(1, 3))


def test_set_has_ids_labels_parts_and_every_mask() -> None:
    """An odd part gives the extra image to the normal class; all masks are present; nothing can be written to."""
    made = images(train=5, test=4)
    assert made.ids == tuple(f"train-{i:04d}" for i in range(5)) + tuple(f"test-{i:04d}" for i in range(4))
    assert made.labels.tolist() == [0, 1, 0, 1, 0, 0, 1, 0, 1]
    assert made.class_names == ("normal", "TB")
    assert made.parts == ("train",) * 5 + ("test",) * 4
    assert made.attributes == {"marker": ("",) * 9}
    assert made.pixels.shape == (9, 32, 32)
    assert made.masks["lung"].present.all()
    assert made.masks["lesion"].present.all()
    assert (made.masks["lesion"].values.any(axis=(1, 2)) == (made.labels == 1)).all()
    assert not made.pixels.flags.writeable
    assert not made.masks["lung"].values.flags.writeable


@pytest.mark.parametrize(
    ("share", "count", "agreeing"),
    [(0.9, 20, (9, 9)), (0.9, 7, (4, 3)), (0.5, 10, (3, 3)), (0.0, 8, (0, 0)), (1.0, 8, (4, 4)), (0.75, 16, (6, 6))],
)
def test_share_of_agreeing_markers_is_exact_in_each_class(share: float, count: int, agreeing: tuple[int, int]) -> None:
    """Of n images of a class, share * n rounded half up agree: 0.9 of four normal ones is 4, of three TB ones 3."""
    made = images(size=16, train=count, marker_train=share, marker_test=1 - share)
    train = np.array([part == "train" for part in made.parts or ()])
    agrees = np.array([value == "agrees" for value in made.attributes["marker"]])
    assert set(made.attributes["marker"]) <= {"agrees", "disagrees"}
    assert tuple(int((agrees & train & (made.labels == k)).sum()) for k in (0, 1)) == agreeing
    assert int((agrees & ~train).sum()) == 2 * int(2 * (1 - share) + 0.5)


def test_agreeing_marker_is_the_letter_of_the_class() -> None:
    """L (right of the picture) goes with normal, R (left) with TB; where it disagrees, the letters change places."""
    agreeing, opposing = (images(marker_train=share, marker_test=share) for share in (1, 0))
    bare = images()
    for made, side_of_class in ((agreeing, (1, 0)), (opposing, (0, 1))):
        changed = (made.pixels != bare.pixels).any(axis=1)
        assert [int(np.flatnonzero(row).mean() >= 16) for row in changed] == [side_of_class[k] for k in made.labels]


def test_longer_set_begins_with_the_shorter() -> None:
    """Image and marker depend on seed, part and place, not on how many images are asked for."""
    short, long = (images(train=n, marker_train=0.7, marker_test=0.5) for n in (6, 9))
    assert long.ids[:6] == short.ids[:6]
    assert (long.pixels[:6] == short.pixels[:6]).all()
    assert long.attributes["marker"][:6] == short.attributes["marker"][:6]
    assert (long.pixels[9:] == short.pixels[6:]).all()


def test_same_seed_same_bytes_in_another_process_with_another_number_of_threads() -> None:
    """The fingerprint, masks and attributes included, is a function of the source."""
    program = (
        "import cv2; cv2.setNumThreads(1)\n"
        "from imil_sim.images.phantom import PhantomSource, phantom\n"
        "s = PhantomSource(source='phantom', size=96, train=6, test=4, seed=3, marker_train=0.9, marker_test=0.5)\n"
        "print(phantom(s).fingerprint)"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    fields = {"size": 96, "train": 6, "marker_train": 0.9, "marker_test": 0.5}
    assert images(seed=3, **fields).fingerprint == there
    assert images(seed=4, **fields).fingerprint != there


def test_no_two_images_are_alike() -> None:
    """Every image is another person, in both parts and under every seed."""
    made = np.concatenate([images(seed=seed).pixels for seed in (0, 1)])
    assert len({image.tobytes() for image in made}) == len(made)


@pytest.mark.parametrize("index", range(6))
def test_label_changes_nothing_but_the_lesions(index: int) -> None:
    """The same person, ill: every changed pixel lies in or beside the lungs, and where the lesion is most change."""
    well, ill = (image(0, "train", index, 128, diseased=diseased) for diseased in (False, True))
    assert not well.lesion.any()
    assert ill.lesion.any()
    assert (well.lung == ill.lung).all()
    assert not (ill.lesion & ~ill.lung).any()
    changed = well.pixels != ill.pixels
    nearby = cv2.dilate(well.lung.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert not (changed & ~nearby).any()
    assert changed[ill.lesion].mean() > 0.8


def test_lesions_brighten_and_conspicuity_scales_contrast_but_not_contour() -> None:
    """Twice the conspicuity: more contrast, the same masks."""
    for index in range(4):
        well = image(1, "test", index, 64, diseased=False).pixels.astype(float)
        faint, plain = (image(1, "test", index, 64, diseased=True, conspicuity=c) for c in (0.5, 1.0))
        rise = [(one.pixels - well)[plain.lesion].mean() for one in (faint, plain)]
        assert 0 < 1.4 * rise[0] < rise[1]
        assert (faint.lesion == plain.lesion).all()


def test_extreme_conspicuity_stays_a_picture() -> None:
    """The hollow of a cavity never digs through the body; a gray level out of nothing would be a warning."""
    for index in range(8):
        assert image(0, "train", index, 32, diseased=True, conspicuity=50).pixels.std() > 10


@pytest.mark.parametrize("letter", ["L", "R"])
def test_marker_changes_only_its_own_corner(letter: str) -> None:
    """All else is the same image, byte for byte; the letter is bright, outside the lungs, on the side it names."""
    for index in range(4):
        bare, marked = (image(2, "train", index, 96, diseased=True, marker=m) for m in (None, letter))  # type: ignore[arg-type]  # parametrize gives str
        rows, cols = np.nonzero(bare.pixels != marked.pixels)
        assert len(rows) > 5
        assert rows.max() < 0.12 * 96
        assert (cols.min() > 0.78 * 96) if letter == "L" else (cols.max() < 0.2 * 96)
        assert not bare.lung[rows, cols].any()
        assert (marked.lung == bare.lung).all()
        assert (marked.lesion == bare.lesion).all()


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("size", [32, 64, 128])
def test_small_image_is_the_large_one_seen_from_afar(size: int, index: int) -> None:
    """Averaging the image of twice the size gives the image, its lungs and its lesions; another person's does not."""
    small, large = (image(5, "train", index, s, diseased=True, marker="R") for s in (size, 2 * size))
    assert np.corrcoef(small.pixels.ravel(), halved(large.pixels).ravel())[0, 1] > 0.99
    assert dice(small.lung, halved(large.lung.astype(np.uint8)) >= 0.5) > 0.95
    assert dice(small.lesion, halved(large.lesion.astype(np.uint8)) >= 0.5) > 0.75
    assert np.abs(small.pixels - halved(large.pixels)).mean() < 3
    other = image(5, "train", index + 10, 2 * size, diseased=True, marker="R")
    assert np.abs(small.pixels - halved(other.pixels)).mean() > 6


def lung_fields(one: Image) -> list[NDArray[np.bool_]]:
    """The connected parts of the lung mask, from left to right of the picture."""
    count, parts = cv2.connectedComponents(one.lung.astype(np.uint8))
    return sorted((parts == k for k in range(1, count)), key=lambda part: float(np.nonzero(part)[1].mean()))


@pytest.mark.parametrize("index", range(8))
def test_image_looks_like_a_chest(index: int) -> None:
    """Two dark lungs of a real image's share of the picture, the heart's side the smaller, all inside a brighter body.

    In 566 masks of the Shenzhen set the lungs cover 0.255 of the picture on average.
    """
    one = image(0, "test", index, 128, diseased=False)
    right, left = lung_fields(one)
    assert 0.17 < one.lung.mean() < 0.36
    assert left.sum() < right.sum()
    assert np.nonzero(right)[1].max() < np.nonzero(left)[1].min()
    assert not one.lung[0].any()
    assert not one.lung[:, 0].any()
    assert not one.lung[:, -1].any()
    between = one.pixels[64, np.nonzero(right[64])[0].max() + 3 : np.nonzero(left[64])[0].min() - 2]
    abdomen = one.pixels[-12:, 44:84]
    assert one.pixels[one.lung].mean() + 60 < between.mean()
    assert one.pixels[one.lung].mean() + 60 < abdomen.mean()
    assert one.pixels[:6, :6].mean() < one.pixels[one.lung].mean()


def test_lesions_prefer_the_upper_zones() -> None:
    """Most lesion area lies above the middle of the lungs' height."""
    above = total = 0
    for index in range(40):
        one = image(0, "train", index, 32, diseased=True)
        rows = np.nonzero(one.lung.any(axis=1))[0]
        above += int(one.lesion[: (rows.min() + rows.max()) // 2].sum())
        total += int(one.lesion.sum())
    assert 0.6 < above / total < 0.95


def test_smallest_image_still_marks_every_sick_lung() -> None:
    """At 16 pixels a nodule is smaller than a pixel, and is marked all the same."""
    made = images(size=16, train=60)
    assert made.masks["lesion"].values[made.labels == 1].any(axis=(1, 2)).all()


@pytest.mark.parametrize(("size", "conspicuity"), [(8, 1.0), (64, 0.0), (64, float("nan"))])
def test_image_outside_its_ranges_is_refused(size: int, conspicuity: float) -> None:
    """The message names what was given."""
    with pytest.raises(ValueError, match="needs size >= 16 and conspicuity > 0"):
        image(0, "train", 0, size, diseased=True, conspicuity=conspicuity)
