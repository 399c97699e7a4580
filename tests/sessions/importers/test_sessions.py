"""From what was marked to sessions."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest

from imil_sim.errors import SessionError, UsageError
from imil_sim.feedback.grid import Grid
from imil_sim.feedback.question import ImageIndex, image_sha256
from imil_sim.sessions.drawn import Drawn
from imil_sim.sessions.files import read_session, session_bytes
from imil_sim.sessions.importers import Outlines, read_outlines
from imil_sim.sessions.importers.sessions import Unmarked, UnmarkedCounts, Wanted, read_sizes, sessions_of
from imil_sim.sessions.recorded import session_misfits
from imil_sim.sessions.session import Header, Session, SessionAnswer

WANTED = Wanted(grid=Grid(4, 4), source="test")
ALL = Wanted(grid=Grid(4, 4), source="test", unmarked="nothing")


def one(image: str = "TB/a.png", **changes: object) -> Outlines:
    return Outlines(image=image, where=f"entry {image}", **{"size": (100, 200), **changes})  # type: ignore[arg-type]


def made(*outlines: Outlines, wanted: Wanted = WANTED, **options: object) -> Session:
    (session,) = sessions_of(outlines, wanted, **options).sessions.values()  # type: ignore[arg-type]
    return session


def answer(outlines: Outlines) -> SessionAnswer:
    return made(outlines).answers[0]


def test_areas_become_cells_and_stay_as_they_were_drawn() -> None:
    found = answer(one(boxes=((0, 0, 50, 25), (150, 75, 200, 100)), polygons=(((100, 0), (149, 0), (149, 24)),)))
    assert (found.order, found.image_id, found.cells) == (1, "a", (1, 3, 16))
    assert found.drawn == Drawn(
        width=200,
        height=100,
        boxes=((0, 0, 50, 25), (150, 75, 200, 100)),
        polygons=(((100, 0), (149, 0), (149, 24)),),
    )
    assert answer(one(boxes=((0, 0.5, 0.25, 1),), fractions=True)).cells == (9, 13)
    assert answer(one(mask=(0, 100 * 200))).cells == tuple(range(1, 17))


def test_nothing_marked_points_only_and_skipped_are_three_answers() -> None:
    found = made(one("a"), one("b", left_out=("point", "line")), one("c", abstained=True, boxes=((0, 0, 9, 9),)))
    assert [(a.cells, a.abstained, a.reason) for a in found.answers] == [
        ((), False, ""),
        (None, True, "only marks without an area: line, point"),
        (None, True, "the reader skipped the image"),
    ]


@pytest.mark.parametrize(
    ("unmarked", "cells", "tally"),
    [
        ("stated", {"a": (), "d": (), "e": (1,), "f": None}, UnmarkedCounts(2, 1, 3)),
        (
            "nothing",
            {"a": (), "b": (), "d": (), "e": (1,), "f": None},
            UnmarkedCounts(3, 0, 3),
        ),
        ("skip", {"e": (1,), "f": None}, UnmarkedCounts(0, 3, 3)),
    ],
)
def test_a_image_that_is_merely_listed_is_told_from_one_on_which_nothing_was_found(
    unmarked: Unmarked, cells: dict[str, object], tally: UnmarkedCounts
) -> None:
    outlines = [
        one("a", unwanted=2),
        one("b", looked_at=False),
        one("d", mask=(100 * 200,)),  # a mask that is black throughout
        one("e", boxes=((0, 0, 50, 25),), unwanted=1, looked_at=False),
        one("f", left_out=("point",), looked_at=False),
    ]
    imported = sessions_of(outlines, Wanted(grid=Grid(4, 4), unmarked=unmarked))
    assert {answer.image_id: answer.cells for answer in imported.sessions["unknown"].answers} == cells
    assert [answer.order for answer in imported.sessions["unknown"].answers] == list(range(1, len(cells) + 1))
    assert imported.counts == {"unknown": tally}


def test_a_reader_all_of_whose_images_are_skipped_has_no_session() -> None:
    outlines = [one("a", reader="R1"), one("x/..", reader="R2", looked_at=False)]
    imported = sessions_of(outlines, WANTED)
    assert list(imported.sessions) == ["R1"]
    assert imported.counts == {"R1": UnmarkedCounts(nothing=1), "R2": UnmarkedCounts(skipped=1)}
    with pytest.raises(SessionError, match="no answer about any image; 1 image without a mark was skipped, see --unm"):
        sessions_of(outlines[1:], WANTED)


def test_what_reaches_beyond_the_image_is_cut_and_what_lies_outside_is_refused() -> None:
    outlines = one(boxes=((-5, -5, 50, 25),), polygons=(((150, 80), (230, 80), (230, 130)),))
    imported = sessions_of([outlines], WANTED)
    drawn = imported.sessions["unknown"].answers[0].drawn
    assert drawn is not None
    assert drawn.boxes == ((0, 0, 50, 25),)
    # The side from (150, 80) to (230, 130) leaves the image at y = 100, where x = 182; its corner (200, 100) stays.
    assert drawn.polygons == (((200, 100), (182, 100), (150, 80), (200, 80)),)
    assert "on 1 image marks reached beyond the edge" in imported.warnings[0]
    for outside in ({"boxes": ((201, 0, 210, 9),)}, {"polygons": (((0, -2), (9, -1)),)}, {"boxes": ((-9, 0, 0, 9),)}):
        with pytest.raises(SessionError, match=r"entry TB/a\.png: the (area|box) .*200 x 100"):
            made(one(**outside))


def test_sizes_that_are_not_those_of_the_originals_are_told_once() -> None:
    images = {f"image-{number}": (50, 60) for number in range(30)}
    box = {"size": None, "boxes": ((100, 0, 110, 9),)}
    outside = [one(f"image-{number}.png", **box) for number in range(1, 30)]
    with pytest.raises(SessionError) as caught:
        made(one("image-0.png", size=None, boxes=((0, 0, 9, 9),)), *outside, sizes=images)
    assert str(caught.value) == (
        "test cannot be imported:\n  - of 30 images with a size of --sizes 29 have marks outside of it, so these are "
        "not the sizes of the originals that were marked. The first: entry image-1.png: the area (100, 0), (110, 9) "
        "lies outside the image of 60 x 50 pixels"
    )
    with pytest.raises(SessionError, match=r'of 1 image .* 1 has marks .* The first: line 3: image "a": the area'):
        made(Outlines(image="a.png", where="line 3", boxes=((100, 0, 110, 9),)), sizes={"a": (50, 60)})


def test_a_polygon_is_cut_at_the_edge_and_its_corners_are_not_moved() -> None:
    """Of a triangle with one corner far beyond the left edge a trapezium is left within, not a smaller triangle."""
    imported = sessions_of([one(polygons=(((-400, 50), (60, 0), (60, 100)),))], WANTED)
    drawn = imported.sessions["unknown"].answers[0].drawn
    assert drawn is not None
    ((*corners,),) = drawn.polygons
    low, high = 50 - 50 * 400 / 460, 50 + 50 * 400 / 460
    assert sorted(corners) == [(0, pytest.approx(low)), (0, pytest.approx(high)), (60, 0), (60, 100)]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SessionError) as caught:
        made(
            one("a"),
            one("other/a.png", boxes=((0, 0, 1, 1),)),
            one("b", size=None, boxes=((0, 0, 1, 1),)),
            one("x/..", size=None),
            one("e", boxes=((300, 0, 301, 1),)),
        )
    told = str(caught.value)
    assert told.startswith("test cannot be imported:\n")
    assert 'entry other/a.png: image "a" of reader unknown stands at entry a already' in told
    assert '1 image is marked in pixels and of no known size, the first "b": give --sizes' in told
    assert "entry x/..: the id '..' is a path" in told
    assert "entry e: the area (300, 0), (301, 1) lies outside" in told
    with pytest.raises(SessionError, match="it holds no answer about any image"):
        made()


def test_readers_are_sessions_of_their_own() -> None:
    outlines = [one("a", reader="R1"), one("a", reader="R2"), one("b", reader="R1")]
    sessions = sessions_of(outlines, WANTED).sessions
    assert {name: [a.image_id for a in s.answers] for name, s in sessions.items()} == {"R1": ["a", "b"], "R2": ["a"]}
    chosen = sessions_of(outlines, Wanted(grid=Grid(4, 4), reader="R2")).sessions
    assert list(chosen) == ["R2"]
    named = sessions_of([one("a")], Wanted(grid=Grid(4, 4), reader="me", role="resident")).sessions
    assert (named["me"].header.reader, named["me"].header.role) == ("me", "resident")
    with pytest.raises(SessionError, match=r'no reader "R3" in the file\. Known: R1, R2'):
        sessions_of(outlines, Wanted(grid=Grid(4, 4), reader="R3"))


def test_a_name_that_no_session_can_hold_is_refused_of_readers_without_a_session_too() -> None:
    skipped = one("b", reader="\x1b[31mEVIL", looked_at=False)
    with pytest.raises(SessionError) as caught:
        sessions_of([one("a", reader="a\nb"), skipped, one("c", reader="R" * 201)], WANTED)
    assert str(caught.value).splitlines()[1:] == [
        r"  - the name of the reader 'a\nb' holds a line break or another character that cannot be printed",
        r"  - the name of the reader '\x1b[31mEVIL' holds a line break or another character that cannot be printed",
        f"  - the name of the reader '{'R' * 60}' is empty, or longer than 200 characters",
    ]
    chosen = sessions_of([one("a", reader="R1"), skipped], Wanted(grid=Grid(4, 4), reader="R1"))
    assert list(chosen.counts) == ["R1"]


@pytest.mark.parametrize("first", [True, False])
def test_a_image_that_is_left_out_does_not_stand_in_the_way_of_another_of_its_name(first: bool) -> None:
    listed, marked = one("x/a.png", looked_at=False), one("y/a.png", boxes=((0, 0, 50, 25),), looked_at=False)
    imported = sessions_of([listed, marked] if first else [marked, listed], WANTED)
    assert [(a.order, a.image_id, a.cells) for a in imported.sessions["unknown"].answers] == [(1, "a", (1,))]
    assert imported.counts == {"unknown": UnmarkedCounts(skipped=1)}
    with pytest.raises(SessionError, match=r'image "a" of reader unknown stands at entry x/a\.png already'):
        sessions_of([listed, marked], ALL)


def test_the_bound_of_an_id_is_that_of_a_session() -> None:
    assert made(one("a" * 512)).answers[0].image_id == "a" * 512
    with pytest.raises(SessionError, match=r"the id 'a{60}' is longer than 512 characters"):
        made(one("a" * 513))
    with pytest.raises(SessionError, match=r"the id '' is a path, not a name: it is empty"):
        made(one("folder/"))


def test_with_the_images_of_a_study_a_session_can_be_replayed_strictly() -> None:
    pixels = {"a": np.zeros((8, 8), np.uint8), "b": np.ones((8, 8), np.uint8)}
    images = ImageIndex("set", "f" * 64, ("normal", "TB"), {"a": 0, "b": 1}, pixels.__getitem__)
    session = made(one("b"), one("a"), images=images)
    assert [(a.label, a.image_sha256) for a in session.answers] == [
        (1, image_sha256(pixels["b"])),
        (0, image_sha256(pixels["a"])),
    ]
    assert session.header.film_size == (8, 8)
    assert session_misfits(session, images, Grid(4, 4), strict=True) == ()
    with pytest.raises(SessionError, match=r'image "c" is not in the set set\. Known: a, b'):
        made(one("a"), one("c"), images=images)


def test_sizes_come_from_a_table_or_from_the_images(tmp_path: Path) -> None:
    (tmp_path / "sizes.csv").write_text("filename,orig_width,orig_height\nTB/a.png,200,100\nb.png,7,5\n")
    assert read_sizes(tmp_path / "sizes.csv", whole_path=False) == {"a": (100, 200), "b": (5, 7)}
    assert made(one(size=None, boxes=((0, 0, 50, 25),)), sizes={"a": (100, 200)}).answers[0].cells == (1,)
    (tmp_path / "images" / "TB").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "images" / "TB" / "a.png"), np.zeros((3, 4), np.uint8))
    cv2.imwrite(str(tmp_path / "images" / "b.jpg"), np.zeros((5, 6), np.uint8))
    assert read_sizes(tmp_path / "images", whole_path=True) == {"TB/a": (3, 4), "b": (5, 6)}
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.zeros((7, 8), np.uint8))
    with pytest.raises(SessionError, match=r'image "a" is . x . pixels, and . x . at another place'):
        read_sizes(tmp_path / "images", whole_path=False)
    (tmp_path / "sizes.csv").write_text("image,width,height\nTB/a.png,4,3\nTB/a.png,4,3\nb.png,4,3\nx/b.png,4,4\n")
    with pytest.raises(SessionError, match=r':\n  - line 5: image "b" is 4 x 4 pixels, and 4 x 3 at another'):
        read_sizes(tmp_path / "sizes.csv", whole_path=False)
    assert read_sizes(tmp_path / "sizes.csv", whole_path=True)["x/b"] == (4, 4)
    (tmp_path / "images" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(SessionError, match=r"c\.png: is truncated"):
        read_sizes(tmp_path / "images", whole_path=True)
    (tmp_path / "sizes.csv").write_text("image,width,height\na.png,4,3\n")
    assert read_sizes(tmp_path / "sizes.csv", whole_path=False) == {"a": (3, 4)}
    (tmp_path / "sizes.csv").write_text("filename,width,height\na.png,0,5\n")
    with pytest.raises(SessionError, match="line 2: the size of the image is no size"):
        read_sizes(tmp_path / "sizes.csv", whole_path=False)
    (tmp_path / "sizes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SessionError, match="is no table of sizes"):
        read_sizes(tmp_path / "sizes.csv", whole_path=False)


ADDRESS = "http://example.org/images/a.png"


def files_with_an_address(folder: Path) -> list[Path]:
    """A file of each JSON format whose image is a web address."""
    image = {"id": 1, "file_name": ADDRESS, "coco_url": ADDRESS, "height": 9, "width": 9}
    value = {"x": 0, "y": 0, "width": 50, "height": 50}
    rectangle = {"type": "rectangle", "original_width": 9, "original_height": 9, "value": value}
    documents = {
        "coco.json": {"images": [image], "annotations": [{"image_id": 1, "bbox": [1, 1, 4, 4], "id": 1}]},
        "ls.json": [{"id": 1, "data": {"image": ADDRESS}, "annotations": [{"completed_by": 1, "result": [rectangle]}]}],
        "via.json": {"a": {"filename": ADDRESS, "regions": []}},
        "lm.json": {"imagePath": ADDRESS, "imageHeight": 9, "imageWidth": 9, "shapes": []},
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    return [folder / name for name in documents]


def test_fault_37_a_web_address_is_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for path in files_with_an_address(tmp_path):
        written = session_bytes(made(*read_outlines(path).outlines, wanted=ALL))
        assert b'"image_id":"a"' in written
        assert b"example.org" not in written
    answers = (SessionAnswer(order=1, image_id="a", cells=(), reason=ADDRESS),)
    session = Session(Header(reader=ADDRESS, instructions=ADDRESS, grid=(4, 4)), answers)
    (tmp_path / "s.jsonl").write_bytes(session_bytes(session))
    assert read_session(tmp_path / "s.jsonl").answers == session.answers


def test_fault_38_a_second_import_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for path in files_with_an_address(tmp_path):
        first, second = (session_bytes(made(*read_outlines(path).outlines, wanted=ALL)) for _ in range(2))
        assert first == second


def test_the_outlines_of_the_real_set_give_the_cells_of_its_masks(real_data: Path) -> None:
    lesions = real_data / "shenzhen" / "lesions"
    sizes = read_sizes(real_data / "shenzhen" / "image_sizes.csv", whole_path=False)
    wanted = Wanted(grid=Grid(8, 8), reader="r")
    imported = sessions_of(read_outlines(lesions / "Annotations_AllinOne_json.json").outlines, wanted, sizes)
    masks = sessions_of(read_outlines(lesions / "masks", suffix="_lesion").outlines, wanted).sessions["r"]
    outlined = {a.image_id: a for a in imported.sessions["r"].answers}
    assert imported.warnings == ("left out, having no area: 6 x point, 17 x polyline",)
    assert (len(outlined), len(masks.answers)) == (330, 330)
    # Six images, of patients with tuberculosis, are listed without a region: they were not annotated.
    assert imported.counts == {"r": UnmarkedCounts(skipped=6)}
    others = [a for a in masks.answers if a.cells != outlined[a.image_id].cells]
    # The masks were drawn at 1024 pixels a side and brought to 256; a pixel just half covered counts as covered whole.
    assert len(others) <= 10
    for mask in others:
        outline, cells = outlined[mask.image_id], mask.cells
        assert outline.drawn is not None
        assert mask.drawn is not None
        assert outline.cells is not None
        assert cells is not None
        (cell,) = set(cells) ^ set(outline.cells)
        for drawn in (mask.drawn, outline.drawn):  # just at the limit of a tenth, on either side of it
            assert 0.09 < Grid(8, 8).coverage(drawn.to_mask())[Grid(8, 8).cell(cell)] < 0.11


def test_of_the_real_set_only_the_cavities(real_data: Path) -> None:
    path = real_data / "shenzhen" / "lesions" / "Annotations_AllinOne_json.json"
    outlines = read_outlines(path, only=frozenset({"Cavity"})).outlines
    assert sum(len(one.polygons) for one in outlines) + sum(len(one.left_out) for one in outlines) == 47
    assert sum(one.unwanted for one in outlines) == 1176 - 47
    with pytest.raises(UsageError, match=r'category "Cavitty"\. Known: Adenopathy=good, .*Did you mean "Cavity=good"'):
        read_outlines(path, only=frozenset({"Cavitty"}))
