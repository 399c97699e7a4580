"""The Shenzhen Hospital set: 662 frontal images, 326 normal and 336 TB (Jaeger et al. 2014).

Layout; only the first folder is required, so the original download works as it is::

    CXR_png/CHNCXR_NNNN_L.png             L = 0 normal, 1 TB
    masks/CHNCXR_NNNN_L_mask.png          both lungs (Stirenko et al. 2018)
    lesions/masks/CHNCXR_NNNN_1_lesion.png   TB lesions (Yang et al. 2022)
    shenzhen_metadata.csv                 study_id, sex, age, findings

Where the lesion folder exists, a normal image has a lesion mask and it is empty; a TB image without a file has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from imil_sim.images.listing import Entry, Listing, image_files, orphans, read_table, set_problems, subfolder
from imil_sim.images.source import FileSource
from imil_sim.study.paths import resolve

CLASS_NAMES = ("normal", "TB")
METADATA = "shenzhen_metadata.csv"
ATTRIBUTES = ("sex", "age", "findings")

_NAME = re.compile(r"CHNCXR_\d+_(\d+)")


class ShenzhenSource(FileSource):
    """Shenzhen Hospital X-rays (Jaeger et al. 2014), ``CXR_png/CHNCXR_NNNN_L.png``, with the masks that lie beside."""

    path: str = Field("shenzhen", description="Folder that holds CXR_png/; relative to IMIL_SIM_DATA or the study.")

    def list_files(self, beside: Path | None = None) -> Listing:
        """The images that lie in the source's folder, with the masks and attributes beside them.

        Raises:
            DataError: the folder, or ``CXR_png/`` in it, is missing or cannot be read; or the metadata table cannot be.
        """
        root = resolve(self.path, beside)
        images = subfolder(root, "CXR_png", "shenzhen")
        masks, lesions = root / "masks", root / "lesions" / "masks"
        attributes = _attributes(root / METADATA)
        entries, problems = [], []
        for path in image_files(images):
            label = _label(path)
            if label is None:
                problems.append(
                    f"CXR_png/{path.name}: is not named CHNCXR_NNNN_L.png with L = 0 (normal) or 1 (TB); rename it, or "
                    "move it away"
                )
                continue
            found = _masks(path.stem, label, masks, lesions)
            entries.append(Entry(path.stem, path, label, found, attributes=attributes.get(path.stem, {})))
        if not entries and not problems:
            problems.append("CXR_png/: holds no image CHNCXR_NNNN_L.png; put the images there")
        return Listing(
            name="shenzhen",
            root=root,
            class_names=CLASS_NAMES,
            entries=tuple(entries),
            mask_names=tuple(name for name, folder in {"lung": masks, "lesion": lesions}.items() if folder.is_dir()),
            attribute_names=ATTRIBUTES if attributes else (),
            problems=(*problems, *set_problems(entries, CLASS_NAMES)),
            notices=(
                *orphans(root, masks, (f"{entry.id}_mask.png" for entry in entries)),
                *orphans(root, lesions, (f"{entry.id}_lesion.png" for entry in entries)),
            ),
        )


def _label(path: Path) -> int | None:
    name = _NAME.fullmatch(path.stem)
    return int(name[1]) if name and int(name[1]) < len(CLASS_NAMES) else None


def _masks(stem: str, label: int, masks: Path, lesions: Path) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    lung, lesion = masks / f"{stem}_mask.png", lesions / f"{stem}_lesion.png"
    if lung.exists():
        found["lung"] = (lung,)
    if lesion.exists():
        found["lesion"] = (lesion,)
    elif label == 0 and lesions.is_dir():
        found["lesion"] = ()
    return found


def _attributes(path: Path) -> Mapping[str, Mapping[str, str]]:
    """Attributes by image; empty where the table is not there."""
    if not path.exists():
        return {}
    table = read_table(path, ("study_id", *ATTRIBUTES))
    return {Path(row["study_id"]).stem: {name: row[name] for name in ATTRIBUTES} for row in table.rows}
