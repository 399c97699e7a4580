"""The images of a run: each source is loaded once, each lung estimated once, and every test image gets one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.engine import data
from imil_sim.engine.data import ImageLibrary, _same_classes
from imil_sim.errors import StudyError
from imil_sim.images import image_set
from imil_sim.images.image_set import ImageSet, MaskSet
from imil_sim.study.spec import RunSpec


def images(classes: tuple[str, ...] = ("normal", "TB")) -> ImageSet:
    """Twelve images of 8 pixels; the first half comes with a lung mask."""
    pixels = np.arange(12, dtype=np.uint8)[:, None, None] * np.ones((12, 8, 8), np.uint8)
    lung = np.zeros((12, 8, 8), np.bool_)
    lung[:6, :, :4] = True
    labels = np.arange(12) % len(classes)
    return ImageSet("images", tuple("abcdefghijkl"), pixels, labels, classes, {"lung": MaskSet(lung, lung.any((1, 2)))})


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that were loaded, by path; every one holds `images`, one called "three" has three classes."""
    paths: list[str] = []

    def load(source: Any, **options: Any) -> ImageSet:
        paths.append(source.path)
        return images(("a", "b", "c")) if source.path == "three" else images()

    monkeypatch.setattr(data, "load_images", load)
    monkeypatch.setattr(data, "source_files", lambda source, beside: ())
    return paths


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The images whose lungs were estimated, by grey value; that of image 7 is beyond estimation."""
    greys: list[int] = []

    def estimate(image: NDArray[np.uint8]) -> SimpleNamespace:
        greys.append(int(image[0, 0]))
        return SimpleNamespace(mask=None if image[0, 0] == 7 else image >= 0)

    monkeypatch.setattr(image_set, "estimate_lungs", estimate)
    return greys


def run(seed: int, **arm: Any) -> RunSpec:
    images = {"source": "folder", "path": "main"}
    return RunSpec.model_validate({"arm": {"images": images, "split": {"test": 4}, **arm}, "seed": seed})


def test_a_fixed_split_is_one_for_all_seeds_and_nothing_is_loaded_twice(
    loaded: list[str], estimated: list[int], tmp_path: Path
) -> None:
    library = ImageLibrary(tmp_path, tmp_path)
    parts = [library.of_run(run(seed)) for seed in (0, 1)]
    assert parts[0] is parts[1]
    assert loaded == ["main"]
    assert set(parts[0].train.ids).isdisjoint(parts[0].tests["main"].images.ids)
    assert (len(parts[0].train), len(parts[0].tests["main"].images)) == (8, 4)


def test_a_split_per_seed_differs_and_no_lung_is_estimated_twice(
    loaded: list[str], estimated: list[int], tmp_path: Path
) -> None:
    library = ImageLibrary(tmp_path, tmp_path)
    arm = {"split": {"method": "per-seed", "test": 4}, "test_sets": {"more": {"source": "folder", "path": "more"}}}
    parts = [library.of_run(run(seed, **arm)) for seed in range(4)]
    assert len({part.fingerprints["train"] for part in parts}) == 4
    assert len({part.fingerprints["main"] for part in parts}) == 4
    assert len({part.fingerprints["more"] for part in parts}) == 1
    assert loaded == ["main", "more"]
    assert max(map(estimated.count, estimated)) <= 2  # once in each source


def test_every_test_image_gets_a_lung_mask_where_there_is_one_to_be_had(
    loaded: list[str], estimated: list[int], tmp_path: Path
) -> None:
    arm = {"test_sets": {"more": {"source": "folder", "path": "more"}}}
    more = ImageLibrary(tmp_path, tmp_path).of_run(run(0, **arm)).tests["more"]
    lung = more.images.masks["lung"]
    assert lung.present.tolist() == [True] * 7 + [False] + [True] * 4
    assert more.estimated.tolist() == [False] * 6 + [True, False] + [True] * 4
    assert lung.values[0].sum() == 32
    assert lung.values[6].all()
    assert not lung.values[7].any()


def test_a_test_set_of_other_classes_is_refused(loaded: list[str], estimated: list[int], tmp_path: Path) -> None:
    arm = {"test_sets": {"more": {"source": "folder", "path": "three"}}}
    with pytest.raises(StudyError, match=r"test_sets\.more: it has the classes a, b, c, .* have normal, TB"):
        ImageLibrary(tmp_path, tmp_path).of_run(run(0, **arm))


@pytest.mark.parametrize(
    ("own", "further", "same"),
    [
        (("normal", "TB"), ("Normal", "tb"), True),
        (("normal", "TB"), ("0", "1"), True),  # plain numbers stand for whatever the other set says
        (("normal", "TB"), ("TB", "normal"), False),  # every prediction would count as its opposite
        (("normal", "TB"), ("normal", "pneumonia"), False),
        (("normal", "TB"), ("normal", "TB", "other"), False),
    ],
)
def test_a_test_set_needs_the_same_classes_in_the_same_order(
    own: tuple[str, ...], further: tuple[str, ...], same: bool
) -> None:
    assert _same_classes(own, further) == same
