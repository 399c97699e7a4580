"""Each format on files as its program writes them."""

from __future__ import annotations

import base64
import json
import math
import os
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imil_sim.errors import DataError, SessionError, UsageError
from imil_sim.feedback.grid import Grid
from imil_sim.registry import load, names
from imil_sim.sessions.drawn import mask_of
from imil_sim.sessions.files import session_bytes
from imil_sim.sessions.importers import Outlines, ellipse, read_outlines, rotated
from imil_sim.sessions.importers.label_studio import opacity
from imil_sim.sessions.importers.sessions import Wanted, read_sizes, sessions_of
from imil_sim.sessions.session import Header, Session

SQUARE = ((10.0, 20.0), (30.0, 20.0), (30.0, 40.0), (10.0, 40.0))


def area(polygon: tuple[tuple[float, float], ...]) -> float:
    x, y = np.array(polygon).T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def mask(outlines: Outlines) -> NDArray[np.bool_]:
    """(height, width), True inside."""
    assert outlines.mask is not None
    assert outlines.size is not None
    return mask_of(outlines.mask, outlines.size)


def read(path: Path, document: Any, kind: str) -> list[Outlines]:
    path.write_text(json.dumps(document), encoding="utf-8")
    found = read_outlines(path)
    assert found.kind == kind
    assert read_outlines(path, kind).kind == kind
    return found.outlines


# -------------------------------------------------------------------------------------------------------------- VIA


def via_image(name: str, *shapes: dict[str, Any]) -> dict[str, Any]:
    regions = [{"shape_attributes": shape, "region_attributes": {"finding": "nodule"}} for shape in shapes]
    return {"filename": name, "size": 5553963, "regions": regions, "file_attributes": {}}


