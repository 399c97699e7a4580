"""Decoded images in the store: decoded once, never believed when damaged, never stale."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from imil_sim.engine.data import ImageLibrary
from imil_sim.images import load
from imil_sim.images.image_set import ImageSet
from imil_sim.images.load import load_images
from imil_sim.images.shenzhen import ShenzhenSource


@pytest.fixture
def read(shenzhen: Path, tmp_path: Path) -> Callable[[], ImageSet]:
    """Load the small Shenzhen set as a new command does."""
    source = ShenzhenSource(source="shenzhen", path=str(shenzhen), size=16)
    return lambda: ImageLibrary(tmp_path, tmp_path / "store").source(source)


def entries(store: Path) -> list[Path]:
    """The kept images."""
    return sorted((store / "images").iterdir())


def never(*_: object) -> None:
    raise AssertionError("a picture was decoded")


def test_the_second_start_decodes_nothing_and_reads_the_same(
    read: Callable[[], ImageSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read()
    monkeypatch.setattr(load, "decode_gray", never)
    monkeypatch.setattr(load, "decode_mask", never)
    second = read()
    assert second.fingerprint == first.fingerprint
    assert second.notices == first.notices
    assert len(entries(tmp_path / "store")) == 1


def test_pixels_are_mapped_and_cannot_be_written(read: Callable[[], ImageSet], shenzhen: Path) -> None:
    mapped = read()
    base = mapped.pixels
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base  # type: ignore[assignment]
    assert isinstance(base, np.memmap)
    in_memory = load_images(ShenzhenSource(source="shenzhen", path=str(shenzhen), size=16))
    assert in_memory.fingerprint == mapped.fingerprint
    for images in (mapped, in_memory):
        for array in (images.pixels, images.masks["lung"].values):
            with pytest.raises(ValueError, match="read-only"):
                array[0, 0, 0] = 1


def damage_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["pixels.npy", "mask-0.npy", "pictures.json"])
@pytest.mark.parametrize("damage", [damage_last_byte, Path.unlink], ids=["altered", "removed"])
def test_a_damaged_entry_is_made_again(
    name: str, damage: Callable[[Path], object], read: Callable[[], ImageSet], tmp_path: Path
) -> None:
    good = read().fingerprint
    (entry,) = entries(tmp_path / "store")
    damage(entry / name)
    repaired = read()
    assert repaired.fingerprint == good
    (notice,) = repaired.notices
    assert "was damaged" in notice
    assert entry.name in notice
    assert read().notices == ()
    assert entries(tmp_path / "store") == [entry]


@pytest.mark.parametrize("name", ["CXR_png/CHNCXR_0003_0.png", "masks/CHNCXR_0003_0_mask.png"])
def test_an_altered_file_is_seen_even_with_its_old_size_and_date(
    name: str, read: Callable[[], ImageSet], shenzhen: Path
) -> None:
    path = shenzhen / name
    before, date = read(), path.stat().st_mtime_ns
    white = np.full((40, 32), 255, dtype=np.uint8)
    data = cv2.imencode(".png", white)[1].tobytes()
    size = path.stat().st_size
    assert len(data) <= size
    path.write_bytes(data.ljust(size, b"\0"))  # decoders stop at the end chunk
    os.utime(path, ns=(date, date))
    after = read()
    assert after.fingerprint != before.fingerprint
    which = after.pixels[2] if "CXR" in name else after.masks["lung"].values[2]
    assert which.all()


def test_a_mask_that_is_gone_is_gone(read: Callable[[], ImageSet], shenzhen: Path) -> None:
    assert read().masks["lung"].present[2]
    (shenzhen / "masks" / "CHNCXR_0003_0_mask.png").unlink()
    after = read().masks["lung"]
    assert not after.present[2]
    assert not after.values[2].any()


def test_two_sizes_are_two_entries(shenzhen: Path, tmp_path: Path) -> None:
    for size in (16, 20):
        source = ShenzhenSource(source="shenzhen", path=str(shenzhen), size=size)
        assert ImageLibrary(tmp_path, tmp_path / "store").source(source).shape == (size, size)
    assert len(entries(tmp_path / "store")) == 2


def test_a_store_that_cannot_be_written_costs_time_only(read: Callable[[], ImageSet], tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file in the way")
    images = read()
    assert len(images) == 12
    assert "could not be kept" in images.notices[0]


def test_progress_counts_every_image_once_and_only_when_decoding(shenzhen: Path, tmp_path: Path) -> None:
    message: list[tuple[str, int, int]] = []
    source = ShenzhenSource(source="shenzhen", path=str(shenzhen), size=16)
    for _ in range(2):
        ImageLibrary(tmp_path, tmp_path / "store", lambda *step: message.append(step)).source(source)
    assert message == [("decoding shenzhen", done, 12) for done in range(1, 13)]


def test_what_was_converted_is_told_at_every_start(read: Callable[[], ImageSet], shenzhen: Path) -> None:
    images = shenzhen / "CXR_png"
    layers = np.dstack([np.full((40, 32), shade, dtype=np.uint8) for shade in (10, 20, 30)])
    for number in range(1, 6):
        assert cv2.imwrite(str(images / f"CHNCXR_{number:04d}_0.png"), layers)
    assert cv2.imwrite(str(images / "CHNCXR_0006_0.png"), np.full((40, 32), 65535, dtype=np.uint16))
    for _ in range(2):
        assert read().notices == (
            "1 images were scaled from 16 bits to 8 (65535 to 255): CXR_png/CHNCXR_0006_0.png",
            "5 images were converted from colour to grey: CXR_png/CHNCXR_0001_0.png, CXR_png/CHNCXR_0002_0.png, "
            "CXR_png/CHNCXR_0003_0.png and 2 more",
        )
