"""The Montgomery County set: 138 frontal images, 80 normal and 58 TB (Jaeger et al. 2014).

Layout, as in the original download::

    CXR_png/MCUCXR_NNNN_L.png                L = 0 normal, 1 TB
    ManualMask/leftMask/MCUCXR_NNNN_L.png    the left lung
    ManualMask/rightMask/MCUCXR_NNNN_L.png   the right lung; both are united to ``lung``
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field

from imil_sim.images.listing import Entry, Listing, image_files, orphans, set_problems, subfolder
from imil_sim.images.source import FileSource
from imil_sim.study.paths import resolve

CLASS_NAMES = ("normal", "TB")

_NAME = re.compile(r"MCUCXR_\d+_(\d+)")


class MontgomerySource(FileSource):
    """Montgomery County X-rays (Jaeger et al. 2014), ``CXR_png/MCUCXR_NNNN_L.png``, with ``ManualMask/``."""

    path: str = Field("montgomery", description="Folder that holds CXR_png/; relative to IMIL_SIM_DATA or the study.")

    def list_files(self, beside: Path | None = None) -> Listing:
        """The images that lie in the source's folder, with the lung masks beside them.

        Raises:
            DataError: the folder, or ``CXR_png/`` in it, is missing or cannot be read.
        """
        root = resolve(self.path, beside)
        images = subfolder(root, "CXR_png", "montgomery")
        halves = (root / "ManualMask" / "leftMask", root / "ManualMask" / "rightMask")
        entries, problems = [], []
        for path in image_files(images):
            name = _NAME.fullmatch(path.stem)
            if not name or int(name[1]) >= len(CLASS_NAMES):
                problems.append(
                    f"CXR_png/{path.name}: is not named MCUCXR_NNNN_L.png with L = 0 (normal) or 1 (TB); rename it, or "
                    "move it away"
                )
                continue
            found = tuple(half / path.name for half in halves if (half / path.name).exists())
            if len(found) == 1:
                problems.append(
                    f"{found[0].relative_to(root).as_posix()}: is one lung without the other; put the file into both "
                    "leftMask/ and rightMask/, or into neither"
                )
            entries.append(Entry(path.stem, path, int(name[1]), {"lung": found} if len(found) == 2 else {}))
        if not entries and not problems:
            problems.append("CXR_png/: holds no image MCUCXR_NNNN_L.png; put the images there")
        return Listing(
            name="montgomery",
            root=root,
            class_names=CLASS_NAMES,
            entries=tuple(entries),
            mask_names=("lung",) if any(half.is_dir() for half in halves) else (),
            problems=(*problems, *set_problems(entries, CLASS_NAMES)),
            notices=tuple(
                each for half in halves for each in orphans(root, half, (entry.path.name for entry in entries))
            ),
        )
