"""Files that are easily taken for one that can be imported: what they are, and what to export or name instead."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

from imil_sim.sessions.session import FORMAT
from imil_sim.sessions.strict_json import JsonFault, parse_json

SESSION = (
    'is a session already; replay it as it is: oracle = "replay", with options.session naming it (docs/sessions.md)'
)
VIA_CSV = "is VIA's CSV export; export the annotations as JSON, or save the project, and import that"
LABEL_STUDIO_CSV = "is a CSV export of Label Studio; export JSON, and import that"
LABEL_STUDIO_MIN = "is Label Studio's JSON-MIN export, which leaves out what an import needs; export JSON"
# Its COCO export writes -1 for the width and height of every image, and polygons that are not lists.
VIA_3 = (
    "is a project of VIA 3, which is not read, and its exports do not tell the sizes of the images; mark them in VIA "
    "2, "
    "or make a CSV table of boxes"
)
RESULTS = (
    "is a list of COCO annotations (results), which names no images; import the whole COCO file, with images and "
    "annotations"
)


def is_session(text: str) -> bool:
    """Whether the text of a file begins like a session, whatever its other lines are."""
    line = text.lstrip().partition("\n")[0]
    try:
        header = parse_json(line) if FORMAT in line else None
    except JsonFault:
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


def told_of_json(document: Any) -> str:
    """What a JSON document is that is in none of the formats, and what to do; empty where it is not known.

    >>> told_of_json([{"image_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}])[:44]
    'is a list of COCO annotations (results), whi'
    """
    if isinstance(document, dict):
        return VIA_3 if document.keys() >= {"project", "file", "view", "metadata"} else ""
    if not (isinstance(document, list) and document and all(isinstance(part, dict) for part in document)):
        return ""
    if _all_have(document, {"annotator", "annotation_id"}):
        return LABEL_STUDIO_MIN
    return RESULTS if _all_have(document, {"image_id"}) and _all_have(document, {"bbox"}, {"segmentation"}) else ""


def told_of_table(columns: Iterable[str]) -> str:
    """What a CSV table with these columns is that is no table of boxes, and what to do; empty where it is not known.

    >>> told_of_table(["filename", "region_shape_attributes"])[:22]
    "is VIA's CSV export; e"
    """
    known = {column.lower() for column in columns}
    if "region_shape_attributes" in known:
        return VIA_CSV
    return LABEL_STUDIO_CSV if known >= {"annotator", "annotation_id"} else ""


def _all_have(parts: list[dict[str, Any]], *keys: Set[str]) -> bool:
    """Whether each part has all keys of one of the sets."""
    return all(any(part.keys() >= wanted for wanted in keys) for part in parts)