VIA_SHAPES = (
    {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [20, 20, 40, 40]},
    {"name": "rect", "x": 10, "y": 20, "width": 5, "height": 6},
    {"name": "circle", "cx": 50, "cy": 60, "r": 10.5},
    {"name": "ellipse", "cx": 50, "cy": 60, "rx": 10, "ry": 5, "theta": 0.5},
    {"name": "point", "cx": [2808], "cy": [1805]},
    {"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]},
)


@pytest.mark.parametrize("form", ["annotations", "project", "version 1"])
def test_via(tmp_path: Path, form: str) -> None:
    images = {"a.png5553963": via_image("a.png", *VIA_SHAPES), "b.png1": via_image("b.png")}
    if form == "version 1":
        images["a.png5553963"]["regions"] = {str(i): r for i, r in enumerate(images["a.png5553963"]["regions"])}
    document = (
        {"_via_settings": {}, "_via_img_metadata": images, "_via_attributes": {}} if form == "project" else images
    )
    one, two = read(tmp_path / "via.json", document, "via")
    assert (one.image, one.size, one.left_out) == ("a.png", None, ("point", "polyline"))
    assert one.boxes == ((10, 20, 15, 26),)
    assert one.polygons[0] == SQUARE
    assert area(one.polygons[1]) == pytest.approx(math.pi * 10.5**2, rel=0.002)
    assert area(one.polygons[2]) == pytest.approx(math.pi * 50, rel=0.002)
    assert one.polygons[2][0] == pytest.approx((50 + 10 * math.cos(0.5), 60 + 10 * math.sin(0.5)))
    assert (two.image, two.boxes, two.polygons, two.left_out) == ("b.png", (), (), ())


def test_via_shapes_that_are_none_are_named(tmp_path: Path) -> None:
    broken = [{**VIA_SHAPES[0], "all_points_x": [1]}, {"name": "rect", "x": 1}, {"name": "star"}, {"name": "circle"}]
    with pytest.raises(SessionError) as caught:
        read(tmp_path / "via.json", {"a": via_image("a.png", *VIA_SHAPES[:1], *broken)}, "via")
    for number in (2, 3, 4, 5):
        assert f'image "a.png", region {number} (' in str(caught.value)
    assert "region 1 " not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- LabelMe


def labelme(*shapes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    about = {"label": "nodule", "group_id": None, "description": "", "flags": {}, "mask": None}
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [{**about, **shape} for shape in shapes],
        "imagePath": "..\\images\\a.png",
        "imageData": "bm90IGEgcGljdHVyZQ==",
        "imageHeight": 80,
        "imageWidth": 100,
    } | changes


def png(values: NDArray[Any]) -> str:
    return base64.b64encode(cv2.imencode(".png", values.astype(np.uint8))[1].tobytes()).decode()


def test_labelme(tmp_path: Path) -> None:
    blob = np.array([[1, 0, 1], [0, 1, 0]])
    document = labelme(
        {"shape_type": "polygon", "points": [list(p) for p in SQUARE]},
        {"shape_type": "rectangle", "points": [[15, 26], [10, 20]]},
        {"shape_type": "oriented_rectangle", "points": [[5, 0], [10, 5], [5, 10], [0, 5]]},
        {"shape_type": "circle", "points": [[50, 40], [53, 44]]},
        {"shape_type": "mask", "points": [[90, 70], [92, 71]], "mask": png(blob)},
        {"shape_type": "linestrip", "points": [[1, 1], [2, 2], [3, 3]]},
    )
    (one,) = read(tmp_path / "a.json", document, "labelme")
    assert (one.image, one.size, one.boxes, one.left_out) == (
        "..\\images\\a.png",
        (80, 100),
        ((10, 20, 15, 26),),
        ("linestrip",),
    )
    assert one.polygons[0] == SQUARE
    assert one.polygons[1] == ((5, 0), (10, 5), (5, 10), (0, 5))
    assert area(one.polygons[2]) == pytest.approx(math.pi * 25, rel=0.002)
    assert mask(one).sum() == 3
    assert np.array_equal(mask(one)[70:72, 90:93], blob > 0)


def test_a_folder_of_labelme_files_is_read_whole(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(labelme(imagePath=f"{name}.png")))
    found = read_outlines(tmp_path)
    assert (found.kind, [one.image for one in found.outlines]) == ("labelme", ["a.png", "b.png"])
    (tmp_path / "c.json").write_text("{}")
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(SessionError, match=r"(?s)c\.json is no LabelMe file.*d\.json is no JSON: .*line 1"):
        read_outlines(tmp_path)


def test_labelme_masks_that_are_none_are_named(tmp_path: Path) -> None:
    bomb = base64.b64decode(png(np.ones((2, 2))))
    bomb = bomb[:16] + (99_999).to_bytes(4, "big") * 2 + bomb[24:]
    jpeg = cv2.imencode(".jpg", np.ones((2, 2), np.uint8))[1].tobytes()
    masks = [png(np.ones((3, 3))), "!", base64.b64encode(bomb).decode(), None, base64.b64encode(jpeg).decode()]
    shapes = [{"shape_type": "mask", "points": [[98, 78], [99, 79]], "mask": mask} for mask in masks]
    with pytest.raises(SessionError) as caught:
        read(tmp_path / "a.json", labelme(*shapes), "labelme")
    told = str(caught.value)
    assert "shape 1: the mask of 3 x 3 pixels reaches beyond the image" in told
    for number in (2, 3, 4):
        assert f"shape {number}: " in told
    assert "shape 5: the mask is a JPEG, LabelMe writes PNG" in told
    with pytest.raises(SessionError, match="no image to lie on"):
        read(tmp_path / "a.json", labelme(*shapes[:1], imageHeight=None, imageWidth=None), "labelme")


# ------------------------------------------------------------------------------------------------------------- COCO


def coco(*annotations: dict[str, Any], height: int = 20, width: int = 30) -> dict[str, Any]:
    about = {"category_id": 1, "iscrowd": 0, "area": 1.0}
    return {
        "info": {"year": 2026},
        "licenses": [],
        "categories": [{"id": 1, "name": "nodule"}],
        "images": [
            {
                "id": 7,
                "file_name": "images/a.png",
                "height": height,
                "width": width,
                "coco_url": "http://example.org/a",
            },
            {"id": 8, "file_name": "b.png", "height": 5, "width": 6},
        ],
        "annotations": [{"id": i, "image_id": 7, **about, **one} for i, one in enumerate(annotations, 1)],
    }


PACKED = "P2>6000000000j6EaI00000000000000000N"
"""As pycocotools 2.0.11 packs the mask below."""
MASK = np.zeros((20, 30), dtype=np.bool_)
MASK[4:18, 3:9] = True
MASK[2:5, 20:] = True


@pytest.mark.parametrize(
    "counts",
    [PACKED, [64, 14, *[6, 14] * 5, 224, *[3, 17] * 9, 3, 15]],
)
def test_coco_masks_in_both_forms(tmp_path: Path, counts: str | list[int]) -> None:
    area = {"segmentation": {"size": [20, 30], "counts": counts}, "iscrowd": 1}
    one, two = read(tmp_path / "coco.json", coco(area), "coco")
    assert (one.image, one.size) == ("images/a.png", (20, 30))
    assert np.array_equal(mask(one), MASK)
    assert (two.image, two.size, two.mask, two.boxes) == ("b.png", (5, 6), None, ())


def test_coco_polygons_and_boxes(tmp_path: Path) -> None:
    flat = [1, 2, 3, 2, 3, 4]
    document = coco({"segmentation": [flat, flat], "bbox": [1, 2, 2, 2]}, {"segmentation": [], "bbox": [5, 6, 7, 8]})
    document["annotations"].append({"image_id": 8, "segmentation": None, "bbox": [0, 0, 1, 2]})
    one, two = read(tmp_path / "coco.json", document, "coco")
    assert one.polygons == (((1, 2), (3, 2), (3, 4)),) * 2
    assert (one.boxes, two.boxes) == (((5, 6, 12, 14),), ((0, 0, 1, 2),))


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ({"image_id": 9}, "annotation 1: there is no image with the id 9"),
        ({}, "has neither segmentation nor bbox"),
        ({"segmentation": [[1, 2, 3]]}, "odd number of coordinates"),
        (
            {"segmentation": {"size": [20, 31], "counts": [620]}},
            r"its mask has the size \[20, 31\], its image ",
        ),
        ({"segmentation": {"size": [20, 30], "counts": [599]}}, "add up to 599 pixels, the image has 600"),
        ({"segmentation": {"size": [20, 30], "counts": [601, -1]}}, "must be text or a list of pixels"),
        ({"segmentation": {"size": [20, 30], "counts": "P2~"}}, "packed runs are damaged"),
        ({"segmentation": {"size": [20, 30], "counts": "oooooooooooooooooooo"}}, "packed runs are damaged"),
        ({"segmentation": {"size": [20, 30], "counts": "P"}}, "packed runs are damaged"),
        ({"segmentation": {"size": [20, 30], "counts": "oooooo0"}}, "packed runs are damaged"),
        ({"segmentation": {"size": [20, 30], "counts": "ooooo0"}}, "packed runs are damaged"),
        ({"segmentation": {"size": [20, 30], "counts": "A" * 9}}, "packed runs are damaged"),
        ({"segmentation": {"size": [20, 30], "counts": 5}}, "must be text or a list of pixels"),
    ],
)
def test_coco_annotations_that_are_none_are_named(tmp_path: Path, annotation: dict[str, Any], told: str) -> None:
    with pytest.raises(SessionError, match=told):
        read(tmp_path / "coco.json", coco(annotation), "coco")


