"""The verb ``import``, called as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from imil_sim.cli import importing
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.study_run import check_study
from imil_sim.errors import ImilSimError, SessionError
from imil_sim.io import make_folder
from imil_sim.sessions import files
from imil_sim.sessions.files import read_session, write_session
from imil_sim.sessions.session import Session
from imil_sim.study.study import read_study

if TYPE_CHECKING:
    from conftest import Call

VINDR = "image_id,rad_id,x_min,y_min,x_max,y_max\na,R1,10,20,30,40\na,R2,,,,\n"


@pytest.fixture
def masks(here: Path) -> Path:
    folder = here / "masks"
    folder.mkdir()
    for number in range(3):
        values = np.zeros((16, 16), dtype=np.uint8)
        values[: 4 * number, :8] = 255
        cv2.imwrite(str(folder / f"train-000{number}.png"), values)
    return folder


def test_a_folder_of_masks_becomes_a_session_and_the_same_one_again(call: Call, masks: Path, here: Path) -> None:
    line = ("import", "masks", "--to", "out/s.jsonl", "--grid", "4", "--reader", "me", "--role", "resident")
    done = call(*line)
    assert (done.code, done.out.strip()) == (
        0,
        "folder of masks: 3 answers on a grid of 4 x 4, by me, written to out/s.jsonl\n"
        '  1 image without a mark is answered "nothing matters" (--unmarked skip leaves it out)',
    )
    session = read_session(here / "out/s.jsonl")
    assert (session.header.reader, session.header.role) == ("me", "resident")
    assert session.header.source == "folder of masks masks"
    assert [a.cells for a in session.answers] == [(), (1, 2), (1, 2, 5, 6)]
    before = (here / "out/s.jsonl").read_bytes()
    assert call(*line).code == 0
    assert (here / "out/s.jsonl").read_bytes() == before
    other = call(*line[:5], "2")
    assert other.code == 2
    assert "out/s.jsonl is there already and holds something else" in other.err
    assert (here / "out/s.jsonl").read_bytes() == before


def twice_in(kind: str) -> object:
    """A file in which one image stands twice."""
    if kind == "label-studio":
        mark = {"type": "rectanglelabels", "original_width": 9, "original_height": 9}
        mark["value"] = {"x": 0, "y": 0, "width": 50, "height": 50}
        work = {"completed_by": 7, "result": [mark]}
        return [{"id": 3, "data": {"image": f"{image}.png"}, "annotations": [work] * 2} for image in "ab"]
    if kind == "coco":
        images = [{"id": n, "file_name": f"{'aabb'[n]}.png", "height": 9, "width": 9} for n in range(4)]
        return {"images": images, "annotations": [{"image_id": n, "bbox": [0, 0, 4, 4]} for n in range(4)]}
    region = {"shape_attributes": {"name": "rect", "x": 0, "y": 0, "width": 4, "height": 4}}
    return {f"{image}.png{n}": {"filename": f"{image}.png", "regions": [region]} for image in "ab" for n in (1, 2)}


@pytest.mark.parametrize("kind", ["label-studio", "coco", "via"])
def test_a_image_that_stands_twice_in_a_file_is_refused(call: Call, here: Path, kind: str) -> None:
    (here / "twice.json").write_text(json.dumps(twice_in(kind)))
    done = call("import", "twice.json", "--to", "s.jsonl", "--grid", "4")
    assert (done.code, (here / "s.jsonl").exists()) == (2, False)
    reader = "7" if kind == "label-studio" else "unknown"
    for image in "ab":
        assert f'image "{image}" of reader {reader} stands there already; keep one of them' in done.err
    assert ("of no known size" in done.err) == (kind == "via")  # told beside it


def test_several_readers_become_sessions_in_a_folder(call: Call, here: Path) -> None:
    (here / "boxes.csv").write_text(VINDR)
    (here / "sizes.csv").write_text("image_id,width,height\na,100,80\n")
    refused = call("import", "boxes.csv", "--to", "s.jsonl", "--sizes", "sizes.csv")
    assert (refused.code, (here / "s.jsonl").exists()) == (2, False)
    assert "the file has 2 readers: R1, R2. Take one with --reader, or name a folder with --to" in refused.err
    assert call("import", "boxes.csv", "--to", "readers", "--sizes", "sizes.csv").code == 0
    assert [read_session(here / f"readers/{r}.jsonl").answers[0].cells for r in ("R1", "R2")] == [
        (17, 18, 19, 25, 26, 27),
        (),
    ]
    assert call("import", "boxes.csv", "--to", "s.jsonl", "--sizes", "sizes.csv", "--reader", "R2").code == 0
    assert len(read_session(here / "s.jsonl").answers) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.json"], "none.json does not exist"),
        (["boxes.csv"], "1 image is marked in pixels and of no known size"),
        (["boxes.csv", "--format", "cocoa"], 'Did you mean "coco"'),
        (["boxes.csv", "--threshold", "0"], "--threshold: threshold is the share"),
        (["boxes.csv", "--reader", "R9"], 'no reader "R9" in the file'),
        (["bad.json"], "bad.json is no JSON: "),
        (["weights.pt"], "weights.pt is a pickle, which runs code when it is loaded: it was not opened"),
    ],
)
def test_what_cannot_be_imported_is_told_and_nothing_is_written(
    call: Call, here: Path, arguments: list[str], told: str
) -> None:
    (here / "boxes.csv").write_text(VINDR)
    (here / "bad.json").write_text('{"a":\nNaN}')
    (here / "weights.pt").write_bytes(b"\x80\x02.")
    done = call("import", *arguments, "--to", "s.jsonl")
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err
    assert not (here / "s.jsonl").exists()


def test_what_was_left_out_is_said(call: Call, here: Path) -> None:
    point = {"shape_attributes": {"name": "point", "cx": 1, "cy": 1}}
    (here / "via.json").write_text(json.dumps({"a": {"filename": "a.png", "regions": [point]}}))
    done = call("import", "via.json", "--to", "s.jsonl")
    assert done.code == 0
    assert "warning: left out, having no area: 1 x point" in done.err
    assert "1 answer on a grid of 8 x 8, 1 abstention, by unknown" in done.out


def test_with_a_study_the_images_are_known_and_a_stranger_is_refused(call: Call, masks: Path, here: Path) -> None:
    done = call("import", "masks", "--to", "s.jsonl", "--grid", "4", "--study", "tiny.toml")
    assert done.code == 0, done.err
    session = read_session(here / "s.jsonl")
    assert (session.header.set_name, session.header.film_size) == ("phantom", (32, 32))
    assert {a.label for a in session.answers} <= {0, 1}
    assert all(a.image_sha256 for a in session.answers)
    (masks / "train-0001.png").rename(masks / "train-9999.png")
    refused = call("import", "masks", "--to", "t.jsonl", "--study", "tiny.toml")
    assert refused.code == 2
    assert 'image "train-9999" is not in the set phantom' in refused.err
    assert not (here / "t.jsonl").exists()


REPLAY = ', grid_size = {grid}, options = {{session = "s.jsonl", missing = "skip"}}'


def feedback_on(here: Path, *grids: str) -> None:
    """The study tiny.toml with an arm a grid."""
    arms = "".join(
        f'[arms.arm{n}]\nfeedback = {{oracle = "{"replay" if "session" in grid else "lesions"}"{grid}}}\n'
        for n, grid in enumerate(grids)
    )
    (here / "tiny.toml").write_text(
        (here / "tiny.toml").read_text().split("[arms.baseline]")[0] + "[arms.baseline]\n" + arms
    )


@pytest.mark.parametrize(
    ("grids", "options", "shape", "told"),
    [
        ((), [], (4, 4), "answers on a grid of 4 x 4 (that of study tiny), by unknown"),
        ((", grid_size = [3, 5]", ", grid_size = [3, 5]"), [], (3, 5), "3 x 5 (that of study tiny), by unknown"),
        (("", ", grid_size = 8"), ["--grid", "8"], (8, 8), "answers on a grid of 8 x 8, by unknown"),
        ((), ["--grid", "8"], (8, 8), "warning: --grid 8: the arms of tiny ask on 4 x 4, where a session on 8 x 8 can"),
    ],
)
def test_the_grid_is_that_of_the_study_so_that_strict_replay_takes_the_session(
    call: Call, masks: Path, here: Path, grids: tuple[str, ...], options: list[str], shape: tuple[int, int], told: str
) -> None:
    if grids:
        feedback_on(here, *grids)
    done = call("import", "masks", "--to", "s.jsonl", "--study", "tiny.toml", *options)
    assert done.code == 0, done.err
    assert told in done.out + done.err
    assert ("warning: --grid" in done.err) == told.startswith("warning")
    session = read_session(here / "s.jsonl")
    assert session.header.grid == shape
    library = ImageLibrary(here, here / "runs")
    feedback_on(here, REPLAY.format(grid=[*shape]))
    check_study(read_study(here / "tiny.toml"), library)
    feedback_on(here, REPLAY.format(grid=2))
    with pytest.raises(ImilSimError, match=r"line 1: recorded on a grid of .*, asked about on 2 x 2"):
        check_study(read_study(here / "tiny.toml"), library)


def test_of_several_grids_of_a_study_one_must_be_said(call: Call, masks: Path, here: Path) -> None:
    feedback_on(here, "", ", grid_size = 8")
    done = call("import", "masks", "--to", "s.jsonl", "--study", "tiny.toml")
    assert (done.code, (here / "s.jsonl").exists()) == (2, False)
    assert "--study: the arms of tiny ask on several grids, 4 x 4, 8 x 8; say which with --grid" in done.err


def test_an_ending_that_all_masks_have_is_asked_about(call: Call, masks: Path, here: Path) -> None:
    hint = 'the names of all masks end in "_mask"; if those of the images do not, give --suffix _mask'
    for path in sorted(masks.iterdir()):
        path.rename(path.with_stem(f"{path.stem}_mask"))
    done = call("import", "masks", "--to", "s.jsonl")
    assert (done.code, f"warning: {hint}" in done.err) == (0, True)
    done = call("import", "masks", "--to", "t.jsonl", "--suffix", "_mask")
    assert (done.code, done.err) == (0, "")
    done = call("import", "masks", "--to", "u.jsonl", "--study", "tiny.toml")
    assert (done.code, 'image "train-0000_mask" is not in the set' in done.err, hint in done.err) == (2, True, True)


def test_images_without_a_mark_and_marks_of_other_categories_are_summed_up(call: Call, here: Path) -> None:
    boxes = [("a", 1), ("a", 2), ("b", 2)]
    document = {
        "categories": [{"id": 1, "name": "nodule"}, {"id": 2, "name": "cavity"}],
        "images": [{"id": image, "file_name": f"{image}.png", "height": 9, "width": 9} for image in "abcd"],
        "annotations": [{"image_id": f, "category_id": c, "bbox": [0, 0, 2, 2]} for f, c in boxes],
    }
    (here / "coco.json").write_text(json.dumps(document))
    done = call("import", "coco.json", "--to", "s.jsonl", "--grid", "4", "--only", "nodule")
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            "COCO JSON: 2 answers on a grid of 4 x 4, by unknown, written to s.jsonl",
            '  1 image without a mark of the categories asked for is answered "nothing matters" '
            "(--unmarked skip leaves it out)",
            "  2 images without a mark of the categories asked for are left out (--unmarked nothing answers them "
            '"nothing matters")',
            "  2 marks of other categories are left out (--only)",
        ],
    )
    session = read_session(here / "s.jsonl")
    assert session.header.source == "COCO JSON coco.json --only nodule"
    assert [a.cells for a in session.answers] == [(1,), ()]
    done = call("import", "coco.json", "--to", "t.jsonl", "--unmarked", "nothing")
    session = read_session(here / "t.jsonl")
    assert (session.header.source, len(session.answers)) == ("COCO JSON coco.json --unmarked nothing", 4)
    done = call("import", "coco.json", "--to", "u.jsonl", "--only", "nodules")
    assert (done.code, (here / "u.jsonl").exists()) == (2, False)
    assert 'no mark is of the category "nodules". Known: cavity, nodule. Did you mean "nodule"?' in done.err
    done = call("import", "coco.json", "--to", "u.jsonl", "--unmarked", "nuthing")
    assert (done.code, done.err) == (
        2,
        'imil-sim: --unmarked: there is no "nuthing". Known: nothing, skip, stated. Did you mean "nothing"?\n',
    )
    done = call("import", "coco.json", "--to", "v.jsonl", "--only", "cavity", "--unmarked", "skip")
    assert "\n  1 mark of another category is left out (--only)\n" in done.out


def test_files_passed_over_are_said_and_a_reader_without_an_answer_too(call: Call, masks: Path, here: Path) -> None:
    (masks / "a.tif").write_bytes(b"II*\x00")
    done = call("import", "masks", "--to", "s.jsonl", "--grid", "4")
    assert done.code == 0
    assert "warning: passed over 1 file that is neither PNG nor JPEG, the first a.tif" in done.err
    (here / "boxes.csv").write_text(VINDR)
    (here / "sizes.csv").write_text("image_id,width,height\na,100,80\n")
    done = call("import", "boxes.csv", "--to", "s2.jsonl", "--sizes", "sizes.csv", "--unmarked", "skip")
    assert done.code == 0
    assert "CSV table of boxes: no answer, by R2, nothing written\n  1 image without a mark is left out" in done.out


# ---------------------------------------------------------------------------------------------------- all or nothing


def untouched(path: Path) -> tuple[int, int, int]:
    """What stays the same of a file that nobody writes; when it was last read does not."""
    about = path.stat()
    return about.st_ino, about.st_mtime_ns, about.st_size


def four_readers(here: Path) -> list[str]:
    lines = "".join(f"a,R{number},0.1,0.1,0.{number},0.5\n" for number in (2, 3, 4, 5))
    (here / "boxes.csv").write_text(VINDR.splitlines()[0] + "\n" + lines)
    (here / "sizes.csv").write_text("image_id,width,height\na,100,80\n")
    return ["import", "boxes.csv", "--to", "new/readers", "--sizes", "sizes.csv"]


@pytest.mark.parametrize("stop", [SessionError("session R4 cannot be written: No space left"), KeyboardInterrupt()])
def test_sessions_of_several_readers_are_written_all_or_none(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    line = four_readers(here)

    def failing(path: Path, session: Session, **options: bool) -> None:
        if path.name == "R4.jsonl":
            raise stop
        write_session(path, session, **options)

    monkeypatch.setattr(importing, "write_session", failing)
    assert call(*line).code != 0
    assert not (here / "new").exists()
    # What was there before stays: the folder, a stranger's file, and R2's own session, byte for byte.
    assert call(*line, "--reader", "R2", "--to", "new/readers/R2.jsonl").code == 0
    (here / "new/readers/notes.txt").write_text("mine")
    before = untouched(here / "new/readers/R2.jsonl")
    assert call(*line).code != 0
    assert sorted(path.name for path in (here / "new/readers").iterdir()) == ["R2.jsonl", "notes.txt"]
    assert untouched(here / "new/readers/R2.jsonl") == before
    monkeypatch.setattr(importing, "write_session", write_session)
    assert call(*line).code == 0
    assert untouched(here / "new/readers/R2.jsonl") == before
    assert len(list((here / "new/readers").glob("R*.jsonl"))) == 4


def test_what_another_process_puts_into_a_place_meanwhile_stays(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after every name was looked at, just before the third of four sessions is written."""
    line = four_readers(here)

    def late(path: Path, session: Session, **options: bool) -> None:
        if path.name == "R4.jsonl":
            path.write_text("another")
        write_session(path, session, **options)

    monkeypatch.setattr(importing, "write_session", late)
    done = call(*line)
    assert done.code == 2
    assert "new/readers/R4.jsonl is there already" in done.err
    assert [(path.name, path.read_text()) for path in (here / "new/readers").iterdir()] == [("R4.jsonl", "another")]


