"""The real sets, where IMIL_SIM_DATA names the folder that holds them: the numbers their authors published."""

from __future__ import annotations

from pathlib import Path

from imil_sim.images.load import load_images
from imil_sim.images.manifest import ManifestSource
from imil_sim.images.shenzhen import ShenzhenSource
from imil_sim.images.split import split_images
from imil_sim.images.summary import duplicates, summarise
from imil_sim.study.spec import SplitSpec


def test_shenzhen(real_data: Path) -> None:
    source = ShenzhenSource(source="shenzhen", path=str(real_data / "shenzhen"), size=96)
    images = load_images(source)
    summary = summarise(images, split_images(images, SplitSpec(test=132), seed=0))
    assert summary.rows[:8] == (
        ("images", "662 images, 96 x 96 pixels"),
        ("classes", "326/336 normal / TB"),
        ("masks", "566 lung masks (96 images without)"),
        ("masks", "330 lesion masks (326 images known to have an empty one, 6 images without)"),
        ("split", "530/132 training / test"),
        ("training", "261/269 normal / TB"),
        ("test", "65/67 normal / TB"),
        ("sex", "460 Male, 202 Female"),
    )
    assert summary.warnings == ()
    assert duplicates(images) == ()
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
    split = split_images(images, SplitSpec(), seed=0)
    rows = dict(summarise(images, split).rows)
    assert [rows[what] for what in ("classes", "training", "test")] == [
        f"{n} normal / TB" for n in ("102/74", "54/34", "48/40")
    ]
    # The set really has four images twice, two of them on both sides of its own split.
    found = duplicates(images, split)
    assert ("n1", "n28") in [duplicate.ids for duplicate in found if duplicate.across]
    assert len(found) == 4
    assert sum(duplicate.across for duplicate in found) == 2