def test_fault_32_a_picture_that_claims_too_much_is_refused_before_anything_is_made_of_it(tmp_path: Path) -> None:
    huge = coco({"segmentation": {"size": [99_999, 99_999], "counts": [99_999**2]}}, height=99_999, width=99_999)
    with pytest.raises(SessionError, match="image 7: claims an image of 99999 x 99999 pixels"):
        read(tmp_path / "coco.json", huge, "coco")
    mark = {
        "type": "brushlabels",
        "original_width": 99_999,
        "original_height": 99_999,
        "value": {"format": "rle", "rle": [0]},
    }
    with pytest.raises(SessionError, match="claims an image of 99999 x 99999 pixels"):
        read(tmp_path / "ls.json", [task(mark)], "label-studio")
    bomb = bytearray(cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1].tobytes())
    bomb[16:24] = (99_999).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(bomb)
    with pytest.raises(SessionError, match=r"a\.png: claims 99999 x 99999 pixels, more than 100,000,000; it was not"):
        read_outlines(tmp_path / "masks")


# ----------------------------------------------------------------------------------------------------- Label Studio


def task(
    *marks: dict[str, Any], number: int = 1, image: str = "/data/upload/3/0a1b2c3d-a%20b.png", **changes: Any
) -> Any:
    about = {
        "original_width": 200,
        "original_height": 100,
        "image_rotation": 0,
        "from_name": "label",
        "to_name": "image",
    }
    result = [{**about, "id": f"m{i}", "origin": "manual", **mark} for i, mark in enumerate(marks)]
    annotation = {"id": 5, "completed_by": 1, "result": result, "was_cancelled": False, "lead_time": 12.5} | changes
    return {"id": number, "data": {"image": image}, "annotations": [annotation], "predictions": [], "file_upload": "x"}


def test_label_studio(tmp_path: Path) -> None:
    document = [
        task(
            {"type": "rectanglelabels", "value": {"x": 10, "y": 20, "width": 5, "height": 30, "rotation": 0,
                                                  "rectanglelabels": ["nodule"]}},
            {"type": "rectangle", "value": {"x": 50, "y": 50, "width": 10, "height": 20, "rotation": 90}},
            {"type": "polygonlabels", "value": {"points": [[0, 0], [10, 0], [10, 20]], "closed": True}},
            {"type": "ellipselabels", "value": {"x": 50, "y": 50, "radiusX": 5, "radiusY": 10, "rotation": 0}},
            {"type": "keypointlabels", "value": {"x": 1, "y": 1, "width": 0.3}},
            {"type": "choices", "value": {"choices": ["TB"]}, "original_width": None, "original_height": None},
        )
    ]  # fmt: skip
    (one,) = read(tmp_path / "ls.json", document, "label-studio")
    assert (one.image, one.reader, one.size, one.seconds) == ("a b.png", "1", (100, 200), 12.5)
    assert one.boxes == ((20, 20, 30, 50),)
    # Turned by a quarter to the right about its top left corner at (100, 50): what was right is below.
    assert one.polygons[0] == pytest.approx(np.array([(100, 50), (100, 70), (80, 70), (80, 50)]))
    assert one.polygons[1] == ((0, 0), (20, 0), (20, 20))
    assert area(one.polygons[2]) == pytest.approx(math.pi * 100, rel=0.002)
    assert one.left_out == ("point",)


def test_label_studio_marks_on_a_turned_image_are_refused(tmp_path: Path) -> None:
    mark = {"type": "rectangle", "value": {"x": 10, "y": 20, "width": 5, "height": 30}}
    whole = [task({**mark, "image_rotation": 360}), task({**mark, "image_rotation": None}, number=2)]
    assert len(read(tmp_path / "ls.json", whole, "label-studio")) == 2
    with pytest.raises(SessionError, match="mark 1: was made on an image turned by 90 degrees; turn the image back"):
        read(tmp_path / "turned.json", [task({**mark, "image_rotation": 90})], "label-studio")


def test_label_studio_readers_skips_and_unanswered_tasks(tmp_path: Path) -> None:
    document = [
        task(completed_by={"id": 3, "email": "r3@example.org"}, was_cancelled=True),
        task(number=2, image="https://example.org/images/b.png?token=1", completed_by=4),
        task(number=3, image="/data/local-files/?d=TB/c.png"),
    ]
    document[0]["annotations"].append({"completed_by": 4, "result": []})
    document.append({"id": 4, "data": {"image": "d.png"}, "annotations": []})
    found = read(tmp_path / "ls.json", document, "label-studio")
    assert [(one.image, one.reader, one.abstained) for one in found] == [
        ("a b.png", "r3@example.org", True),
        ("a b.png", "4", False),
        ("b.png", "4", False),
        ("TB/c.png", "1", False),
    ]


BRUSHES = [
    (
        "0,0,0,48,57,27,254,19,0,143,254,216,4,127,243,128,0",
        [[0, 0, 0, 0], [0, 255, 0, 0], [0, 255, 0, 0]],
    ),
    (
        "0,0,0,48,57,27,252,108,145,237,199,27,24,68,120,113,221,71,177,25,100,98,209,238,70,11,28,80",
        [[100, 219, 141, 8], [195, 186, 216, 44], [22, 220, 5, 138]],
    ),
    ("0,0,0,48,57,27,254,47,255,0", [[255] * 4] * 3),
]
"""As label-studio-sdk 2.1.2 packs images of 3 x 4."""


@pytest.mark.parametrize(("packed", "expected"), BRUSHES)
def test_a_brush_is_unpacked_as_label_studio_packs_it(tmp_path: Path, packed: str, expected: list[list[int]]) -> None:
    rle = [int(byte) for byte in packed.split(",")]
    assert opacity(bytes(rle), (3, 4)).tolist() == expected
    mark = {"type": "brushlabels", "value": {"format": "rle", "rle": rle, "brushlabels": ["nodule"]},
            "original_width": 4, "original_height": 3}  # fmt: skip
    (one,) = read(tmp_path / "ls.json", [task(mark)], "label-studio")
    assert np.array_equal(mask(one), np.array(expected) > 127)