def test_a_folder_that_another_process_makes_meanwhile_is_used_and_not_taken_away(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = four_readers(here)

    def late(folder: Path) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        return make_folder(folder)

    def failing(path: Path, session: Session, **options: bool) -> None:
        raise SessionError("No space left")

    monkeypatch.setattr(importing, "make_folder", late)
    with monkeypatch.context() as patch:
        patch.setattr(importing, "write_session", failing)
        assert call(*line).code == 2
    assert list((here / "new/readers").iterdir()) == []
    (here / "new/readers").rmdir()
    assert call(*line).code == 0
    assert len(list((here / "new/readers").iterdir())) == 4


def test_every_name_is_looked_at_before_the_first_byte_is_written(call: Call, here: Path) -> None:
    line = four_readers(here)
    folder = here / "new/readers"
    folder.mkdir(parents=True)
    (folder / "R4.jsonl").write_text("another")
    (folder / "R5.jsonl").symlink_to("nowhere")
    done = call(*line)
    assert done.code == 2
    for name in ("R4", "R5"):
        assert f"new/readers/{name}.jsonl is there already and holds something else" in done.err
    assert sorted(path.name for path in folder.iterdir()) == ["R4.jsonl", "R5.jsonl"]


def test_a_place_that_cannot_be_made_is_told(call: Call, here: Path) -> None:
    line = four_readers(here)
    (here / "file").write_text("a file")
    for to in ("file/s.jsonl", "file/deeper/s.jsonl"):
        done = call(*line[:2], "--to", to, *line[4:], "--reader", "R2")
        assert (done.code, "Traceback" in done.err) == (2, False)
        assert "Not a directory" in done.err
    assert (here / "file").read_text() == "a file"


def test_a_session_too_large_to_be_read_again_is_not_written(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES_A_LINE", 100)
    done = call(*four_readers(here))
    assert done.code == 2
    assert "is longer than 100 bytes" in done.err
    assert not (here / "new").exists()


# ------------------------------------------------------------------------------------- words of a file, on a terminal

EVIL = "\x1b[31mEVIL\u202e"
SHOWN = r"\x1b[31mEVIL\u202e"


def steering(text: str) -> list[str]:
    """Characters that do something to a terminal."""
    return [character for character in text if not character.isprintable() and character != "\n"]


def evil_files(here: Path) -> dict[str, list[str]]:
    """By what the words are of: the arguments of an import that tells them."""
    (here / "readers.csv").write_text(
        f"image_id,rad_id,class_name,x_min,y_min,x_max,y_max\na,R1,,1,2,3,4\na,{EVIL},,,,,\n"
    )
    (here / "sizes.csv").write_text("image,width,height\na,100,80\n")
    (here / "column.csv").write_text(f"image_id,x1,y1,x2,y2\na,{EVIL},2,3,4\n")
    region = {"shape_attributes": {"name": EVIL}, "region_attributes": {EVIL: "x"}}
    (here / "via.json").write_text(json.dumps({EVIL: {"filename": f"{EVIL}.png", "regions": [region]}}))
    (here / "key.json").write_text(json.dumps({EVIL: {"filename": "a", "regions": 3}}))
    (here / f"{EVIL}.json").write_text(json.dumps({"a": {"filename": "a", "regions": []}}))
    for folder, name in (("masks", "a.png"), ("bad", f"{EVIL}.png")):
        (here / folder).mkdir()
        cv2.imwrite(str(here / folder / name), np.full((8, 8), 100 if folder == "bad" else 255, dtype=np.uint8))
    (here / "masks" / f"{EVIL}.tif").write_bytes(b"II*\x00")
    return {
        "reader": ["readers.csv", "--sizes", "sizes.csv", "--unmarked", "skip"],
        "value": ["column.csv"],
        "shape": ["via.json"],
        "category": ["via.json", "--only", "nodule"],
        "key": ["key.json", "--format", "via"],
        "file": [f"{EVIL}.json"],
        "passed over": ["masks"],
        "mask": ["bad"],
        "place": ["masks", "--to", f"{EVIL}.jsonl"],
    }


@pytest.mark.parametrize(
    "words", ["reader", "value", "shape", "category", "key", "file", "passed over", "mask", "place"]
)
def test_no_word_of_a_file_steers_the_terminal(call: Call, here: Path, words: str) -> None:
    done = call("import", "--to", "s.jsonl", *evil_files(here)[words])
    assert steering(done.out + done.err) == []
    assert SHOWN in done.out + done.err
    assert done.code == (0 if words in ("passed over", "place") else 2)


def test_a_source_that_cannot_be_printed_is_spelled_out_and_no_reader_is_blamed(call: Call, here: Path) -> None:
    region = {"shape_attributes": {"name": "point"}, "region_attributes": {EVIL: "x"}}
    (here / f"{EVIL}.json").write_text(json.dumps({"a": {"filename": "a", "regions": [region]}}))
    done = call("import", f"{EVIL}.json", "--to", "s.jsonl", "--only", EVIL)
    assert done.code == 0, done.err
    assert read_session(here / "s.jsonl").header.source == f"VIA JSON {SHOWN}.json --only {SHOWN}"
