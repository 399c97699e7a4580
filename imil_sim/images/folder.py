"""Any set kept as one folder a class, each holding that class's images (PNG, JPEG) and nothing below it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from imil_sim.errors import DataError, did_you_mean
from imil_sim.images.listing import (
    IMAGE_SUFFIXES,
    OTHER_IMAGE_SUFFIXES,
    Entry,
    Listing,
    counted,
    set_problems,
    visible,
)
from imil_sim.images.source import FileSource
from imil_sim.study.paths import resolve

NORMAL = ("normal", "negative", "healthy", "no finding", "no_finding", "no-finding")
"""Names of the class without disease, whatever their case."""


class FolderSource(FileSource):
    """One folder a class, named for the class; in the order of their names, one called normal first, unless given."""

    path: str = Field(description="Folder of class folders; relative to IMIL_SIM_DATA or the study.")
    classes: tuple[str, ...] | None = Field(None, description="Class folders in order, the positive one last.")

    def list_files(self, beside: Path | None = None) -> Listing:
        """The images of all class folders, class by class; ids are ``class/name`` without the extension.

        Raises:
            DataError: the folder is missing, cannot be read, or holds no folders; or a class has no folder.
        """
        root = resolve(self.path, beside)
        folders = {path.name: path for path in visible(root) if path.is_dir()}
        if not folders:
            raise DataError(f'images "folder": {root} holds no folders. Put the images of each class into a folder')
        class_names = self.classes or _normal_first(tuple(folders))
        missing = [name for name in class_names if name not in folders]
        if missing:
            near = " ".join(did_you_mean(name, folders) for name in missing[:1])
            raise DataError(f'images "folder": {root} holds no folder for class {", ".join(missing)}. {near}')
        entries: list[Entry] = []
        problems: list[str] = []
        for label, name in enumerate(class_names):
            images, faults = _class_images(folders[name])
            entries += [Entry(f"{name}/{path.stem}", path, label) for path in images]
            problems += [f"{name}/{fault}" for fault in faults]
        left_out = [name for name in folders if name not in class_names]
        return Listing(
            name="folder",
            root=root,
            class_names=class_names,
            entries=tuple(entries),
            problems=(*problems, *set_problems(entries, class_names)),
            notices=(f"folders that are no class of the study: {counted(left_out)}",) if left_out else (),
        )


def _class_images(folder: Path) -> tuple[list[Path], list[str]]:
    """The images of a class, and what else lies there that may have been meant as one."""
    images, faults = [], []
    for path in visible(folder):
        suffix = path.suffix.lower()
        if suffix in OTHER_IMAGE_SUFFIXES:
            faults.append(f"{path.name}: is neither PNG nor JPEG; convert it to 8-bit grayscale PNG, or move it away")
        elif suffix in IMAGE_SUFFIXES:
            images.append(path)
        elif path.is_dir():
            faults.append(f"{path.name}/: is a folder in a class folder; put its images directly into {folder.name}/")
    if not images:
        faults.append(": holds no PNG or JPEG image; put the images of the class there")
    return images, faults


def _normal_first(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names with the class without disease in front, if one is called so: the positive class is the last one."""
    return tuple(sorted(names, key=lambda name: name.casefold() not in NORMAL))