def pack(values: list[int], lengths: tuple[int, ...] = (3, 4, 8, 16)) -> bytes:
    """Another packer than Label Studio's: runs of one value as they come, and now and then values one by one."""
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{length - 1:04b}" for length in lengths)
    at = 0
    while at < len(values):
        run = next((i for i in range(at, len(values)) if values[i] != values[at]), len(values)) - at
        single = run < 3
        run = min(run if not single else min(3, len(values) - at), 1 << lengths[3])
        choice = next(i for i, length in enumerate(lengths) if run <= 1 << length)
        bits += f"{int(not single)}{choice:02b}{run - 1:0{lengths[choice]}b}"
        bits += "".join(f"{value:08b}" for value in (values[at : at + run] if single else values[at : at + 1]))
        at += run
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_any_brush_is_unpacked(height: int, width: int, data: st.DataObject) -> None:
    count = 4 * height * width
    values = data.draw(st.lists(st.sampled_from([0, 0, 0, 255, 9]), min_size=count, max_size=count))
    found = opacity(pack(values), (height, width))
    assert found.tolist() == np.array(values).reshape(height, width, 4)[..., 3].tolist()


@given(st.binary(max_size=40), st.integers(1, 5), st.integers(1, 5))
def test_any_bytes_are_a_brush_or_refused(packed: bytes, height: int, width: int) -> None:
    head = f"{4 * height * width:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}".ljust(56, "0")
    for data in (packed, int(head, 2).to_bytes(7, "big") + packed):
        try:
            assert opacity(data, (height, width)).shape == (height, width)
            told = "its brush "
        except DataError as error:
            told = str(error)
        assert told.startswith("its brush ")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([task({"type": "rectanglelabels", "value": {"x": 1, "y": 2}})], "task 1: mark 1: is no whole rectangle"),
        ([task({"type": "polygonlabels", "value": {}})], "is no whole polygon"),
        ([task({"type": "bitmasklabels", "value": {}})], 'mark 1: is of the type "bitmasklabels", which is not known'),
        ([task({"type": "rectangle", "value": {}, "original_width": None})], "does not tell the size of the image"),
        ([task({"type": "brushlabels", "value": {"format": "png"}})], 'a brush of the format "png"'),
        (
            [task({"type": "brushlabels", "value": {"format": "rle", "rle": [0] * 9}})],
            "its brush has 0 values of 1 bits",
        ),
        (
            [task({"type": "brushlabels", "value": {"format": "rle", "rle": [256]}})],
            "is no JSON export of Label Studio",
        ),
        ([{"id": 1, "data": {"text": "no picture"}}], "task 1: names no image"),
    ],
)
def test_label_studio_marks_that_are_none_are_named(tmp_path: Path, document: Any, told: str) -> None:
    with pytest.raises(SessionError, match=told):
        read(tmp_path / "ls.json", document, "label-studio")


# ------------------------------------------------------------------------------------------------------------ boxes

VINDR = """image_id,rad_id,class_name,x_min,y_min,x_max,y_max
000434271f63a053c4128a0ba6352c7f,R2,Aortic enlargement,1000.5,200,1250,420.25
000434271f63a053c4128a0ba6352c7f,R2,Nodule/Mass,10,20,30,40
000434271f63a053c4128a0ba6352c7f,R6,No finding,,,,
00053190460d56c53cc3e57321387478,R6,No finding,,,,
"""


