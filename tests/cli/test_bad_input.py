"""Bad input of every kind: exit 2, one clear message that names what is wrong, and nothing written."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

RUN = ("run", "tiny.toml", "--workers", "0")
IMAGES = ("run", "images.toml", "--workers", "0")


@dataclass(frozen=True)
class Bad:
    """One way to go wrong."""

    kind: str
    said: str
    """Regular expression that the message matches; it names the faulty thing."""
    spoil: Callable[[Path], object] = lambda here: None
    """Given the current folder."""
    call: tuple[str, ...] = RUN


def replaced(old: str, new: str, study: str = "tiny.toml") -> Callable[[Path], object]:
    """A change of the study file that really is one."""

    def spoil(here: Path) -> None:
        text = (here / study).read_text()
        assert old in text
        (here / study).write_text(text.replace(old, new, 1))

    return spoil


def added(text: str, study: str = "tiny.toml") -> Callable[[Path], object]:
    return lambda here: (here / study).write_text((here / study).read_text() + text)


def oracle(table: str) -> Callable[[Path], object]:
    return replaced('feedback.oracle = "lesions"', f"feedback = {table}")


def image(content: bytes | None, size: int | None = None) -> Callable[[Path], object]:
    """``images/opaque/image5.png`` with other content, or cut off."""

    def spoil(here: Path) -> None:
        path = here / "images" / "opaque" / "image5.png"
        path.write_bytes(path.read_bytes()[:size] if content is None else content)

    return spoil


def pixels(array: Any) -> Callable[[Path], object]:
    return lambda here: cv2.imwrite(str(here / "images" / "opaque" / "image5.png"), array)


def manifest(rows: str, options: str = "") -> Callable[[Path], object]:
    """The images through ``images.csv``, with these rows."""

    def spoil(here: Path) -> None:
        (here / "images.csv").write_text(rows)
        source = (
            'source = "manifest"\npath = "images.csv"\nimage_folder = "images"\n'
            f'classes = ["clear", "opaque"]\n{options}'
        )
        replaced('source = "folder"\npath = "images"', source, "images.toml")(here)

    return spoil


ROWS = "image,label\n" + "".join(
    f"{name}/image{i}.png,{name}\n" for i in range(8) for name in [("clear", "opaque")[i > 3]]
)

KINDS = [
    # ------------------------------------------------------------------------------------------------- study files
    Bad("field misspelt", r'training\.epoch: .*Did you mean "epochs"\?', replaced("epochs = 2", "epoch = 2")),
    Bad("table misspelt", r'trainning: .*Did you mean "training"\?', replaced("[training]", "[trainning]")),
    Bad(
        "text for a number",
        r'training\.epochs: must be a whole number \(found "2"\)',
        replaced("epochs = 2", 'epochs = "2"'),
    ),
    Bad("out of range", r"training\.learning_rate: must be greater than 0", replaced("= 0.01", "= -1")),
    Bad("not TOML", r"study tiny\.toml cannot be read: .*line 2", replaced('name = "tiny"', "name = tiny")),
    Bad("not text", r"study tiny\.toml cannot be read", lambda here: (here / "tiny.toml").write_bytes(b"\xff\x00")),
    Bad("no arms", r"arms: a study needs at least one", lambda here: (here / "tiny.toml").write_text('name = "tiny"')),
    Bad(
        "consultation too late",
        r"arms\.lesions: imil_epoch = 2 leaves no epoch",
        replaced("imil_epoch = 1", "imil_epoch = 2"),
    ),
    Bad("unknown reference", r'there is no arm "base"\. .*Did you mean "baseline"', replaced('"baseline"', '"base"')),
    Bad("seed twice", r"seeds: must be a count .*found \[3, 3\]", replaced("seeds = 2", "seeds = [3, 3]")),
    Bad("name that is a path", r'name: a name is .*found "\.\./tiny"', replaced('"tiny"', '"../tiny"')),
    Bad(
        "unknown image source",
        r'image source "phantm" is not installed\. .*Did you mean "phantom"',
        replaced('"phantom"', '"phantm"'),
    ),
    Bad("test set of another size", r"test_sets\.more has size 64", added('[test_sets.more]\nsource = "phantom"')),
    # ------------------------------------------------------------------------------------------------------- calls
    Bad("unknown study", r'no study file "dmeo" .*Did you mean "demo"', call=("run", "dmeo")),
    Bad("unknown study for data", r'no study file "nowhere/x\.toml"', call=("data", "nowhere/x.toml")),
    Bad("unknown verb", r"No such command 'rnu'", call=("rnu", "tiny.toml")),
    Bad("unknown option", r"No such option: --epochs", call=(*RUN, "--epochs", "3")),
    Bad("no study", r"Missing argument 'STUDY\.toml'", call=("run",)),
    Bad("more seeds than there are", r"--seeds 3: study tiny declares 2", call=(*RUN, "--seeds", "3")),
    Bad("no seeds", r"Invalid value for '--seeds'", call=(*RUN, "--seeds", "0")),
    Bad("unknown device", r"Invalid value for '--device': .*'tpu' is not one of", call=(*RUN, "--device", "tpu")),
    Bad("store that is a file", r"the store tiny\.toml cannot be made", call=(*RUN, "--store", "tiny.toml")),
    Bad(
        "store that cannot be made", r"the store /proc/nowhere cannot be made", call=(*RUN, "--store", "/proc/nowhere")
    ),
    Bad("results into a file", r"results cannot go to tiny\.toml/x: .*is a file", call=(*RUN, "--out", "tiny.toml/x")),
    Bad("unknown oracle's card", r'"lesoins" is not installed.*Did you mean "lesions"', call=("oracles", "lesoins")),
    # ------------------------------------------------------------------------------------------ oracles and models
    Bad(
        "unknown oracle",
        r'arms\.lesions: oracle "lesion" is not installed.*Did you mean "lesions"',
        oracle('{ oracle = "lesion" }'),
    ),
    Bad(
        "unknown oracle option",
        r'option "treshold"\. .*Did you mean "threshold"',
        oracle('{ oracle = "lesions", options.treshold = 1 }'),
    ),
    Bad("oracle option of another type", r"threshold", oracle('{ oracle = "lesions", options.threshold = "high" }')),
    Bad("oracle option out of range", r"threshold", oracle('{ oracle = "lesions", options.threshold = 2.0 }')),
    Bad("oracle without what it needs", r"count.*like", oracle('{ oracle = "random-cells" }')),
    Bad("oracle's folder missing", r'"no-masks"', oracle('{ oracle = "replayed-masks", options.folder = "no-masks" }')),
    Bad(
        "unknown model",
        r'arms\.baseline, arms\.lesions: .*"resnet11".*Did you mean "resnet1',
        replaced('"resnet10"', '"resnet11"'),
    ),
    Bad(
        "model too large for the images", r'"vgg11" .*32 x 32|"alexnet" .*32 x 32', replaced('"resnet10"', '"alexnet"')
    ),
    Bad("missing weights file", r'"mine\.pth"', added('[arms.more]\nmodel.weights = "mine.pth"')),
    Bad(
        "weights that are none",
        r"w\.pth",
        lambda here: (added('[arms.more]\nmodel.weights = "w.pth"')(here), (here / "w.pth").write_text("x")),
    ),
    Bad(
        "grid finer than the images",
        r"a grid of 33 x 4 has more cells",
        oracle('{ oracle = "lesions", grid_size = [33, 4] }'),
    ),
    # -------------------------------------------------------------------------------------------------------- data
    Bad(
        "missing folder", r'"images" was not found.*IMIL_SIM_DATA', lambda here: shutil.rmtree(here / "images"), IMAGES
    ),
    Bad(
        "missing real set", r'"shenzhen" was not found.*IMIL_SIM_DATA', call=("run", "shenzhen-small", "--workers", "0")
    ),
    Bad("truncated image", r"opaque/image5\.png: is truncated", image(None, 300), IMAGES),
    Bad("image that is text", r"opaque/image5\.png: is neither PNG nor JPEG", image(b"no image"), IMAGES),
    Bad("empty image", r"opaque/image5\.png: has zero bytes", image(b""), IMAGES),
    Bad("image of 12 bits", r"opaque/image5\.png: has 16 bits", pixels(np.full((40, 32), 4095, np.uint16)), IMAGES),
    Bad(
        "image with holes",
        r"opaque/image5\.png: has transparent pixels",
        pixels(np.zeros((40, 32, 4), np.uint8)),
        IMAGES,
    ),
    Bad("one class only", r"class", lambda here: shutil.rmtree(here / "images" / "opaque"), IMAGES),
    Bad(
        "more test images than images",
        r"split\.test = 8 makes 8 test images of 8",
        added("[split]\ntest = 8", "images.toml"),
        IMAGES,
    ),
    Bad("table without the column", r'no column "label"', manifest(ROWS.replace("label", "finding", 1)), IMAGES),
    Bad(
        "label outside the classes",
        r'line 6: label "hazy"',
        manifest(ROWS.replace("image4.png,opaque", "image4.png,hazy")),
        IMAGES,
    ),
    Bad("image listed twice", r"image4", manifest(ROWS + "opaque/image4.png,opaque\n"), IMAGES),
    Bad("image that is not there", r"image9\.png", manifest(ROWS + "opaque/image9.png,opaque\n"), IMAGES),
    Bad("image named with a path out", r"passwd", manifest(ROWS + "../../../../etc/passwd,opaque\n"), IMAGES),
]


def everything(here: Path) -> set[str]:
    """All files and folders but the image cache, which only saves time."""
    paths = {str(path.relative_to(here)) for path in here.rglob("*")}
    return {path for path in paths if not path.startswith(f"runs{os.sep}images")} - {"runs", f"runs{os.sep}tmp"}


@pytest.mark.parametrize("bad", KINDS, ids=lambda bad: bad.kind.replace(" ", "-"))
def test_each_kind_has_one_clear_message(bad: Bad, here: Path, images: Path, call: Any) -> None:
    bad.spoil(here)
    before = everything(here)
    called = call(*bad.call)
    assert called.code == 2, called
    assert called.out == ""
    assert re.search(bad.said, called.err, re.DOTALL), called.err
    assert "Traceback" not in called.err
    assert len(re.findall(r"^imil-sim: |^Usage: ", called.err, re.MULTILINE)) == 1, called.err
    assert everything(here) == before
    assert not (here / "reports").exists()
    if bad.call in (RUN, IMAGES) and bad.kind != "missing folder":  # which counting does without
        planned = call("plan", bad.call[1])
        assert (planned.code, planned.out, planned.err) == (2, "", called.err)


def test_a_device_that_is_not_there_is_named(call: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    called = call(*RUN, "--device", "cuda")
    assert called.code == 2
    assert called.err.startswith("imil-sim: device cuda was asked for")


def test_all_faulty_images_are_named_at_once(here: Path, images: Path, call: Any) -> None:
    for number in (4, 6):
        (images / "opaque" / f"image{number}.png").write_bytes(b"")
    called = call("data", "images.toml")
    assert called.code == 2
    assert [number for number in range(8) if f"image{number}.png: has zero bytes" in called.err] == [4, 6]
