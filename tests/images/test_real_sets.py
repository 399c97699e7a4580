"""The real sets, where IMIL_SIM_DATA names the folder that holds them: the numbers their authors published."""

from __future__ import annotations

from pathlib import Path

from imil_sim.images.load import load_images
from imil_sim.images.manifest import ManifestSource
from imil_sim.images.shenzhen import ShenzhenSource
from imil_sim.images.split import split_images
from imil_sim.images.summary import ClassCount, MaskCount, summarise
from imil_sim.study.spec import SplitSpec


def test_shenzhen(real_data: Path) -> None:
    source = ShenzhenSource(source="shenzhen", path=str(real_data / "shenzhen"), size=96)
    images = load_images(source)
    summary = summarise(images, split_images(images, SplitSpec(test=132), seed=0))
    assert summary.images == 662
    assert summary.classes == (ClassCount("normal", 326, 261, 65), ClassCount("TB", 336, 269, 67))
    assert summary.masks == (MaskCount("lung", 566, 0, 96), MaskCount("lesion", 330, 326, 6))
    assert summary.split == (530, 132)
    assert summary.duplicates == ()
    assert summary.warnings == ()
    assert summary.attributes[0].values == {"Male": 460, "Female": 202}
    # Lungs take up a fourth to a third of an image; a mask read upside down or inverted would not.
    lung = images.masks["lung"]
    assert 0.2 < lung.values[lung.present].mean() < 0.35
    inside = (images.masks["lesion"].values & lung.values)[lung.present].sum()
    assert inside / images.masks["lesion"].values[lung.present].sum() > 0.85


def test_da_db_through_a_manifest(real_data: Path) -> None:
    source = ManifestSource(
        source="manifest",
        path=str(real_data / "da_db" / "labels.csv"),
        size=96,
        image_folder="CXR_png",
        image_column="filename",
        label_column="label",
        classes=("normal", "TB"),
        split_column="split_in_source",
        test_value="val",
    )
    images = load_images(source)
    summary = summarise(images, split_images(images, SplitSpec(), seed=0))
    assert summary.classes == (ClassCount("normal", 102, 54, 48), ClassCount("TB", 74, 34, 40))
    # The set really has four images twice, two of them on both sides of its own split.
    assert ("n1", "n28") in [duplicate.ids for duplicate in summary.across]
    assert len(summary.duplicates) == 4
    assert len(summary.across) == 2