def test_boxes_in_the_layout_of_vindr(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(VINDR)
    found = read_outlines(tmp_path / "a.csv")
    one, two, three = found.outlines
    assert found.kind == "boxes"
    assert (one.image[:4], one.reader, one.boxes) == ("0004", "R2", ((1000.5, 200, 1250, 420.25), (10, 20, 30, 40)))
    assert (two.image[:4], two.reader, two.boxes, two.size) == ("0004", "R6", (), None)
    assert three.image[:4] == "0005"
    assert not one.fractions


def test_a_finding_without_a_box_is_not_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,class,x1,y1,x2,y2\na,Cardiomegaly,,,,\nb,Normal,,,,\nc,,,,,\n")
    one, two, three = read_outlines(tmp_path / "a.csv").outlines
    assert (one.left_out, one.unmarked) == (("finding without a box",), False)
    assert (two.unmarked, three.unmarked) == (True, True)


def test_a_table_with_tabs_is_told_from_one_with_commas(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(VINDR.replace(",", "\t"))
    with pytest.raises(SessionError, match=r"a\.tsv is a table with tabs; save it as CSV, with commas"):
        read_outlines(tmp_path / "a.tsv")


def test_boxes_of_one_reader_with_sizes_or_in_fractions(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("filename,width,height,XMin,YMin,XMax,YMax\na.png,200,100,0.1,0.2,0.5,1\n")
    (one,) = read_outlines(tmp_path / "a.csv").outlines
    assert (one.reader, one.size, one.boxes, one.fractions) == ("", (100, 200), ((0.1, 0.2, 0.5, 1),), True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", r"no column for left: x_min.*\n.*\n.*\n.*\n  - no column for the image"),
        ("image_id,x_min,y_min,x_max,y_max\n", "a table without lines"),
        (
            "image,x1,y1,x2,y2\na,1,2,3,x\na,1,2,1,4\na,1,,3,4\na,nan,2,3,4\na,1,2,1e999,4\n",
            r'line 2: y2 is "x".*\n.*line 3: the box has no area.*\n.*line 4: y1 is "".*\n.*line 5: .*\n.*line 6: ',
        ),
        ("image,width,height,x1,y1,x2,y2\na,0,5,1,2,3,4\n", "line 2: the size of the image is no size"),
        (
            "image,width,height,x1,y1,x2,y2\na,9,5,1,2,3,4\na,8,5,1,2,3,4\n",
            r"line 3: the image .* had another size before",
        ),
        (
            "image,class,x1,y1,x2,y2\na,No finding,0,0,1,1\n",
            'line 2: the class is "No finding", and yet there is a box',
        ),
    ],
)
def test_boxes_that_are_none_are_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SessionError, match=told):
        read_outlines(tmp_path / "a.csv")


# ------------------------------------------------------------------------------------------------------------ masks


def test_masks(tmp_path: Path) -> None:
    (tmp_path / "TB").mkdir()
    cv2.imwrite(str(tmp_path / "TB" / "a.v2_lesion.png"), np.eye(5, dtype=np.uint8) * 255)
    cv2.imwrite(str(tmp_path / "b_lesion.png"), np.zeros((3, 4), dtype=np.uint8))
    found = read_outlines(tmp_path, suffix="_lesion")
    one, two = found.outlines
    assert (found.kind, found.warnings) == ("masks", ())
    assert (one.image, one.size) == ("TB/a.v2.png", (5, 5))
    assert np.array_equal(mask(one), np.eye(5) > 0)
    assert (two.image, two.size, two.mask) == ("b.png", (3, 4), (12,))
    cv2.imwrite(str(tmp_path / "c.png"), np.zeros((3, 4), dtype=np.uint8))
    (tmp_path / "d_lesion.png").write_bytes(b"no picture")
    with pytest.raises(
        SessionError, match=r'c\.png: does not end in "_lesion\.png".*\n.*d_lesion\.png: is neither PNG'
    ):
        read_outlines(tmp_path, suffix="_lesion")


def test_masks_are_known_by_any_case_of_their_ending_and_other_files_are_told(tmp_path: Path) -> None:
    values = np.zeros((8, 8), dtype=np.uint8)
    values[:4] = 255
    for name in ("a.PNG", "b.jpg", "c.JPEG", "d.png"):
        (tmp_path / name).write_bytes(cv2.imencode(f".{name[2:]}", values)[1].tobytes())
    assert read_outlines(tmp_path).warnings == ()
    for name in ("e.tif", "d.bmp", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    found = read_outlines(tmp_path)
    assert [(one.image, one.where) for one in found.outlines] == [
        ("a.png", "a.PNG"), ("b.png", "b.jpg"), ("c.png", "c.JPEG"), ("d.png", "d.png"),
    ]  # fmt: skip
    assert all(np.array_equal(mask(one), values > 0) for one in found.outlines)
    assert found.warnings == ("passed over 2 files that are neither PNG nor JPEG, the first d.bmp",)
    for name in ("a.PNG", "b.jpg", "c.JPEG", "d.png"):
        (tmp_path / name).unlink()
    with pytest.raises(SessionError, match=r"nothing to import \(passed over 2 files .* the first d\.bmp\)"):
        read_outlines(tmp_path)


def test_two_masks_of_one_image_are_both_named(tmp_path: Path) -> None:
    values = np.full((4, 4), 255, dtype=np.uint8)
    for name in ("a_m.png", "a_m.PNG", "b_m.jpg", "b_m.png", "c_m.png"):
        (tmp_path / name).write_bytes(cv2.imencode(f".{name[4:]}", values)[1].tobytes())
    with pytest.raises(SessionError) as caught:
        read_outlines(tmp_path, suffix="_m")
    assert 'a_m.PNG and a_m.png: are two masks of one image, "a"' in str(caught.value)
    assert 'b_m.jpg and b_m.png: are two masks of one image, "b"' in str(caught.value)
    assert "c_m" not in str(caught.value)


def jpeg(values: NDArray[np.uint8], quality: int) -> bytes:
    return cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_a_jpeg_of_ones_is_never_taken_for_a_mask_that_says_something(tmp_path: Path, quality: int) -> None:
    """At 50 all of it is lost, at 75 and 95 the mask has another shape."""
    ones = np.zeros((64, 64), dtype=np.uint8)
    ones[5:30, 7:33] = 1
    (tmp_path / "a.png").write_bytes(jpeg(ones, quality))  # whatever its name says
    if quality == 50:
        (one,) = read_outlines(tmp_path).outlines
        assert (one.unmarked, one.looked_at) == (True, False)
    else:
        with pytest.raises(SessionError, match=r"a\.png: is a JPEG whose brightest value is 1: .*; write PNG, or"):
            read_outlines(tmp_path)
    (tmp_path / "a.png").write_bytes(jpeg(ones * np.uint8(255), quality))
    (one,) = read_outlines(tmp_path).outlines
    assert (mask(one) == (ones > 0)).mean() > 0.99
    assert one.looked_at


def test_a_black_png_says_that_nothing_was_found_and_a_black_jpeg_does_not(tmp_path: Path) -> None:
    black = np.zeros((8, 8), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), black)
    cv2.imwrite(str(tmp_path / "b.jpg"), black)
    found = read_outlines(tmp_path).outlines
    assert [(one.image, one.unmarked, one.looked_at) for one in found] == [
        ("a.png", True, True),
        ("b.png", True, False),
    ]
    (session,) = sessions_of(found, Wanted(grid=Grid(2, 2))).sessions.values()
    assert [answer.image_id for answer in session.answers] == ["a"]


def test_a_pipe_among_masks_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(SessionError, match=r"a\.png: is not an ordinary file"):
        read_outlines(tmp_path)


def test_hidden_files_are_not_seen_in_any_folder(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4), 255, dtype=np.uint8))
    (tmp_path / ".cache").mkdir()
    for name in (".meta.json", ".a.png", ".cache/b.png", ".cache/b.json"):
        (tmp_path / name).write_bytes(b"{}")
    found = read_outlines(tmp_path)
    assert (found.kind, [one.image for one in found.outlines], found.warnings) == ("masks", ["a.png"], ())
    assert read_sizes(tmp_path, whole_path=False) == {"a": (4, 4)}


# ------------------------------------------------------------------------------------- without a mark, and categories

RECT = {"name": "rect", "x": 1, "y": 1, "width": 2, "height": 2}


