"""Bad input: one error, one line a fault, each with the file's name and the cure; and nothing half-written."""

from __future__ import annotations

import os
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.errors import DataError
from imil_sim.images.folder import FolderSource
from imil_sim.images.load import load_images
from imil_sim.images.manifest import ManifestSource
from imil_sim.images.montgomery import MontgomerySource
from imil_sim.images.shenzhen import ShenzhenSource
from imil_sim.study.spec import AnySource

IMAGE = "CXR_png/CHNCXR_0003_0.png"
MASK = "masks/CHNCXR_0003_0_mask.png"


def write(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def truncate(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def glass() -> NDArray[np.uint8]:
    layers = np.full((40, 32, 4), 255, dtype=np.uint8)
    layers[0, 0, 3] = 0
    return layers


def bomb(path: Path) -> None:
    write(path, np.zeros((1, 1), dtype=np.uint8))
    data = path.read_bytes()
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + data[24:29]
    path.write_bytes(data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:])


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@dataclass(frozen=True)
class Bad:
    """One way to spoil a good Shenzhen folder, and the line that must name it."""

    name: str
    spoil: Callable[[Path], object]
    message: str


SHENZHEN = [
    Bad("truncated", lambda r: truncate(r / IMAGE, 0.5), rf"{IMAGE}: is truncated: .*; copy it again"),
    Bad("damaged", lambda r: flip(r / IMAGE), rf"{IMAGE}: is damaged: checksum .*; copy it again"),
    Bad("text", lambda r: (r / IMAGE).write_text("no image"), rf"{IMAGE}: is neither PNG nor JPEG.*; convert it"),
    Bad("zero bytes", lambda r: (r / IMAGE).write_bytes(b""), rf"{IMAGE}: has zero bytes; copy it again"),
    Bad(
        "12 bits in 16",
        lambda r: write(r / IMAGE, np.full((40, 32), 4095, np.uint16)),
        rf"{IMAGE}: has 16 bits of which it uses 12 .*; scale it",
    ),
    Bad("alpha", lambda r: write(r / IMAGE, glass()), rf"{IMAGE}: has transparent pixels; flatten it"),
    Bad("bomb", lambda r: bomb(r / IMAGE), rf"{IMAGE}: claims 60000 x 60000 pixels, .*: reduce it"),
    Bad("folder as file", lambda r: as_folder(r / IMAGE), rf"{IMAGE}: is a folder, not an image file; move it"),
    Bad("pipe as file", lambda r: as_pipe(r / IMAGE), rf"{IMAGE}: is not an ordinary file; move it"),
    Bad(
        "dead link",
        lambda r: ((r / IMAGE).unlink(), (r / IMAGE).symlink_to("nowhere.png")),
        rf"{IMAGE}: does not exist; add it",
    ),
    Bad(
        "mask of another size",
        lambda r: write(r / MASK, np.zeros((32, 40), np.uint8)),
        rf"{MASK}: is a mask of another size: 40 x 32 pixels, its image 32 x 40; bring it to the size",
    ),
    Bad(
        "mask of label numbers",
        lambda r: write(r / MASK, np.full((40, 32), 3, np.uint8)),
        rf"{MASK}: is no mask: its brightest value is 3; write 255",
    ),
    Bad("truncated mask", lambda r: truncate(r / MASK, 0.9), rf"{MASK}: is truncated: .*; copy it again"),
    Bad(
        "label outside the classes",
        lambda r: (r / IMAGE).rename(r / "CXR_png" / "CHNCXR_0003_2.png"),
        r"CXR_png/CHNCXR_0003_2\.png: is not named CHNCXR_NNNN_L\.png with L = 0 \(normal\) or 1 \(TB\); rename it",
    ),
    Bad(
        "one class only",
        lambda r: [path.unlink() for path in (r / "CXR_png").glob("*_1.png")],
        r"all images are of one class, normal; a classifier needs at least two",
    ),
    Bad(
        "no images",
        lambda r: [path.unlink() for path in (r / "CXR_png").iterdir()],
        r"CXR_png/: holds no image CHNCXR_NNNN_L\.png; put the images there",
    ),
    Bad(
        "duplicate id",
        lambda r: shutil.copy(r / IMAGE, (r / IMAGE).with_suffix(".jpg")),
        r'id "CHNCXR_0003_0" stands for 2 images \(CHNCXR_0003_0\.jpg, CHNCXR_0003_0\.png\); keep one',
    ),
]


def shenzhen_source(root: Path) -> ShenzhenSource:
    return ShenzhenSource(source="shenzhen", path=str(root), size=16)


def refused(source: AnySource) -> str:
    with pytest.raises(DataError) as caught:
        load_images(source)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("bad", SHENZHEN, ids=lambda bad: bad.name.replace(" ", "-"))
def test_each_fault_is_the_one_line_of_the_one_message(
    bad: Bad, shenzhen: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(load_images(shenzhen_source(shenzhen))) == 12  # good until spoilt
    bad.spoil(shenzhen)
    message = refused(shenzhen_source(shenzhen))
    first, *lines = message.splitlines()
    assert first == f'images "shenzhen" in {shenzhen}: 1 thing is wrong'
    assert len(lines) == 1
    assert re.fullmatch(rf"  - {bad.message}.*", lines[0]), lines[0]
    assert not (tmp_path / "cache").exists()
    assert capfd.readouterr() == ("", "")


def test_a_file_that_may_not_be_read_is_named(shenzhen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path == shenzhen / IMAGE:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert f"{IMAGE}: cannot be read: Permission denied; check its owner" in refused(shenzhen_source(shenzhen))


def test_all_faulty_files_are_listed_at_once(shenzhen: Path) -> None:
    truncate(shenzhen / IMAGE, 0.3)
    truncate(shenzhen / MASK, 0.3)
    (shenzhen / "CXR_png" / "CHNCXR_0007_1.png").write_bytes(b"")
    (shenzhen / "CXR_png" / "holiday.png").write_bytes(b"")
    message = refused(shenzhen_source(shenzhen))
    assert "4 things are wrong" in message
    for name in (IMAGE, MASK, "CXR_png/CHNCXR_0007_1.png", "CXR_png/holiday.png"):
        assert f"\n  - {name}: " in message


def test_very_many_faults_are_counted(shenzhen: Path) -> None:
    for number in range(100, 130):
        (shenzhen / "CXR_png" / f"CHNCXR_0{number}_1.png").write_bytes(b"")
    message = refused(shenzhen_source(shenzhen))
    assert "30 things are wrong" in message
    assert message.count("has zero bytes") == 20
    assert message.endswith("\n  - ... and 10 more")


@pytest.mark.parametrize("asked", ["nowhere", "/nowhere/at/all"])
def test_a_missing_folder_names_every_place_looked_at(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMIL_SIM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        load_images(ShenzhenSource(source="shenzhen", path=asked), beside=tmp_path / "studies" / "s.toml")
    places = [Path(asked)] if asked[0] == "/" else [tmp_path / p / asked for p in ("data", "studies", ".")]
    for place in places:
        assert str(place) in str(caught.value)
    assert "IMIL_SIM_DATA" in str(caught.value)


def test_a_folder_without_images_says_what_it_holds(shenzhen: Path) -> None:
    (shenzhen / "CXR_png").rename(shenzhen / "images")
    message = refused(shenzhen_source(shenzhen))
    assert f"{shenzhen} holds no folder CXR_png/, but images, lesions, masks, shenzhen_metadata.csv" in message


def test_one_lung_without_the_other(tmp_path: Path, image: Callable[[int], NDArray[Any]]) -> None:
    for number in (0, 1):
        write(tmp_path / "CXR_png" / f"MCUCXR_000{number}_{number}.png", image(number))
    write(tmp_path / "ManualMask" / "leftMask" / "MCUCXR_0001_1.png", image(0))
    message = refused(MontgomerySource(source="montgomery", path=str(tmp_path), size=16))
    assert "ManualMask/leftMask/MCUCXR_0001_1.png: is one lung without the other; put the file into both" in message


@dataclass(frozen=True)
class BadFolder:
    """One way to spoil a folder of class folders."""

    name: str
    spoil: Callable[[Path], object]
    message: str
    classes: tuple[str, ...] | None = None


FOLDER = [
    BadFolder("empty", lambda r: (shutil.rmtree(r), r.mkdir()), r"holds no folders"),
    BadFolder(
        "empty class",
        lambda r: [path.unlink() for path in (r / "opaque").iterdir()],
        r"opaque/: holds no PNG or JPEG image; put the images of the class there",
    ),
    BadFolder(
        "misspelt class",
        lambda r: None,
        r'holds no folder for class opake\. Known: clear, opaque\. Did you mean "opaque"\?',
        ("clear", "opake"),
    ),
    BadFolder(
        "another format",
        lambda r: (r / "clear" / "image.dcm").write_bytes(b"DICM"),
        r"clear/image\.dcm: is neither PNG nor JPEG; convert it",
    ),
    BadFolder(
        "folder in a class",
        lambda r: (r / "clear" / "patient1").mkdir(),
        r"clear/patient1/: is a folder in a class folder; put its images directly into clear/",
    ),
    BadFolder(
        "two formats of one image",
        lambda r: shutil.copy(r / "clear" / "image1.png", r / "clear" / "image1.jpg"),
        r'id "clear/image1" stands for 2 images \(image1\.jpg, image1\.png\); keep one',
    ),
]


@pytest.mark.parametrize("bad", FOLDER, ids=lambda bad: bad.name.replace(" ", "-"))
def test_each_fault_of_a_class_folder(bad: BadFolder, classes: Path) -> None:
    source = FolderSource(source="folder", path=str(classes), size=16, classes=bad.classes)
    if bad.classes is None:
        load_images(source)
    bad.spoil(classes)
    with pytest.raises(DataError, match=bad.message):
        load_images(source)


@dataclass(frozen=True)
class BadTable:
    """One change to a good manifest."""

    name: str
    old: str
    new: str
    message: str


MANIFEST = [
    BadTable("missing column", "file,", "path,", r'no column "file"\. Known: finding, lungs, part, path'),
    BadTable("two columns of a name", ",sex,", ",part,", r"has two columns called part; rename one"),
    BadTable(
        "missing file",
        "image4.png,TB",
        "image9.png,TB",
        r'images\.csv line 6: image "image9\.png" does not exist in .*pictures; add the file',
    ),
    BadTable("no file", "image4.png,TB", ",TB", r"images\.csv line 6: names no image; fill the cell"),
    BadTable(
        "outside",
        "image4.png,TB",
        "../pictures/../secret.png,TB",
        r'images\.csv line 6: image "\.\./pictures/\.\./secret\.png" leaves .*; name it relative to that folder',
    ),
    BadTable("absolute", "image4.png,TB", "/etc/hostname,TB", r'line 6: image "/etc/hostname" leaves .*; name it'),
    BadTable("mask outside", "lungs/image4.png", "../x.png", r'line 6: lung mask "\.\./x\.png" leaves .*; name it'),
    BadTable("mask missing", "lungs/image4.png", "lungs/x.png", r'line 6: lung mask "lungs/x\.png" does not exist'),
    BadTable(
        "unknown label",
        "image4.png,TB",
        "image4.png,tb",
        r'line 6: label "tb" is outside the classes, or 0 to 1\. Known: TB, normal',
    ),
    BadTable("label number too high", "image4.png,TB", "image4.png,2", r'line 6: label "2" is outside the classes'),
    BadTable("no label", "image4.png,TB", "image4.png,", r"line 6: has no label; fill the cell with one of normal, TB"),
    BadTable("no test image", ",val,", ",vál,", r'no row has "val" in column "part"\. Known: train, vál\. Did you'),
    BadTable("same row twice", "image4.png,TB", "image5.png,TB", r'id "image5" stands for 2 images'),
]


def table_source(path: Path) -> ManifestSource:
    return ManifestSource(
        source="manifest",
        path=str(path),
        size=16,
        image_folder="pictures",
        image_column="file",
        label_column="finding",
        classes=("normal", "TB"),
        split_column="part",
        test_value="val",
        mask_columns={"lung": "lungs"},
    )


@pytest.mark.parametrize("bad", MANIFEST, ids=lambda bad: bad.name.replace(" ", "-"))
def test_each_fault_of_a_manifest(bad: BadTable, table: Path) -> None:
    text = table.read_text()
    assert bad.old in text
    load_images(table_source(table))
    table.write_text(text.replace(bad.old, bad.new), encoding="utf-8")
    with pytest.raises(DataError, match=bad.message):
        load_images(table_source(table))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"file,finding,part,lungs\n", "has no rows below its header"),
        (b"", 'no column "file"'),
        (b"file\xff\n", "is not UTF-8 text; save it as CSV"),
        (b'file,finding,part,lungs\n"image0.png,TB', "is not a CSV file"),
    ],
    ids=["no-rows", "empty", "not-text", "open-quote"],
)
def test_a_manifest_that_is_no_table(data: bytes, message: str, table: Path) -> None:
    table.write_bytes(data)
    with pytest.raises(DataError, match=message):
        load_images(table_source(table))


def test_a_manifest_whose_image_folder_is_missing(table: Path) -> None:
    (table.parent / "pictures").rename(table.parent / "images")
    with pytest.raises(DataError, match='image_folder "pictures" is no folder'):
        load_images(table_source(table))


def test_all_faulty_rows_are_listed_at_once(table: Path) -> None:
    table.write_text(
        table.read_text().replace("image4.png,TB", "image9.png,maybe").replace("image6.png,TB", "image6.png,")
    )
    (table.parent / "pictures" / "image0.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_images(table_source(table))
    message = str(caught.value)
    for fault in ("line 6: image", "line 6: label", "line 8: has no label", "pictures/image0.png: has zero bytes"):
        assert fault in message
    assert "4 things are wrong" in message
