from __future__ import annotations

import dataclasses
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.errors import OracleError
from imil_sim.feedback import Feedback, Grid, OracleRecipe, Question, make_oracle
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.replayed_masks import ReplayedMasks

RNG = np.random.default_rng(0)
QUESTION = dataclasses.replace(sample_questions(grids=[Grid(2, 2)], shapes=[(64, 64)])[0], image_id="image")
LEFT_HALF = np.kron(np.array([[1, 0], [1, 0]]), np.ones((6, 5))) > 0


def write(path: Path, pixels: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def answer(folder: Path, image_id: str = "image", **options: object) -> Feedback:
    oracle = ReplayedMasks(str(folder), **options)
    return oracle.answer(dataclasses.replace(QUESTION, image_id=image_id), RNG)


def chosen(folder: Path, image_id: str = "image", **options: object) -> tuple[int, ...]:
    cells = answer(folder, image_id, **options).cells
    assert cells is not None
    return QUESTION.grid.numbers(cells)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_it_keeps_the_promises_of_an_oracle(tmp_path: Path) -> None:
    for question in sample_questions():
        if "lesion" in question.masks:
            write(tmp_path / f"{question.image_id}.png", question.masks["lesion"].astype(np.uint8) * 255)
    check_oracle(ReplayedMasks(str(tmp_path)))
    check_oracle(ReplayedMasks(str(tmp_path), single_region=True))


@pytest.mark.parametrize("inside", [1, 255])
@pytest.mark.parametrize("size", [(2, 2), (12, 10), (601, 333)])
def test_a_mask_of_any_size_is_laid_over_the_image(tmp_path: Path, size: tuple[int, int], inside: int) -> None:
    pixels = np.zeros(size, dtype=np.uint8)
    pixels[:, : size[1] // 2] = inside
    write(tmp_path / "image.png", pixels)
    assert chosen(tmp_path) == (1, 3)
    assert answer(tmp_path).note == ""


def test_half_bright_edges_of_a_resized_mask_count_from_the_middle(tmp_path: Path) -> None:
    pixels = np.array([[255, 127], [128, 0]], dtype=np.uint8)
    write(tmp_path / "image.png", pixels)
    assert chosen(tmp_path) == (1, 3)


def test_ids_with_folders_and_a_suffix_are_found(tmp_path: Path) -> None:
    write(tmp_path / "TB" / "image.v2_lesion.png", LEFT_HALF.astype(np.uint8))
    assert chosen(tmp_path, "TB/image.v2", suffix="_lesion") == (1, 3)


def test_a_image_without_a_mask_is_an_abstention_and_an_empty_mask_is_not(tmp_path: Path) -> None:
    missing = answer(tmp_path, "TB/image")
    assert (missing.cells, missing.reason) == (None, "no recorded mask TB/image.png")
    write(tmp_path / "image.png", np.zeros((12, 10), dtype=np.uint8))
    assert chosen(tmp_path) == ()
    assert answer(tmp_path).note == "nothing is marked in the recorded mask"


def test_threshold_and_single_region_are_passed_on(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40), dtype=np.uint8)
    pixels[:20, :20], pixels[20:30, 20:] = 255, 255  # all of cell 1, half of cell 4
    write(tmp_path / "image.png", pixels)
    assert chosen(tmp_path) == (1, 4)
    assert chosen(tmp_path, single_region=True) == (1,)
    assert chosen(tmp_path, threshold=0.6) == (1,)


def broken(kind: str) -> bytes:
    whole = cv2.imencode(".png", LEFT_HALF.astype(np.uint8) * 255)[1].tobytes()
    ihdr = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    pixels: dict[str, NDArray[np.generic]] = {
        "transparent": np.dstack([np.full((8, 8, 3), 255), np.eye(8) * 255]).astype(np.uint8),
        "brightest value is 3": np.full((8, 8), 3, dtype=np.uint8),
    }
    if kind in pixels:
        return cv2.imencode(".png", pixels[kind])[1].tobytes()
    return {
        "zero bytes": b"",
        "neither PNG nor JPEG": b"no picture" * 10,
        "truncated": whole[: len(whole) // 2],
        "damaged PNG without a header": whole[:8] + whole[-12:],
        "damaged": whole[:45] + bytes([whole[45] ^ 0xFF]) + whole[46:],
        "claims 60000 x 60000": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "zero bytes",
        "neither PNG nor JPEG",
        "truncated",
        "damaged PNG without a header",
        "damaged",
        "claims 60000 x 60000",
        "transparent",
        "brightest value is 3",
    ],
)
def test_a_file_that_is_no_mask_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "image.png").write_bytes(broken(kind))
    with pytest.raises(OracleError, match=kind) as caught:
        answer(tmp_path)
    assert str(tmp_path / "image.png") in str(caught.value)