def via_region(attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": RECT, "region_attributes": attributes}


def categories_in(kind: str) -> Any:
    """A file with a nodule and a cavity on image a, a cavity on image b, and image c without a mark."""
    boxes = {"a": ("nodule", "cavity"), "b": ("cavity",), "c": ()}
    if kind == "via":
        return {f: {"filename": f, "regions": [via_region({"finding": n}) for n in ns]} for f, ns in boxes.items()}
    if kind == "coco":
        number = {"nodule": 5, "cavity": 6}
        return {
            "categories": [{"id": i, "name": name} for name, i in number.items()],
            "images": [{"id": f, "file_name": f, "height": 9, "width": 9} for f in boxes],
            "annotations": [
                {"image_id": f, "category_id": number[n], "bbox": [1, 1, 2, 2]} for f, ns in boxes.items() for n in ns
            ],
        }
    value = {"x": 0, "y": 0, "width": 50, "height": 50}
    size = {"original_width": 9, "original_height": 9}
    marks = {f: [{"type": "rectanglelabels", "value": value | {"rectanglelabels": [n]}} | size for n in ns]
             for f, ns in boxes.items()}  # fmt: skip
    return [{"data": {"image": f"{f}.png"}, "annotations": [{"result": marks[f]}]} for f in boxes]


def asked(path: Path, *only: str) -> list[tuple[str, int, int, bool]]:
    """Image, boxes, marks that were not wanted, and whether it is unmarked."""
    outlines = read_outlines(path, only=frozenset(only)).outlines
    return [(one.image[:1], len(one.boxes), one.unwanted, one.unmarked) for one in outlines]


@pytest.mark.parametrize("kind", ["via", "coco", "label-studio", "labelme", "boxes"])
def test_only_marks_of_a_category_are_taken(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.json"
    if kind == "boxes":
        path = tmp_path / "file.csv"
        path.write_text("image,class,x1,y1,x2,y2\na,nodule,1,1,3,3\na,cavity,5,5,6,6\nb,cavity,1,1,2,2\nc,,,,,\n")
    elif kind == "labelme":
        path = tmp_path / "folder"
        path.mkdir()
        for image, labels in {"a": ("nodule", "cavity"), "b": ("cavity",), "c": ()}.items():
            shapes = [{"shape_type": "rectangle", "points": [[1, 1], [3, 3]], "label": label} for label in labels]
            (path / f"{image}.JSON").write_text(json.dumps(labelme(*shapes, imagePath=f"{image}.png")))
    else:
        path.write_text(json.dumps(categories_in(kind)))
    assert asked(path) == [("a", 2, 0, False), ("b", 1, 0, False), ("c", 0, 0, True)]
    assert asked(path, "nodule") == [("a", 1, 1, False), ("b", 0, 1, True), ("c", 0, 0, True)]
    assert asked(path, "nodule", "cavity") == asked(path)
    with pytest.raises(UsageError) as caught:
        read_outlines(path, only=frozenset({"nodul", "cavity", "x"}))
    told = str(caught.value)
    full = ("finding=cavity", "finding=nodule") if kind == "via" else ("cavity", "nodule")
    assert told.startswith("--only:\n")
    assert f'no mark is of the category "nodul". Known: {full[0]}, {full[1]}.' in told
    assert ('Did you mean "nodule"?' in told) == (kind != "via")
    assert 'no mark is of the category "x"' in told
    assert '"cavity"' not in told
    # An image that is merely listed is told from one that somebody looked at, be it for other marks.
    looked_at = [one.looked_at for one in read_outlines(path, only=frozenset({"nodule"})).outlines]
    assert looked_at == [True, True, kind not in ("via", "coco")]


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ({"finding": "nodule", "side": "left"}, ["finding=nodule", "nodule", "finding", "side=left", "left", "side"]),
        ({"finding": {"nodule": True, "cavity": False}}, ["finding=nodule", "nodule", "finding"]),
        ({"Cavity": "good"}, ["Cavity=good", "good", "Cavity"]),
        ({"finding": "", "other": None, "seen": False}, []),
        ({"count": 0}, ["count=0", "0", "count"]),
        ({}, []),
        (None, []),
    ],
)
def test_a_via_region_is_known_by_its_attributes(tmp_path: Path, attributes: Any, names: list[str]) -> None:
    other = via_region({"kind": "other"})
    path = tmp_path / "via.json"
    path.write_text(json.dumps({"a": {"filename": "a", "regions": [via_region(attributes), other]}}))
    for name in names:
        assert asked(path, name) == [("a", 1, 1, False)]
    for name in {"finding", "cavity", "finding=cavity", "left=side", "", "None", "seen", "False"} - set(names):
        with pytest.raises(UsageError, match=r"Known: .*kind=other"):
            asked(path, name)


def test_coco_categories_without_a_name_go_by_their_number(tmp_path: Path) -> None:
    document = categories_in("coco")
    del document["categories"]
    (tmp_path / "coco.json").write_text(json.dumps(document))
    assert asked(tmp_path / "coco.json", "5") == [("a", 1, 1, False), ("b", 0, 1, True), ("c", 0, 0, True)]


CATEGORIES: list[tuple[Any, Any, str | None]] = [
    ([{"id": 1, "name": "nodule"}], 1, "nodule"),
    ([{"id": 1, "name": "nodule"}], "1", "nodule"),
    ([{"id": "1", "name": "nodule"}], 1.0, "nodule"),
    ([{"id": 1}], 1, "1"),
    ([{"id": 1, "name": 5}], 1, "5"),
    ([{"id": 1, "name": 1.5}], 1, "1.5"),
    ([{"id": 1, "name": None}], "1", "1"),
    ([{"id": 1, "name": ["nodule"]}], 1, "1"),
    ([{"name": "nodule"}, "nodule", 3, None], 1, "1"),
    ({"1": "nodule"}, 1, "1"),
    ("nodule", 1, "1"),
    (None, None, None),
    ([], [1], None),
    ([{"id": None, "name": "nodule"}], None, None),
]
"""What a file has for its categories and for the category of a mark, and what that mark can be asked for by."""


@pytest.mark.parametrize(("categories", "by", "name"), CATEGORIES)
def test_whatever_a_coco_file_says_of_categories_it_is_read(
    tmp_path: Path, categories: Any, by: Any, name: str | None
) -> None:
    marks = [{"bbox": [1, 1, 2, 2], "category_id": by}, {"bbox": [4, 4, 2, 2], "category_id": 99}]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco(*marks) | {"categories": categories}))
    assert asked(path)[0] == ("i", 2, 0, False)
    names = read_outlines(path).outlines[0].categories
    assert names == {("99",)} | ({(name,)} if name else set())
    if name:
        assert asked(path, name)[0] == ("i", 1, 1, False)


