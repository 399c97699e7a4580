"""A folder of masks, one an image, named for it: 0 outside, 255 (or 1) inside, of the size of the original image.

A mask says of every pixel whether it is inside: one that is black throughout says that nothing was found. A JPEG does
not keep what was put in: of a mask of ones it may keep some pixels, or none. So a JPEG must have 255 inside, and one
that is black throughout says nothing: its image is merely listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from imil_sim.errors import DataError, SessionError, UsageError, several
from imil_sim.images.decode import JPEG_SIGNATURE, decode_gray, decode_mask
from imil_sim.sessions.drawn import runs_of
from imil_sim.sessions.importers import READ_ENDINGS, Importer, ImportSource, Outlines, refused


def _read(source: ImportSource) -> Sequence[Outlines]:
    folder, suffix = source.path, source.suffix
    if not folder.is_dir():
        raise SessionError(f"{folder} is a file; masks are imported from a folder")
    if source.only:
        raise UsageError("--only: masks have no categories; leave it out, or import the outlines they were made of")
    problems: list[str] = []
    outlines: list[Outlines] = []
    others = [path.relative_to(folder) for path in source.files if path.suffix.lower() not in READ_ENDINGS]
    if others:
        what = several(len(others), "file that is", "files that are")
        source.warnings.append(f"passed over {what} neither PNG nor JPEG, the first {others[0].as_posix()}")
    of_image: dict[str, str] = {}
    for path in (path for path in source.files if path.suffix.lower() in READ_ENDINGS):
        name = path.relative_to(folder).as_posix()
        stem = name.removesuffix(path.suffix)
        image = stem.removesuffix(suffix)
        if not stem.endswith(suffix):
            problems.append(f'{name}: does not end in "{suffix}{path.suffix}"; move it away')
        elif (other := of_image.setdefault(image, name)) != name:
            problems.append(f'{other} and {name}: are two masks of one image, "{image}"; move one of them away')
        else:
            try:
                outlines.append(_outlines(path, f"{image}.png", name))
            except DataError as error:
                problems.append(f"{name}: {error}")
    if problems:
        raise refused(folder, "cannot be imported", problems)
    if not outlines:
        more = "".join(f" ({warning})" for warning in source.warnings)
        raise SessionError(
            f"{folder} holds neither masks (PNG or JPEG) nor files of LabelMe (JSON): nothing to import{more}"
        )
    if ending := "" if suffix else shared_ending(of_image):
        source.warnings.append(
            f'the names of all masks end in "{ending}"; if those of the images do not, give --suffix {ending}'
        )
    return outlines


def shared_ending(images: Iterable[str]) -> str:
    """What looks like a suffix at the end of the names of all images, ``_mask``; empty where nothing does.

    Two images or more must have it. It begins with a sign that is neither letter nor digit and holds no digit: those
    are what tells images, and their classes, apart.

    >>> shared_ending(["train-0001_lung_mask", "train-0011_lung_mask"])
    '_lung_mask'
    >>> shared_ending(["a_0", "b_0"]) + shared_ending(["a_mask"]) + shared_ending(["a", "b_mask"])
    ''
    """
    names = list(images)
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*(name[::-1] for name in names), strict=False))
    shared = "".join(letters[0] for letters in alike)[::-1] if names[1:] else ""
    found = re.search(r"(?:[^\w/]|_)[^\d/]*[^\W\d_][^\d/]*$", shared)
    return found[0] if found else ""


def _outlines(path: Path, image: str, where: str) -> Outlines:
    """What the mask in a file says; raises `DataError`: it is none."""
    lossy = False
    if path.is_file():  # and no pipe, which would keep us waiting
        with suppress(OSError), path.open("rb") as file:  # what cannot be read is said by the decoder
            lossy = file.read(len(JPEG_SIGNATURE)) == JPEG_SIGNATURE
    if lossy:
        pixels = decode_gray(path).pixels
        if 0 < (top := int(pixels.max())) < 128:
            raise DataError(
                f"is a JPEG whose brightest value is {top}: JPEG loses values as low as 1, here and there or "
                "everywhere; write PNG, or 255 inside"
            )
        mask = pixels > 127
    else:
        mask = decode_mask(path, None)
    return Outlines(
        image=image,
        where=where,
        size=(mask.shape[0], mask.shape[1]),
        mask=runs_of(mask),
        looked_at=not lossy or bool(mask.any()),
    )


IMPORTER = Importer(
    "folder of masks",
    "A folder of PNG or JPEG, one an image (`--suffix` stands between the id and the ending); 0 outside, 255 or 1 "
    "inside, of JPEG 255. Reader: `--reader`.",
    lambda source: source.path.is_dir(),
    _read,
)
