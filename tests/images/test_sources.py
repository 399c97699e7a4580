"""Each layout on disk becomes the image set it describes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.images.folder import FolderSource
from imil_sim.images.load import load_images
from imil_sim.images.manifest import ManifestSource
from imil_sim.images.montgomery import MontgomerySource
from imil_sim.images.phantom import PhantomSource, phantom
from imil_sim.images.shenzhen import ShenzhenSource

Save = Callable[[Path, NDArray[Any]], Path]


def test_shenzhen_with_everything(shenzhen: Path, image: Callable[[int], NDArray[np.uint8]]) -> None:
    images = load_images(ShenzhenSource(source="shenzhen", path=str(shenzhen), size=16))
    assert images.ids[0] == "CHNCXR_0001_0"
    assert images.ids[-1] == "CHNCXR_0012_1"
    assert images.labels.tolist() == [0] * 6 + [1] * 6
    assert images.class_names == ("normal", "TB")
    assert images.pixels.shape == (12, 16, 16)
    # Rows are averaged 40 to 16 and columns 32 to 16, so the means agree.
    np.testing.assert_allclose(images.pixels[4].mean(), image(5).mean(), atol=1)
    lung, lesion = images.masks["lung"], images.masks["lesion"]
    assert lung.present.tolist() == [False] + [True] * 11
    np.testing.assert_array_equal(lung.values[1], np.arange(16)[None, :].repeat(16, axis=0) < 8)
    assert not lung.values[0].any()
    assert lesion.present.tolist() == [True] * 11 + [False]
    assert lesion.values.any(axis=(1, 2)).tolist() == [False] * 6 + [True] * 5 + [False]
    np.testing.assert_array_equal(lesion.values[6].all(axis=1), np.arange(16) < 4)
    assert images.attributes["age"][:2] == ("21", "22")
    assert images.attributes["sex"][:2] == ("Male", "Female")
    assert images.notices == ()


def test_shenzhen_as_downloaded_has_images_only(shenzhen: Path) -> None:
    for extra in ("masks", "lesions"):
        shutil.rmtree(shenzhen / extra)
    (shenzhen / "shenzhen_metadata.csv").unlink()
    (shenzhen / "CXR_png" / "Thumbs.db").write_bytes(b"left by a file browser")
    images = load_images(ShenzhenSource(source="shenzhen", path=str(shenzhen), size=16))
    assert len(images) == 12
    assert images.masks == {}
    assert images.attributes == {}


def test_a_misnamed_mask_is_told(shenzhen: Path) -> None:
    mask = shenzhen / "masks" / "CHNCXR_0002_0_mask.png"
    mask.rename(mask.with_name("CHNCXR_0002_mask.png"))
    images = load_images(ShenzhenSource(source="shenzhen", path=str(shenzhen), size=16))
    assert images.notices == ("1 files in masks/ belong to no image: CHNCXR_0002_mask.png",)
    assert images.masks["lung"].present.sum() == 10


def test_montgomery_unites_the_two_lungs(tmp_path: Path, save: Save, image: Callable[[int], NDArray[Any]]) -> None:
    left, right = np.zeros((40, 32), np.uint8), np.zeros((40, 32), np.uint8)
    left[:, 24:], right[:, :8] = 255, 255
    for number, label in ((1, 0), (2, 1), (3, 1)):
        name = f"MCUCXR_{number:04d}_{label}.png"
        save(tmp_path / "CXR_png" / name, image(number))
        if number < 3:
            save(tmp_path / "ManualMask" / "leftMask" / name, left)
            save(tmp_path / "ManualMask" / "rightMask" / name, right)
    images = load_images(MontgomerySource(source="montgomery", path=str(tmp_path), size=16))
    assert images.ids == ("MCUCXR_0001_0", "MCUCXR_0002_1", "MCUCXR_0003_1")
    assert images.labels.tolist() == [0, 1, 1]
    assert images.masks["lung"].present.tolist() == [True, True, False]
    assert images.masks["lung"].values[1, 3].tolist() == [True] * 4 + [False] * 8 + [True] * 4


def test_a_folder_a_class(classes: Path) -> None:
    (classes / "clear" / "image0.png").rename(classes / "clear" / "image0.PNG")
    images = load_images(FolderSource(source="folder", path=str(classes), size=16))
    assert images.class_names == ("clear", "opaque")
    assert images.ids == tuple(f"{'clear' if n < 3 else 'opaque'}/image{n}" for n in range(6))
    turned = load_images(FolderSource(source="folder", path=str(classes), size=16, classes=("opaque", "clear")))
    assert turned.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert turned.ids[0] == "opaque/image3"


def test_a_folder_that_is_no_class_is_told(classes: Path) -> None:
    (classes / "masks").mkdir()
    images = load_images(FolderSource(source="folder", path=str(classes), size=16, classes=("clear", "opaque")))
    assert images.notices == ("folders that are no class of the study: masks",)


def manifest(table: Path, **fields: Any) -> ManifestSource:
    return ManifestSource(
        source="manifest",
        path=str(table),
        size=16,
        image_folder="pictures",
        image_column="file",
        label_column="finding",
        **fields,
    )


def test_a_manifest_with_every_column(table: Path) -> None:
    images = load_images(
        manifest(
            table,
            classes=("normal", "TB"),
            split_column="part",
            test_value="val",
            group_column="patient",
            attribute_columns=("sex",),
            mask_columns={"lung": "lungs"},
        )
    )
    assert images.ids == tuple(f"image{n}" for n in range(8))
    assert images.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert images.parts == ("train", "train", "train", "test", "train", "train", "train", "test")
    assert images.groups == ("p0", "p0", "p1", "p1", "p2", "p2", "p3", "p3")
    assert images.attributes == {"sex": ("f",) * 8}
    assert images.masks["lung"].present.tolist() == [False] + [True] * 7
    assert images.masks["lung"].values[1:, :, :8].all()
    assert not images.masks["lung"].values[:, :, 8:].any()


def test_manifest_labels_may_be_numbers_and_a_patient_may_be_unknown(table: Path) -> None:
    lines = table.read_text().replace(",normal,", ",0,").replace(",TB,", ",1,").replace(",p0,", ",,")
    table.write_text("\ufeff" + lines, encoding="utf-8")
    images = load_images(manifest(table, classes=("normal", "TB"), group_column="patient"))
    assert images.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert images.class_names == ("normal", "TB")
    assert images.groups is not None
    assert len(set(images.groups)) == 5
    assert images.notices == ('2 images have no "patient": each counts as a group of its own',)
    unnamed = load_images(manifest(table))
    assert unnamed.class_names == ("0", "1")


def test_manifest_images_may_be_links_out_of_their_folder(table: Path) -> None:
    picture = table.parent / "pictures" / "image1.png"
    elsewhere = table.parent.parent / "annex.png"
    picture.rename(elsewhere)
    picture.symlink_to(elsewhere)
    assert len(load_images(manifest(table))) == 8


def test_the_phantom_comes_through_the_same_door() -> None:
    source = PhantomSource(source="phantom", size=32, train=4, test=4)
    assert load_images(source).fingerprint == phantom(source).fingerprint


@pytest.mark.parametrize("place", ["data", "study", "absolute"])
def test_a_source_is_found_where_the_study_means_it(
    shenzhen: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(shenzhen) if place == "absolute" else "shenzhen"
    beside = shenzhen.parent / "study.toml" if place == "study" else None
    monkeypatch.delenv("IMIL_SIM_DATA", raising=False)
    if place == "data":
        monkeypatch.setenv("IMIL_SIM_DATA", str(shenzhen.parent))
    assert len(load_images(ShenzhenSource(source="shenzhen", path=path, size=16), beside=beside)) == 12


def test_the_class_without_disease_comes_first_in_a_folder_of_classes(tmp_path: Path) -> None:
    for name in ("TB", "normal"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), np.full((16, 16), len(name), np.uint8))
    source = FolderSource(source="folder", path=str(tmp_path), size=16)
    assert load_images(source).class_names == ("normal", "TB")
    asked = source.model_copy(update={"classes": ("TB", "normal")})
    assert load_images(asked).class_names == ("TB", "normal")