@pytest.mark.parametrize(
    ("label", "names"), [(1.5, {("1.5",)}), (2, {("2",)}), (None, set()), ("", set()), (["a"], set()), ({}, set())]
)
def test_whatever_the_label_of_a_labelme_shape_is_it_is_read(tmp_path: Path, label: Any, names: set[Any]) -> None:
    (one,) = read(
        tmp_path / "a.json", labelme({"shape_type": "rectangle", "points": [[1, 1], [3, 3]], "label": label}), "labelme"
    )
    assert (len(one.boxes), one.categories) == (1, names)


@pytest.mark.parametrize("number", [None, 1.5, True, [1], {"a": 1}])
def test_whatever_the_id_of_a_label_studio_mark_is_it_is_read(tmp_path: Path, number: Any) -> None:
    value = {"x": 10, "y": 20, "width": 5, "height": 30}
    marks = [
        {"id": number, "type": "rectanglelabels", "value": value | {"rectanglelabels": ["nodule", 7]}},
        {"id": "1", "type": "rectangle", "value": value},
        {"id": 1, "type": "labels", "value": value | {"labels": ["cavity"]}},
    ]
    path = tmp_path / "ls.json"
    path.write_text(json.dumps([task(*marks, number=number)]))
    for only in ("nodule", "7", "cavity"):
        assert asked(path, only) == [("a", 1, 1, False)]


def test_label_studio_labels_may_stand_beside_the_mark_they_are_of(tmp_path: Path) -> None:
    value = {"x": 10, "y": 20, "width": 5, "height": 30}
    document = [
        task(
            {"id": "1", "type": "rectangle", "value": value},
            {"id": "1", "type": "labels", "value": value | {"labels": ["nodule"]}},
            {"id": "2", "type": "rectanglelabels", "value": value | {"rectanglelabels": ["cavity"]}},
            {"id": "2", "type": "choices", "value": {"choices": ["sure"]}},
        )
    ]
    (tmp_path / "ls.json").write_text(json.dumps(document))
    assert asked(tmp_path / "ls.json") == [("a", 2, 0, False)]
    for name in ("nodule", "cavity", "sure"):
        assert asked(tmp_path / "ls.json", name) == [("a", 1, 1, False)]


def test_fractions_are_told_by_all_boxes_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,class,x1,y1,x2,y2\na,dot,0,0,1,1\na,nodule,10,10,30,30\n")
    (one,) = read_outlines(tmp_path / "a.csv", only=frozenset({"dot"})).outlines
    assert (one.boxes, one.fractions) == (((0, 0, 1, 1),), False)


def test_masks_have_no_categories(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), dtype=np.uint8))
    with pytest.raises(UsageError, match="--only: masks have no categories; leave it out"):
        read_outlines(tmp_path, only=frozenset({"nodule"}))


# -------------------------------------------------------------------------------------------------------- whichever


def test_what_is_in_no_format_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    with pytest.raises(SessionError, match="in none of the formats that are read: CSV table of boxes, COCO"):
        read_outlines(tmp_path / "a.json")
    with pytest.raises(UsageError, match=r'importer "cocoa" is not installed.*Did you mean "coco"'):
        read_outlines(tmp_path / "a.json", "cocoa")
    with pytest.raises(SessionError, match="does not exist"):
        read_outlines(tmp_path / "none.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SessionError, match="neither masks"):
        read_outlines(tmp_path / "folder")
    with pytest.raises(SessionError, match="looks like folder of masks, not like COCO JSON"):
        read_outlines(tmp_path / "folder", "coco")
    (tmp_path / "a.json").write_text('{"images": [],\n "annotations": [NaN]}')
    with pytest.raises(SessionError, match=r"is no JSON: .* line 2"):
        read_outlines(tmp_path / "a.json")


VIA_3 = {
    "project": {"pid": "x", "data_format_version": "3.1.1"}, "config": {}, "attribute": {}, "view": {},
    "file": {"1": {"fid": "1", "fname": "a.png"}}, "metadata": {"1_x": {"vid": "1", "xy": [2, 1, 1, 9, 9]}},
}  # fmt: skip
JSON_MIN = [{"image": "a.png", "id": 1, "label": [{"x": 1}], "annotator": 1, "annotation_id": 1, "lead_time": 2.0}]
RESULTS = [{"image_id": 1, "bbox": [0, 0, 2, 2], "score": 0.5}, {"image_id": 1, "segmentation": [[0, 0, 1, 1, 2, 0]]}]
VIA_CSV = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", VIA_3, "is a project of VIA 3, which is not read, .*mark them in VIA 2"),
        ("a.json", JSON_MIN, "is Label Studio's JSON-MIN export, .*; export JSON"),
        ("a.json", RESULTS, "is a list of COCO results, .*import the whole COCO file"),
        ("a.csv", f'{VIA_CSV}\na.png,1,"{{}}",1,0,"{{""name"":""rect""}}","{{}}"\n', "is VIA's CSV export; .* as JSON"),
        (
            "a.csv",
            "annotation_id,annotator,image,label\n1,1,a.png,[]\n",
            "is a CSV export of Label Studio; export JSON",
        ),
        (
            "a.jsonl",
            session_bytes(Session(Header(reader="r", grid=(2, 2)))).decode() + "x\n",
            "is a session already; rep",
        ),
    ],
)
def test_a_file_that_is_easily_taken_for_another_is_told(tmp_path: Path, name: str, content: Any, told: str) -> None:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    for kind in (None, "boxes", "coco") if name != "a.csv" else (None, "boxes"):
        with pytest.raises(SessionError, match=rf"a\.\w+ {told}") as caught:
            read_outlines(path, kind)
        assert len(str(caught.value).splitlines()) == 1


