"""A folder of masks, one an image, named for it: 0 outside, 255 (or 1) inside, of the size of the original image.

A mask says of every pixel whether it is inside: one that is black throughout says that nothing was found. A JPEG does
not keep what was put in: of a mask of ones it may keep some pixels, or none. So a JPEG must have 255 inside, and one
that is black throughout says nothing: its image is merely listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import DataError, SessionError, several
from imil_sim.images.decode import JPEG_SIGNATURE, decode_gray, decode_mask
from imil_sim.sessions.drawn import runs_of
from imil_sim.sessions.importers.outlines import READ_ENDINGS, Outlines, files_in, id_from_name, refused


def read_masks(folder: Path, suffix: str = "") -> tuple[list[Outlines], tuple[str, ...]]:
    """The masks of a folder and of the folders in it, by name, and what the user should be told.

    Args:
        folder: holds PNG or JPEG files, whatever the case of their endings; other files are passed over, and said.
        suffix: stands between an image's id and the ending.

    Raises:
        SessionError: there are none, a file is no mask, or two are of one image; every one is named.
    """
    problems: list[str] = []
    outlines: list[Outlines] = []
    files = files_in(folder)
    masks = [path for path in files if path.suffix.lower() in READ_ENDINGS]
    told = _passed_over([path.relative_to(folder) for path in files if path.suffix.lower() not in READ_ENDINGS])
    of_image: dict[str, str] = {}
    for path in masks:
        name = path.relative_to(folder).as_posix()
        stem = name.removesuffix(path.suffix)
        if not stem.endswith(suffix):
            problems.append(f'{name}: does not end in "{suffix}{path.suffix}"; move it away')
            continue
        image = stem.removesuffix(suffix) if suffix else stem
        if (other := of_image.setdefault(image, name)) != name:
            problems.append(f'{other} and {name}: are two masks of one image, "{image}"; move one of them away')
            continue
        try:
            outlines.append(_outlines(path, f"{image}.png", name))
        except DataError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise refused(folder, "cannot be imported", problems)
    if not outlines:
        more = f" ({told})" if told else ""
        raise SessionError(
            f"{folder} holds neither masks (PNG or JPEG) nor files of LabelMe (JSON): nothing to import{more}"
        )
    return outlines, (told,) if told else ()


def shared_ending(images: Iterable[str]) -> str:
    """What looks like a suffix at the end of the names of all images, ``_mask``; empty where nothing does.

    Two images or more must have it. It begins with a sign that is neither letter nor digit and holds no digit: those
    are what tells images, and their classes, apart.

    >>> shared_ending(["train-0001_lung_mask.png", "train-0011_lung_mask.png"])
    '_lung_mask'
    >>> shared_ending(["a_0.png", "b_0.png"]) + shared_ending(["a_mask.png"]) + shared_ending(["a.png", "b_mask.png"])
    ''
    """
    stems = sorted({id_from_name(image, whole_path=True)[::-1] for image in images})
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(stems[0], stems[-1], strict=False)) if stems[1:] else ()
    shared = "".join(letter for letter, _ in alike)[::-1]  # of sorted texts the first and the last differ most
    found = re.search(r"(?:[^\w/]|_)[^\d/]*[^\W\d_][^\d/]*$", shared)
    return found[0] if found else ""


def _outlines(path: Path, image: str, where: str) -> Outlines:
    """What the mask in a file says.

    Raises:
        DataError: it is none.
    """
    lossy = _is_jpeg(path)
    mask = _of_jpeg(path) if lossy else decode_mask(path, None)
    return Outlines(
        image=image,
        where=where,
        size=(mask.shape[0], mask.shape[1]),
        mask=runs_of(mask),
        looked_at=not lossy or bool(mask.any()),
    )


def _is_jpeg(path: Path) -> bool:
    """Whether a file is one, whatever its name says; what cannot be read is none."""
    try:
        if path.is_file():  # and no pipe, which would keep us waiting
            with path.open("rb") as file:
                return file.read(len(JPEG_SIGNATURE)) == JPEG_SIGNATURE
    except OSError:
        pass
    return False


def _of_jpeg(path: Path) -> NDArray[np.bool_]:
    """(height, width): the mask in a JPEG, True where it is brighter than half.

    Raises:
        DataError: it is no picture, or not black and yet nowhere brighter than half.
    """
    pixels = decode_gray(path).pixels
    top = int(pixels.max())
    if 0 < top < 128:
        raise DataError(
            f"is a JPEG whose brightest value is {top}: JPEG loses values as low as 1, here and there or everywhere; "
            "write PNG, or 255 inside"
        )
    return pixels > 127


def _passed_over(names: list[Path]) -> str:
    if not names:
        return ""
    what = several(len(names), "file that is", "files that are")
    return f"passed over {what} neither PNG nor JPEG, the first {names[0].as_posix()}"