def test_a_folder_in_the_place_of_a_mask_is_named(tmp_path: Path) -> None:
    (tmp_path / "image.png").mkdir()
    with pytest.raises(OracleError, match=r"image\.png: is a folder"):
        answer(tmp_path)


def test_a_mask_coarser_than_the_grid_is_named(tmp_path: Path) -> None:
    write(tmp_path / "image.png", np.ones((2, 1), dtype=np.uint8))
    with pytest.raises(OracleError, match=r"image\.png: a grid of 2 columns .* 1 pixels wide"):
        answer(tmp_path)


@pytest.mark.parametrize("image_id", ["../image", "TB/../../image", "/image", "..\\image", "image\0"])
def test_an_id_that_leads_out_of_the_folder_is_refused(tmp_path: Path, image_id: str) -> None:
    write(tmp_path / "image.png", LEFT_HALF.astype(np.uint8))
    (tmp_path / "masks" / "TB").mkdir(parents=True)
    with pytest.raises(OracleError, match="leads out of the folder"):
        answer(tmp_path / "masks", image_id)


@pytest.mark.parametrize("suffix", ["/../../image", "\\image", "\0"])
def test_a_suffix_that_leads_out_of_the_folder_is_told_before_any_training(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OracleError, match=r"suffix .* leads out of the folder of masks; put that into folder"):
        make_oracle("replayed-masks", {"folder": str(tmp_path), "suffix": suffix})


def test_a_folder_that_is_not_there_is_told_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OracleError, match='"recorded/reader-1" was not found'):
        make_oracle("replayed-masks", {"folder": "recorded/reader-1"})
    with pytest.raises(OracleError, match=r'(?s)like: oracle "replayed-masks".*not found'):
        make_oracle("random-cells", {"like": {"oracle": "replayed-masks", "options": {"folder": "recorded/reader-1"}}})
    (tmp_path / "file").touch()
    with pytest.raises(OracleError, match="is a file; name the folder"):
        make_oracle("replayed-masks", {"folder": "file"})


def test_the_folder_is_looked_for_where_the_data_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMIL_SIM_DATA", str(tmp_path))
    write(tmp_path / "reader-1" / "image.png", LEFT_HALF.astype(np.uint8))
    oracle = OracleRecipe("replayed-masks", {"folder": "reader-1"}).make()
    assert QUESTION.grid.numbers(oracle.answer(QUESTION, RNG).cells) == (1, 3)


def test_the_outlines_of_the_real_set_replay(real_data: Path) -> None:
    folder = real_data / "shenzhen" / "lesions" / "masks"
    outline = cv2.imread(str(folder / "CHNCXR_0327_1_lesion.png"), cv2.IMREAD_GRAYSCALE)
    assert outline is not None
    question: Question = dataclasses.replace(QUESTION, grid=Grid(4, 4), image_id="CHNCXR_0327_1")
    oracle = ReplayedMasks(str(folder), suffix="_lesion")
    covered = outline.reshape(4, 64, 4, 64).mean(axis=(1, 3)) / 255  # 256 x 256 pixels, so cells of 64 x 64
    expected = (covered >= 0.1) | (covered == covered.max())
    assert (oracle.answer(question, RNG).cells == expected).all()
    assert 0 < expected.sum() < 16
    without_outline = dataclasses.replace(question, image_id="CHNCXR_0467_1")
    assert oracle.answer(without_outline, RNG).reason == "no recorded mask CHNCXR_0467_1_lesion.png"