def test_a_format_that_is_said_wrongly_is_told_from_a_broken_file(tmp_path: Path) -> None:
    whole = {"coco.json": coco({}), "via.json": {"a": via_image("a.png")}, "ls.json": [task()], "lm.json": labelme()}
    looks = {"coco.json": "COCO", "via.json": "VIA", "ls.json": "Label Studio", "lm.json": "LabelMe"}
    for name, document in whole.items():
        (tmp_path / name).write_text(json.dumps(document))
        for kind in set(names("importers")) - {"masks"}:
            label = load("importers", kind).label
            if label != f"{looks[name]} JSON":
                told = f"{name} looks like {looks[name]} JSON, not like {label}; leave --format out"
                with pytest.raises(SessionError, match=told):
                    read_outlines(tmp_path / name, kind)
    (tmp_path / "coco.csv").write_text(json.dumps(whole["coco.json"]))
    with pytest.raises(SessionError, match=r"coco\.csv cannot be imported:\n  - annotation 1: has neither"):
        read_outlines(tmp_path / "coco.csv")  # COCO, whatever its name says
    (tmp_path / "boxes.csv").write_text(VINDR)
    with pytest.raises(SessionError, match=r"boxes\.csv looks like CSV table of boxes, not like VIA JSON; leave"):
        read_outlines(tmp_path / "boxes.csv", "via")
    with pytest.raises(SessionError, match=r"coco\.json is no LabelMe file"):
        read_outlines(tmp_path)


def test_what_is_wrong_with_a_file_is_said_in_words_of_its_own(tmp_path: Path) -> None:
    runs, polygon = {"size": [2], "counts": 5}, [[1, "x"]]
    broken = coco({"segmentation": runs}, {"segmentation": polygon, "image_id": []}, {"segmentation": 3}, height=0)
    (tmp_path / "coco.json").write_text(json.dumps(broken))
    with pytest.raises(SessionError) as caught:
        read_outlines(tmp_path / "coco.json")
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()[1:]] == [
        "  - images.0.height",
        "  - annotations.1.image_id",
    ]
    document = coco({"segmentation": runs}, {"segmentation": polygon}, {"segmentation": 3})
    (tmp_path / "coco.json").write_text(json.dumps(document))
    with pytest.raises(SessionError) as caught:
        read_outlines(tmp_path / "coco.json")
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()[1:]] == [
        f"  - annotation {number}" for number in (1, 2, 3)
    ]
    with pytest.raises(SessionError) as caught:
        read(tmp_path / "via.json", {"a[1]": {"filename": "a", "regions": 3}, "b": {"regions": []}}, "via")
    assert str(caught.value).splitlines()[1:] == [
        "  - a[1].regions: must be a list (found 3)",
        "  - b.filename: is missing",
    ]
    with pytest.raises(SessionError, match=r'region 1 \("rect"\): x: must be a number .*; y: must be a number'):
        read(tmp_path / "via.json", {"a": via_image("a.png", {"name": "rect", "x": "p"})}, "via")


def test_all_that_is_wrong_with_a_coco_file_is_told_at_once(tmp_path: Path) -> None:
    damaged = {"size": [20, 30], "counts": "~~~~"}
    document = coco({"image_id": 9}, {"segmentation": [[1, 2, 3]]}, {"segmentation": damaged})
    document["images"] *= 2
    (tmp_path / "coco.json").write_text(json.dumps(document))
    with pytest.raises(SessionError) as caught:
        read_outlines(tmp_path / "coco.json")
    assert str(caught.value).splitlines()[1:] == [
        "  - two images have the id 7",
        "  - two images have the id 8",
        "  - annotation 1: there is no image with the id 9",
        "  - annotation 2: a polygon has an odd number of coordinates, or none",
        "  - annotation 3: its packed runs are damaged",
    ]


KEYS = """
    images annotations image_id id file_name height width segmentation counts size bbox shapes imagePath points
    shape_type mask imageHeight imageWidth filename regions shape_attributes name all_points_x all_points_y x y cx cy r
    data image result value type rle format original_width original_height completed_by
"""
numbers = st.integers(-3, 300) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4),
    max_leaves=25,
)


@pytest.mark.parametrize("kind", ["coco", "label-studio", "labelme", "via"])
@given(data=st.data())
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / f"{kind}.json"
    frames: dict[str, Any] = {
        "coco": lambda v: {"images": [{"id": 1, "file_name": "a", "height": 3, "width": 3}], "annotations": [v]},
        "labelme": lambda v: {"imagePath": "a", "imageHeight": 3, "imageWidth": 3, "shapes": [v]},
        "via": lambda v: {"a": {"filename": "a", "regions": [{"shape_attributes": v}]}},
        "label-studio": lambda v: [{"data": {"image": "a.png"}, "annotations": [{"result": [v]}]}],
    }
    value = data.draw(values)
    path.write_text(json.dumps(data.draw(st.sampled_from([value, frames[kind](value)]))))
    try:
        outlines = read_outlines(path, kind).outlines
        sessions = sessions_of(outlines, Wanted(grid=Grid(2, 2), source=str(path)), {"a": (3, 4)}).sessions
        told = str(path) + "".join(str(session_bytes(session)) for session in sessions.values())
    except SessionError as error:
        told = str(error)
    assert told.startswith(str(path))


@given(st.binary(max_size=60) | st.text(alphabet="image,x1y2\n\"'0.-e ", max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"image,x1,y1,x2,y2\n" + data)
    try:
        told = f"{path}: {read_outlines(path)}"
    except DataError as error:
        told = str(error)
    assert str(path) in told


def test_shapes_are_turned_clockwise() -> None:
    assert rotated([(1, 0)], (0, 0), math.pi / 2)[0] == pytest.approx((0, 1))  # y runs downwards
    assert ellipse(0, 0, 2, 1, math.pi / 2)[0] == pytest.approx((0, 2))
