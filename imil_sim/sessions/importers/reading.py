"""Which format a file has, and what it says in it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from imil_sim.errors import SessionError, UsageError, did_you_mean, listed
from imil_sim.sessions.importers.boxes import read_boxes
from imil_sim.sessions.importers.coco import is_coco, read_coco
from imil_sim.sessions.importers.format_hints import SESSION, is_session, told_of_json
from imil_sim.sessions.importers.label_studio import is_label_studio, read_label_studio
from imil_sim.sessions.importers.labelme import is_labelme, read_labelme
from imil_sim.sessions.importers.masks import read_masks, shared_ending
from imil_sim.sessions.importers.outlines import Names, Outlines, document_of, files_in, refused
from imil_sim.sessions.importers.via import is_via, read_via
from imil_sim.sessions.untrusted import read_untrusted

Kind = Literal["boxes", "coco", "label-studio", "labelme", "masks", "via"]

KINDS: dict[Kind, str] = {
    "boxes": "CSV table of boxes",
    "coco": "COCO JSON",
    "label-studio": "Label Studio JSON",
    "labelme": "LabelMe JSON",
    "masks": "folder of masks",
    "via": "VIA JSON",
}
"""The formats that are read."""

MOST_SHOWN = 80
"""Characters of a category's name in a message."""

_LEAVE_IT = "leave --format out, or give another"

_JSON = {
    "coco": (is_coco, read_coco),
    "label-studio": (is_label_studio, read_label_studio),
    "labelme": (is_labelme, read_labelme),
    "via": (is_via, read_via),
}


@dataclass(frozen=True, slots=True)
class Read:
    """What a file or folder holds."""

    kind: Kind
    outlines: list[Outlines]
    warnings: tuple[str, ...] = ()
    """What was passed over."""
    ending: str = ""
    """Of masks that were read without a suffix: what looks like one; see `shared_ending`."""


def read_outlines(path: Path, kind: str | None = None, suffix: str = "", only: Set[str] = frozenset()) -> Read:
    """The format of a file or folder, recognised unless ``kind`` says it, and what was marked in it.

    Args:
        path: a file, or a folder of masks or of LabelMe files.
        kind: one of `KINDS`.
        suffix: of masks, what stands between an image's id and its ending.
        only: the categories of the marks that are wanted; empty: all of them.

    Raises:
        UsageError: there is no such format; masks, which have no categories, are asked for one; or no mark is of a
            category that was asked for.
        SessionError: the file cannot be read, is in none of the formats, or something in it is wrong.
    """
    known = get_args(Kind)
    if kind is not None and kind not in known:
        raise UsageError(f'there is no format "{kind}" to import. {did_you_mean(kind, known)}')
    if not path.exists():
        raise SessionError(f"{path} does not exist; name the file or folder to import")
    read = _of_folder(path, kind, suffix, only) if path.is_dir() else _of_file(path, kind, only)
    _check_categories(only, frozenset[Names]().union(*(one.categories for one in read.outlines)))
    return read


def _of_file(path: Path, kind: str | None, only: Set[str]) -> Read:
    if kind == "masks":
        raise SessionError(f"{path} is a file; masks are imported from a folder")
    if path.suffix.lower() == ".tsv":
        raise SessionError(f"{path} is a table with tabs; save it as CSV, with commas")
    text = read_untrusted(path)
    if is_session(text):
        raise SessionError(f"{path} {SESSION}")
    is_table = path.suffix.lower() == ".csv"
    if kind == "boxes" or (kind is None and is_table):
        _check_no_json(text, path, kind)
        return Read("boxes", read_boxes(path, only))
    try:
        document = document_of(text, path)
    except SessionError as error:
        if is_table and kind is not None:
            raise SessionError(f"{path} is a CSV table by its name, no {KINDS[_named(kind)]}; {_LEAVE_IT}") from None
        raise error from None
    return _of_document(document, path, kind, only)


def _of_document(document: Any, path: Path, kind: str | None, only: Set[str]) -> Read:
    fitting = _fitting(document)
    if kind is not None and fitting and kind not in fitting:
        looks = KINDS[_named(fitting[0])]
        raise SessionError(f"{path} looks like {looks}, not like {KINDS[_named(kind)]}; {_LEAVE_IT}")
    if not fitting and (told := told_of_json(document)):
        raise SessionError(f"{path} {told}")
    found = kind or next(iter(fitting), None)
    if found is None:
        raise SessionError(f"{path} is JSON of none of the formats that are read: {', '.join(KINDS.values())}")
    return Read(_named(found), _JSON[found][1](document, path, only))


def _fitting(document: Any) -> list[str]:
    """The JSON formats that a document looks like; none where it is empty."""
    return [name for name, (fits, _) in _JSON.items() if document and fits(document)]


def _check_no_json(text: str, path: Path, kind: str | None) -> None:
    """Nothing, if a table is none that is JSON, and would be a strange table.

    Raises:
        SessionError: it is; told is which.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return
    try:
        document = document_of(text, path)
    except SessionError:
        return
    looks = next((KINDS[_named(name)] for name in _fitting(document)), "JSON")
    told = told_of_json(document) or f"looks like {looks}, not like a {KINDS['boxes']}"
    end = _LEAVE_IT if kind else "let its name end in .json"
    raise SessionError(f"{path} {told}; {end}" if looks != "JSON" else f"{path} {told}")


def _of_folder(path: Path, kind: str | None, suffix: str, only: Set[str]) -> Read:
    files = [file for file in files_in(path) if file.suffix.lower() == ".json"]
    if kind == "masks" or (kind is None and not files):
        if only:
            raise UsageError("--only: masks have no categories; leave it out, or import the outlines they were made of")
        outlines, told = read_masks(path, suffix)
        return Read("masks", outlines, told, "" if suffix else shared_ending(one.image for one in outlines))
    if kind not in (None, "labelme"):
        raise SessionError(f"{path} is a folder; of {KINDS[_named(kind)]} name the file")
    outlines = []
    problems: list[str] = []
    for file in files:
        try:
            document = document_of(read_untrusted(file), file)
            if (fitting := _fitting(document)) and "labelme" not in fitting:
                raise SessionError(f"{file} looks like {KINDS[_named(fitting[0])]}, no LabelMe file; name it by itself")
            outlines += read_labelme(document, file, only)
        except SessionError as error:
            problems.append(str(error).replace("\n", "\n    "))
    if problems:
        raise refused(path, "cannot be imported", problems)
    return Read("labelme", outlines)


def _check_categories(only: Set[str], found: Set[Names]) -> None:
    """Nothing, if there are marks of every category that was asked for.

    Raises:
        UsageError: of one there are none; those that there are are told.
    """
    missing = sorted(only - {name for names in found for name in names})
    full = {names[0][:MOST_SHOWN] for names in found}
    problems = [f'no mark is of the category "{name[:MOST_SHOWN]}". {did_you_mean(name, full)}' for name in missing]
    if problems:
        raise UsageError(f"--only: {problems[0]}" if len(problems) == 1 else f"--only:{listed(problems)}")


def _named(kind: str) -> Kind:
    return next(name for name in KINDS if name == kind)
