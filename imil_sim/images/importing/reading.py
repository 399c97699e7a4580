"""Which format a file has, and what it says in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from imil_sim.errors import SessionError, UsageError, did_you_mean
from imil_sim.images.importing.boxes import read_boxes
from imil_sim.images.importing.coco import is_coco, read_coco
from imil_sim.images.importing.label_studio import is_label_studio, read_label_studio
from imil_sim.images.importing.labelme import is_labelme, read_labelme
from imil_sim.images.importing.masks import read_masks
from imil_sim.images.importing.outlines import Outlines, read_document, refused
from imil_sim.images.importing.via import is_via, read_via

Kind = Literal["boxes", "coco", "label-studio", "labelme", "masks", "via"]

KINDS: dict[Kind, str] = {
    "boxes": "CSV table of boxes",
    "coco": "COCO JSON",
    "label-studio": "Label Studio JSON",
    "labelme": "LabelMe JSON",
    "masks": "folder of PNG masks",
    "via": "VIA JSON",
}
"""The formats that are read."""

_JSON = {
    "coco": (is_coco, read_coco),
    "label-studio": (is_label_studio, read_label_studio),
    "labelme": (is_labelme, read_labelme),
    "via": (is_via, read_via),
}


def read_outlines(path: Path, kind: str | None = None, suffix: str = "") -> tuple[Kind, list[Outlines]]:
    """The format of a file or folder, recognised unless ``kind`` says it, and what was marked in it.

    Args:
        path: a file, or a folder of PNG masks or of LabelMe files.
        kind: one of `KINDS`.
        suffix: of masks, what stands between a film's id and ``.png``.

    Raises:
        UsageError: there is no such format.
        SessionError: the file cannot be read, is in none of the formats, or something in it is wrong.
    """
    known = get_args(Kind)
    if kind is not None and kind not in known:
        raise UsageError(f'there is no format "{kind}" to import. {did_you_mean(kind, known)}')
    if not path.exists():
        raise SessionError(f"{path} does not exist; name the file or folder to import")
    if path.is_dir():
        return _of_folder(path, kind, suffix)
    if kind in ("boxes", "masks") or (kind is None and path.suffix.lower() in (".csv", ".tsv")):
        if kind == "masks":
            raise SessionError(f"{path} is a file; masks are imported from a folder")
        return "boxes", read_boxes(path)
    document = read_document(path)
    found = next((name for name, (fits, _) in _JSON.items() if kind in (None, name) and fits(document)), kind)
    if found is None:
        raise SessionError(f"{path} is JSON of none of the formats that are read: {', '.join(KINDS.values())}")
    return _named(found), _JSON[found][1](document, path)


def _of_folder(path: Path, kind: str | None, suffix: str) -> tuple[Kind, list[Outlines]]:
    files = sorted(path.rglob("*.json"))
    if kind == "masks" or (kind is None and not files):
        return "masks", read_masks(path, suffix)
    if kind not in (None, "labelme"):
        raise SessionError(f"{path} is a folder; of {KINDS[_named(kind)]} name the file")
    outlines: list[Outlines] = []
    problems: list[str] = []
    for file in files:
        try:
            outlines += read_labelme(read_document(file), file)
        except SessionError as error:
            problems.append(str(error).replace("\n", "\n    "))
    if problems:
        raise refused(path, "cannot be imported", problems)
    return "labelme", outlines


def _named(kind: str) -> Kind:
    return next(name for name in KINDS if name == kind)
