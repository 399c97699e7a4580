from __future__ import annotations

import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imil_sim.annotate import read_questions
from imil_sim.errors import DataError, ImilSimError, UsageError
from imil_sim.feedback import Grid
from imil_sim.sessions import SessionFolder
from imil_sim.testing import sample_questions

Put = Callable[..., Path]


def test_what_the_engine_wrote_is_what_is_asked(put: Put, answers: Path) -> None:
    asked = read_questions(put())
    questions = sample_questions(grids=[Grid(4, 4)], shapes=[(64, 64)])
    assert (asked.grid, asked.class_names, asked.sheet.set.name) == (Grid(4, 4), ("normal", "TB"), "images")
    assert asked.folders == (SessionFolder("ada", str(answers)),)
    for image, question in zip(asked.images, questions, strict=True):
        assert (image.image_id, image.label, image.predicted) == (question.image_id, question.label, question.predicted)
        assert np.array_equal(image.image, question.image)
        assert (image.image_sha256, image.cam_sha256) == (question.image_sha256, question.cam_sha256)


def test_of_several_readers_one_is_named(put: Put) -> None:
    def human(reader: str) -> dict[str, Any]:
        return {"oracle": "human", "options": {"reader": reader, "folder": "f"}}

    asked = read_questions(put(options={"oracles": [human("ada"), human("ben"), human("ada")], "how": "majority"}))
    assert [folder.reader for folder in asked.folders] == ["ada", "ben"]
    assert asked.folder_of("ben") == SessionFolder("ben", "f")
    with pytest.raises(UsageError, match="for 2 readers: ada, ben; say --reader"):
        asked.folder_of(None)
    with pytest.raises(UsageError, match=r'nobody called "benn".*Did you mean "ben"'):
        asked.folder_of("benn")
    nobody = read_questions(put(2, options={}))
    with pytest.raises(UsageError, match="names no reader"):
        nobody.folder_of(None)


def huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(60_000))) + chunk(b"IEND", b"")
    )


def grey(value: int, *shape: int) -> bytes:
    return bytes(cv2.imencode(".png", np.full(shape, value, dtype=np.uint8))[1])


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("002-image.png", None, "does not exist"),
        ("002-image.png", b"", "zero bytes"),
        ("002-image.png", b"<svg onload='alert(1)'/>" * 9, "neither PNG nor JPEG"),
        ("002-image.png", pickle.dumps(Path("x")), "neither PNG nor JPEG"),
        ("002-image.png", huge_png(), "claims 60000 x 60000 pixels"),
        ("002-image.png", grey(7, 64, 64), "are not those asked about"),
        ("002-image.png", grey(7, 64, 64, 3), "are not those asked about"),
        ("002-cam.png", grey(7, 32, 64), r"is 64 x 32 pixels"),
        ("002-image.png", grey(7, 64, 64)[:60], "is truncated|damaged|copy it again"),
    ],
)
def test_fault_32_a_picture_that_is_none_is_named_and_not_decoded(
    put: Put, name: str, data: bytes | None, said: str
) -> None:
    folder = put()
    if data is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"(?s)question 2, image .*{said}.*run the study again"):
        read_questions(folder)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": 2}, "has format 2, this imil-sim reads 3"),
        ({"grid": [0, 4]}, r"grid\.0"),
        ({"grid": [100, 4]}, "finer than the images"),
        ({"questions": []}, "questions"),
        ({"class_names": ["normal"]}, "there are 1 classes"),
        ({"extra": 1}, "extra"),
        ({"oracle": {"name": "human", "options": {"reader": "../ada", "folder": "f"}}}, "reader is a name of letters"),
    ],
)
def test_a_sheet_that_is_none_is_named(put: Put, changed: dict[str, Any], said: str) -> None:
    folder = put()
    sheet = json.loads((folder / "questions.json").read_text())
    (folder / "questions.json").write_text(json.dumps(sheet | changed))
    with pytest.raises(ImilSimError, match=said):
        read_questions(folder)


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "001-image.png/../x", "image.svg", "0001\\x.png"]
)
def test_fault_43_a_picture_is_a_name_beside_the_questions_never_a_path(put: Put, name: str) -> None:
    folder = put()
    sheet = json.loads((folder / "questions.json").read_text())
    sheet["questions"][0]["image"] = name
    (folder / "questions.json").write_text(json.dumps(sheet))
    with pytest.raises(DataError, match=r"questions\.0\.image"):
        read_questions(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "is no JSON: .*line 1"),
        ('{"format": 3,\n "format": 3}', "twice .*line 2"),
        ('{"format": 3, "epoch": NaN}', "is no JSON"),
        ('{"epoch": ' + "9" * 1_000_000 + "}", "is no JSON"),
    ],
)
def test_fault_33_json_that_readers_differ_about_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "questions.json").write_text(text)
    with pytest.raises(DataError, match=said):
        read_questions(tmp_path)


def test_a_folder_without_questions_says_which_one_to_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no questions\.json; name the folder that `imil-sim run` printed"):
        read_questions(tmp_path)
