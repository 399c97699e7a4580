from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil_sim.images.image_set import ImageSet
from imil_sim.images.load import load_images
from imil_sim.images.shenzhen import ShenzhenSource
from imil_sim.images.split import Split
from imil_sim.images.summary import Duplicate, duplicates, summarise

SPLIT = Split(train=np.array([1, 2, 3, 4, 7, 8, 9, 10]), test=np.array([0, 5, 6, 11]))


@pytest.fixture
def images(shenzhen: Path) -> ImageSet:
    return load_images(ShenzhenSource(source="shenzhen", path=str(shenzhen), size=16))


def with_copies(images: ImageSet, copies: dict[int, int]) -> ImageSet:
    pixels = images.pixels.copy()
    for copy, original in copies.items():
        pixels[copy] = pixels[original]
    return replace(images, pixels=pixels)


def test_equal_pixels_are_found_wherever_they_stand(images: ImageSet) -> None:
    assert duplicates(images, SPLIT) == ()
    # 0 tests and 1 trains; 7, 8 and 9 all train; 2 is normal and 10 TB.
    found = duplicates(with_copies(images, {1: 0, 8: 7, 9: 7, 10: 2}), SPLIT)
    assert found == (
        Duplicate(("CHNCXR_0001_0", "CHNCXR_0002_0"), across=True, contradictory=False),
        Duplicate(("CHNCXR_0003_0", "CHNCXR_0011_1"), across=False, contradictory=True),
        Duplicate(("CHNCXR_0008_1", "CHNCXR_0009_1", "CHNCXR_0010_1"), across=False, contradictory=False),
    )


def test_an_attribute_of_many_values_is_only_counted(images: ImageSet) -> None:
    ages = tuple("" if n == 0 else "34" for n in range(12))
    assert ("age", "11 34, 1 unknown") in summarise(replace(images, attributes={"age": ages}), None).rows
    more = ImageSet("x", tuple("abcdefghijklm"), np.zeros((13, 16, 16), np.uint8), np.arange(13) % 2, ("a", "b"))
    many = replace(more, attributes={"age": tuple(map(str, range(13)))})
    assert ("age", "13 different values") in summarise(many, None).rows


def test_what_may_spoil_a_result_is_warned_of_by_name(images: ImageSet) -> None:
    spoilt = replace(with_copies(images, {1: 0, 10: 2}), notices=("two images were converted",))
    summary = summarise(spoilt, replace(SPLIT, notice="split by group: ..."))
    assert summary.warnings == (
        "identical images on both sides of the split: CHNCXR_0001_0, CHNCXR_0002_0. Keep one, or give them one group",
        "identical images with different labels: CHNCXR_0003_0, CHNCXR_0011_1. Correct the labels",
        "two images were converted",
        "split by group: ...",
    )


def test_the_rows_read_as_the_data_verb_prints_them(images: ImageSet) -> None:
    assert summarise(with_copies(images, {1: 0}), SPLIT).rows == (
        ("images", "12 images, 16 x 16 pixels"),
        ("classes", "6/6 normal / TB"),
        ("masks", "11 lung masks (1 images without)"),
        ("masks", "5 lesion masks (6 images known to have an empty one, 1 images without)"),
        ("split", "8/4 training / test"),
        ("training", "4/4 normal / TB"),
        ("test", "2/2 normal / TB"),
        ("sex", "6 Male, 6 Female"),
        ("age", ", ".join(f"1 {age}" for age in range(21, 33))),
        ("findings", "6 normal, 6 PTB"),
        ("duplicates", "1 (CHNCXR_0001_0=CHNCXR_0002_0), 1 across the split"),
    )


def test_a_set_that_is_only_tested_has_no_split(images: ImageSet) -> None:
    summary = summarise(images, None)
    assert not {"split", "training", "test"} & {what for what, _ in summary.rows}
